//! From a web request to what it reports of which site, or to a refusal. Nothing here calls anything.
//!
//! ```text
//!   Request ─ route ─▶ authenticate ─▶ Authentic ─ read ─▶ Delivery ─▶ at most two reports
//!              404/405      401/403                413/400
//! ```
//!
//! The order is in the types: a body can only be read from an [`Authentic`] request, and only
//! [`authenticate`] makes one. Until then nothing but method, path and one header has been looked at.
//!
//! A payload is not trusted for being authentic: the status of the group says nothing about its alerts (a
//! group that is still firing carries resolved ones), labels may belong to another deployment whose
//! operator pasted the wrong URL, and ten thousand copies of one alert are one report.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fencing::contract::alert::{REHEARSAL, SITE_OFFLINE, SITE_SUSPECTED, WATCHDOG};
use fencing::contract::{label, path};
use fencing::settings::Settings;
use fencing::words::{Reporter, SiteName, Suspect};
use jiff::Timestamp;
use secrecy::ExposeSecret as _;

use crate::credentials::{Expected, Presented};
pub use crate::event::Request;
use crate::payload::{Alert, AlertStatus, Payload};

/// The largest body, decoded. Ten thousand alerts with a dozen labels take about three mebibytes; Lambda
/// itself refuses an event of more than six megabytes, and a body in base64 is cut to four and a half by
/// that. What lies between is nobody's alert.
pub const BODY_LIMIT_BYTES: usize = 4 * 1024 * 1024;

/// So many ends of suspicions are noted from one payload. Each costs calls.
const ENDS_AT_MOST: usize = 8;

/// A request that is answered without anything having been done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error("there is nothing here")]
    NotFound,
    /// The place is right, the method is not.
    #[error("only POST is allowed here")]
    Method,
    /// Nobody said who is calling.
    #[error("credentials are missing")]
    NoCredentials,
    #[error("user or password is wrong")]
    WrongCredentials,
    /// More than [`BODY_LIMIT_BYTES`].
    #[error("the body has {bytes} bytes; the limit is {BODY_LIMIT_BYTES}")]
    TooLarge {
        /// How many; at least so many where it was not decoded.
        bytes: usize,
    },
    /// Marked as base64 and none.
    #[error("the body is marked as base64 and cannot be decoded")]
    NotBase64,
    /// Not JSON, or not an Alertmanager payload.
    #[error("the body is not an Alertmanager payload: {problem} at line {line}, column {column}")]
    NotAPayload {
        /// What kind of mistake; never the text itself.
        problem: &'static str,
        line: usize,
        column: usize,
    },
    /// Another version of the payload.
    #[error("the payload's version is not \"4\", the only one that is understood")]
    Version,
}

impl Rejection {
    pub fn http(&self) -> u16 {
        match self {
            Self::NotFound => 404,
            Self::Method => 405,
            Self::NoCredentials => 401,
            Self::WrongCredentials => 403,
            Self::TooLarge { .. } => 413,
            Self::NotBase64 | Self::NotAPayload { .. } | Self::Version => 400,
        }
    }

    /// The headers that go with it.
    pub fn headers(&self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Method => &[("allow", "POST")],
            Self::NoCredentials => &[("www-authenticate", "Basic realm=\"sitefence\"")],
            _ => &[],
        }
    }
}

/// The places of the Function URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route<'a> {
    /// [`path::WEBHOOK`].
    Webhook,
    /// A health check, with the secret that was presented.
    Health(&'a str),
}

/// Which place a request wants. Only method and path are looked at.
pub fn route(request: &Request) -> Result<Route<'_>, Rejection> {
    match (request.path.as_str(), request.method.as_str()) {
        (path::WEBHOOK, "POST") => Ok(Route::Webhook),
        (path::WEBHOOK, _) => Err(Rejection::Method),
        (path, "GET") => path
            .strip_prefix(path::HEALTH)
            .map(Route::Health)
            .ok_or(Rejection::NotFound),
        _ => Err(Rejection::NotFound),
    }
}

/// A request whose sender knows user and password.
#[derive(Debug)]
pub struct Authentic(Box<Request>);

/// Checks the sender, or gives the request back with the refusal: the secret may have been rotated.
pub fn authenticate(
    request: Box<Request>,
    expected: &Expected,
) -> Result<Authentic, (Box<Request>, Rejection)> {
    let claim = request
        .authorization
        .as_ref()
        .map_or(Presented::None, |header| expected.judge(header.expose_secret()));
    match claim {
        Presented::Right => Ok(Authentic(request)),
        Presented::Wrong => Err((request, Rejection::WrongCredentials)),
        Presented::None => Err((request, Rejection::NoCredentials)),
    }
}

/// One site's monitoring calls the other offline.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Accusation {
    pub reporter: Reporter,
    pub suspect: Suspect,
}

/// A suspicion that is over.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ended {
    pub accusation: Accusation,
    /// When it began and when it ended, by the clock of the reporter's monitoring.
    pub from: Timestamp,
    pub to: Timestamp,
}

/// What a payload asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Delivery {
    /// Identical alerts are one accusation; two sites can make two.
    pub accusations: BTreeSet<Accusation>,
    /// Since when each has been firing, by the oldest of its alerts that says so.
    pub since: BTreeMap<Accusation, Timestamp>,
    /// The same where it is not certain yet, and since when, where an alert says so.
    pub suspicions: BTreeMap<Accusation, Option<Timestamp>>,
    /// Suspicions that are over.
    pub ended: BTreeSet<Ended>,
    /// Sites whose path was shown to be whole.
    pub watchdogs: BTreeSet<Reporter>,
    /// The first accusation that somebody rehearses, or why it is not for us.
    pub rehearsed: Option<Result<Accusation, Foreign>>,
    /// Why firing alerts that should concern us do not, each reason once.
    pub foreign: BTreeSet<Foreign>,
    /// How many of our alerts are over.
    pub resolved: usize,
    /// How many alerts concern somebody else altogether.
    pub ignored: usize,
    /// How many alerts Alertmanager left out of the payload.
    pub truncated: u64,
}

/// Why an alert's labels are not this deployment's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Foreign {
    /// A label is not there.
    #[error("it has no label `{label}`")]
    Missing { label: &'static str },
    /// Another deployment's.
    #[error("its label `{}` is {given}, this is `{own}`", label::TOPOLOGY)]
    Topology {
        /// What it says, shortened and escaped.
        given: String,
        own: String,
    },
    /// A site that is neither of the two.
    #[error("its label `{label}` is {given}, which is neither site")]
    Site {
        label: &'static str,
        /// What it says, shortened and escaped.
        given: String,
    },
    /// A site cannot report itself lost.
    #[error("reporter and suspect are both `{site}`")]
    Itself { site: SiteName },
}

impl Authentic {
    pub fn read(self, settings: &Settings) -> Result<Delivery, Rejection> {
        let Self(request) = self;
        let body = decoded(*request)?;
        let payload: Payload = serde_json::from_slice(&body).map_err(|error| Rejection::NotAPayload {
            problem: match error.classify() {
                serde_json::error::Category::Eof => "it ends too early",
                serde_json::error::Category::Syntax => "it is not JSON",
                serde_json::error::Category::Data => {
                    "a field is missing, appears twice, or has the wrong type"
                }
                serde_json::error::Category::Io => "it cannot be read",
            },
            line: error.line(),
            column: error.column(),
        })?;
        if payload.version != "4" {
            return Err(Rejection::Version);
        }
        let mut delivery = Delivery {
            truncated: payload.truncated(),
            ..Delivery::default()
        };
        for alert in payload.alerts {
            delivery.sort_in(settings, &alert);
        }
        Ok(delivery)
    }
}

fn decoded(request: Request) -> Result<Vec<u8>, Rejection> {
    // Base64 is checked by its length first: four characters are three bytes.
    let bytes = if request.base64 {
        request.body.len() / 4 * 3
    } else {
        request.body.len()
    };
    if bytes > BODY_LIMIT_BYTES + 2 {
        return Err(Rejection::TooLarge { bytes });
    }
    let body = if request.base64 {
        STANDARD.decode(request.body).map_err(|_| Rejection::NotBase64)?
    } else {
        request.body.into_bytes()
    };
    if body.len() > BODY_LIMIT_BYTES {
        return Err(Rejection::TooLarge { bytes: body.len() });
    }
    Ok(body)
}

impl Delivery {
    /// Judges one alert by its own status and labels.
    fn sort_in(&mut self, settings: &Settings, alert: &Alert) {
        let name = alert.name();
        if name == Some(REHEARSAL) {
            // Nobody is to hear of it, so it is kept apart from what is really foreign.
            self.rehearsed.get_or_insert_with(|| accusation(settings, alert));
            return;
        }
        let is_suspicion = name == Some(SITE_SUSPECTED) && settings.suspicion_seconds > 0;
        if !is_suspicion && !matches!(name, Some(SITE_OFFLINE | WATCHDOG)) {
            self.ignored += 1;
            return;
        }
        if is_suspicion && alert.state == AlertStatus::Resolved {
            self.end(settings, alert);
            return;
        }
        if alert.state == AlertStatus::Resolved {
            self.resolved += 1;
            return;
        }
        let judged = if name == Some(WATCHDOG) {
            reporter(settings, alert).map(|reporter| {
                self.watchdogs.insert(reporter);
            })
        } else if is_suspicion {
            accusation(settings, alert).map(|accusation| {
                let since = self.suspicions.entry(accusation).or_default();
                *since = since.iter().copied().chain(alert.starts_at()).min();
            })
        } else {
            accusation(settings, alert).map(|accusation| {
                if let Some(at) = alert.starts_at() {
                    let since = self.since.entry(accusation.clone()).or_insert(at);
                    *since = at.min(*since);
                }
                self.accusations.insert(accusation);
            })
        };
        if let Err(foreign) = judged {
            // A few stand for a thousand different wrong labels.
            if self.foreign.len() < 8 {
                self.foreign.insert(foreign);
            }
        }
    }
}

impl Delivery {
    /// Notes the end of a suspicion. What is said of others, or without times, is of no use to anybody.
    fn end(&mut self, settings: &Settings, alert: &Alert) {
        let ended = accusation(settings, alert).ok().and_then(|accusation| {
            Some(Ended {
                accusation,
                from: alert.starts_at()?,
                to: alert.ends_at()?,
            })
        });
        match ended {
            // As many as there are sites, and some more where their ends differ a little.
            Some(ended) if self.ended.len() < ENDS_AT_MOST => {
                self.ended.insert(ended);
            }
            _ => self.resolved += 1,
        }
    }
}

fn accusation(settings: &Settings, alert: &Alert) -> Result<Accusation, Foreign> {
    let reporter = reporter(settings, alert)?;
    let suspect = suspect(settings, alert, &reporter)?;
    Ok(Accusation { reporter, suspect })
}

fn reporter(settings: &Settings, alert: &Alert) -> Result<Reporter, Foreign> {
    let topology = present(alert.topology(), label::TOPOLOGY)?;
    if topology != settings.topology.as_str() {
        return Err(Foreign::Topology {
            given: shown(topology),
            own: settings.topology.to_string(),
        });
    }
    site(settings, alert.reporter(), label::REPORTER).map(Reporter)
}

fn suspect(settings: &Settings, alert: &Alert, reporter: &Reporter) -> Result<Suspect, Foreign> {
    let suspect = site(settings, alert.site(), label::SITE)?;
    if suspect == reporter.0 {
        return Err(Foreign::Itself { site: suspect });
    }
    Ok(Suspect(suspect))
}

fn site(settings: &Settings, value: Option<&str>, label: &'static str) -> Result<SiteName, Foreign> {
    let given = present(value, label)?;
    settings
        .sites
        .iter()
        .map(|site| &site.name)
        .find(|name| name.as_str() == given)
        .cloned()
        .ok_or_else(|| Foreign::Site {
            label,
            given: shown(given),
        })
}

fn present<'a>(value: Option<&'a str>, label: &'static str) -> Result<&'a str, Foreign> {
    value
        .filter(|text| !text.is_empty())
        .ok_or(Foreign::Missing { label })
}

/// A label's value as it may stand in a sentence: short, quoted, control characters escaped.
fn shown(text: &str) -> String {
    let short: String = text.chars().take(40).collect();
    format!("{short:?}")
}

#[cfg(test)]
mod tests;
