//! What the function is told at start: the contract between `provision` and the Lambda.
//!
//! ```text
//!   topology.yaml ── Topology::settings() ─▶ Settings ── environment() ─▶ the template's variables
//!                                                                              │ Lambda
//!                               Settings ◀── from_environment() ───────────────┘
//! ```
//!
//! Some values stand in the topology; others are only known after looking (ARNs, hosts) or belong to the
//! stack itself. [`Variable::source`] tells which, so that a template is rendered from the topology alone and
//! `apply` fills in the rest as parameters. A Lambda's environment may have 4,096 bytes in all, names
//! included; [`Settings::environment_bytes`] counts as AWS does.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::words::{SiteName, TopologyName};

/// The most bytes that all of a function's variables, names and values together, may have (AWS Lambda quota).
pub const ENVIRONMENT_LIMIT_BYTES: usize = 4096;

/// Whether the function may act, or only says what it would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Fence when the evidence is complete.
    #[default]
    Act,
    /// Gather the same evidence, answer and log, write nothing.
    Observe,
}

/// One site as the function knows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Site {
    /// Its name, the same in Infinispan, in the balancer's tag and in alerts.
    pub name: SiteName,
    /// The AWS Region its balancer lives in.
    pub region: String,
}

/// How long a claim holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClaimSettings {
    /// A working executor renews its claim this often.
    pub renew_interval_seconds: u32,
    /// After so many missed renewals anyone may take over.
    pub failure_threshold: u32,
}

impl ClaimSettings {
    /// How long a claim is honoured after its last renewal: interval × threshold.
    pub fn ttl_seconds(self) -> u32 {
        self.renew_interval_seconds.saturating_mul(self.failure_threshold)
    }
}

/// What only a look at the two clouds tells, or the stack itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// The accelerator's ARN.
    pub accelerator_arn: String,
    /// The ARN of every endpoint group of every listener that holds a site's balancer.
    pub endpoint_group_arns: Vec<String>,
    /// Each site's balancers, as the accelerator's endpoint identifiers (ARNs).
    pub balancers: BTreeMap<SiteName, Vec<String>>,
    /// Where each site's Infinispan answers, as `https://host[:port]`.
    pub infinispan_urls: BTreeMap<SiteName, String>,
    /// The secret with Infinispan's password, by ARN (or name); its Region is the function's first one.
    pub infinispan_secret: String,
    /// The secret with the webhook's password, by ARN, in the function's own Region.
    pub webhook_secret: String,
    /// The secret in the path of the health question, by ARN, in the function's own Region.
    pub health_secret: String,
    /// The register's table, by ARN or name.
    pub register_table: String,
    /// Where notifications go; empty when nobody wants any.
    pub topic_arn: String,
}

/// Everything the function is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Which deployment this is: the alerts' label `topology`, the register's key.
    pub topology: TopologyName,
    /// The two sites, in the topology's order.
    pub sites: [Site; 2],
    /// Act or observe.
    pub mode: Mode,
    /// The user that Alertmanager authenticates as.
    pub webhook_username: String,
    /// The Infinispan user, with ADMIN rights.
    pub infinispan_username: String,
    /// The Region of the secret with Infinispan's password.
    pub secrets_region: String,
    /// The register's Region.
    pub register_region: String,
    /// The role to assume for a register in another account; empty for one's own.
    pub register_role_arn: String,
    /// Who carries out a decision, and for how long others let him.
    pub claim: ClaimSettings,
    /// No new decision so long after a rejoin or an adoption.
    pub cooldown_seconds: u32,
    /// The function's own timeout. No write happens later than this after an invocation began, which is
    /// what the waits of `rejoin` and `promote` rest on.
    pub timeout_seconds: u32,
    /// The caches that a rejoin clears at the stale site before state is pushed to it.
    pub cleared_caches: Vec<String>,
    /// How many of a hundred health requests are answered from the deep check's result.
    pub deep_percent: u8,
    /// After so long an operator's hold is overdue, where the operator named no end.
    pub hold_after_seconds: u32,
    /// What is only known by looking.
    pub found: Found,
}

/// Where a variable's value comes from when the template is rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The topology: the value stands in the template.
    Literal,
    /// A template parameter of this name, filled by `apply`.
    Parameter(&'static str),
    /// Something the same stack makes: the webhook's secret, the topic.
    Resource,
}

/// One environment variable of the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// Where its value comes from.
    pub source: Source,
}

macro_rules! variables {
    ($($(#[$doc:meta])* $konst:ident = $name:literal, $source:expr;)*) => {
        $($(#[$doc])* pub const $konst: Variable = Variable { name: $name, source: $source };)*
        /// Every variable the function reads, in the order in which they are rendered.
        pub const VARIABLES: &[Variable] = &[$($konst),*];
    };
}

variables! {
    /// The topology's name.
    TOPOLOGY = "SITEFENCE_TOPOLOGY", Source::Literal;
    /// `site=region,site=region`, in the topology's order.
    SITES = "SITEFENCE_SITES", Source::Literal;
    /// `act` or `observe`.
    MODE = "SITEFENCE_MODE", Source::Literal;
    /// The webhook's user.
    WEBHOOK_USERNAME = "SITEFENCE_WEBHOOK_USERNAME", Source::Literal;
    /// The ARN of the webhook's secret.
    WEBHOOK_SECRET = "SITEFENCE_WEBHOOK_SECRET", Source::Resource;
    /// The ARN of the secret in the path of the health question.
    HEALTH_SECRET = "SITEFENCE_HEALTH_SECRET", Source::Resource;
    /// Infinispan's user.
    INFINISPAN_USERNAME = "SITEFENCE_INFINISPAN_USERNAME", Source::Literal;
    /// The secret with Infinispan's password.
    INFINISPAN_SECRET = "SITEFENCE_INFINISPAN_SECRET", Source::Parameter("InfinispanSecret");
    /// The Region of that secret.
    SECRETS_REGION = "SITEFENCE_SECRETS_REGION", Source::Literal;
    /// `site=https://host[:port],…`.
    INFINISPAN_URLS = "SITEFENCE_INFINISPAN_URLS", Source::Parameter("InfinispanUrls");
    /// The register's table.
    REGISTER_TABLE = "SITEFENCE_REGISTER_TABLE", Source::Parameter("RegisterTable");
    /// The register's Region.
    REGISTER_REGION = "SITEFENCE_REGISTER_REGION", Source::Literal;
    /// The role assumed for the register; may be empty.
    REGISTER_ROLE_ARN = "SITEFENCE_REGISTER_ROLE_ARN", Source::Literal;
    /// The accelerator.
    ACCELERATOR_ARN = "SITEFENCE_ACCELERATOR_ARN", Source::Parameter("AcceleratorArn");
    /// The endpoint groups, `arn,arn,…`.
    ENDPOINT_GROUP_ARNS = "SITEFENCE_ENDPOINT_GROUP_ARNS", Source::Parameter("EndpointGroupArns");
    /// `site=arn,site=arn,…`; a site with two balancers stands twice.
    BALANCERS = "SITEFENCE_BALANCERS", Source::Parameter("Balancers");
    /// How often a claim is renewed.
    CLAIM_RENEW_INTERVAL_SECONDS = "SITEFENCE_CLAIM_RENEW_INTERVAL_SECONDS", Source::Literal;
    /// How many missed renewals free it.
    CLAIM_FAILURE_THRESHOLD = "SITEFENCE_CLAIM_FAILURE_THRESHOLD", Source::Literal;
    /// Quiet time after a rejoin.
    COOLDOWN_SECONDS = "SITEFENCE_COOLDOWN_SECONDS", Source::Literal;
    /// The function's timeout.
    TIMEOUT_SECONDS = "SITEFENCE_TIMEOUT_SECONDS", Source::Literal;
    /// Caches cleared by a rejoin, `cache,cache,…`.
    CLEARED_CACHES = "SITEFENCE_CLEARED_CACHES", Source::Literal;
    /// Share of deep health answers, in percent.
    DEEP_PERCENT = "SITEFENCE_DEEP_PERCENT", Source::Literal;
    /// After how long a hold is overdue.
    HOLD_AFTER_SECONDS = "SITEFENCE_HOLD_AFTER_SECONDS", Source::Literal;
    /// The notification topic; may be empty.
    TOPIC_ARN = "SITEFENCE_TOPIC_ARN", Source::Resource;
}

/// A variable that the function cannot start with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// It is not there, or empty where it must not be.
    #[error("the variable {name} is not set; apply the topology again")]
    Missing {
        /// The variable.
        name: &'static str,
    },
    /// It is there and makes no sense.
    #[error("the variable {name} holds `{value}`: {reason}; apply the topology again")]
    Malformed {
        /// The variable.
        name: &'static str,
        /// What it holds. No variable holds a secret.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Settings {
    /// The settings as environment variables, in rendering order.
    pub fn environment(&self) -> Vec<(Variable, String)> {
        let [a, b] = &self.sites;
        VARIABLES
            .iter()
            .map(|variable| {
                let value = match *variable {
                    TOPOLOGY => self.topology.to_string(),
                    SITES => format!("{}={},{}={}", a.name, a.region, b.name, b.region),
                    MODE => match self.mode {
                        Mode::Act => "act".to_owned(),
                        Mode::Observe => "observe".to_owned(),
                    },
                    WEBHOOK_USERNAME => self.webhook_username.clone(),
                    WEBHOOK_SECRET => self.found.webhook_secret.clone(),
                    HEALTH_SECRET => self.found.health_secret.clone(),
                    INFINISPAN_USERNAME => self.infinispan_username.clone(),
                    INFINISPAN_SECRET => self.found.infinispan_secret.clone(),
                    SECRETS_REGION => self.secrets_region.clone(),
                    INFINISPAN_URLS => pairs(self.found.infinispan_urls.iter()),
                    REGISTER_TABLE => self.found.register_table.clone(),
                    REGISTER_REGION => self.register_region.clone(),
                    REGISTER_ROLE_ARN => self.register_role_arn.clone(),
                    ACCELERATOR_ARN => self.found.accelerator_arn.clone(),
                    ENDPOINT_GROUP_ARNS => self.found.endpoint_group_arns.join(","),
                    BALANCERS => pairs(
                        self.found
                            .balancers
                            .iter()
                            .flat_map(|(site, arns)| arns.iter().map(move |arn| (site, arn))),
                    ),
                    CLAIM_RENEW_INTERVAL_SECONDS => self.claim.renew_interval_seconds.to_string(),
                    CLAIM_FAILURE_THRESHOLD => self.claim.failure_threshold.to_string(),
                    COOLDOWN_SECONDS => self.cooldown_seconds.to_string(),
                    TIMEOUT_SECONDS => self.timeout_seconds.to_string(),
                    CLEARED_CACHES => self.cleared_caches.join(","),
                    DEEP_PERCENT => self.deep_percent.to_string(),
                    HOLD_AFTER_SECONDS => self.hold_after_seconds.to_string(),
                    // The last of the table; a new variable without an arm fails the round-trip test.
                    _ => self.found.topic_arn.clone(),
                };
                (*variable, value)
            })
            .collect()
    }

    /// How many bytes of the function's environment the settings take, counted as AWS does.
    pub fn environment_bytes(&self) -> usize {
        self.environment()
            .iter()
            .map(|(variable, value)| variable.name.len() + value.len())
            .sum()
    }

    /// Reads the settings back. All that is wrong is told at once.
    ///
    /// `lookup` is handed each variable's name; the environment is the caller's to read.
    pub fn from_environment(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<SettingsError>> {
        let mut reader = Reader {
            lookup: &lookup,
            errors: Vec::new(),
        };
        let settings = Self {
            topology: reader
                .parsed(TOPOLOGY, TopologyName::new)
                .unwrap_or_else(placeholder_topology),
            sites: reader.parsed(SITES, sites).unwrap_or_else(placeholder_sites),
            mode: reader.parsed(MODE, mode).unwrap_or_default(),
            webhook_username: reader.required(WEBHOOK_USERNAME),
            infinispan_username: reader.required(INFINISPAN_USERNAME),
            secrets_region: reader.required(SECRETS_REGION),
            register_region: reader.required(REGISTER_REGION),
            register_role_arn: reader.optional(REGISTER_ROLE_ARN),
            claim: ClaimSettings {
                renew_interval_seconds: reader.number(CLAIM_RENEW_INTERVAL_SECONDS),
                failure_threshold: reader.number(CLAIM_FAILURE_THRESHOLD),
            },
            cooldown_seconds: reader.number(COOLDOWN_SECONDS),
            timeout_seconds: reader.number(TIMEOUT_SECONDS),
            cleared_caches: list(&reader.optional(CLEARED_CACHES)),
            deep_percent: reader.number(DEEP_PERCENT),
            hold_after_seconds: reader.number(HOLD_AFTER_SECONDS),
            found: Found {
                accelerator_arn: reader.required(ACCELERATOR_ARN),
                endpoint_group_arns: list(&reader.required(ENDPOINT_GROUP_ARNS)),
                balancers: reader.parsed(BALANCERS, grouped_by_site).unwrap_or_default(),
                infinispan_urls: reader.parsed(INFINISPAN_URLS, keyed_by_site).unwrap_or_default(),
                infinispan_secret: reader.required(INFINISPAN_SECRET),
                webhook_secret: reader.required(WEBHOOK_SECRET),
                health_secret: reader.required(HEALTH_SECRET),
                register_table: reader.required(REGISTER_TABLE),
                topic_arn: reader.optional(TOPIC_ARN),
            },
        };
        for site in &settings.sites {
            for (variable, present) in [
                (BALANCERS, settings.found.balancers.contains_key(&site.name)),
                (
                    INFINISPAN_URLS,
                    settings.found.infinispan_urls.contains_key(&site.name),
                ),
            ] {
                if reader.errors.is_empty() && !present {
                    reader.errors.push(SettingsError::Malformed {
                        name: variable.name,
                        value: lookup(variable.name).unwrap_or_default(),
                        reason: format!("site `{}` is missing", site.name),
                    });
                }
            }
        }
        if reader.errors.is_empty() {
            Ok(settings)
        } else {
            Err(reader.errors)
        }
    }

    /// The other one of the two sites; `None` for a name that is neither.
    pub fn peer_of(&self, site: &SiteName) -> Option<&SiteName> {
        let [a, b] = &self.sites;
        if *site == a.name {
            Some(&b.name)
        } else if *site == b.name {
            Some(&a.name)
        } else {
            None
        }
    }

    /// Which site an endpoint identifier of the accelerator belongs to.
    pub fn site_of_balancer(&self, endpoint: &str) -> Option<&SiteName> {
        self.found
            .balancers
            .iter()
            .find(|(_, arns)| arns.iter().any(|arn| arn == endpoint))
            .map(|(site, _)| site)
    }
}

struct Reader<'a, L> {
    lookup: &'a L,
    errors: Vec<SettingsError>,
}

impl<L: Fn(&str) -> Option<String>> Reader<'_, L> {
    fn optional(&self, variable: Variable) -> String {
        (self.lookup)(variable.name).unwrap_or_default()
    }

    fn required(&mut self, variable: Variable) -> String {
        let value = self.optional(variable);
        if value.is_empty() {
            self.errors.push(SettingsError::Missing { name: variable.name });
        }
        value
    }

    fn parsed<T, E: std::fmt::Display>(
        &mut self,
        variable: Variable,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        let value = self.required(variable);
        if value.is_empty() {
            return None;
        }
        match parse(&value) {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                let reason = error.to_string();
                self.errors.push(SettingsError::Malformed {
                    name: variable.name,
                    value,
                    reason,
                });
                None
            }
        }
    }

    fn number<N: std::str::FromStr<Err = std::num::ParseIntError> + Default>(
        &mut self,
        variable: Variable,
    ) -> N {
        self.parsed(variable, str::parse).unwrap_or_default()
    }
}

fn placeholder_topology() -> TopologyName {
    // Never seen by anyone: settings with a missing topology are an error already recorded.
    TopologyName::placeholder()
}

fn placeholder_sites() -> [Site; 2] {
    [SiteName::placeholder(), SiteName::placeholder()].map(|name| Site {
        name,
        region: String::new(),
    })
}

fn pairs<'a>(items: impl Iterator<Item = (&'a SiteName, &'a String)>) -> String {
    items.fold(String::new(), |mut text, (site, value)| {
        let separator = if text.is_empty() { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = write!(text, "{separator}{site}={value}");
        text
    })
}

fn list(text: &str) -> Vec<String> {
    text.split(',')
        .filter(|item| !item.is_empty())
        .map(str::to_owned)
        .collect()
}

fn mode(text: &str) -> Result<Mode, String> {
    match text {
        "act" => Ok(Mode::Act),
        "observe" => Ok(Mode::Observe),
        _ => Err("neither `act` nor `observe`".to_owned()),
    }
}

fn split_pairs(text: &str) -> Result<Vec<(SiteName, String)>, String> {
    text.split(',')
        .map(|pair| {
            let (site, value) = pair
                .split_once('=')
                .ok_or_else(|| format!("`{pair}` is not site=value"))?;
            let site = SiteName::new(site).map_err(|error| error.to_string())?;
            if value.is_empty() {
                return Err(format!("site `{site}` has no value"));
            }
            Ok((site, value.to_owned()))
        })
        .collect()
}

fn sites(text: &str) -> Result<[Site; 2], String> {
    let sites: Vec<Site> = split_pairs(text)?
        .into_iter()
        .map(|(name, region)| Site { name, region })
        .collect();
    match <[Site; 2]>::try_from(sites) {
        Ok(sites) if sites[0].name != sites[1].name => Ok(sites),
        _ => Err("not exactly two different sites".to_owned()),
    }
}

fn keyed_by_site(text: &str) -> Result<BTreeMap<SiteName, String>, String> {
    let mut map = BTreeMap::new();
    for (site, value) in split_pairs(text)? {
        if map.insert(site.clone(), value).is_some() {
            return Err(format!("site `{site}` stands twice"));
        }
    }
    Ok(map)
}

fn grouped_by_site(text: &str) -> Result<BTreeMap<SiteName, Vec<String>>, String> {
    let mut map: BTreeMap<SiteName, Vec<String>> = BTreeMap::new();
    for (site, value) in split_pairs(text)? {
        map.entry(site).or_default().push(value);
    }
    Ok(map)
}

#[cfg(test)]
mod tests;
