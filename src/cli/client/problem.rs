//! RFC 9457 problem documents, as nodes send them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a node says when it does not do what it was asked. Members that are missing are filled in from the status.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::cli) struct Problem {
    /// The type URI.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) uri: Option<String>,
    /// A summary.
    pub(in crate::cli) title: String,
    /// The HTTP status.
    pub(in crate::cli) status: u16,
    /// What is wrong this time.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(in crate::cli) detail: String,
    /// The command it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) id: Option<String>,
    /// Which node said so.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(in crate::cli) node: String,
}

impl Problem {
    /// Reads the body of an answer that is not a success. Bodies that are no problem document become its detail.
    pub(in crate::cli) fn read(status: u16, body: &[u8], node: &str) -> Self {
        let read = serde_json::from_slice(body).unwrap_or_else(|_| Self {
            detail: String::from_utf8_lossy(body).trim().chars().take(200).collect(),
            ..Self::default()
        });
        let title = if read.title.is_empty() { format!("HTTP status {status}") } else { read.title.clone() };
        Self { status, title, node: node.to_owned(), ..read }
    }
}

impl Problem {
    /// Whether the node takes signed commands only, and this one was not.
    pub(in crate::cli) fn is_unsigned(&self) -> bool {
        self.uri.as_deref() == Some("urn:thalweg:problem:unsigned")
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.title)?;
        if !self.detail.is_empty() && self.detail != self.title {
            write!(f, ": {}", self.detail)?;
        }
        write!(f, " ({}", self.status)?;
        if !self.node.is_empty() {
            write!(f, " from {}", self.node)?;
        }
        if let Some(id) = &self.id {
            write!(f, ", command {id}")?;
        }
        f.write_str(")")?;
        if self.is_unsigned() {
            f.write_str("; --key FILE signs it, `thalweg keygen FILE` makes a key")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_went_wrong_and_where() {
        let body =
            br#"{"type":"urn:x","title":"There is no room","status":429,"detail":"the mempool is full","extra":1}"#;
        let problem = Problem::read(429, body, "http://a:1");
        assert_eq!(problem.to_string(), "There is no room: the mempool is full (429 from http://a:1)");
        let problem = Problem::read(504, br#"{"title":"Too late","id":"ab"}"#, "http://a:1");
        assert_eq!(problem.to_string(), "Too late (504 from http://a:1, command ab)");
    }

    #[test]
    fn says_what_to_do_where_clients_sign() {
        let body = br#"{"type":"urn:thalweg:problem:unsigned","title":"Signed commands only"}"#;
        let problem = Problem::read(403, body, "n").to_string();
        assert_eq!(
            problem,
            "Signed commands only (403 from n); --key FILE signs it, `thalweg keygen FILE` makes a key"
        );
    }

    #[test]
    fn makes_the_best_of_what_is_no_problem_document() {
        assert_eq!(Problem::read(502, b"bad gateway\n", "n").to_string(), "HTTP status 502: bad gateway (502 from n)");
        assert_eq!(Problem::read(500, b"", "n").to_string(), "HTTP status 500 (500 from n)");
    }
}
