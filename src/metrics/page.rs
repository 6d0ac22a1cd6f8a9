//! The page that documents every metric, made from the table.

use super::table::{Axis, PREFIX, Row, Shape, TABLE};

const HEAD: &str = "# Metrics

`GET /metrics` in Prometheus' text format. Every name has a sample from the first scrape on: all values of all labels
exist beforehand. Names begin with `thalweg_`; those of the process (`process_cpu_seconds_total`,
`process_resident_memory_bytes`, `process_open_fds` and the like) come from the operating system.

This page is what `thalweg metrics` prints.
";

/// The whole page, in Markdown.
pub fn page() -> String {
    let rows: String = TABLE.iter().map(line).collect();
    let mut page = format!("{HEAD}\n| name | kind | counts | labels | says |\n|---|---|---|---|---|\n{rows}");
    page.push_str("\n## Labels\n\n| label | of | values |\n|---|---|---|\n");
    for row in TABLE {
        for axis in row.labels.iter().filter(|axis| is_first_of(row, **axis)) {
            page.push_str(&format!("| `{}` | `{PREFIX}{}` | {} |\n", axis.name(), row.name, values(*axis)));
        }
    }
    page.push_str("\n## Buckets\n\n| upper bounds | of |\n|---|---|\n");
    let mut told: Vec<&[f64]> = Vec::new();
    for row in TABLE {
        let Shape::Histogram(bounds) = row.shape else { continue };
        if told.contains(&bounds) {
            continue;
        }
        told.push(bounds);
        let all: Vec<_> = bounds.iter().map(ToString::to_string).collect();
        page.push_str(&format!("| {} | {} |\n", all.join(", "), names_with(bounds).join(", ")));
    }
    page
}

fn line(row: &Row) -> String {
    let labels: Vec<_> = row.labels.iter().map(|axis| format!("`{}`", axis.name())).collect();
    format!(
        "| `{PREFIX}{}` | {} | {} | {} | {} |\n",
        row.name,
        row.shape.as_str(),
        row.unit,
        labels.join(", "),
        row.help
    )
}

/// Whether no earlier row has the label with these values.
fn is_first_of(row: &Row, axis: Axis) -> bool {
    TABLE.iter().find(|other| other.labels.contains(&axis)).is_some_and(|first| first.name == row.name)
}

fn values(axis: Axis) -> String {
    match axis {
        Axis::Validator => "the validator's index".to_owned(),
        Axis::Version => "the version of this program".to_owned(),
        // The number of validators plays no part in the others.
        other => other.values(0).iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", "),
    }
}

fn names_with(bounds: &[f64]) -> Vec<String> {
    let has = |row: &&Row| matches!(row.shape, Shape::Histogram(other) if other == bounds);
    TABLE.iter().filter(has).map(|row| format!("`{PREFIX}{}`", row.name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_among_the_documents_is_the_one_of_this_table() {
        let kept = include_str!("../docs/metrics.md");
        assert_eq!(kept, page(), "write it anew: cargo run -- metrics > src/docs/metrics.md");
    }

    #[test]
    fn every_name_stands_on_the_page_with_its_labels() {
        let page = page();
        for row in TABLE {
            let line = page.lines().find(|line| line.starts_with(&format!("| `{PREFIX}{}` |", row.name))).unwrap();
            assert!(row.labels.iter().all(|axis| line.contains(&format!("`{}`", axis.name()))), "{line}");
        }
    }
}
