//! Judges what was seen before anything is changed: can this topology be deployed here, and is it safe?
//!
//! All problems are reported together. What is left when there are none is [`Found`]: the ARNs and addresses
//! that become the function's settings, read from the world as it is.

mod accelerator;
pub mod causes;
pub mod cluster_problem;
mod clusters;
pub mod forced;
pub mod infinispan;
mod keepers;
mod key_policy;
pub mod keys;
pub mod ours;
pub mod places;
pub mod problem;
mod register;
mod secrets;
#[cfg(test)]
mod tests;
pub mod warning;

use std::collections::BTreeMap;

use fencing::accelerator::REACHED_TAG;
use fencing::settings::{ENVIRONMENT_LIMIT_BYTES, Found, Settings};
use fencing::words::SiteName;

pub use self::accelerator::{is_wanted, sites_to_search};
pub use self::clusters::{forbidden, judge_clusters, sends_site_offline, together, unusable};
pub use self::register::{
    former_registers, is_elsewhere, judge_destruction, judge_history, register_is_anew, wanted_register,
};

use self::problem::Problem;
use self::warning::Warning;
use crate::observed::cluster::{ClusterLook, ClusterReading, Looks};
use crate::observed::{Observed, RegionReading, RegionStanding, StackHealth, Standing};
use crate::package;
use crate::render::parameters;
use crate::topology::names::{HEALTH_REGION, StackKind, TAG_TOPOLOGY};
use crate::topology::time_to_fence::FEW;
use crate::topology::{Region, Topology};

/// AWS keeps so many executions back from reservations.
const UNRESERVED_MINIMUM: u32 = 100;

/// What the world has for this topology.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    /// The settings of every function; what differs by Region, and ARNs of what the stack makes, are left out.
    pub found: Found,
    /// The secret with Infinispan's password, by function Region.
    pub infinispan_secrets: BTreeMap<Region, String>,
    /// The version of the health secret that Route 53 has to ask with, once it is there.
    pub health_secret_version: Option<String>,
    /// Whether the accelerator does not say yet that it is this topology's, with its register where it shall be; or
    /// still says how far another register had come than the one that the functions are going to use.
    pub unmarked: bool,
    /// The Regions that did not answer, each with the call that shows it.
    pub unreached: BTreeMap<Region, String>,
    pub warnings: Vec<Warning>,
}

/// Judges everything. `package_bytes` is the size of the function's zip.
pub fn judge(topology: &Topology, observed: &Observed, package_bytes: u64) -> Result<Findings, Vec<Problem>> {
    let mut judge = Examination {
        topology,
        observed,
        problems: Vec::new(),
        warnings: Vec::new(),
    };
    let found = judge.found();
    judge.secrets();
    judge.own_secrets();
    judge.keys();
    judge.replicas();
    judge.home_of_secrets();
    for region in &observed.regions {
        judge.region(region, package_bytes);
    }
    judge
        .problems
        .extend(foreign_stacks(topology, &observed.standing));
    judge.register();
    match &topology.function.permissions_boundary {
        Some(arn) if !observed.boundary_exists => {
            judge.problems.push(Problem::NoBoundary { arn: arn.to_string() });
        }
        _ => {}
    }
    judge.environment(&found);
    judge.decision_in_force(&found);
    if judge.problems.is_empty() {
        Ok(Findings {
            found,
            infinispan_secrets: observed
                .infinispan_secrets
                .iter()
                .map(|(region, secret)| (region.clone(), secret.arn.clone()))
                .collect(),
            health_secret_version: observed
                .own_secrets
                .get(HEALTH_REGION)
                .and_then(|secrets| secrets.get(&topology.health_secret_name()))
                .and_then(|secret| secret.version.clone()),
            unmarked: observed.owner.as_ref()
                != Some(&topology.owner(&observed.standing.identity.account_id))
                || observed.accelerator_tags.contains_key(REACHED_TAG)
                    && register_is_anew(topology, &observed.standing),
            unreached: observed.unreached.clone(),
            warnings: judge.warnings,
        })
    } else {
        // One cause may show in several listeners.
        let mut problems: Vec<Problem> = Vec::new();
        for problem in judge.problems {
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
        Err(problems)
    }
}

struct Examination<'a> {
    topology: &'a Topology,
    observed: &'a Observed,
    problems: Vec<Problem>,
    warnings: Vec<Warning>,
}

impl Examination<'_> {
    fn site_names(&self) -> [SiteName; 2] {
        self.topology.sites.each_ref().map(|site| site.name.clone())
    }

    fn infinispan_urls(&mut self) -> BTreeMap<SiteName, String> {
        let mut urls = BTreeMap::new();
        for (index, site) in self.topology.sites.iter().enumerate() {
            self.problems.extend(places::of_the_peer(
                self.topology,
                site,
                index,
                &self.observed.clusters,
            ));
            match self.observed.infinispan_urls.get(&site.name) {
                Some(url) => {
                    urls.insert(site.name.clone(), url.clone());
                }
                None => self.problems.push(Problem::NoInfinispanEndpoint {
                    site: site.name.clone(),
                    index,
                }),
            }
        }
        urls
    }

    fn region(&mut self, reading: &RegionReading, package_bytes: u64) {
        let region = &reading.region;
        for function in &reading.guide_functions {
            self.problems.push(Problem::GuideDeployment {
                function: function.clone(),
                region: region.clone(),
            });
        }
        if !self.topology.regions.contains(region) {
            // A site's Region without a function: only the guide's function was looked for.
            return;
        }
        for role in &reading.roles {
            self.taken("the role", role, region);
        }
        let standing = self.observed.standing.regions.get(region);
        if let Some(function) = standing.and_then(|standing| standing.function.as_ref()) {
            self.taken("the function", &function.name, region);
        }
        if let Some(standing) = standing {
            self.warnings.extend(foreign_code(standing, region));
            if standing.bucket_is_taken {
                self.problems.push(Problem::NameTaken {
                    what: "the bucket",
                    name: self
                        .topology
                        .bucket_name(&self.observed.standing.identity.account_id, region),
                    region: region.clone(),
                    stack: self.topology.stack_name(StackKind::Artifacts),
                });
            }
        }
        let executions = reading.limits.unreserved_concurrency;
        if self.topology.function.reserved_concurrency.is_none() && executions < FEW {
            self.warnings.push(Warning::FewExecutions {
                region: region.clone(),
                executions,
            });
        }
        if let Some(wanted) = self.topology.function.reserved_concurrency {
            let unreserved = reading
                .limits
                .unreserved_concurrency
                .saturating_add(reading.reserved_concurrency);
            if unreserved < wanted.saturating_add(UNRESERVED_MINIMUM) {
                self.problems.push(Problem::NoConcurrency {
                    region: region.clone(),
                    wanted,
                    unreserved,
                    keeps: UNRESERVED_MINIMUM,
                });
            }
        }
        let (used, limit) = (reading.limits.code_bytes_used, reading.limits.code_bytes_limit);
        if used.saturating_add(package_bytes) > limit {
            self.problems.push(Problem::NoRoomForCode {
                region: region.clone(),
                package_bytes,
                used,
                limit,
            });
        }
    }

    /// A name that something outside our fencing stack holds.
    fn taken(&mut self, what: &'static str, name: &str, region: &Region) {
        let is_ours = self
            .observed
            .standing
            .stack(region, StackKind::Fencing)
            .is_some_and(|stack| {
                stack.resources.iter().any(|resource| {
                    resource.physical_id.as_deref() == Some(name) && resource.status != "DELETE_COMPLETE"
                })
            });
        if !is_ours {
            self.problems.push(Problem::NameTaken {
                what,
                name: name.to_owned(),
                region: region.clone(),
                stack: self.topology.stack_name(StackKind::Fencing),
            });
        }
    }

    fn environment(&mut self, found: &Found) {
        let largest = self
            .topology
            .regions
            .iter()
            .map(|region| expected_settings(self.topology, self.observed, region, found).environment_bytes())
            .max()
            .unwrap_or_default();
        if largest > ENVIRONMENT_LIMIT_BYTES {
            self.problems.push(Problem::EnvironmentTooLarge {
                bytes: largest,
                limit: ENVIRONMENT_LIMIT_BYTES,
            });
        }
    }
}

/// Where each site's Infinispan answers: as the topology says, else as its cluster does; and where the cluster
/// cannot be asked, as the deployed function's settings say.
pub fn infinispan_urls(
    topology: &Topology,
    looks: &Looks<ClusterReading>,
    standing: &Standing,
) -> BTreeMap<SiteName, String> {
    let deployed = standing.deployed();
    let urls = topology.sites.iter().filter_map(|site| {
        let seen = looks.get(&site.name).and_then(ClusterLook::seen);
        let url = match (&site.infinispan.endpoint, seen) {
            (Some(endpoint), _) => Some(endpoint.url()),
            (None, Some(reading)) => reading
                .infinispan_endpoint
                .as_ref()
                .map(|endpoint| format!("https://{endpoint}")),
            (None, None) => deployed
                .as_ref()
                .and_then(|settings| settings.found.infinispan_urls.get(&site.name).cloned()),
        };
        Some((site.name.clone(), url?))
    });
    urls.collect()
}

/// The function's settings as they will be, with stand-ins of the right length for what the stack makes.
fn expected_settings(topology: &Topology, observed: &Observed, region: &Region, found: &Found) -> Settings {
    let account_id = &observed.standing.identity.account_id;
    let mut found = found.clone();
    if let Some(secret) = observed.infinispan_secrets.get(region) {
        found.infinispan_secret.clone_from(&secret.arn);
    }
    let secret = |name: &str| format!("arn:aws:secretsmanager:{region}:{account_id}:secret:{name}-XXXXXX");
    found.webhook_secret = secret(&topology.webhook_secret_name());
    found.health_secret = secret(&topology.health_secret_name());
    found.topic_arn = format!("arn:aws:sns:{region}:{account_id}:{}", topology.topic_name());
    topology.settings(region, found)
}

/// Code that the function was not deployed with: somebody put it there beside CloudFormation, which does not notice.
fn foreign_code(standing: &RegionStanding, region: &Region) -> Option<Warning> {
    let function = standing.function.as_ref()?;
    let stack = standing.stacks.get(&StackKind::Fencing)?;
    let key = stack.parameters.get(parameters::ARTIFACT_KEY)?;
    let (deployed, runs) = (package::sha256_of_key(key)?, function.code_sha256.as_deref()?);
    let is_settled = stack.condition() == StackHealth::Usable;
    (is_settled && deployed != runs).then(|| Warning::ForeignCode {
        function: function.name.clone(),
        region: region.clone(),
        runs: runs.to_owned(),
    })
}

/// Stacks of our names that someone else made.
fn foreign_stacks(topology: &Topology, standing: &Standing) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (region, reading) in &standing.regions {
        for (kind, stack) in &reading.stacks {
            if stack.tags.get(TAG_TOPOLOGY).map(String::as_str) != Some(topology.name.as_str()) {
                problems.push(Problem::ForeignStack {
                    stack: topology.stack_name(*kind),
                    region: region.clone(),
                    tag: TAG_TOPOLOGY,
                    topology: topology.name.to_string(),
                });
            }
        }
    }
    problems
}
