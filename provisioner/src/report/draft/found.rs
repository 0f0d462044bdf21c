//! What was found, as a draft: which of several things is meant, and what is to be known about it.

use std::collections::BTreeSet;

use super::{AuthorityDraft, Draft, Entry, SiteDraft};
use crate::observed::found::{Authority, AwsFound, BalancerFound, ClusterFound, InfinispanFound};
use crate::topology::{FailureDetection, Platform, Region, SecretReference, Username};

/// The operator's own name for what it makes, and the topology's default.
const USUAL_INFINISPAN: &str = "infinispan";
const USUAL_KEYCLOAK: &str = "keycloak";
const USUAL_WEBHOOK: &str = "keycloak";

/// The draft of a deployment, cluster by cluster.
pub fn drafted(clusters: &[ClusterFound; 2], aws: &AwsFound, authorities: &[Option<Authority>; 2]) -> Draft {
    let clusters = &clusters.each_ref().map(|cluster| {
        let mut cluster = cluster.clone();
        cluster.drop_what_is_no_name();
        cluster
    });
    let names = clusters
        .each_ref()
        .map(|cluster| chosen(cluster).and_then(|it| it.site.clone()));
    let accelerator = accelerator(clusters, &names, aws);
    let mut draft = Draft {
        accelerator: match &accelerator {
            Some((dns_name, _)) => Entry::known(dns_name, "it holds the load balancers of both sites"),
            None if aws.accelerators.is_empty() => Entry::unknown(
                "no accelerator that holds two load balancers was found: `aws globalaccelerator list-accelerators \
                 --region us-west-2`",
            ),
            None => {
                let seen: Vec<&str> = aws
                    .accelerators
                    .iter()
                    .map(|(dns_name, _)| dns_name.as_str())
                    .collect();
                Entry::unknown(format!(
                    "none is known to hold both sites; there are {}",
                    seen.join(", ")
                ))
            }
        },
        notes: aws.problems.clone(),
        ..Draft::default()
    };
    let mut regions = BTreeSet::new();
    for (index, cluster) in clusters.iter().enumerate() {
        let endpoints = accelerator
            .as_ref()
            .map_or(&[][..], |(_, endpoints)| endpoints.as_slice());
        let mut site = site(cluster, endpoints, &names[index]);
        site.authority = authorities[index]
            .as_ref()
            .and_then(|it| authority(it, site.name.value(), index, draft.sites[0].authority.as_ref()));
        regions.extend(site.region.value().map(str::to_owned));
        draft.sites[index] = site;
    }
    let is_whole = draft.sites.iter().all(|site| site.region.is_known());
    (draft.regions, draft.register_region) = match (is_whole, regions.len()) {
        (true, 1) => (
            entry_of(regions, "the sites' own: losing a zone does not affect it"),
            None,
        ),
        (true, _) => (
            entry_of(
                regions,
                "the sites' own, so that one function survives the loss of either",
            ),
            Some(Entry::unknown(
                "a Region in which no site lives: the record has to survive the loss of either",
            )),
        ),
        (false, _) => (Entry::unknown("for two zones of one Region, that Region"), None),
    };
    draft.labels = clusters
        .iter()
        .find(|it| !it.rule_labels.is_empty())
        .map_or_else(Vec::new, |cluster| {
            let labels = cluster.rule_labels.iter();
            labels
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect()
        });
    if let [Some(a), Some(b)] = &names
        && a == b
    {
        draft.notes.push(format!(
            "Both Infinispans call their site `{a}`: the two names have to differ."
        ));
    }
    guide(&mut draft, aws);
    draft
}

fn entry_of(regions: BTreeSet<String>, remark: &str) -> Entry {
    Entry {
        values: regions.into_iter().collect(),
        remark: remark.to_owned(),
    }
}

/// The Infinispan that is meant: one that knows sites.
fn chosen(cluster: &ClusterFound) -> Option<&InfinispanFound> {
    let mut all = cluster.infinispans.iter();
    all.clone().find(|it| it.site.is_some()).or_else(|| all.next())
}

/// The accelerator that holds both sites: by the balancers' tags, else by their host names.
fn accelerator(
    clusters: &[ClusterFound; 2],
    names: &[Option<String>; 2],
    aws: &AwsFound,
) -> Option<(String, Vec<BalancerFound>)> {
    let holds = |endpoints: &[BalancerFound], index: usize| {
        endpoints
            .iter()
            .any(|it| is_of(it, &clusters[index], &names[index]))
    };
    let mut all = aws.accelerators.iter();
    all.find(|(_, endpoints)| holds(endpoints, 0) && holds(endpoints, 1))
        .cloned()
}

fn is_of(balancer: &BalancerFound, cluster: &ClusterFound, name: &Option<String>) -> bool {
    let by_tag = balancer.site.is_some() && balancer.site == *name;
    by_tag
        || balancer
            .host
            .as_ref()
            .is_some_and(|host| cluster.balancers.contains(host))
}

fn site(cluster: &ClusterFound, endpoints: &[BalancerFound], name: &Option<String>) -> SiteDraft {
    let infinispan = chosen(cluster);
    let balancer = endpoints.iter().find(|it| is_of(it, cluster, name));
    let by_host: Option<Region> = cluster
        .balancers
        .iter()
        .find_map(|host| crate::observed::found::region_of_host(host));
    let mut site = SiteDraft {
        name: match name {
            Some(name) => Entry::known(name, "the name that its Infinispan uses"),
            None => Entry::unknown("the same as its Infinispan's `spec.service.sites.local.name`"),
        },
        region: match (balancer, by_host) {
            (Some(balancer), _) => Entry::known(balancer.region.to_string(), "its balancer's"),
            (None, Some(region)) => Entry::known(region.to_string(), "from its load balancer's host name"),
            (None, None) => Entry::unknown("the Region of its load balancer, which was not found"),
        },
        platform: match cluster.platform {
            Some(platform) => Entry::known(platform.to_string(), ""),
            None => Entry::unknown("openshift or kubernetes; the cluster did not answer"),
        },
        context: Entry::known(&cluster.context, ""),
        namespace: match infinispan {
            Some(infinispan) => Entry::known(&infinispan.namespace, "its Infinispan's"),
            None => Entry::unknown("its Infinispan's, which was not found"),
        },
        notes: cluster.problems.clone(),
        ..SiteDraft::default()
    };
    if let Some(infinispan) = infinispan {
        if infinispan.name != USUAL_INFINISPAN {
            site.cluster = Some(Entry::known(&infinispan.name, "the custom resource's name"));
        }
        if let Some(endpoint) = &infinispan.endpoint {
            site.endpoint = Some(Entry::known(endpoint, "`apply` reads it from the cluster"));
        }
        about_infinispan(cluster, infinispan, &mut site.notes);
    }
    keycloak(cluster, &mut site);
    about_cluster(cluster, &mut site.notes);
    if let Some(balancer) = balancer.filter(|it| it.site.is_none()) {
        let tag = site.name.value().unwrap_or("SITE");
        site.notes.push(format!(
            "Its load balancer has no tag `site`: aws elbv2 add-tags --region {} --resource-arns {} --tags \
             Key=site,Value={tag}",
            balancer.region, balancer.arn
        ));
    }
    site
}

fn about_infinispan(cluster: &ClusterFound, infinispan: &InfinispanFound, notes: &mut Vec<String>) {
    if cluster.infinispans.len() > 1 {
        let all: Vec<String> = cluster
            .infinispans
            .iter()
            .map(|it| format!("{}/{}", it.namespace, it.name))
            .collect();
        notes.push(format!(
            "The cluster has several Infinispans: {}.",
            all.join(", ")
        ));
    }
    let usual = FailureDetection::OF_THE_OPERATOR;
    let found = infinispan.failure_detection.unwrap_or(usual);
    if found.timeout.seconds() >= usual.timeout.seconds() {
        notes.push(
            "Its Infinispan suspects the other site only after 48 s. Keycloak's guide sets \
             `-Djgroups.xsite.fd.interval=2000 -Djgroups.xsite.fd.timeout=15000` in `spec.container.extraJvmOpts`."
                .to_owned(),
        );
    }
    if let (Some(replicas), relays) = (infinispan.replicas, infinispan.relay_nodes.unwrap_or(1))
        && relays < replicas
    {
        notes.push(format!(
            "{relays} of its {replicas} Infinispan pods know which sites are in view; `maxRelayNodes: {replicas}` lets \
             every pod answer the function."
        ));
    }
}

fn keycloak(cluster: &ClusterFound, site: &mut SiteDraft) {
    let namespace = site.namespace.value();
    let beside = |(at, _): &&(String, String)| Some(at.as_str()) == namespace;
    let all = &cluster.keycloaks;
    if let Some((at, name)) = all.iter().find(beside).or_else(|| all.first()) {
        let elsewhere = (Some(at.as_str()) != namespace).then(|| Entry::known(at, ""));
        if name != USUAL_KEYCLOAK || elsewhere.is_some() {
            site.keycloak = Some((
                Entry::known(name, "for `rejoin`, which stops and starts it"),
                elsewhere,
            ));
        }
    }
}

fn about_cluster(cluster: &ClusterFound, notes: &mut Vec<String>) {
    if cluster.platform.is_some() && !cluster.has_monitoring {
        notes.push(
            "The cluster has none of prometheus-operator's kinds: without them nothing reports a lost site."
                .to_owned(),
        );
    }
    if cluster.platform == Some(Platform::Openshift) && cluster.user_workload == Some(false) {
        notes.push(
            "Monitoring for user projects is off: set `enableUserWorkload: true` in `cluster-monitoring-config`.".to_owned(),
        );
    }
}

/// The file of an authority. `other` is the one before it, whose file stays its own.
fn authority(
    found: &Authority,
    site: Option<&str>,
    index: usize,
    other: Option<&AuthorityDraft>,
) -> Option<AuthorityDraft> {
    let Authority::Own {
        name,
        fingerprint,
        pem,
    } = found
    else {
        return None;
    };
    let site = site.map_or_else(|| format!("site-{}", index + 1), str::to_owned);
    let mut file = format!("certs/{site}.pem");
    // Not every file system tells capitals from small letters.
    if other.is_some_and(|it| it.file.eq_ignore_ascii_case(&file)) {
        file = format!("certs/{site}-{}.pem", index + 1);
    }
    Some(AuthorityDraft {
        file,
        pem: pem.clone(),
        name: name.clone(),
        fingerprint: fingerprint.clone(),
        is_trusted: false,
        is_written: true,
    })
}

/// The settings of the guide's function are what ours needs, too.
fn guide(draft: &mut Draft, aws: &AwsFound) {
    let told = aws.guides.first().map(|(name, variables)| (name, variables));
    let is_user = |text: &str| Username::new(text).is_ok();
    let is_secret = |text: &str| SecretReference::new(text).is_ok();
    let of_guide = |variable: &str, fits: &dyn Fn(&str) -> bool| {
        let (name, variables) = told?;
        let value = variables.get(variable).filter(|value| fits(value))?;
        Some(Entry::known(value, format!("as in the guide's function {name}")))
    };
    draft.username = of_guide("INFINISPAN_USER", &is_user).unwrap_or_else(|| {
        Entry::unknown("a user with ADMIN rights at both Infinispans; Keycloak's guide calls it developer")
    });
    draft.password_secret = of_guide("INFINISPAN_USER_SECRET", &is_secret).unwrap_or_else(|| {
        Entry::unknown("the secret's name: `aws secretsmanager create-secret --name keycloak/infinispan --secret-string …`")
    });
    draft.webhook_username =
        of_guide("WEBHOOK_USER", &is_user).filter(|user| user.value() != Some(USUAL_WEBHOOK));
    if let Some((name, _)) = told {
        draft.notes.push(format!(
            "The function `{name}` of Keycloak's guide is deployed here and fences, too: `apply` refuses until it is \
             out of the way (docs/upgrading.md)."
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(site: &str, namespace: &str) -> ClusterFound {
        ClusterFound {
            infinispans: vec![InfinispanFound {
                namespace: namespace.to_owned(),
                name: USUAL_INFINISPAN.to_owned(),
                site: Some(site.to_owned()),
                endpoint: None,
                failure_detection: None,
                replicas: None,
                relay_nodes: None,
            }],
            ..ClusterFound::default()
        }
    }

    fn draft_of(clusters: &[ClusterFound; 2]) -> Draft {
        let shown = Authority::Own {
            name: "an authority".to_owned(),
            fingerprint: "AB:CD".to_owned(),
            pem: String::new(),
        };
        drafted(
            clusters,
            &AwsFound::default(),
            &[Some(shown.clone()), Some(shown)],
        )
    }

    fn files(draft: &Draft) -> Vec<&str> {
        let all = draft.sites.iter().filter_map(|site| site.authority.as_ref());
        all.map(|it| it.file.as_str()).collect()
    }

    #[test]
    fn a_site_that_cannot_be_called_so_is_marked_and_names_no_file() {
        let draft = draft_of(&[
            cluster("../../etc/x", "keycloak"),
            cluster("site-b", "../../etc/x"),
        ]);
        assert_eq!(files(&draft), ["certs/site-1.pem", "certs/site-2.pem"]);
        let missing: Vec<String> = draft.missing().into_iter().map(|it| it.path).collect();
        for path in ["sites[0].name", "sites[1].namespace"] {
            assert!(missing.iter().any(|it| it == path), "{missing:?}");
        }
        let text = draft.text();
        assert!(text.contains("  - name: FILL-IN"), "{text}");
        for line in text.lines().filter(|line| line.contains("etc/x")) {
            assert!(line.trim_start().starts_with('#'), "{text}");
        }
        assert_eq!(text.matches("`../../etc/x`").count(), 2, "{text}");
    }

    #[test]
    fn two_sites_never_share_a_file() {
        for (a, b, expected) in [
            ("site-a", "site-a", ["certs/site-a.pem", "certs/site-a-2.pem"]),
            ("LON", "lon", ["certs/LON.pem", "certs/lon-2.pem"]),
            ("site-2", "../x", ["certs/site-2.pem", "certs/site-2-2.pem"]),
            ("site-a", "site-b", ["certs/site-a.pem", "certs/site-b.pem"]),
        ] {
            let draft = draft_of(&[cluster(a, "keycloak"), cluster(b, "keycloak")]);
            assert_eq!(files(&draft), expected);
            assert_eq!(draft.notes.iter().any(|it| it.contains("Both")), a == b);
        }
    }
}
