//! Which folder of `src` may know which. The library's shape is this table.
//!
//! Test code may know everything: a story of a protocol may well be told by the simulator.

use super::source::{Finding, Tree, Way};

/// A folder and the folders it may name.
const TABLE: [(&str, &[&str]); 16] = [
    ("types", &[]),
    ("crypto", &["types"]),
    ("store", &["types"]),
    ("protocol", &["types", "crypto"]),
    ("config", &["types", "crypto", "protocol"]),
    ("app", &["types", "crypto", "store", "protocol", "config"]),
    ("journal", &["types", "crypto", "protocol", "app"]),
    ("replica", &["types", "crypto", "store", "protocol", "config", "app"]),
    ("sim", &["types", "crypto", "store", "protocol", "config", "app", "journal", "replica"]),
    ("metrics", &["types", "crypto", "store", "protocol", "config", "app", "journal", "replica"]),
    ("actors", &["types", "crypto", "store", "protocol", "config", "app", "journal", "replica", "metrics"]),
    ("api", &["types", "crypto", "store", "protocol", "config", "app", "journal", "replica", "metrics"]),
    (
        "node",
        &["types", "crypto", "store", "protocol", "config", "app", "journal", "replica", "metrics", "actors", "api"],
    ),
    (
        "cli",
        &[
            "types", "crypto", "store", "protocol", "config", "app", "journal", "replica", "sim", "metrics", "api",
            "node",
        ],
    ),
    ("main", &["cli"]),
    ("docs", &[]),
];

/// Every edge that the table does not have, and every folder that it does not list.
pub fn find(tree: &Tree) -> Vec<Finding> {
    let mut findings = tree.broken.clone();
    for source in &tree.sources {
        let Some(folder) = source.folder().filter(|folder| *folder != "lib") else { continue };
        let Some((_, allowed)) = TABLE.iter().find(|(name, _)| *name == folder) else {
            findings.push(source.finding(0, format!("folder `{folder}` is not in the table of edges")));
            continue;
        };
        for mention in &source.mentions {
            let [root, target, ..] = mention.segments.as_slice() else { continue };
            let is_inside = (root == "crate" && folder != "main") || (root == "thalweg" && folder == "main");
            let is_folder = TABLE.iter().any(|(name, _)| name == target);
            let is_known = target == folder || allowed.contains(&target.as_str());
            if mention.way == Way::Path && is_inside && is_folder && !is_known && !source.is_test_line(mention.line) {
                findings.push(source.finding(mention.line, format!("`{folder}` may not know `{target}`")));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<(usize, String)> {
        find(&Tree::of([(path, text)])).into_iter().map(|finding| (finding.line, finding.what)).collect()
    }

    #[test]
    fn finds_an_edge_however_it_is_written() {
        let forbidden = |line| vec![(line, "`types` may not know `crypto`".to_string())];
        assert_eq!(found("src/types/a.rs", "use crate::crypto::SecretKey;"), forbidden(1));
        assert_eq!(found("src/types/a.rs", "\nuse crate::{types::Height, crypto as c};"), forbidden(2));
        assert_eq!(found("src/types/a.rs", "use crate::crypto::*;"), forbidden(1));
        assert_eq!(found("src/types/a.rs", "fn f() -> crate::crypto::Kind { g() }"), forbidden(1));
        assert_eq!(found("src/types/a.rs", "fn f() { vec![crate::crypto::f(1)]; }"), forbidden(1));
        assert_eq!(found("src/types/mod.rs", "use super::crypto::Kind;"), forbidden(1));
        assert_eq!(found("src/types/a.rs", "mod b { use super::super::super::crypto::Kind; }"), forbidden(1));
        assert_eq!(found("src/types.rs", "use crate::crypto::Kind;"), forbidden(1));
    }

    #[test]
    fn allows_what_the_table_allows_and_tests_everything() {
        assert_eq!(found("src/crypto/a.rs", "use crate::types::Digest; use super::Kind; use crate::crypto::B;"), []);
        assert_eq!(found("src/types/a.rs", "#[cfg(test)] mod tests { use crate::sim::World; }"), []);
        assert_eq!(found("src/types/a.rs", "// use crate::crypto::Kind;\nconst A: &str = \"crate::crypto\";"), []);
        assert_eq!(found("tests/cluster/main.rs", "use thalweg::sim::World;"), []);
    }

    #[test]
    fn only_the_command_line_knows_the_simulator() {
        assert_eq!(found("src/cli/a.rs", "use crate::sim::World;"), []);
        for folder in ["replica", "actors", "api", "node"] {
            assert_eq!(found(&format!("src/{folder}/a.rs"), "use crate::sim::World;").len(), 1, "{folder}");
        }
        assert_eq!(found("src/api/a.rs", "use crate::actors::A;").len(), 1);
        assert_eq!(found("src/main.rs", "fn main() { thalweg::node::run() }").len(), 1);
    }

    #[test]
    fn finds_a_folder_that_is_not_listed() {
        assert_eq!(found("src/attic/mod.rs", "//! A.").len(), 1);
    }
}
