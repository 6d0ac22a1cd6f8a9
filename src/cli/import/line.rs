//! Lines of key and value, read from CSV or JSON lines.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read as _},
    path::Path,
};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    app::kv,
    cli::client::{Signer, Term},
    types::Digest,
};

/// The longest JSON line. Nodes take much shorter ones; this one only keeps a file without line breaks out of memory.
const LINE_BYTES_MAX: u64 = 32 << 20;

/// What a file holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Format {
    /// Comma-separated values (RFC 4180).
    Csv,
    /// One JSON value on each line.
    Jsonl,
}

impl Format {
    /// The format that a file's extension promises.
    pub(super) fn of(file: &Path) -> Option<Self> {
        match file.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "jsonl" | "ndjson" | "json" => Some(Self::Jsonl),
            _ => None,
        }
    }
}

/// One key with its value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Line {
    /// Its number in the file, from 1; of a record of several lines, the first one's.
    pub(super) number: u64,
    pub(super) key: Vec<u8>,
    pub(super) content: Content,
    pub(super) idempotency_key: String,
    /// What a line that travels alone carries in place of the key, where clients sign.
    pub(super) signed: Option<String>,
}

/// In whose name lines are ordered.
#[derive(Clone, Debug)]
pub(super) struct Author {
    /// Of the whole file.
    pub(super) digest: Digest,
    /// Where clients sign.
    pub(super) signer: Option<Signer>,
}

/// How a line travels.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Content {
    /// As an item of a batch, here in JSON.
    Item(String),
    /// Alone, with this value: key or value are no text, which JSON could not carry as they are.
    Raw(Vec<u8>),
}

impl Line {
    /// About how much memory it holds and how much room it takes in a batch.
    pub(super) fn bytes(&self) -> usize {
        let content = match &self.content {
            Content::Item(json) => json.len() + 1,
            Content::Raw(value) => value.len(),
        };
        self.key.len() + content
    }
}

/// What a file has next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Entry {
    Line(Line),
    /// A line that is no key and value.
    Senseless {
        number: u64,
        why: String,
    },
}

/// Reads a file.
///
/// # Errors
/// When it cannot be opened.
pub(super) fn entries(
    format: Format,
    file: &Path,
    author: Author,
) -> io::Result<Box<dyn Iterator<Item = io::Result<Entry>>>> {
    let open = || File::open(file).map(|file| BufReader::with_capacity(1 << 16, file));
    Ok(match format {
        Format::Csv => Box::new(csv_entries(open()?, open()?, author)),
        Format::Jsonl => Box::new(json_entries(open()?, author)),
    })
}

/// Reads records from `records`, and what they are numbered by from `lines`, which has the same bytes.
fn csv_entries(records: impl io::Read, lines: impl BufRead, author: Author) -> impl Iterator<Item = io::Result<Entry>> {
    let reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(records);
    let mut numbers = LineNumbers { bytes: lines, offset: 0, line: 1 };
    let mut is_first = true;
    reader.into_byte_records().filter_map(move |record| {
        let record = match record {
            Ok(record) => record,
            Err(error) => return Some(Err(io::Error::other(error))),
        };
        let number = match numbers.of_record(record.position().map_or(0, csv::Position::byte)) {
            Ok(number) => number,
            Err(error) => return Some(Err(error)),
        };
        let is_heading = std::mem::take(&mut is_first)
            && record.len() == 2
            && record[0].eq_ignore_ascii_case(b"key")
            && record[1].eq_ignore_ascii_case(b"value");
        if is_heading {
            return None;
        }
        Some(Ok(match record.len() {
            2 => entry(number, record[0].to_vec(), record[1].to_vec(), &author),
            fields => Entry::Senseless {
                number,
                why: format!("{fields} {}; a line is key,value", if fields == 1 { "field" } else { "fields" }),
            },
        }))
    })
}

/// Counts lines up to the records of a CSV file. The parser's own count is of no use: it ends a record at the `\r` of
/// a `\r\n`, so that two records would have one number, and one idempotency key.
struct LineNumbers<R> {
    bytes: R,
    offset: u64,
    line: u64,
}

impl<R: BufRead> LineNumbers<R> {
    /// The line on which the record begins that the parser found at `offset`, or behind line breaks there.
    fn of_record(&mut self, offset: u64) -> io::Result<u64> {
        loop {
            let chunk = self.bytes.fill_buf()?;
            let before = usize::try_from(offset.saturating_sub(self.offset)).unwrap_or(usize::MAX).min(chunk.len());
            let breaks = chunk[before..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            let passed = before + breaks;
            let is_there = passed < chunk.len() || chunk.is_empty();
            self.line += chunk[..passed].iter().map(|byte| u64::from(*byte == b'\n')).sum::<u64>();
            self.offset += passed as u64;
            self.bytes.consume(passed);
            if is_there {
                return Ok(self.line);
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Pair {
    Object(Object),
    Array(String, String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Object {
    key: String,
    value: String,
}

fn json_entries(mut reader: impl BufRead, author: Author) -> impl Iterator<Item = io::Result<Entry>> {
    let mut number = 0;
    std::iter::from_fn(move || {
        loop {
            number += 1;
            let mut line = Vec::new();
            match reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line) {
                Err(error) => return Some(Err(error)),
                Ok(0) => return None,
                Ok(read) if read as u64 == LINE_BYTES_MAX && line.last() != Some(&b'\n') => {
                    return Some(Err(io::Error::other(format!("line {number} is longer than {LINE_BYTES_MAX} bytes"))));
                }
                Ok(_) => {}
            }
            let text = line.strip_prefix(b"\xef\xbb\xbf").filter(|_| number == 1).unwrap_or(&line).trim_ascii();
            if text.is_empty() {
                continue;
            }
            return Some(Ok(match serde_json::from_slice(text) {
                Ok(Pair::Object(Object { key, value }) | Pair::Array(key, value)) => {
                    entry(number, key.into_bytes(), value.into_bytes(), &author)
                }
                Err(_) => {
                    let why = r#"not {"key":"…","value":"…"} and not ["key","value"]"#.to_owned();
                    Entry::Senseless { number, why }
                }
            }));
        }
    })
}

/// An item of `POST /v1/commands`.
#[derive(Serialize)]
struct Item<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signed: Option<&'a Value>,
    op: &'static str,
    key: &'a str,
    value: &'a str,
}

fn entry(number: u64, key: Vec<u8>, value: Vec<u8>, author: &Author) -> Entry {
    if key.is_empty() {
        return Entry::Senseless { number, why: "the key is empty".to_owned() };
    }
    let idempotency_key = format!("import-{}-{number}", author.digest);
    let signer = author.signer.as_ref();
    let signed = signer.map(|signer| signer.sign(&idempotency_key, Term::Lasting, kv::put(&key, &value)));
    let item = match (std::str::from_utf8(&key), std::str::from_utf8(&value)) {
        (Ok(key), Ok(value)) => {
            let name = signed.is_none().then_some(idempotency_key.as_str());
            serde_json::to_string(&Item { idempotency_key: name, signed: signed.as_ref(), op: "put", key, value }).ok()
        }
        _ => None,
    };
    let content = item.map_or(Content::Raw(value), Content::Item);
    let signed = signed.filter(|_| matches!(content, Content::Raw(_))).map(|signed| signed.to_string());
    Entry::Line(Line { number, key, content, idempotency_key, signed })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unsigned(digest: u8) -> Author {
        Author { digest: Digest::new([digest; 32]), signer: None }
    }

    fn show(entries: impl Iterator<Item = io::Result<Entry>>) -> Vec<String> {
        let show = |entry| match entry {
            Entry::Line(Line { number, key, content: Content::Raw(value), .. }) => {
                format!("{number} {key:02x?} {value:02x?}")
            }
            Entry::Line(Line { number, content: Content::Item(json), .. }) => {
                let item: serde_json::Value = serde_json::from_str(&json).unwrap();
                format!("{number} {}={}", item["key"].as_str().unwrap(), item["value"].as_str().unwrap())
            }
            Entry::Senseless { number, why } => format!("{number} ! {why}"),
        };
        entries.map(|entry| show(entry.unwrap())).collect()
    }

    fn csv(bytes: &[u8]) -> Vec<String> {
        show(csv_entries(bytes, bytes, unsigned(0)))
    }

    fn json(bytes: &[u8]) -> Vec<String> {
        show(json_entries(bytes, unsigned(0)))
    }

    #[test]
    fn csv_records_are_numbered_by_their_first_line() {
        assert_eq!(
            csv(b"a,1\n\n\"b\",\"x, \"\"y\"\"\nz\"\nc,\n"),
            ["1 a=1", "3 b=x, \"y\"\nz", "5 c="],
            "quotes, line breaks within, empty lines, empty values"
        );
    }

    #[test]
    fn csv_line_numbers_hold_whatever_ends_a_line() {
        assert_eq!(csv(b"a,1\r\nb,2\r\n\r\nc,3\r\n"), ["1 a=1", "2 b=2", "4 c=3"]);
        assert_eq!(csv(b"\xef\xbb\xbfkey,value\r\nb,2\r\n\n\r\nc,3"), ["2 b=2", "5 c=3"]);
        assert_eq!(csv(b"\n\na,1\n"), ["3 a=1"]);
        assert_eq!(csv(b""), [""; 0]);
    }

    proptest::proptest! {
        #[test]
        fn csv_records_are_numbered_as_lines_are(lines in proptest::collection::vec("(k,v)?\r?", 0..200), chunk in 1usize..20) {
            let file = lines.join("\n");
            let file = file.as_bytes();
            let lines_seen = BufReader::with_capacity(chunk, file);
            let numbers = csv_entries(file, lines_seen, unsigned(0)).map(|entry| match entry.unwrap() {
                Entry::Line(line) => line.number,
                Entry::Senseless { why, .. } => panic!("{why}"),
            });
            let expected = (1..).zip(&lines).filter(|(_, line)| line.starts_with('k')).map(|(number, _)| number);
            proptest::prop_assert_eq!(numbers.collect::<Vec<u64>>(), expected.collect::<Vec<u64>>());
        }
    }

    #[test]
    fn a_csv_heading_is_no_line_but_only_at_the_top() {
        assert_eq!(csv(b"Key,Value\na,1\nkey,value\n"), ["2 a=1", "3 key=value"]);
    }

    #[test]
    fn senseless_csv_records_are_reported_and_the_others_go_on() {
        let all = csv(b"a\nb,1,2\n,1\nc,3");
        assert_eq!(
            all,
            ["1 ! 1 field; a line is key,value", "2 ! 3 fields; a line is key,value", "3 ! the key is empty", "4 c=3"]
        );
    }

    #[test]
    fn bytes_that_are_no_text_travel_raw() {
        assert_eq!(csv(b"\xff,1\na,\xfe\n"), ["1 [ff] [31]", "2 [61] [fe]"]);
    }

    #[test]
    fn json_lines_are_objects_or_arrays_of_two_texts() {
        assert_eq!(
            json(b"\xef\xbb\xbf{\"key\":\"a\",\"value\":\"1\"}\r\n\n[\"b\", \"\\u00fc\"]\n{\"value\":\"\",\"key\":\"c\"}"),
            ["1 a=1", "3 b=\u{fc}", "4 c="]
        );
        for senseless in
            [r#"{"key":"a"}"#, r#"{"key":"a","value":1}"#, r#"{"key":"a","value":"1","x":1}"#, "[\"a\"]", "{", "7"]
        {
            let all = json(senseless.as_bytes());
            assert!(all[0].starts_with("1 ! not "), "{senseless}: {all:?}");
        }
    }

    #[test]
    fn idempotency_keys_tell_files_and_lines_apart() {
        let keys = |digest: u8| -> Vec<String> {
            let lines = csv_entries(&b"a,1\na,1\n"[..], &b"a,1\na,1\n"[..], unsigned(digest));
            lines
                .map(|entry| match entry.unwrap() {
                    Entry::Line(line) => line.idempotency_key,
                    Entry::Senseless { why, .. } => panic!("{why}"),
                })
                .collect()
        };
        let all: std::collections::BTreeSet<_> = keys(1).into_iter().chain(keys(2)).collect();
        assert_eq!(all.len(), 4);
        assert_eq!(keys(1), keys(1));
        assert!(all.iter().all(|key| key.len() <= 100), "nodes take 256 bytes");
    }

    #[test]
    fn formats_follow_extensions() {
        assert_eq!(Format::of(Path::new("a/b.CSV")), Some(Format::Csv));
        assert_eq!(Format::of(Path::new("b.ndjson")), Some(Format::Jsonl));
        assert_eq!(Format::of(Path::new("b.txt")), None);
        assert_eq!(Format::of(Path::new("csv")), None);
    }
}
