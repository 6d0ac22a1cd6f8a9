//! Words that must not stay in the tree: unfinished work, silent exemptions, queues without bounds, sleeps that stand
//! for synchronisation, and paths of one machine.
//!
//! Strings and comments are not read as code. The words that are looked for in text are put together here from
//! halves, so that this file does not contain them.

use super::source::{Finding, Mention, Source, Tree, Way};

/// Macros that mark unfinished work.
const MACROS: [&str; 3] = ["todo", "unimplemented", "dbg"];

/// Sends and queues that ignore back-pressure, by the last word of a path or the name of a method.
const UNBOUNDED: [&str; 4] = ["do_send", "unbounded_channel", "unbounded", "UnboundedSender"];

/// Tests that may sleep, and why nothing else would do. (A thread's sleep in production is clippy's: it wants an
/// `expect` with its reason on the spot.)
const SLEEPS: [(&str, &str); 1] =
    [("src/actors/network/tests/mod.rs", "polls, with a bound, what no event tells of: the state of peers")];

/// All findings of words.
pub fn find(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in &tree.sources {
        for mention in &source.mentions {
            findings.extend(in_code(source, mention).map(|what| source.finding(mention.line, what)));
        }
        findings.extend(in_text(&source.path, &source.text));
    }
    for (path, text) in &tree.documents {
        findings.extend(in_text(path, text));
    }
    findings
}

fn in_code(source: &Source, mention: &Mention) -> Option<String> {
    let last = mention.segments.last()?.as_str();
    let has = |name: &str| mention.segments.iter().any(|segment| segment == name);
    match mention.way {
        Way::Macro if MACROS.contains(&last) => Some(format!("`{last}!` is unfinished work")),
        Way::Path | Way::Method if UNBOUNDED.contains(&last) => Some(format!("`{last}` ignores back-pressure")),
        Way::Path if last == "sleep" && source.is_test_line(mention.line) && !is_excused(source) => {
            Some("a sleep is no synchronisation: wait for the condition, with a bound".into())
        }
        // Another build runs it: `tests/check` has a step for that feature, and this one says so.
        Way::Attribute if has("ignore") && mention.segments[0] == "cfg_attr" && has("feature") => None,
        Way::Attribute if has("ignore") => Some("an ignored test tests nothing".into()),
        Way::Attribute if mention.segments[0] == "allow" && (has("dead_code") || has("missing_docs")) => {
            Some("not allowed to allow: remove what is dead, document what is public".into())
        }
        _ => None,
    }
}

fn is_excused(source: &Source) -> bool {
    SLEEPS.iter().any(|(path, _)| *path == source.path)
}

fn in_text(path: &str, text: &str) -> Vec<Finding> {
    let machine = ["work", "root", "farm", "home"].map(|folder| format!("/{folder}/"));
    let task = ["TO", "DO"].concat();
    let marks = [["FIX", "ME"].concat(), ["XX", "X"].concat()];
    let mut findings = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let mut find = |what: String| findings.push(Finding { path: path.into(), line: at + 1, what });
        if machine.iter().any(|folder| starts_a_path(line, folder)) {
            find("a path of one machine".into());
        }
        if words(line).any(|word| word == task) && !line.contains(&format!("{task}(")) {
            find(format!("{task} without an owner: {task}(name)"));
        }
        if let Some(mark) = marks.iter().find(|mark| words(line).any(|word| word == **mark)) {
            find(format!("{mark} is unfinished work"));
        }
    }
    findings
}

/// Whether `folder` stands in a line as the start of an absolute path, not inside a longer one.
fn starts_a_path(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back().unwrap_or(' ');
        !(before.is_alphanumeric() || "._-}/".contains(before))
    })
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|character: char| !character.is_alphanumeric() && character != '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> usize {
        find(&Tree::of([(path, text)])).len()
    }

    fn found_in_body(body: &str) -> usize {
        found("src/node/a.rs", &format!("fn f() {{ {body} }}"))
    }

    #[test]
    fn finds_unfinished_work() {
        for name in MACROS {
            assert_eq!(found_in_body(&format!("{name}!(x)")), 1, "{name}");
            assert_eq!(found_in_body(&format!("vec![{name}!(x)]")), 1, "{name} within a macro");
        }
        let task = ["TO", "DO"].concat();
        assert_eq!(found_in_body(&format!("/* {task}: later */")), 1);
        assert_eq!(found_in_body(&format!("/* {task}(ada): later */")), 0);
        assert_eq!(found("README.md", &["FIX", "ME"].concat()), 1);
        assert_eq!(found("src/node/a.rs", "#[test]\n#[ignore]\nfn f() {}"), 1);
        assert_eq!(found("src/node/a.rs", "#[test]\n#[ignore = \"slow\"]\nfn f() {}"), 1);
        let elsewhere = "#[test]\n#[cfg_attr(not(feature = \"b\"), ignore = \"without b\")]\nfn f() {}";
        assert_eq!(found("src/node/a.rs", elsewhere), 0);
        assert_eq!(found("src/node/a.rs", "#[test]\n#[cfg_attr(unix, ignore)]\nfn f() {}"), 1);
        assert_eq!(found("src/node/a.rs", "#![allow(missing_docs)]"), 1);
        assert_eq!(found("src/node/a.rs", "#[allow(dead_code)]\nfn f() {}"), 1);
    }

    #[test]
    fn finds_queues_without_bounds() {
        assert_eq!(found_in_body("address.do_send(m);"), 1);
        assert_eq!(found_in_body("Addr::do_send(&a, m);"), 1);
        assert_eq!(found_in_body("let (a, b) = tokio::sync::mpsc::unbounded_channel();"), 1);
        assert_eq!(found("src/node/a.rs", "use futures::channel::mpsc::{Sender, unbounded};"), 1);
        assert_eq!(found_in_body("address.try_send(m)?; // not do_send"), 0);
    }

    #[test]
    fn finds_sleeps_that_stand_for_synchronisation() {
        assert_eq!(found("tests/cluster/main.rs", "fn f() { std::thread::sleep(d); }"), 1);
        assert_eq!(found_in_body("tokio::time::sleep(d).await;"), 0);
        assert_eq!(found("tests/cluster/main.rs", "async fn f() { tokio::time::sleep(d).await; }"), 1);
        assert_eq!(found("src/node/a.rs", "#[cfg(test)] mod tests { use tokio::time::sleep; }"), 1);
    }

    #[test]
    fn finds_paths_of_one_machine() {
        for folder in ["work", "root", "farm", "home"] {
            assert_eq!(found("deploy/a.yaml", &format!("dir: /{folder}/me")), 1, "{folder}");
            assert_eq!(found("deploy/a.yaml", &format!("url: https://example.org/{folder}/me")), 0, "{folder}");
        }
        assert_eq!(found("src/node/a.rs", &["fn f() { g(\"/", "root", "/x\"); }"].concat()), 1);
    }
}
