//! The tree's own rules, checked by a program: what is not enforced is not true.
//!
//! Each module states one family of rules, finds what breaks them, and shows on planted violations that it does. The
//! tests below run all of them over the real tree.

mod conformance;
mod dependency;
mod edge;
mod layout;
mod log;
mod purity;
mod rule;
mod source;
mod word;

use std::sync::LazyLock;

use source::{Finding, Tree};

/// The real tree, read and parsed once for all tests of this process.
static TREE: LazyLock<Tree> = LazyLock::new(Tree::read);

#[track_caller]
fn assert_tidy(find: impl Fn(&Tree) -> Vec<Finding>) {
    let findings = find(&TREE);
    let report: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), report.join("\n"));
}

#[test]
fn folders_know_only_what_the_table_allows() {
    assert_tidy(edge::find);
}

#[test]
fn pure_half_names_no_clock_randomness_lock_float_device_or_runtime() {
    assert_tidy(purity::find);
}

#[test]
fn every_rule_stands_in_code_and_in_a_test() {
    assert_tidy(rule::find);
}

#[test]
fn every_protocol_is_held_to_the_conformance_table() {
    assert_tidy(conformance::find);
}

#[test]
fn every_field_of_a_log_line_is_documented() {
    assert_tidy(log::find);
}

#[test]
fn files_are_short_headed_and_well_named() {
    assert_tidy(layout::find);
}

#[test]
fn nothing_unfinished_or_unbounded_stays() {
    assert_tidy(word::find);
}

#[test]
fn every_dependency_has_a_reason() {
    assert_tidy(dependency::find);
}
