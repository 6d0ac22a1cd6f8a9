//! How a command fails.

use std::{fmt, process::ExitCode};

use super::output;
use crate::config::Problems;

/// Why a command did not do what it was asked, in words for the person who asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Failure {
    /// What was asked makes no sense: exit status 2.
    Usage(String),
    /// It was tried and failed: exit status 1.
    Failed(String),
    /// Nobody reads the output any more, as with `| head`: whoever did has had enough. Nothing is said, exit status 0.
    Unread,
    /// A node refused it, and said so in a problem document (RFC 9457): exit status 1.
    #[cfg(feature = "node")]
    Refused(Box<super::client::Problem>),
}

impl Failure {
    /// A failure of the environment, with what was being done.
    pub(super) fn failed(doing: impl fmt::Display, error: impl fmt::Display) -> Self {
        Self::Failed(format!("{doing}: {error}"))
    }

    /// Tells the failure and returns the exit status. With `json`, what a node said goes to standard output as well;
    /// nothing else does, so that whoever reads there finds nothing but answers.
    pub(super) fn report(&self, json: bool) -> ExitCode {
        if *self == Self::Unread {
            return ExitCode::SUCCESS;
        }
        output::say(format_args!("thalweg: {self}"));
        #[cfg(feature = "node")]
        if let Self::Refused(problem) = self
            && json
        {
            // Nobody left to tell: the status remains.
            let _ = output::line(&serde_json::json!({ "error": problem.to_string(), "problem": problem }));
        }
        #[cfg(not(feature = "node"))]
        let _ = json;
        ExitCode::from(self.status())
    }

    fn status(&self) -> u8 {
        if matches!(self, Self::Usage(_)) { 2 } else { 1 }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(what) | Self::Failed(what) => f.write_str(what),
            Self::Unread => f.write_str("nobody reads the output any more"),
            #[cfg(feature = "node")]
            Self::Refused(problem) => problem.fmt(f),
        }
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::Usage(problems.to_string())
    }
}
