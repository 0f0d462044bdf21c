//! The log: one JSON object per line, for people and for CloudWatch.
//!
//! Only this product's own events are written in full. Libraries are let through from `WARN` on, because at
//! lower levels some of them print requests with their headers; no variable can change that, so that nobody
//! turns passwords into log lines while looking for something else.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The variable that Lambda sets from the function's logging configuration.
pub const LEVEL_VARIABLE: &str = "AWS_LAMBDA_LOG_LEVEL";

/// Our own targets: this library, its binary, and the protocol.
const OWN: [&str; 3] = ["function", "bootstrap", "fencing"];

fn level(text: Option<&str>) -> LevelFilter {
    // Lambda says TRACE, DEBUG, INFO, WARN, ERROR or FATAL.
    match text {
        Some("FATAL") => LevelFilter::ERROR,
        Some(text) => text.parse().unwrap_or(LevelFilter::INFO),
        None => LevelFilter::INFO,
    }
}

fn targets(own: LevelFilter) -> Targets {
    Targets::new()
        .with_default(own.min(LevelFilter::WARN))
        .with_targets(OWN.map(|target| (target, own)))
}

/// Starts logging; once per process.
pub fn start(lookup: impl Fn(&str) -> Option<String>) {
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false);
    // Fails only where somebody else has started logging already, which then goes on.
    let _ = tracing_subscriber::registry()
        .with(targets(level(lookup(LEVEL_VARIABLE).as_deref())))
        .with(lines)
        .try_init();
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn libraries_never_log_below_warn() {
        for asked in [None, Some("TRACE"), Some("DEBUG"), Some("nonsense")] {
            let targets = targets(level(asked));
            assert!(targets.would_enable("hyper::client", &Level::WARN));
            for library in ["hyper", "aws_sdk_dynamodb", "rustls", "lambda_runtime"] {
                assert!(!targets.would_enable(library, &Level::INFO), "{library}");
                assert!(!targets.would_enable(library, &Level::TRACE), "{library}");
            }
        }
        assert!(targets(level(Some("DEBUG"))).would_enable("function::run", &Level::DEBUG));
        assert!(!targets(level(None)).would_enable("function::run", &Level::DEBUG));
        assert!(!targets(level(Some("ERROR"))).would_enable("hyper", &Level::WARN));
    }
}
