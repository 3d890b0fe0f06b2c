//! Logs: `tracing` events to stderr, as text or as JSON lines.

use std::fmt;
use std::io::IsTerminal;
use std::str::FromStr;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people; coloured when stderr is a terminal.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

impl FromStr for LogFormat {
    type Err = LogError;

    fn from_str(text: &str) -> Result<Self, LogError> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(LogError::UnknownFormat),
        }
    }
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is not of the form `level` or `target=level,...`.
    #[error("log filter {filter:?} is not understood")]
    BadFilter {
        /// The filter.
        filter: String,
        /// What is wrong with it.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// Neither `text` nor `json`.
    #[error("log format must be text or json")]
    UnknownFormat,
    /// [`init`] was called before.
    #[error("logging is set up already")]
    AlreadySet,
}

/// Sends every `tracing` event that passes `filter` (`info`, `warn,sip_node=debug`) to stderr.
pub fn init(filter: &str, format: LogFormat) -> Result<(), LogError> {
    let targets: Targets =
        filter.parse().map_err(|source| LogError::BadFilter { filter: filter.to_owned(), source })?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let subscriber = tracing_subscriber::registry().with(targets);
    match format {
        LogFormat::Text => subscriber.with(lines.with_ansi(std::io::stderr().is_terminal())).try_init(),
        LogFormat::Json => subscriber
            .with(lines.json().flatten_event(true).with_span_list(false).with_ansi(false))
            .try_init(),
    }
    .map_err(|_| LogError::AlreadySet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_is_no_filter_is_named() {
        let error = init("sip_node=loud", LogFormat::Text).unwrap_err();
        assert!(error.to_string().contains("sip_node=loud"), "{error}");
    }

    #[test]
    fn a_filter_is_a_level_and_levels_of_targets() {
        use tracing::Level;
        let targets: Targets = "warn,sip_node=debug".parse().unwrap();
        assert!(targets.would_enable("sip_node::decide", &Level::DEBUG));
        assert!(!targets.would_enable("media_node", &Level::INFO));
        assert!(targets.would_enable("media_node", &Level::WARN));
    }

    #[test]
    fn formats_are_printed_as_they_are_read() {
        for format in [LogFormat::Text, LogFormat::Json] {
            assert_eq!(format.to_string().parse::<LogFormat>().unwrap(), format);
        }
        assert!("xml".parse::<LogFormat>().is_err());
    }
}
