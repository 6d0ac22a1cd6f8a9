//! Rule ids (`SL-V1`): each is declared, stands in the code that upholds it, and in a test that watches it.
//!
//! Declared: at the start of a list item or table row in the header of a `spec.rs` or `mod.rs`, or in the first cell of
//! a table row in `src/docs/*.md`. A rule that two folders uphold may be declared by both. Watched: in test code, or in
//! the simulator, whose checkers are tests of whole clusters.

use std::collections::BTreeMap;

use super::source::{Finding, Tree};

/// Where an id was seen.
#[derive(Default)]
struct Places {
    declared: Option<(String, usize)>,
    in_code: Option<(String, usize)>,
    in_test: Option<(String, usize)>,
}

/// Ids that are declared nowhere, or lack code or a test.
pub fn find(tree: &Tree) -> Vec<Finding> {
    let mut ids: BTreeMap<String, Places> = BTreeMap::new();
    for (path, text) in &tree.documents {
        if path.starts_with("src/docs/") && path.ends_with(".md") {
            declare(&mut ids, path, text.lines().map(|line| if line.starts_with('|') { line } else { "" }));
        }
    }
    for source in &tree.sources {
        // The fixtures of these checks are no rules.
        if source.path.starts_with("tests/tidy/") {
            continue;
        }
        let declares = source.path.ends_with("/spec.rs") || source.path.ends_with("/mod.rs");
        if declares {
            declare(&mut ids, &source.path, source.text.lines().map(|line| line.strip_prefix("//!").unwrap_or("")));
        }
        for (at, text) in source.text.lines().enumerate() {
            let line = at + 1;
            for id in ids_in(text).filter(|_| !(declares && text.starts_with("//!"))) {
                let places = ids.entry(id).or_default();
                let is_test = source.is_test_line(line) || source.path.starts_with("src/sim/");
                let place = if is_test { &mut places.in_test } else { &mut places.in_code };
                place.get_or_insert_with(|| (source.path.clone(), line));
            }
        }
    }
    ids.iter().flat_map(|(id, places)| judge(id, places)).collect()
}

fn judge(id: &str, places: &Places) -> Vec<Finding> {
    let finding = |(path, line): &(String, usize), what| Finding { path: path.clone(), line: *line, what };
    let Some(declared) = &places.declared else {
        let seen = places.in_code.iter().chain(&places.in_test).next();
        return seen.map(|place| finding(place, format!("rule {id} is declared nowhere"))).into_iter().collect();
    };
    let mut findings = Vec::new();
    if places.in_code.is_none() {
        findings.push(finding(declared, format!("no code names rule {id}")));
    }
    if places.in_test.is_none() {
        findings.push(finding(declared, format!("no test names rule {id}")));
    }
    findings
}

fn declare<'a>(ids: &mut BTreeMap<String, Places>, path: &str, lines: impl Iterator<Item = &'a str>) {
    for (at, line) in lines.enumerate() {
        for id in declared_in(line) {
            ids.entry(id).or_default().declared.get_or_insert_with(|| (path.into(), at + 1));
        }
    }
}

/// The ids that a list item or a table row starts with: `- **SL-V1** …`, `| SL-T3, SL-T4 | …`.
fn declared_in(line: &str) -> Vec<String> {
    let mut rest = line.trim_start();
    if !rest.starts_with(['-', '*', '|']) {
        return Vec::new();
    }
    let mut ids = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '-', '*', '`', ',']);
        rest = if ids.is_empty() { rest.trim_start_matches(['|', ' ', '*', '`']) } else { rest };
        let Some(id) = id_at(rest) else { return ids };
        rest = &rest[id.len()..];
        ids.push(id.to_string());
    }
}

/// Every id in a line of text.
fn ids_in(line: &str) -> impl Iterator<Item = String> {
    let starts = line.char_indices().scan(' ', |before, (at, character)| {
        let is_start = !before.is_alphanumeric() && *before != '-' && *before != '_';
        *before = character;
        Some((at, is_start))
    });
    starts.filter(|(_, is_start)| *is_start).filter_map(|(at, _)| id_at(&line[at..])).map(String::from)
}

/// The id at the start of a text: two capital letters, a hyphen, at most one capital letter, digits.
fn id_at(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let is_capital = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_uppercase);
    if !(is_capital(0) && is_capital(1) && bytes.get(2) == Some(&b'-')) {
        return None;
    }
    let digits_from = if is_capital(3) { 4 } else { 3 };
    let digits = bytes[digits_from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let end = digits_from + digits;
    let goes_on = bytes.get(end).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    (digits > 0 && !goes_on).then(|| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: &str = "src/protocol/zigzag/spec.rs";

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        find(&Tree::of(files.iter().copied())).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn is_content_with_a_rule_that_stands_everywhere() {
        let spec = (SPEC, "//! Zigzag.\n//!\n//! - **ZZ-V1** Votes once, as ZZ-V1 says.\n");
        let code = (
            "src/protocol/zigzag/vote.rs",
            "//! Votes.\n// ZZ-V1\nfn f() {}\n#[cfg(test)]\nmod tests {\n// `ZZ-V1`\n}",
        );
        assert_eq!(found(&[spec, code]), Vec::<String>::new());
    }

    #[test]
    fn finds_a_rule_without_code_or_test() {
        let spec = (SPEC, "//! Zigzag.\n//! * `ZZ-V1`, `ZZ-2`: votes once.\n");
        assert_eq!(
            found(&[spec, ("src/protocol/zigzag/a.rs", "//! A.\n// ZZ-V1, ZZ-2")]),
            [format!("{SPEC}:2: no test names rule ZZ-2"), format!("{SPEC}:2: no test names rule ZZ-V1")]
        );
        assert_eq!(
            found(&[spec, ("src/sim/check.rs", "//! Watches ZZ-V1 and ZZ-2.")]),
            [format!("{SPEC}:2: no code names rule ZZ-2"), format!("{SPEC}:2: no code names rule ZZ-V1")]
        );
    }

    #[test]
    fn finds_a_rule_that_is_declared_nowhere() {
        let table = ("src/docs/rules.md", "| id | rule |\n|---|---|\n| ZZ-1 | Once. |\n\nNot ZZ-9.\n");
        let code = ("src/app/a.rs", "//! ZZ-1\n#[cfg(test)]\nmod tests {\n// ZZ-1\n}");
        assert_eq!(found(&[table, code]), Vec::<String>::new());
        let header = ("src/app/mod.rs", "//! | id | rule |\n//! |---|---|\n//! | `ZZ-1` | Once, see ZZ-9. |\n");
        assert_eq!(found(&[header, code]), Vec::<String>::new());
        assert_eq!(
            found(&[table, code, ("src/app/b.rs", "//! B.\n// see ZZ-7")]),
            ["src/app/b.rs:2: rule ZZ-7 is declared nowhere"]
        );
    }

    #[test]
    fn knows_an_id_when_it_sees_one() {
        let ids: Vec<String> =
            ids_in("SL-V1,(OB-12) `CR-K1`: x-SL-V2 SLX-V1 UTF-8 SL-V SL-VV1 SL-1a AB-12-3").collect();
        assert_eq!(ids, ["SL-V1", "OB-12", "CR-K1", "AB-12"]);
    }
}
