//! What concerns several fields at once. One function per fact about a topology; all of them always run.
//!
//! Each complaint names every field it rests on, so that none is made about a field that was already found
//! wrong and holds a stand-in.

mod timings;

pub(super) use self::timings::has_time_to_look;

use std::collections::BTreeSet;

use super::names::HEALTH_REGION;
use super::regions::StrongSet;
use super::{Region, RegisterKind, Topology, names, regions};
use crate::yaml::Path;

/// Fields that are at odds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Clash {
    /// Where to look first.
    pub at: Path,
    /// What else it rests on.
    pub rests_on: Vec<Path>,
    pub message: String,
    pub hint: String,
}

fn complaint(
    at: impl Into<Path>,
    rests_on: &[&str],
    message: impl Into<String>,
    hint: impl Into<String>,
) -> Clash {
    Clash {
        at: at.into(),
        rests_on: rests_on.iter().map(|path| Path::of(path)).collect(),
        message: message.into(),
        hint: hint.into(),
    }
}

type Check = fn(&Topology, &mut Vec<Clash>);

const CHECKS: &[Check] = &[
    sites_are_two,
    sites_are_told_apart,
    sites_do_not_share_a_namespace,
    sites_do_not_share_an_infinispan,
    preferred_survivor_is_a_site,
    somebody_may_survive,
    nothing_stands_twice,
    functions_have_urls,
    functions_outlive_a_site,
    register_decides_alone,
    register_outlives_a_site,
    strong_register_has_a_quorum,
    timings::function_answers_within_a_flush,
    timings::suspicion_leaves_time_to_fence,
    timings::intervals_can_work,
    timings::failure_detection_can_work,
    timings::relay_nodes_are_as_infinispan_has_them,
    timings::timeout_is_one_lambda_takes,
    timings::claim_can_be_renewed,
    secrets_are_where_functions_run,
    keys_reach_every_region,
    networks_cover_every_region,
    topics_cover_every_region,
    checkers_are_route_53s,
    labels_are_free,
];

/// All complaints about a topology.
pub(super) fn complaints(topology: &Topology) -> Vec<Clash> {
    let mut found = Vec::new();
    for check in CHECKS {
        check(topology, &mut found);
    }
    found
}

fn sites_are_two(t: &Topology, found: &mut Vec<Clash>) {
    let [a, b] = &t.sites;
    if a.name == b.name {
        found.push(complaint(
            "sites[1].name",
            &["sites[0].name"],
            format!("both sites are named `{}`", a.name),
            "give each the name that its Infinispan has in spec.service.sites.local.name",
        ));
    }
}

/// Two names that differ in case, dots or dashes alone are one name to a file system, to a CloudFormation
/// resource's id, and to tired eyes.
fn sites_are_told_apart(t: &Topology, found: &mut Vec<Clash>) {
    let [a, b] = t.sites.each_ref().map(|site| {
        site.name
            .as_str()
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_ascii_lowercase()
    });
    if a == b && t.sites[0].name != t.sites[1].name {
        found.push(complaint(
            "sites[1].name",
            &["sites[0].name"],
            format!(
                "`{}` and `{}` differ only in capitals or punctuation",
                t.sites[0].name, t.sites[1].name
            ),
            "give the sites names that differ in a letter or digit, in Infinispan and in the balancers' tags, too",
        ));
    }
}

/// Alertmanager reaches the function by its URL, which some Regions do not offer.
fn functions_have_urls(t: &Topology, found: &mut Vec<Clash>) {
    for (index, region) in t.regions.iter().enumerate() {
        if regions::services(region.as_str()).is_some_and(|services| !services.function_urls) {
            found.push(complaint(
                format!("regions[{index}]"),
                &[],
                format!(
                    "Lambda has no function URLs in {region} (AWS's list of {})",
                    regions::AS_OF
                ),
                "run the function in another Region: it need not be the sites' own",
            ));
        }
    }
}

fn sites_do_not_share_a_namespace(t: &Topology, found: &mut Vec<Clash>) {
    let [a, b] = &t.sites;
    if a.context == b.context && a.namespace == b.namespace {
        found.push(complaint(
            "sites[1].namespace",
            &["sites[0].namespace", "sites[0].context", "sites[1].context"],
            format!(
                "both sites are in the namespace `{}` of the context `{}`",
                a.namespace, a.context
            ),
            "name the context of each site's own cluster; `kubectl config get-contexts -o name` lists them",
        ));
    }
}

fn sites_do_not_share_an_infinispan(t: &Topology, found: &mut Vec<Clash>) {
    let [a, b] = &t.sites;
    if let (Some(one), Some(other)) = (&a.infinispan.endpoint, &b.infinispan.endpoint)
        && one == other
    {
        found.push(complaint(
            "sites[1].infinispan.endpoint",
            &["sites[0].infinispan.endpoint"],
            format!("both sites have the Infinispan `{one}`"),
            "copy each host from its own cluster: `kubectl get route infinispan-external` there; or leave both out",
        ));
    }
}

fn preferred_survivor_is_a_site(t: &Topology, found: &mut Vec<Clash>) {
    let Some(preferred) = &t.preferred_survivor else {
        return;
    };
    let names = t.sites.each_ref().map(|site| site.name.as_str());
    if !names.contains(&preferred.as_str()) {
        found.push(complaint(
            "preferredSurvivor",
            &["sites[0].name", "sites[1].name"],
            format!("`{preferred}` is not one of the sites"),
            format!("write `{}` or `{}`, or leave it out", names[0], names[1]),
        ));
    }
    if t.alerting.preference_delay.seconds() == 0 {
        found.push(complaint(
            "alerting.preferenceDelay",
            &["preferredSurvivor"],
            "without a delay, preferring a survivor has no effect",
            "leave it out for the default of 20s",
        ));
    }
}

fn somebody_may_survive(t: &Topology, found: &mut Vec<Clash>) {
    if t.sites.iter().all(|site| site.never_survivor) {
        found.push(complaint(
            "sites[1].neverSurvivor",
            &["sites[0].neverSurvivor"],
            "neither site may survive alone, so no loss would ever be fenced".to_owned(),
            "remove it from one of them, or set `mode: observe`",
        ));
    }
    for (index, site) in t.sites.iter().enumerate() {
        if site.never_survivor && t.preferred_survivor.as_ref() == Some(&site.name) {
            found.push(complaint(
                "preferredSurvivor",
                &[&format!("sites[{index}].neverSurvivor")],
                format!(
                    "`{}` is the preferred survivor, and must never survive alone",
                    site.name
                ),
                "prefer the other one, or neither",
            ));
        }
    }
}

fn nothing_stands_twice(t: &Topology, found: &mut Vec<Clash>) {
    fn repeated<T: Ord + ToString>(list: &[T], at: &str, found: &mut Vec<Clash>) {
        let mut seen = BTreeSet::new();
        for (index, item) in list.iter().enumerate() {
            if !seen.insert(item) {
                let path = Path::of(at).index(index);
                found.push(Clash {
                    at: path,
                    rests_on: vec![Path::of(at)],
                    message: format!("`{}` appears twice in `{at}`", item.to_string()),
                    hint: "remove one of the two".to_owned(),
                });
            }
        }
    }
    repeated(&t.regions, "regions", found);
    repeated(&t.register.regions, "register.regions", found);
    repeated(&t.notify.emails, "notify.emails", found);
    repeated(&t.notify.topics, "notify.topics", found);
    repeated(&t.health.checker_regions, "health.checkerRegions", found);
    repeated(&t.caches, "caches", found);
}

const SITE_REGIONS: [&str; 2] = ["sites[0].region", "sites[1].region"];

fn functions_outlive_a_site(t: &Topology, found: &mut Vec<Clash>) {
    if t.is_one_region() {
        return;
    }
    for site in &t.sites {
        if t.regions.iter().all(|region| *region == site.region) {
            found.push(complaint(
                "regions",
                &SITE_REGIONS,
                format!(
                    "the only function runs in {}, where site `{}` lives: both would be lost together",
                    site.region, site.name
                ),
                "sites in two Regions need the function in a third Region, or one in each of the two",
            ));
        }
    }
}

fn register_decides_alone(t: &Topology, found: &mut Vec<Clash>) {
    if t.register.kind != RegisterKind::Table {
        return;
    }
    if t.register.regions.len() > 1 {
        found.push(complaint(
            "register.regions",
            &["register.kind"],
            "a replicated table is only eventually consistent: both sites could win, and the last write would count",
            "name one Region, or write `kind: strong` for multi-Region strong consistency",
        ));
    }
    if let Some(witness) = &t.register.witness {
        found.push(complaint(
            "register.witness",
            &["register.kind"],
            format!("a table in one Region has no witness, but `{witness}` is named"),
            "remove it, or write `kind: strong`",
        ));
    }
}

fn register_outlives_a_site(t: &Topology, found: &mut Vec<Clash>) {
    if t.is_one_region() || t.register.kind != RegisterKind::Table || t.register_regions().len() != 1 {
        return;
    }
    let Some(region) = t.register_regions().first() else {
        return;
    };
    if let Some(site) = t.sites.iter().find(|site| site.region == *region) {
        let (at, rests_on): (&str, Vec<&str>) = if t.register.regions.is_empty() {
            ("regions", [&SITE_REGIONS[..], &["register"]].concat())
        } else {
            ("register.regions", SITE_REGIONS.to_vec())
        };
        found.push(complaint(
            at,
            &rests_on,
            format!("the register is a table in {region}, where site `{}` lives: nobody could decide when it is lost", site.name),
            "set `register.regions` to a Region in which no site lives, or `register.kind` to `strong`",
        ));
    }
}

fn strong_register_has_a_quorum(t: &Topology, found: &mut Vec<Clash>) {
    if t.register.kind != RegisterKind::Strong {
        return;
    }
    let replicas = &t.register.regions;
    let witness = t.register.witness.as_ref();
    let all: Vec<&Region> = replicas.iter().chain(witness).collect();
    if replicas.len() + witness.iter().count() != 3 || replicas.len() < 2 {
        found.push(complaint(
            "register",
            &[],
            format!(
                "a strong register needs three replicas, or two and a witness; it has {} and {}",
                counted(replicas.len(), "replica"),
                if witness.is_some() {
                    "a witness"
                } else {
                    "no witness"
                },
            ),
            "name them in `register.regions` and `register.witness`",
        ));
    }
    if let Some(witness) = witness.filter(|witness| replicas.contains(witness)) {
        found.push(complaint(
            "register.witness",
            &["register.regions"],
            format!("the witness `{witness}` is also a replica"),
            "the witness is a Region of its own",
        ));
    }
    let set = all
        .first()
        .and_then(|first| regions::services(first.as_str())?.strong_set);
    if let Some(stranger) = all.iter().find(|region| {
        set.is_none() || regions::services(region.as_str()).is_none_or(|services| services.strong_set != set)
    }) {
        let sets = StrongSet::ALL
            .iter()
            .map(|set| set.regions().collect::<Vec<_>>().join(", "))
            .collect::<Vec<_>>()
            .join(" · ");
        found.push(complaint(
            "register",
            &[],
            format!(
                "`{stranger}` cannot share a strongly consistent table with the register's other Regions"
            ),
            format!("all of them must be in one of these sets: {sets}"),
        ));
    }
    for (index, region) in t.regions.iter().enumerate() {
        if !replicas.contains(region) && !replicas.is_empty() {
            found.push(complaint(
                format!("regions[{index}]"),
                &["register"],
                format!("the function in {region} has no replica of the register in its Region"),
                format!("add {region} to `register.regions`: a replica elsewhere may be lost with its site"),
            ));
        }
    }
}

fn counted(number: usize, noun: &str) -> String {
    match number {
        0 => format!("no {noun}"),
        1 => format!("one {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

fn secrets_are_where_functions_run(t: &Topology, found: &mut Vec<Clash>) {
    if let Some(region) = t.infinispan.password_secret.region()
        && !t.regions.iter().any(|r| r.as_str() == region)
    {
        found.push(complaint(
            "infinispan.passwordSecret",
            &["regions"],
            format!("the secret is in {region}, where no function runs"),
            "keep it in the first of `regions`, replicated to the others",
        ));
    }
}

fn keys_reach_every_region(t: &Topology, found: &mut Vec<Clash>) {
    let Some(key) = &t.function.kms_key else { return };
    if !t.regions.iter().any(|region| region.as_str() == key.region()) {
        found.push(complaint(
            "function.kmsKey",
            &["regions"],
            format!("the key is in {}, where no function runs", key.region()),
            "name a key in the first of `regions`",
        ));
    } else if t.regions.len() > 1 && !key.is_multi_region() {
        found.push(complaint(
            "function.kmsKey",
            &["regions"],
            "functions in several Regions need a multi-Region key",
            "name a key whose id begins with mrk-, replicated to each of `regions`",
        ));
    }
}

fn networks_cover_every_region(t: &Topology, found: &mut Vec<Clash>) {
    for region in t.function.vpc.keys().filter(|region| !t.regions.contains(region)) {
        found.push(complaint(
            format!("function.vpc.{region}"),
            &["regions"],
            format!("no function runs in {region}"),
            "remove it, or add the Region to `regions`",
        ));
    }
    for (region, vpc) in &t.function.vpc {
        for (name, is_empty) in [
            ("subnetIds", vpc.subnet_ids.is_empty()),
            ("securityGroupIds", vpc.security_group_ids.is_empty()),
        ] {
            if is_empty {
                found.push(complaint(
                    format!("function.vpc.{region}.{name}"),
                    &[],
                    format!("`{name}` is empty"),
                    "name at least one",
                ));
            }
        }
    }
    if t.function.vpc.is_empty() {
        return;
    }
    for (index, region) in t.regions.iter().enumerate() {
        if !t.function.vpc.contains_key(region) {
            found.push(complaint(
                format!("regions[{index}]"),
                &["function.vpc"],
                format!("the function in {region} has no subnets, but those elsewhere have"),
                format!("add `{region}` to `function.vpc`"),
            ));
        }
    }
}

fn topics_cover_every_region(t: &Topology, found: &mut Vec<Clash>) {
    let topics = &t.notify.topics;
    if topics.is_empty() {
        return;
    }
    if !t.notify.emails.is_empty() {
        found.push(complaint(
            "notify.emails",
            &["notify.topics"],
            "e-mail addresses and existing topics cannot be combined",
            "subscribe the addresses to your topics, or remove `topics`",
        ));
    }
    let mut wanted: BTreeSet<&str> = t.regions.iter().map(Region::as_str).collect();
    if t.health.route53 {
        wanted.insert(HEALTH_REGION);
    }
    for (index, topic) in topics.iter().enumerate() {
        if !wanted.contains(topic.region()) {
            found.push(complaint(
                format!("notify.topics[{index}]"),
                &["regions", "health.route53"],
                format!(
                    "nothing that we deploy in {} could use this topic",
                    topic.region()
                ),
                "alarms reach topics of their own Region only; name one in each of `regions`",
            ));
        }
    }
    for region in wanted {
        if !topics.iter().any(|topic| topic.region() == region) {
            found.push(complaint(
                "notify.topics",
                &["regions", "health.route53"],
                format!("no topic is in {region}"),
                "alarms reach topics of their own Region only; name one there too",
            ));
        }
    }
}

fn checkers_are_route_53s(t: &Topology, found: &mut Vec<Clash>) {
    let checkers = &t.health.checker_regions;
    for (index, region) in checkers.iter().enumerate() {
        if !regions::services(region.as_str()).is_some_and(|services| services.health_checkers) {
            found.push(complaint(
                format!("health.checkerRegions[{index}]"),
                &[],
                format!("Route 53 does not check from {region}"),
                format!(
                    "it checks from {}",
                    regions::having(|services| services.health_checkers).join(", ")
                ),
            ));
        }
    }
    if (1..3).contains(&checkers.len()) {
        found.push(complaint(
            "health.checkerRegions",
            &[],
            format!(
                "Route 53 checks from at least three Regions, not from {}",
                checkers.len()
            ),
            "name three or more, or leave the list empty for all",
        ));
    }
}

fn labels_are_free(t: &Topology, found: &mut Vec<Clash>) {
    for key in t.monitoring.labels.keys() {
        let text = key.as_str();
        if text.starts_with("sitefence.io/") || text == names::LABEL_MANAGED_BY {
            found.push(complaint(
                Path::of("monitoring.labels").key(text),
                &[],
                format!("the label `{text}` is ours: it marks the objects that `destroy` may remove"),
                "use another key",
            ));
        }
    }
}
