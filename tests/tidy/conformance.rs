//! The conformance table names tests that there are, and `tests/check` runs it for every protocol.

use super::source::{Finding, Tree};

const TABLE: &str = "src/docs/conformance.md";
const CHECK: &str = "tests/check";
const NAMES: &str = "src/protocol/mod.rs";

/// Tests that are named and are not there, rows without a test, protocols that are left out.
pub fn find(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut rows = 0;
    for (at, line) in tree.document(TABLE).unwrap_or_default().lines().enumerate() {
        let finding = |what: String| Finding { path: TABLE.into(), line: at + 1, what };
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let ["", name, _, simulated, real, ""] = cells[..] else { continue };
        if !name.starts_with('`') {
            continue;
        }
        rows += 1;
        if simulated.is_empty() {
            findings.push(finding(format!("{name} is not simulated")));
        }
        for (folder, test) in [("sim", simulated), ("cluster", real)] {
            let test = test.trim_matches('`');
            if !test.is_empty() && !is_test(tree, folder, test) {
                findings.push(finding(format!("tests/{folder} has no test `{test}`")));
            }
        }
    }
    if rows == 0 {
        findings.push(Finding { path: TABLE.into(), line: 0, what: "no rows".into() });
    }
    let check = tree.document(CHECK).unwrap_or_default();
    // The first one is the default, by which the suites run.
    for protocol in protocols(tree).into_iter().skip(1) {
        let is_listed = check.lines().any(|line| {
            let listed = line.strip_prefix("protocols=(").and_then(|rest| rest.strip_suffix(')'));
            listed.is_some_and(|listed| listed.split(' ').any(|name| name == protocol))
        });
        if !is_listed {
            findings.push(Finding { path: CHECK.into(), line: 0, what: format!("`protocols` lacks {protocol}") });
        }
    }
    findings
}

/// The names of `ProtocolName::as_str`, in their order.
fn protocols(tree: &Tree) -> Vec<&str> {
    let source = tree.sources.iter().find(|source| source.path == NAMES);
    let named = source.and_then(|source| source.text.split_once("impl ProtocolName {")).map_or("", |(_, after)| after);
    let body = named.split_once("\n}\n").map_or("", |(body, _)| body);
    let arms = body.lines().filter(|line| line.trim_start().starts_with("Self::"));
    arms.filter_map(|arm| Some(arm.split_once(" => \"")?.1.split_once('"')?.0)).collect()
}

/// Whether a module of a suite has a function of that name with `#[test]` above it.
fn is_test(tree: &Tree, folder: &str, test: &str) -> bool {
    let Some((module, name)) = test.split_once("::") else { return false };
    let path = format!("tests/{folder}/{module}.rs");
    let Some(source) = tree.sources.iter().find(|source| source.path == path) else { return false };
    let Some((above, _)) = source.text.split_once(&format!("\nfn {name}(")) else { return false };
    above.lines().rev().take_while(|line| line.starts_with('#')).any(|line| line == "#[test]")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: (&str, &str) = (CHECK, "protocols=(pbft)\n");

    fn found(table: &str, check: (&str, &str)) -> Vec<String> {
        let suite = "//! A.\n#[test]\n#[ignore]\nfn one_test() {}\nfn no_test() {}\n";
        let arms = "        Self::First => \"first\",\n        Self::Pbft => \"pbft\",\n";
        let names =
            format!("//! A.\nimpl ProtocolName {{\n    fn f() {{\n        match x {{\n{arms}        }}\n    }}\n}}\n");
        let suites = [("tests/sim/a.rs", suite), ("tests/cluster/a.rs", suite)];
        let tree = Tree::of([(TABLE, table), check, (NAMES, &names)].into_iter().chain(suites));
        find(&tree).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn finds_tests_that_are_not_there_and_protocols_that_are_left_out() {
        assert_eq!(found("| `order` | says | `a::one_test` | `a::one_test` |\n", ALL), [""; 0]);
        assert_eq!(found("| `order` | says | `a::one_test` | |\n", ALL), [""; 0]);
        assert_eq!(found("| `order` | says | | `a::one_test` |\n", ALL), ["`order` is not simulated"]);
        assert_eq!(found("| `order` | says | `a::no_test` | |\n", ALL), ["tests/sim has no test `a::no_test`"]);
        assert_eq!(found("| `order` | says | `a::one_test` | `b::x` |\n", ALL), ["tests/cluster has no test `b::x`"]);
        assert_eq!(found("nothing\n", ALL), ["no rows"]);
        let table = "| `order` | says | `a::one_test` | |\n";
        assert_eq!(found(table, (CHECK, "protocols=(other)\n")), ["`protocols` lacks pbft"]);
    }
}
