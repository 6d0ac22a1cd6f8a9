//! The pure half: what makes a brain differ from run to run, or makes it wait, is not even named there.
//!
//! Clippy cannot scope a lint to a folder, so these names are looked for here. `cargo check --no-default-features`
//! is the wall behind it. Test code may use devices, floats and the node half's crates, but no clock and no hash map.

use super::source::{Finding, Tree, Way};

/// Folders that build without feature `node`.
const PURE: [&str; 9] = ["types", "crypto", "store", "protocol", "config", "app", "journal", "replica", "sim"];

/// Folders that own no device either; `config` reads files.
const BRAINS: [&str; 8] = ["types", "crypto", "store", "protocol", "app", "journal", "replica", "sim"];

/// The one device of the pure half: the journal's disk on real files, behind the port that the simulator fills too.
const DEVICE: &str = "src/journal/file_disk.rs";

/// Names that stand for something that a brain must not have, and why.
const FORBIDDEN: [(&str, &str); 13] = [
    ("Instant", "time is an argument"),
    ("SystemTime", "time is an argument"),
    ("UNIX_EPOCH", "time is an argument"),
    ("HashMap", "its order differs from run to run; use BTreeMap"),
    ("HashSet", "its order differs from run to run; use BTreeSet"),
    ("RandomState", "its order differs from run to run"),
    ("OsRng", "randomness is a seed at construction"),
    ("thread_rng", "randomness is a seed at construction"),
    ("Mutex", "a brain has one owner and never waits"),
    ("RwLock", "a brain has one owner and never waits"),
    ("Condvar", "a brain has one owner and never waits"),
    ("f32", "floats round differently; use integers or fractions of them"),
    ("f64", "floats round differently; use integers or fractions of them"),
];

/// Modules of the standard library that are devices.
const DEVICES: [&str; 5] = ["fs", "net", "thread", "process", "env"];

/// Every forbidden name in the pure half.
pub fn find(tree: &Tree) -> Vec<Finding> {
    let runtimes = optional_dependencies(tree.document("Cargo.toml").unwrap_or_default());
    let mut findings = Vec::new();
    for source in &tree.sources {
        let folder = source.folder().unwrap_or_default();
        if !PURE.contains(&folder) {
            continue;
        }
        for mention in &source.mentions {
            let is_test = source.is_test_line(mention.line);
            let reason =
                match mention.way {
                    Way::Attribute => None,
                    Way::Float => (!is_test).then(|| "a float".to_string()),
                    _ if is_test => forbidden_name(&mention.segments),
                    _ => forbidden_name(&mention.segments).or_else(|| runtime(&mention.segments, &runtimes)).or_else(
                        || device(&mention.segments).filter(|_| BRAINS.contains(&folder) && source.path != DEVICE),
                    ),
                };
            if let Some(reason) = reason {
                findings.push(source.finding(mention.line, format!("in the pure half: {reason}")));
            }
        }
    }
    findings
}

fn forbidden_name(segments: &[String]) -> Option<String> {
    let (name, why) = FORBIDDEN.iter().find(|(name, _)| segments.iter().any(|segment| segment == name))?;
    Some(format!("`{name}`: {why}"))
}

fn runtime(segments: &[String], runtimes: &[String]) -> Option<String> {
    let first = segments.first()?;
    runtimes.contains(first).then(|| format!("`{first}` belongs to feature `node`"))
}

fn device(segments: &[String]) -> Option<String> {
    match segments {
        [root, module, ..] if root == "std" && DEVICES.contains(&module.as_str()) => {
            Some(format!("`std::{module}` is a device; ask for it by an effect or a port"))
        }
        _ => None,
    }
}

/// The crates that only feature `node` brings, as they are named in code.
fn optional_dependencies(manifest: &str) -> Vec<String> {
    let lines = manifest.lines().filter(|line| line.contains("optional = true"));
    lines.filter_map(|line| Some(line.split_once('=')?.0.trim().replace('-', "_"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: (&str, &str) =
        ("Cargo.toml", "libp2p-stream = { version = \"1\", optional = true }\nhex = \"1\"\n");

    fn found(path: &str, text: &str) -> Vec<String> {
        find(&Tree::of([MANIFEST, (path, text)])).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn finds_every_forbidden_name() {
        for (name, _) in FORBIDDEN {
            assert_eq!(found("src/replica/a.rs", &format!("fn f(_: a::{name}) {{}}")).len(), 1, "{name}");
            assert_eq!(found("src/replica/a.rs", &format!("use a::{{b, {name} as C}};")).len(), 1, "{name}");
            assert_eq!(found("src/replica/a.rs", &format!("fn f() {{ vec![{name}::new()]; }}")).len(), 1, "{name}");
        }
    }

    #[test]
    fn finds_floats_runtimes_and_devices() {
        assert_eq!(found("src/types/a.rs", "const A: u8 = (2.5 * 2.0) as u8;").len(), 2);
        assert_eq!(found("src/types/a.rs", "fn f() { assert!(x < 0.5); }").len(), 1);
        assert_eq!(found("src/app/a.rs", "use libp2p_stream::Control;").len(), 1);
        assert_eq!(found("src/app/a.rs", "use hex::encode;").len(), 0);
        assert_eq!(found("src/journal/a.rs", "fn f() { std::fs::read(p); }").len(), 1);
        assert_eq!(found("src/journal/a.rs", "use std::{fmt, thread::spawn};").len(), 1);
    }

    #[test]
    fn allows_devices_where_they_belong() {
        assert_eq!(found("src/config/a.rs", "use std::fs;").len(), 0);
        assert_eq!(found(DEVICE, "use std::fs;").len(), 0);
        assert_eq!(found("src/crypto/a.rs", "#[cfg(test)] mod tests { use std::fs; }").len(), 0);
        assert_eq!(found("src/crypto/a.rs", "#[cfg(test)] mod tests { use libp2p_stream::Control; }").len(), 0);
        assert_eq!(found("src/crypto/a.rs", "#[cfg(test)] mod tests { const HALF: Weight = weight(0.5); }").len(), 0);
        assert_eq!(found("src/crypto/a.rs", "#[cfg(test)] mod tests { use std::time::Instant; }").len(), 1);
        assert_eq!(found("src/node/a.rs", "use std::{fs, time::Instant, collections::HashMap};").len(), 0);
        assert_eq!(found("src/types/a.rs", "//! Not a `HashMap`.\n// Mutex\nconst A: &str = \"f64\";").len(), 0);
    }
}
