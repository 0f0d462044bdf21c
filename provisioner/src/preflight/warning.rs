//! What is worth knowing of what was seen, and stops nobody.

use fencing::words::SiteName;
use jiff::Timestamp;

use super::cluster_problem::{ClusterProblem, lines};
use super::infinispan::Oddity;
use super::key_policy::Who;
use crate::observed::cluster::ObjectRef;
use crate::observed::handshake::Mistrust;
use crate::render::user_workload::names;
use crate::topology::{Expiry, Region, Validity};

fn epochs(resumed: Option<u64>) -> String {
    match resumed {
        Some(epoch) => format!("epochs continue from {epoch}"),
        None => "epochs start over".to_owned(),
    }
}

fn ends(validity: Validity, at: Timestamp) -> String {
    match validity {
        Validity::EndsSoon => format!("ends at {at}: add its successor to the file and apply before then"),
        Validity::Ended => format!(
            "expired at {at}, and nothing else in the file is valid: the function trusts nobody there; add the \
             authority's successor to the file and apply"
        ),
        Validity::NotYet => format!(
            "is only valid from {at} on, and nothing else in the file is valid now: the function trusts nobody \
             there; add the current authority to the file and apply"
        ),
    }
}

fn sites(at: &[SiteName]) -> String {
    match at {
        [site] => format!("site `{site}`"),
        _ => "both sites".to_owned(),
    }
}

fn reasons(asked: &[(SiteName, Option<String>)]) -> String {
    const UNASKED: &str =
        "plan signs in only where the deployed function does; --sign-in makes it ask anyway";
    if asked.len() > 1 && asked.iter().all(|(_, why)| why.is_none()) {
        return format!("neither site was asked: {UNASKED}");
    }
    if let [(_, Some(why)), (_, Some(same))] = asked
        && why == same
    {
        return format!("both sites: {why}");
    }
    let reasons = asked.iter().map(|(site, why)| match why {
        Some(why) => format!("{site}: {why}"),
        None => format!("{site} was not asked: {UNASKED}"),
    });
    reasons.collect::<Vec<String>>().join("; ")
}

/// Something worth knowing that does not stop anyone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    #[error(
        "site `{site}` is out of the listener of port {ports}, though no decision is in force: someone took it out by hand"
    )]
    SiteTakenOut { site: SiteName, ports: String },
    #[error("the topology no longer uses {region}: what is deployed there will be removed")]
    RegionLeft { region: Region },
    #[error(
        "the register moves from {from} to {to}: the history stays behind, {}; a hold stays behind, too: hold again \
         after the move if you still need it",
        epochs(*resumed)
    )]
    RegisterMoves {
        from: String,
        to: String,
        /// The epoch of the item that is there already, from which decisions go on.
        resumed: Option<u64>,
    },
    #[error(
        "functions of two Regions know different registers ({}), as an apply that stopped between them leaves them; \
         release no hold until an apply has finished, or they decide independently",
        registers.join(", ")
    )]
    RegistersDiffer { registers: Vec<String> },
    #[error("the deployed function's settings cannot be read; they are assumed to be an older version's")]
    UnreadableSettings,
    #[error(
        "{} in namespace {} of site `{}` is not there yet: secretDelivery is manual, and without it Alertmanager cannot sign in",
        object.title(), object.namespace, object.site
    )]
    NoSecretYet { object: ObjectRef },
    #[error("the policy of the key {key} does not let {who} use {}, and {purpose}", actions.join(", "))]
    KeyForbids {
        key: String,
        who: Who,
        actions: Vec<String>,
        purpose: String,
    },
    #[error(
        "not verified: whether the policy of the key {key} lets {who} through ({why}); if not, {purpose}"
    )]
    KeyUnclear {
        key: String,
        who: Who,
        why: String,
        purpose: String,
    },
    #[error(
        "not verified: whether the policy of the key {key} lets through what it has to ({why}); docs/permissions.md says \
         what that is"
    )]
    KeyUnread { key: String, why: String },
    #[error(
        "the topic {topic} is encrypted under AWS's own key for SNS, which lets no CloudWatch alarm through: give it \
         a key of your own, or none"
    )]
    TopicUnderAwsKey { topic: String },
    #[error("not verified: whether alarms get through the topic {topic} ({why})")]
    TopicUnread { topic: String, why: String },
    /// Who puts endpoints back, or strips our tag.
    #[error("the accelerator is managed by {keeper}: {does}")]
    KeptByOthers { keeper: String, does: &'static str },
    #[error("the secret `{name}`: {what}")]
    OddSecret { name: String, what: String },
    #[error(
        "the secret `{name}` is not the same in {region} ({why}): what reads it there has an old value or none; \
         `aws secretsmanager describe-secret` shows when it is InSync"
    )]
    ReplicaBehind {
        name: String,
        region: Region,
        why: String,
    },
    #[error(
        "{function} in {region} runs code that is not ours: its package's SHA-256 is {runs}, not the one that was deployed; \
         apply puts ours back, and CloudTrail's UpdateFunctionCode says who changed it"
    )]
    ForeignCode {
        function: String,
        region: Region,
        runs: String,
    },
    #[error(
        "an authority in {file}, {authority}, by which {site}'s Infinispan is verified, {}", ends(*validity, *at)
    )]
    AuthorityEnds {
        site: SiteName,
        file: String,
        authority: String,
        validity: Validity,
        at: Timestamp,
    },
    #[error(
        "the account lets {executions} functions run at once in {region}, so a flood of {executions} slow requests at the \
         function's public URL keeps alerts out: have its concurrency raised in Service Quotas"
    )]
    FewExecutions { region: Region, executions: u32 },
    #[error("{_0}; apply refuses until it is settled: {}", _0.hint())]
    Cluster(ClusterProblem),
    #[error("site `{site}`: its Infinispan `{name}` {oddity}")]
    Infinispan {
        site: SiteName,
        name: String,
        oddity: Oddity,
    },
    #[error(
        "the AlertmanagerConfig of site `{site}`'s cluster does not know `proxyFromEnvironment`, which \
         prometheus-operator has from 0.78 on: Alertmanager connects to the function directly; if a proxy is the \
         only way out, set monitoring.proxy to its URL"
    )]
    NoEnvironmentProxy { site: SiteName },
    #[error("site `{site}`: the function will not trust the Infinispan at {url}: {mistrust}")]
    Mistrusted {
        site: SiteName,
        url: String,
        mistrust: Mistrust,
    },
    #[error(
        "site `{site}`: {url} leads to the Infinispan of site `{found}`{}: the function would ask it, and cut \
         replication there, in place of the site's own; correct sites[{index}].infinispan.endpoint",
        if *is_peer { "" } else { ", which the topology does not have" }
    )]
    LeadsElsewhere {
        site: SiteName,
        index: usize,
        url: String,
        found: String,
        is_peer: bool,
    },
    #[error(
        "`caches` names `{cache}`, and the Infinispan of {} has no such cache: a rejoin stops where it should clear \
         it{}",
        sites(at),
        meant.as_ref().map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"))
    )]
    NoSuchCache {
        cache: String,
        at: Vec<SiteName>,
        meant: Option<String>,
    },
    #[error(
        "not verified: whether each endpoint leads to its own site's Infinispan, and whether that Infinispan has the \
         topology's caches ({})",
        reasons(asked)
    )]
    Unverified {
        /// Why each site was not, in the topology's order; nothing where `plan` did not ask.
        asked: Vec<(SiteName, Option<String>)>,
    },
    #[error("{}: {field} was set by `{manager}` in addition to what we set; to remove it: {command}", object.title())]
    SetByOthers {
        object: ObjectRef,
        manager: String,
        field: String,
        command: String,
    },
    #[error(
        "--skip-user-workload: {}/{} at site `{site}` lacks {}; until somebody adds {}, no alert of this site reaches the \
         function",
        names::NAMESPACE,
        names::CONFIG,
        lines(missing),
        if missing.len() == 1 { "it" } else { "them" }
    )]
    UserWorkloadSkipped {
        site: SiteName,
        missing: Vec<&'static str>,
    },
    #[error("{endpoint} is set to {url}: this is not AWS itself")]
    OtherEndpoint { endpoint: String, url: String },
}

impl From<Expiry> for Warning {
    fn from(ending: Expiry) -> Self {
        Self::AuthorityEnds {
            site: ending.site,
            file: ending.path.display().to_string(),
            authority: ending.authority,
            validity: ending.validity,
            at: ending.at,
        }
    }
}
