//! Where log lines go and how they look.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use super::Failure;
use crate::config::{LogFormat, LogSection};

/// Libraries that say on every connection what only their authors want to know; they are heard from `warn` on, unless
/// `RUST_LOG` asks for them.
const QUIET: &str =
    "libp2p=warn,libp2p_gossipsub=error,multistream_select=warn,yamux=warn,actix_server=warn,netlink=warn";

/// Starts logging to standard error: for people on a terminal, one JSON object a line elsewhere, unless the
/// configuration says which. `RUST_LOG`, where set and not empty, is stronger than the configured level.
///
/// # Errors
/// [`Failure::Usage`] when `RUST_LOG` makes no sense.
pub(super) fn init(section: &LogSection) -> Result<(), Failure> {
    let filter = filter(section, std::env::var("RUST_LOG").ok().as_deref())?;
    let is_terminal = io::stderr().is_terminal();
    let is_human = match section.format {
        LogFormat::Auto => is_terminal,
        LogFormat::Human => true,
        LogFormat::Json => false,
    };
    let registry = tracing_subscriber::registry().with(filter);
    let started = if is_human {
        registry.with(fmt::layer().with_ansi(is_terminal).with_writer(io::stderr)).try_init()
    } else {
        let layer = fmt::layer().json().flatten_event(true).with_current_span(false).with_writer(io::stderr);
        registry.with(layer).try_init()
    };
    started.map_err(|error| Failure::failed("logging", error))
}

fn filter(section: &LogSection, rust_log: Option<&str>) -> Result<EnvFilter, Failure> {
    let directives = match rust_log {
        Some(directives) if !directives.is_empty() => directives.to_owned(),
        _ => format!("{},{QUIET}", section.level.as_str()),
    };
    EnvFilter::try_new(directives).map_err(|error| Failure::Usage(format!("RUST_LOG: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_log_is_stronger_than_the_configured_level() {
        let section = LogSection::default();
        assert!(filter(&section, None).unwrap().to_string().contains("info"));
        assert!(filter(&section, Some("")).unwrap().to_string().contains("libp2p=warn"));
        assert_eq!(filter(&section, Some("thalweg=debug")).unwrap().to_string(), "thalweg=debug");
        assert!(matches!(filter(&section, Some("a=b=c")), Err(Failure::Usage(_))));
    }
}
