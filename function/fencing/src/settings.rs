//! What the function reads at start: the contract between `provision` and the Lambda.
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

/// Whether a variable may be empty, or absent, which is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// The function does not start without it.
    Filled,
    /// Nothing is a value, too: no role, no topic, no caches.
    MayBeEmpty,
}

/// One environment variable of the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    pub name: &'static str,
    /// Where its value comes from.
    pub source: Source,
}

/// Makes the structs and, from the same lines, the variables and both directions between them. One line is all
/// there is to say about a value: `field: Type = NAME("VARIABLE", where from, may it be empty)`; how a value is
/// written down and read follows from its type ([`Value`]). `+ group: Type` puts another of the structs inside.
macro_rules! described {
    ($(
        $(#[$about:meta])*
        struct $name:ident {
            $(
                $(#[$doc:meta])*
                $field:ident: $type:ty = $variable:ident($text:literal, $source:expr, $need:ident);
            )*
            $(
                + $(#[$group_doc:meta])*
                $group:ident: $group_type:ty;
            )*
        }
    )*) => {
        $(
            $(#[$about])*
            pub struct $name {
                $($(#[$doc])* pub $field: $type,)*
                $($(#[$group_doc])* pub $group: $group_type,)*
            }

            impl $name {
                fn print(&self, environment: &mut Vec<(Variable, String)>) {
                    $(environment.push(($variable, self.$field.print()));)*
                    $(self.$group.print(environment);)*
                }

                /// `None` where a mistake was noted; all of them are looked for first.
                fn read(reader: &mut Reader<'_>) -> Option<Self> {
                    $(let $field = reader.value($variable, Need::$need);)*
                    $(let $group = <$group_type>::read(reader);)*
                    Some(Self { $($field: $field?,)* $($group: $group?,)* })
                }
            }

            $(
                $(#[$doc])*
                pub const $variable: Variable = Variable { name: $text, source: $source };
            )*
        )*

        /// Every variable the function reads, in the order in which they are rendered.
        pub const VARIABLES: &[Variable] = &[$($($variable,)*)*];
    };
}

described! {
    /// Everything that the function is configured with.
    #[derive(Debug, Clone, PartialEq, Eq)]
    struct Settings {
        /// Which deployment this is: the alerts' label `topology`, the register's key.
        topology: TopologyName = TOPOLOGY("SITEFENCE_TOPOLOGY", Source::Literal, Filled);
        /// The two sites, in the topology's order: `site=region,site=region`.
        sites: [Site; 2] = SITES("SITEFENCE_SITES", Source::Literal, Filled);
        /// `act` or `observe`.
        mode: Mode = MODE("SITEFENCE_MODE", Source::Literal, Filled);
        /// Sites that no alert leaves alone: `site,site`.
        never_survivors: Vec<SiteName> = NEVER_SURVIVORS("SITEFENCE_NEVER_SURVIVORS", Source::Literal, MayBeEmpty);
        /// The user that Alertmanager authenticates as.
        webhook_username: String = WEBHOOK_USERNAME("SITEFENCE_WEBHOOK_USERNAME", Source::Literal, Filled);
        /// The Infinispan user, with ADMIN rights.
        infinispan_username: String =
            INFINISPAN_USERNAME("SITEFENCE_INFINISPAN_USERNAME", Source::Literal, Filled);
        /// What a site's certificate may be made out to instead of the host that is dialled: `site=name,…`. A router
        /// that passes TLS on goes by the host, and the server behind it proves the name that it has in its cluster.
        infinispan_names: BTreeMap<SiteName, String> =
            INFINISPAN_NAMES("SITEFENCE_INFINISPAN_NAMES", Source::Literal, MayBeEmpty);
        /// The Region of the secret with Infinispan's password.
        secrets_region: String = SECRETS_REGION("SITEFENCE_SECRETS_REGION", Source::Literal, Filled);
        register_region: String = REGISTER_REGION("SITEFENCE_REGISTER_REGION", Source::Literal, Filled);
        /// The role to assume for a register in another account; empty for one's own.
        register_role_arn: String =
            REGISTER_ROLE_ARN("SITEFENCE_REGISTER_ROLE_ARN", Source::Literal, MayBeEmpty);
        /// No new decision for this long after a rejoin or an adoption.
        cooldown_seconds: u32 = COOLDOWN_SECONDS("SITEFENCE_COOLDOWN_SECONDS", Source::Literal, Filled);
        /// For how long a site has to be missing, counted from the start of a `SiteSuspected` alert, before that leads to a
        /// decision. 0 or absent, as an older `provision` leaves it: no suspicion is looked into.
        suspicion_seconds: u32 = SUSPICION_SECONDS("SITEFENCE_SUSPICION_SECONDS", Source::Literal, MayBeEmpty);
        /// The function's own timeout. No write happens later than this after an invocation began, which is
        /// what the waits of `rejoin` and `promote` rest on.
        timeout_seconds: u32 = TIMEOUT_SECONDS("SITEFENCE_TIMEOUT_SECONDS", Source::Literal, Filled);
        /// The caches that a rejoin clears at the stale site before state is pushed to it: `cache,cache,…`.
        cleared_caches: Vec<String> = CLEARED_CACHES("SITEFENCE_CLEARED_CACHES", Source::Literal, MayBeEmpty);
        /// How many of a hundred health requests are answered from the deep check's result.
        deep_percent: u8 = DEEP_PERCENT("SITEFENCE_DEEP_PERCENT", Source::Literal, Filled);
        /// After this time an operator's hold is overdue, if the operator named no end.
        hold_after_seconds: u32 = HOLD_AFTER_SECONDS("SITEFENCE_HOLD_AFTER_SECONDS", Source::Literal, Filled);
        +
        /// Who carries out a decision, and for how long others let him.
        claim: ClaimSettings;
        +
        /// What is only known by looking.
        found: Found;
    }

    /// How long a claim holds.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    struct ClaimSettings {
        /// A working executor renews its claim this often.
        renew_interval_seconds: u32 =
            CLAIM_RENEW_INTERVAL_SECONDS("SITEFENCE_CLAIM_RENEW_INTERVAL_SECONDS", Source::Literal, Filled);
        /// After so many missed renewals anyone may take over.
        failure_threshold: u32 =
            CLAIM_FAILURE_THRESHOLD("SITEFENCE_CLAIM_FAILURE_THRESHOLD", Source::Literal, Filled);
    }

    /// What only a look at the two clouds tells, or the stack itself.
    #[derive(Debug, Clone, PartialEq, Eq, Default)]
    struct Found {
        /// The secret with the webhook's password, by ARN, in the function's own Region.
        webhook_secret: String = WEBHOOK_SECRET("SITEFENCE_WEBHOOK_SECRET", Source::Resource, Filled);
        /// The secret in the path of the health check, by ARN, in the function's own Region.
        health_secret: String = HEALTH_SECRET("SITEFENCE_HEALTH_SECRET", Source::Resource, Filled);
        /// The secret with Infinispan's password, by ARN (or name).
        infinispan_secret: String =
            INFINISPAN_SECRET("SITEFENCE_INFINISPAN_SECRET", Source::Parameter("InfinispanSecret"), Filled);
        /// Where each site's Infinispan answers: `site=https://host[:port],…`.
        infinispan_urls: BTreeMap<SiteName, String> =
            INFINISPAN_URLS("SITEFENCE_INFINISPAN_URLS", Source::Parameter("InfinispanUrls"), Filled);
        /// The register's table, by ARN or name.
        register_table: String =
            REGISTER_TABLE("SITEFENCE_REGISTER_TABLE", Source::Parameter("RegisterTable"), Filled);
        accelerator_arn: String =
            ACCELERATOR_ARN("SITEFENCE_ACCELERATOR_ARN", Source::Parameter("AcceleratorArn"), Filled);
        /// What the accelerator's tag says where it is this deployment's: account/Region/table/topology of its
        /// register. Empty where an older `provision` applied, and then the tag is not asked for.
        owner: String = OWNER("SITEFENCE_OWNER", Source::Parameter("Owner"), MayBeEmpty);
        /// The ARN of every endpoint group of every listener that holds a site's balancer: `arn,arn,…`.
        endpoint_group_arns: Vec<String> = ENDPOINT_GROUP_ARNS(
            "SITEFENCE_ENDPOINT_GROUP_ARNS", Source::Parameter("EndpointGroupArns"), Filled
        );
        /// Each site's balancers, as the accelerator's endpoint identifiers (ARNs): `site=arn,site=arn,…`; a
        /// site with two balancers appears twice.
        balancers: BTreeMap<SiteName, Vec<String>> =
            BALANCERS("SITEFENCE_BALANCERS", Source::Parameter("Balancers"), Filled);
        /// Where notifications go; empty if nobody is notified.
        topic_arn: String = TOPIC_ARN("SITEFENCE_TOPIC_ARN", Source::Resource, MayBeEmpty);
    }
}

impl ClaimSettings {
    /// How long a claim is honoured after its last renewal: interval × threshold.
    pub fn ttl_seconds(self) -> u32 {
        self.renew_interval_seconds.saturating_mul(self.failure_threshold)
    }
}

/// A variable that the function cannot start with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// It is not there, or empty where it must not be.
    #[error("the variable {name} is not set; apply the topology again")]
    Missing { name: &'static str },
    /// It is there and makes no sense.
    #[error(
        "the variable {name} holds `{}`: {reason}; apply the topology again",
        crate::words::shown(value)
    )]
    Malformed {
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
        let mut environment = Vec::with_capacity(VARIABLES.len());
        self.print(&mut environment);
        environment
    }

    /// How many bytes of the function's environment the settings take, counted as AWS does.
    pub fn environment_bytes(&self) -> usize {
        self.environment()
            .iter()
            .map(|(variable, value)| variable.name.len() + value.len())
            .sum()
    }

    /// Reads the settings back. Everything that is wrong is reported at once.
    ///
    /// `lookup` is handed each variable's name; the environment is the caller's to read.
    pub fn from_environment(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<SettingsError>> {
        let mut reader = Reader {
            lookup: &lookup,
            errors: Vec::new(),
        };
        let settings = Self::read(&mut reader);
        for site in settings.iter().flat_map(|settings| &settings.sites) {
            for (variable, present) in settings.iter().flat_map(|settings| {
                [
                    (BALANCERS, settings.found.balancers.contains_key(&site.name)),
                    (
                        INFINISPAN_URLS,
                        settings.found.infinispan_urls.contains_key(&site.name),
                    ),
                ]
            }) {
                if !present {
                    reader.errors.push(SettingsError::Malformed {
                        name: variable.name,
                        value: lookup(variable.name).unwrap_or_default(),
                        reason: format!("site `{}` is missing", site.name),
                    });
                }
            }
        }
        settings.filter(|_| reader.errors.is_empty()).ok_or(reader.errors)
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

    /// Whether a decision may leave this site alone. A promotion may all the same: the other one has died then.
    pub fn may_survive(&self, site: &SiteName) -> bool {
        !self.never_survivors.contains(site)
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

/// Reads variables one by one and notes what is wrong with them.
struct Reader<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    errors: Vec<SettingsError>,
}

impl Reader<'_> {
    fn value<T: Value>(&mut self, variable: Variable, need: Need) -> Option<T> {
        let text = (self.lookup)(variable.name).unwrap_or_default();
        if text.is_empty() && need == Need::Filled {
            self.errors.push(SettingsError::Missing { name: variable.name });
            return None;
        }
        match T::parse(&text) {
            Ok(value) => Some(value),
            Err(reason) => {
                self.errors.push(SettingsError::Malformed {
                    name: variable.name,
                    value: text,
                    reason,
                });
                None
            }
        }
    }
}

/// A type that can stand in a variable.
trait Value: Sized {
    fn print(&self) -> String;
    fn parse(text: &str) -> Result<Self, String>;
}

impl Value for String {
    fn print(&self) -> String {
        self.clone()
    }

    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl Value for TopologyName {
    fn print(&self) -> String {
        self.to_string()
    }

    fn parse(text: &str) -> Result<Self, String> {
        Self::new(text).map_err(|error| error.to_string())
    }
}

macro_rules! numbers {
    ($($type:ty),*) => {$(
        impl Value for $type {
            fn print(&self) -> String {
                self.to_string()
            }

            fn parse(text: &str) -> Result<Self, String> {
                // Only a number that may be absent gets here without a text.
                if text.is_empty() {
                    return Ok(0);
                }
                text.parse().map_err(|error: std::num::ParseIntError| error.to_string())
            }
        }
    )*};
}
numbers!(u8, u32);

impl Value for Mode {
    fn print(&self) -> String {
        match self {
            Self::Act => "act",
            Self::Observe => "observe",
        }
        .to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "act" => Ok(Self::Act),
            "observe" => Ok(Self::Observe),
            _ => Err("neither `act` nor `observe`".to_owned()),
        }
    }
}

impl Value for Vec<String> {
    fn print(&self) -> String {
        self.join(",")
    }

    fn parse(text: &str) -> Result<Self, String> {
        let items = text.split(',').filter(|item| !item.is_empty());
        Ok(items.map(str::to_owned).collect())
    }
}

impl Value for Vec<SiteName> {
    fn print(&self) -> String {
        let names: Vec<&str> = self.iter().map(SiteName::as_str).collect();
        names.join(",")
    }

    fn parse(text: &str) -> Result<Self, String> {
        let items = text.split(',').filter(|item| !item.is_empty());
        let names = items.map(|item| SiteName::new(item).map_err(|error| error.to_string()));
        names.collect()
    }
}

impl Value for [Site; 2] {
    fn print(&self) -> String {
        joined(self.iter().map(|site| (&site.name, &site.region)))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let sites: Vec<Site> = pairs(text)?
            .into_iter()
            .map(|(name, region)| Site { name, region })
            .collect();
        match Self::try_from(sites) {
            Ok(sites) if sites[0].name != sites[1].name => Ok(sites),
            _ => Err("not exactly two different sites".to_owned()),
        }
    }
}

impl Value for BTreeMap<SiteName, String> {
    fn print(&self) -> String {
        joined(self.iter())
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut map = Self::new();
        for (site, value) in pairs(text)? {
            if map.insert(site.clone(), value).is_some() {
                return Err(format!("site `{site}` appears twice"));
            }
        }
        Ok(map)
    }
}

impl Value for BTreeMap<SiteName, Vec<String>> {
    fn print(&self) -> String {
        joined(
            self.iter()
                .flat_map(|(site, values)| values.iter().map(move |value| (site, value))),
        )
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut map = Self::new();
        for (site, value) in pairs(text)? {
            map.entry(site).or_default().push(value);
        }
        Ok(map)
    }
}

fn joined<'a>(items: impl Iterator<Item = (&'a SiteName, &'a String)>) -> String {
    items.fold(String::new(), |mut text, (site, value)| {
        let separator = if text.is_empty() { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = write!(text, "{separator}{site}={value}");
        text
    })
}

fn pairs(text: &str) -> Result<Vec<(SiteName, String)>, String> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
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

#[cfg(any(test, feature = "samples"))]
pub mod sample;

#[cfg(test)]
mod tests;
