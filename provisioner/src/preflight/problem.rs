//! What stands between a topology and its deployment: each with what was found, where, and what to do.

use fencing::accelerator::OWNER_TAG;
use fencing::words::SiteName;

use super::cluster_problem::ClusterProblem;
use crate::observed::RegisterReading;
use crate::topology::{Region, RegisterKind};

/// Before a site is put into the accelerator by hand.
const IN_STEP: &str = "a stale site that serves loses writes; once it is up to date, its caches cleared and the \
                       other site's state pushed to it (docs/runbook.md, chapter `A site is fenced`)";

/// A reason not to go on. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("no accelerator of account {account_id} is called `{wanted}`")]
    NoAccelerator {
        wanted: String,
        account_id: String,
        /// Names and DNS names of those that were seen.
        seen: Vec<String>,
    },
    #[error("the accelerator `{name}` is disabled")]
    AcceleratorDisabled { name: String, arn: String },
    #[error("the accelerator `{name}` has no endpoint that belongs to one of the sites")]
    NoSiteInAccelerator { name: String },
    #[error("the endpoint {arn} has no tag `site`")]
    UntaggedBalancer {
        arn: String,
        region: Region,
        /// The sites that it may belong to.
        candidates: Vec<SiteName>,
    },
    #[error("the endpoint {arn} is tagged `site={site}`, and the topology has no such site")]
    UnknownSite {
        arn: String,
        region: Region,
        site: String,
        sites: [SiteName; 2],
    },
    #[error("the endpoint {endpoint} is in a listener of the sites and is no load balancer")]
    ForeignEndpoint { endpoint: String, group: String },
    #[error("the endpoint {arn} names a load balancer that is gone")]
    GoneBalancer { arn: String, group: String },
    #[error("it is not known which site the endpoint {arn} belongs to: {region} does not answer")]
    UnseenBalancer { arn: String, region: Region },
    #[error("site `{site}` has {} load balancers in one listener (port {ports}): {}", arns.len(), arns.join(", "))]
    SeveralBalancers {
        site: SiteName,
        ports: String,
        arns: Vec<String>,
    },
    #[error("site `{site}` has no endpoint in the listener of port {ports}")]
    SiteNotInListener {
        site: SiteName,
        ports: String,
        /// The group of the site's Region, where there is one.
        group: Option<String>,
        balancers: Vec<String>,
    },
    #[error("no load balancer in {region} is tagged `site={site}`")]
    NoBalancer { site: SiteName, region: Region },
    #[error("{} load balancers in {region} are tagged `site={site}`: {}", arns.len(), arns.join(", "))]
    AmbiguousBalancer {
        site: SiteName,
        region: Region,
        arns: Vec<String>,
    },
    #[error("site `{site}` has no Infinispan endpoint")]
    NoInfinispanEndpoint { site: SiteName, index: usize },
    #[error(
        "site `{site}` has the endpoint {endpoint}, where the cluster of site `{peer}` exposes its Infinispan"
    )]
    EndpointOfThePeer {
        site: SiteName,
        index: usize,
        endpoint: String,
        peer: SiteName,
        /// Where its own cluster does.
        own: Option<String>,
    },
    #[error("there is no secret `{name}` in {region}")]
    NoSecret { name: String, region: Region },
    #[error("the secret `{name}` is in {first_region} and not in {region}, where a function needs it too")]
    NoReplica {
        name: String,
        first_region: Region,
        region: Region,
    },
    #[error(
        "the webhook's secret lives in {from}, the first of the Regions until now, and cannot move to {to}"
    )]
    SecretsMove { from: String, to: String },
    #[error("the secret `{name}` in {region} is being deleted")]
    SecretBeingDeleted { name: String, region: Region },
    #[error(
        "site `{site}` is in {region} according to the topology, but its load balancer {arn} is in {found}"
    )]
    BalancerInAnotherRegion {
        site: SiteName,
        index: usize,
        region: Region,
        arn: String,
        found: String,
    },
    #[error("the secret `{name}`, which is the topology's own, is waiting to be deleted in {region}")]
    OwnSecretBeingDeleted {
        name: String,
        region: Region,
        /// Whether a function stands that reads it.
        is_made: bool,
    },
    #[error("the secret `{name}` in {region} has no value")]
    SecretWithoutValue { name: String, region: Region },
    #[error("{what} `{name}` exists in {region} and does not belong to the stack {stack}")]
    NameTaken {
        what: &'static str,
        name: String,
        region: Region,
        stack: String,
    },
    #[error("the stack {stack} in {region} exists and is not ours: it lacks the tag {tag}={topology}")]
    ForeignStack {
        stack: String,
        region: Region,
        tag: &'static str,
        topology: String,
    },
    #[error("the permissions boundary {arn} does not exist")]
    NoBoundary { arn: String },
    #[error(
        "{region} cannot spare {wanted} concurrent executions: {unreserved} are unreserved, and AWS keeps {keeps} back"
    )]
    NoConcurrency {
        region: Region,
        wanted: u32,
        unreserved: u32,
        keeps: u32,
    },
    #[error("{region} has no room for {package_bytes} more bytes of code: {used} of {limit} are taken")]
    NoRoomForCode {
        region: Region,
        package_bytes: u64,
        used: u64,
        limit: u64,
    },
    #[error("the function's environment would have {bytes} bytes, and AWS allows {limit}")]
    EnvironmentTooLarge { bytes: usize, limit: usize },
    #[error("the register's table `{table}` does not exist in {region}")]
    NoSharedTable { table: String, region: Region },
    #[error("the register's table `{table}` in {region} has the wrong key: {found}")]
    TableShape {
        table: String,
        region: Region,
        found: String,
    },
    #[error(
        "the register's table `{table}` in {region} is an eventually consistent global table{}: two functions could \
         decide for different sites in the same second, and the last write would count",
        also_in(others)
    )]
    EventualRegister {
        table: String,
        region: Region,
        others: Vec<String>,
    },
    #[error(
        "the register's table `{table}` in {region} is a table of one Region, but the topology needs a strong one"
    )]
    NotStrong { table: String, region: Region },
    #[error("the register's table `{table}` has no replica in {region}, only in {}", has.join(", "))]
    NoRegisterReplica {
        table: String,
        region: Region,
        has: Vec<String>,
    },
    #[error(
        "the stack {stack} in {region} holds a register of another kind than `{wanted}`, and cannot be changed into one"
    )]
    RegisterKindChanges {
        stack: String,
        region: Region,
        wanted: RegisterKind,
    },
    #[error(
        "a table `{table}` was kept in {region} when this topology was destroyed, but the topology does not say to keep it"
    )]
    KeptTable { table: String, region: Region },
    #[error("the register's table `{table}` is gone from {region}, but its stack {stack} still lists it")]
    RegisterGone {
        table: String,
        region: Region,
        stack: String,
    },
    #[error(
        "the stack {stack} in {region} can only be replaced, and the register's table `{table}` would go with it, \
         with what was decided"
    )]
    RegisterInBrokenStack {
        table: String,
        region: Region,
        stack: String,
        resource: String,
    },
    #[error(
        "the topology keeps the register's table `{table}`, but its stack {stack} in {region} was applied before \
         that was set, and would delete the table with its history"
    )]
    RegisterNotKept {
        table: String,
        region: Region,
        stack: String,
    },
    #[error("the template of {stack} needs the parameter {parameter}, for which there is no value")]
    UnknownParameter { stack: String, parameter: String },
    #[error("{what} cannot change while a decision is in force: the register is `{}`, epoch {}{}", register.state(), register.epoch(), fenced(register))]
    DecisionInForce { what: String, register: RegisterReading },
    #[error("{what} cannot change while it is not known whether a decision is in force: {why}")]
    RegisterUnread { what: String, why: String },
    #[error("it is not known whether a site is fenced: {why}")]
    RegisterSilent { why: String },
    #[error("the register is `{}`, epoch {}{}", register.state(), register.epoch(), fenced(register))]
    NotOpen { register: RegisterReading },
    #[error(
        "the table {table} in {region} holds an item of this topology already, epoch {epoch}, and the deployed \
         function uses another table: it was restored from a backup, or used before"
    )]
    UsedRegister {
        table: String,
        region: Region,
        epoch: u64,
    },
    #[error(
        "the register moves from {from} to {to} while alerts may fence: a function that still knows the old one and \
         a function that knows the new one would decide independently"
    )]
    MovesUnheld { from: String, to: String },
    #[error("the function `{function}` in {region} fences, too: it is the function of Keycloak's guide")]
    GuideDeployment { function: String, region: Region },
    #[error("the accelerator belongs to `{owner}`, and this is `{ours}`")]
    AnothersAccelerator {
        arn: String,
        owner: String,
        ours: String,
    },
    #[error(
        "the function `{function}` in {region} fences at the same accelerator, for the topology `{topology}`"
    )]
    SharedAccelerator {
        function: String,
        region: Region,
        topology: String,
    },
    #[error(transparent)]
    Cluster(#[from] ClusterProblem),
}

/// Who is fenced and who serves, as the end of a sentence.
pub fn fenced(register: &RegisterReading) -> String {
    match (register.fenced(), register.survivor()) {
        (Some(fenced), Some(survivor)) => format!(" ({fenced} is fenced, {survivor} serves)"),
        _ => String::new(),
    }
}

fn also_in(others: &[String]) -> String {
    match others {
        [] => String::new(),
        others => format!(", also in {}", others.join(", ")),
    }
}

/// Words a command needs: `a-b` stays, anything else is quoted.
pub(super) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

impl Problem {
    /// Whether going on would be dangerous, rather than impossible.
    pub fn is_unsafe(&self) -> bool {
        match self {
            Self::DecisionInForce { .. }
            | Self::RegisterInBrokenStack { .. }
            | Self::NotOpen { .. }
            | Self::UsedRegister { .. }
            | Self::MovesUnheld { .. }
            | Self::RegisterNotKept { .. }
            | Self::GuideDeployment { .. }
            | Self::AnothersAccelerator { .. }
            | Self::SharedAccelerator { .. }
            | Self::EventualRegister { .. }
            | Self::RegisterUnread { .. }
            | Self::RegisterSilent { .. } => true,
            Self::Cluster(problem) => problem.is_unsafe(),
            _ => false,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NoAccelerator { seen, .. } if seen.is_empty() => {
                "this account has no accelerator at all; is AWS_PROFILE the right one?".into()
            }
            Self::NoAccelerator { seen, .. } => format!("these exist:\n  {}", seen.join("\n  ")),
            Self::AcceleratorDisabled { arn, .. } => format!(
                "enable it: aws globalaccelerator update-accelerator --region us-west-2 --accelerator-arn {arn} --enabled"
            ),
            Self::NoSiteInAccelerator { .. } => {
                "add both sites' load balancers to it, and tag each of them: site=<name of the site>".into()
            }
            Self::UntaggedBalancer {
                arn,
                region,
                candidates,
            } => {
                let (first, others) = match candidates.as_slice() {
                    [] => ("…", String::new()),
                    [only] => (only.as_str(), String::new()),
                    [first, others @ ..] => {
                        let others: Vec<&str> = others.iter().map(|site| site.as_str()).collect();
                        (first.as_str(), format!("   (or {})", others.join(", ")))
                    }
                };
                format!(
                    "tag it with its site: aws elbv2 add-tags --region {region} --resource-arns {arn} --tags \
                     Key=site,Value={first}{others}"
                )
            }
            Self::UnknownSite { arn, region, sites, .. } => format!(
                "the sites are {} and {}; correct the topology, or the tag: aws elbv2 add-tags --region {region} \
                 --resource-arns {arn} --tags Key=site,Value=…",
                sites[0], sites[1]
            ),
            Self::ForeignEndpoint { endpoint, group } | Self::GoneBalancer { arn: endpoint, group } => format!(
                "the function fences only if it knows every endpoint; remove this one: aws globalaccelerator \
                 remove-endpoints --region us-west-2 --endpoint-group-arn {group} --endpoint-identifiers \
                 EndpointId={endpoint}"
            ),
            Self::UnseenBalancer { .. } => {
                "no earlier deployment remembers it: run the same command again once the Region answers"
                    .into()
            }
            Self::RegisterUnread { .. } => "run the same command again once the register's Region answers".into(),
            Self::RegisterSilent { .. } => {
                "wait until the register's Region answers, or destroy with --force what is left of the rest".into()
            }
            Self::SeveralBalancers { .. } => {
                "leave one balancer per site in each listener, or correct the tag `site` of the others".into()
            }
            Self::SiteNotInListener { group, balancers, .. } => match (group, balancers.as_slice()) {
                (Some(group), [balancer]) => format!(
                    "{IN_STEP}, add it: aws globalaccelerator add-endpoints --region us-west-2 --endpoint-group-arn \
                     {group} --endpoint-configurations EndpointId={balancer}"
                ),
                (None, [balancer]) => format!(
                    "{IN_STEP}, make an endpoint group for its Region in that listener, with the endpoint {balancer}"
                ),
                _ => format!(
                    "{IN_STEP}, add the site's load balancer, tagged `site`, to that listener's endpoint group"
                ),
            },
            Self::NoBalancer { site, region } => format!(
                "tag the site's load balancer: aws elbv2 add-tags --region {region} --resource-arns … --tags \
                 Key=site,Value={site}"
            ),
            Self::AmbiguousBalancer { .. } => {
                "put the right one into the accelerator, or remove the tag `site` from the others".into()
            }
            Self::NoInfinispanEndpoint { index, .. } => format!(
                "expose Infinispan outside of its cluster (OpenShift: the Route `infinispan-external`), or set \
                 sites[{index}].infinispan.endpoint to the host where it answers"
            ),
            Self::EndpointOfThePeer { index, own, .. } => {
                let own = own.as_ref().map_or_else(String::new, |own| format!(", which is {own}"));
                format!("set sites[{index}].infinispan.endpoint to where its own cluster exposes it{own}")
            }
            Self::NoSecret { name, region } => format!(
                "make it from a file that holds nothing but Infinispan's password: aws secretsmanager create-secret \
                 --region {region} --name {} --secret-string file://password",
                quoted(name)
            ),
            Self::NoReplica { name, first_region, region } => format!(
                "a function must survive the loss of the other Region: aws secretsmanager \
                 replicate-secret-to-regions --region {first_region} --secret-id {} --add-replica-regions \
                 Region={region}",
                quoted(name)
            ),
            Self::SecretsMove { from, .. } => format!(
                "keep {from} the first of `regions`; to leave it, `provision destroy` while nothing is fenced, then \
                 `provision apply`: a new password is generated and brought to both clusters"
            ),
            Self::SecretBeingDeleted { name, region } => {
                format!("restore it: aws secretsmanager restore-secret --region {region} --secret-id {}", quoted(name))
            }
            Self::BalancerInAnotherRegion { index, found, site, .. } => format!(
                "correct sites[{index}].region to {found}, or give the tag site={site} to the right load balancer"
            ),
            Self::OwnSecretBeingDeleted { name, region, is_made: true } => {
                format!("the function needs it: aws secretsmanager restore-secret --region {region} --secret-id {}", quoted(name))
            }
            Self::OwnSecretBeingDeleted { name, region, is_made: false } => format!(
                "it keeps its name until then; nothing needs it any more: aws secretsmanager delete-secret --region {region} \
                 --secret-id {} --force-delete-without-recovery",
                quoted(name)
            ),
            Self::SecretWithoutValue { name, region } => format!(
                "give it one: aws secretsmanager put-secret-value --region {region} --secret-id {} --secret-string \
                 file://password",
                quoted(name)
            ),
            Self::NameTaken { .. } => {
                "another deployment uses the name, or a deletion left it behind: remove it, or give the topology \
                 another name"
                    .into()
            }
            Self::ForeignStack { .. } => "give the topology another name".into(),
            Self::NoBoundary { .. } => "correct function.permissionsBoundary".into(),
            Self::NoConcurrency { .. } => {
                "leave function.reservedConcurrency out, or have the account's concurrency raised in Service Quotas"
                    .into()
            }
            Self::NoRoomForCode { .. } => "delete old versions of other functions there".into(),
            Self::EnvironmentTooLarge { .. } => {
                "shorten names, hosts or the list of caches; KMS, topic and table ARNs count too".into()
            }
            Self::NoSharedTable { .. } => {
                "make it, with the string hash key `pk`, or leave register.table out and have one made".into()
            }
            Self::TableShape { .. } => "the table needs a string hash key `pk` and no range key".into(),
            Self::EventualRegister { .. } => {
                "a table's consistency cannot be changed: name a table of one Region in which no site lives, or one \
                 made with `MultiRegionConsistency: STRONG`"
                    .into()
            }
            Self::NotStrong { .. } => {
                "write `kind: table`, or leave register.table out and have a strongly consistent one made; a table's \
                 consistency cannot be changed"
                    .into()
            }
            Self::NoRegisterReplica { .. } => {
                "correct register.regions; a strongly consistent table keeps the Regions it was made in".into()
            }
            Self::RegisterKindChanges { .. } => {
                "leave register.kind as it was, or `provision destroy` while nothing is fenced, then `provision apply`"
                    .into()
            }
            Self::KeptTable { table, region } => format!(
                "set register.retain: true to take it over with its history, or delete it: aws dynamodb delete-table \
                 --region {region} --table-name {table}"
            ),
            Self::RegisterGone { .. } => {
                "someone deleted it by hand, and what was decided went with it: first make sure that both sites are \
                 in the accelerator and replicate to each other, because if one is fenced, the record of that is \
                 gone; then `provision destroy` and `provision apply` make a new one"
                    .into()
            }
            Self::RegisterInBrokenStack {
                table,
                region,
                stack,
                resource,
            } => format!(
                "set register.retain: true, so that the next apply takes `{table}` over, and delete the stack without it: \
                 aws cloudformation delete-stack --region {region} --stack-name {stack} --retain-resources {resource}"
            ),
            Self::RegisterNotKept { .. } => {
                "`provision apply` first, which has the stack keep it; or take register.retain out and have it deleted"
                    .into()
            }
            Self::UnknownParameter { .. } => "this is a bug in Sitefence; please report it".into(),
            Self::DecisionInForce { .. } => {
                "bring the fenced site back first (docs/runbook.md, chapter `A site is fenced`); the \
                 register opens by itself then"
                    .into()
            }
            Self::NotOpen { register } => format!(
                "nothing would remember that {} is out of the accelerator: bring it back first (docs/runbook.md, chapter \
                 `A site is fenced`), or destroy with --force",
                register.fenced().map_or("a site", SiteName::as_str)
            ),
            Self::UsedRegister { epoch, .. } => format!(
                "what was decided since that item was written is not in it: make sure that both sites are in the \
                 accelerator and replicate to each other, then confirm the epoch to continue from with \
                 --resume-epoch {epoch}"
            ),
            Self::MovesUnheld { .. } => {
                "prevent decisions meanwhile: `provision hold --reason …`, then apply; the hold does not move to the \
                 new register"
                    .into()
            }
            Self::GuideDeployment { function, region } => format!(
                "two fencers could each take out a different site: remove its AlertmanagerConfig in both clusters, \
                 then aws lambda delete-function --region {region} --function-name {function}"
            ),
            Self::AnothersAccelerator { arn, owner, .. } => format!(
                "two deployments on one accelerator would empty it between them: `provision destroy` that one first; if \
                 nothing is left of `{owner}`, or the register has moved: aws globalaccelerator untag-resource --region us-west-2 \
                 --resource-arn {arn} --tag-keys {OWNER_TAG}"
            ),
            Self::SharedAccelerator { topology, .. } => format!(
                "two deployments on one accelerator would empty it between them: `provision destroy` the topology \
                 `{topology}` first"
            ),
            Self::Cluster(problem) => problem.hint(),
        }
    }
}
