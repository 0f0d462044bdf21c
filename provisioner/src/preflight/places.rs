//! Whether each endpoint leads to its own site, and whether what answers there has the topology's caches.
//!
//! Two endpoints that are swapped look right from outside: both answer, and both take the password. Only the answer
//! tells. To hear it somebody has to sign in, and a topology is a text that may come from anybody: a person who plans a
//! stranger's change must not send a password of the account to the host that it names. So `plan` asks where the deployed
//! function signs in already, with the same secret; anywhere else only if it is asked to.

use std::collections::{BTreeMap, BTreeSet};

use fencing::words::SiteName;

use super::problem::Problem;
use super::warning::Warning;
use crate::observed::Observed;
use crate::observed::cluster::{ClusterLook, ClusterReading, Looks};
use crate::observed::place::Whereabouts;
use crate::topology::suggest::closest;
use crate::topology::{Site, Topology};

/// Whether the deployed function sends the topology's password to `url`, too.
pub fn is_known(observed: &Observed, url: &str) -> bool {
    observed.standing.deployed().is_some_and(|deployed| {
        let mut secrets = observed.infinispan_secrets.values();
        secrets.any(|secret| secret.arn == deployed.found.infinispan_secret)
            && deployed.found.infinispan_urls.values().any(|known| known == url)
    })
}

/// An endpoint that is written down for one site, and at which the other one's cluster exposes its Infinispan.
pub fn of_the_peer(
    topology: &Topology,
    site: &Site,
    index: usize,
    looks: &Looks<ClusterReading>,
) -> Option<Problem> {
    let written = site.infinispan.endpoint.as_ref()?;
    let exposed = |site: &Site| {
        let seen = looks.get(&site.name).and_then(ClusterLook::seen)?;
        seen.infinispan_endpoint.clone()
    };
    let peer = topology.peer_of(site);
    let (own, others) = (exposed(site), exposed(peer)?);
    let is_it = |host: &String| written.url() == format!("https://{host}");
    (is_it(&others) && !own.as_ref().is_some_and(is_it)).then(|| Problem::EndpointOfThePeer {
        site: site.name.clone(),
        index,
        endpoint: others,
        peer: peer.name.clone(),
        own,
    })
}

/// What the answers tell. A site that is missing among them was heard of in another way.
pub fn judge(
    topology: &Topology,
    urls: &BTreeMap<SiteName, String>,
    asked: &BTreeMap<SiteName, Whereabouts>,
) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut unverified = Vec::new();
    let mut missing: BTreeMap<&str, (Vec<SiteName>, Option<String>)> = BTreeMap::new();
    for (index, site) in topology.sites.iter().enumerate() {
        let name = &site.name;
        match asked.get(name) {
            None => {}
            Some(Whereabouts::Silent(why)) => unverified.push((name.clone(), Some(plainly(why)))),
            Some(Whereabouts::Unasked) => unverified.push((name.clone(), None)),
            Some(Whereabouts::Told(place)) if place.site != name.as_str() => {
                warnings.push(Warning::LeadsElsewhere {
                    site: name.clone(),
                    index,
                    url: urls.get(name).cloned().unwrap_or_default(),
                    is_peer: place.site == topology.peer_of(site).name.as_str(),
                    found: place.site.clone(),
                });
            }
            Some(Whereabouts::Told(place)) => {
                for cache in topology.caches.iter().map(|cache| cache.as_str()) {
                    if !place.caches.contains(cache) {
                        let (at, meant) = missing.entry(cache).or_default();
                        at.push(name.clone());
                        *meant = meant.take().or_else(|| meant_by(topology, cache, &place.caches));
                    }
                }
            }
        }
    }
    warnings.extend(
        missing
            .into_iter()
            .map(|(cache, (at, meant))| Warning::NoSuchCache {
                cache: cache.to_owned(),
                at,
                meant,
            }),
    );
    if !unverified.is_empty() {
        warnings.push(Warning::Unverified { asked: unverified });
    }
    warnings
}

/// At which of the sites the function can learn for how long a node has been running. What answers for another site says
/// nothing of this one.
pub fn keep_statistics(asked: &BTreeMap<SiteName, Whereabouts>) -> BTreeMap<SiteName, bool> {
    let known = asked.iter().filter_map(|(site, answer)| match answer {
        Whereabouts::Told(place) if place.site == site.as_str() => {
            Some((site.clone(), place.keeps_statistics?))
        }
        _ => None,
    });
    known.collect()
}

/// Resolvers say the same in many ways.
fn plainly(why: &str) -> String {
    if why.contains("dns error") {
        "its host name is not known from here".to_owned()
    } else {
        why.to_owned()
    }
}

/// Of the caches that are there the nearest one that the topology does not name already.
fn meant_by(topology: &Topology, cache: &str, there: &BTreeSet<String>) -> Option<String> {
    let is_named = |there: &str| topology.caches.iter().any(|named| named.as_str() == there);
    let free = there.iter().map(String::as_str).filter(|there| !is_named(there));
    closest(cache, free).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::observed::place::Answerer;
    use crate::sample::*;
    use crate::topology::Endpoint;

    fn told(site: &str, caches: &[&str]) -> Whereabouts {
        Whereabouts::Told(Answerer {
            site: site.to_owned(),
            caches: caches.iter().map(|cache| (*cache).to_owned()).collect(),
            keeps_statistics: None,
        })
    }

    const KEYCLOAKS: [&str; 5] = [
        "actionTokens",
        "authenticationSessions",
        "loginFailures",
        "sessions",
        "work",
    ];

    #[test]
    fn what_answers_elsewhere_and_what_is_missing_there_is_named() {
        let a = |asked: Whereabouts| vec![("site-a", asked), ("site-b", told("site-b", &KEYCLOAKS))];
        let without = |lost: &str, more: &str| {
            let caches: Vec<&str> = KEYCLOAKS
                .into_iter()
                .filter(|it| *it != lost)
                .chain([more])
                .collect();
            told("site-a", &caches)
        };
        let both = |asked: Whereabouts| vec![("site-a", asked.clone()), ("site-b", asked)];
        type Case<'a> = (Vec<(&'a str, Whereabouts)>, &'a [&'a str]);
        let cases: [Case<'_>; 10] = [
            (a(told("site-a", &KEYCLOAKS)), &[]),
            (Vec::new(), &[]),
            (
                a(told("site-b", &KEYCLOAKS)),
                &[
                    "site `site-a`: https://a.example.com leads to the Infinispan of site `site-b`: the function",
                ],
            ),
            (
                a(told("LON", &KEYCLOAKS)),
                &["leads to the Infinispan of site `LON`, which the topology does not have"],
            ),
            (
                a(without("work", "Work")),
                &[
                    "`caches` names `work`, and the Infinispan of site `site-a` has no such cache: a rejoin stops where it should clear it; did you mean `Work`?",
                ],
            ),
            (
                a(without("loginFailures", "users")),
                &[
                    "`caches` names `loginFailures`, and the Infinispan of site `site-a` has no such cache: a rejoin stops where it should clear it",
                ],
            ),
            (
                vec![
                    ("site-a", told("site-a", &KEYCLOAKS[1..])),
                    ("site-b", told("site-b", &KEYCLOAKS[1..])),
                ],
                &["`caches` names `actionTokens`, and the Infinispan of both sites has no such cache"],
            ),
            (
                a(Whereabouts::Silent("no answer within 4000 ms".to_owned())),
                &["the topology's caches (site-a: no answer within 4000 ms)"],
            ),
            (
                both(Whereabouts::Silent(
                    "client error (Connect): dns error: no such name".to_owned(),
                )),
                &["the topology's caches (both sites: its host name is not known from here)"],
            ),
            (
                both(Whereabouts::Unasked),
                &["(neither site was asked: plan signs in only where the deployed function does; --sign-in"],
            ),
        ];
        let topology = topology();
        let urls = ["a", "b"].map(|it| (site(&format!("site-{it}")), format!("https://{it}.example.com")));
        for (asked, expected) in cases {
            let asked = asked
                .into_iter()
                .map(|(name, asked)| (site(name), asked))
                .collect();
            let warnings = judge(&topology, &urls.clone().into(), &asked);
            let told: Vec<String> = warnings.iter().map(ToString::to_string).collect();
            assert_eq!(told.len(), expected.len(), "{told:?}");
            for (told, expected) in told.iter().zip(expected) {
                assert!(told.contains(expected), "{told}");
            }
        }
    }

    #[test]
    fn only_the_site_itself_says_whether_its_cache_keeps_statistics() {
        let answers = |at: &str, keeps| {
            Whereabouts::Told(Answerer {
                keeps_statistics: keeps,
                ..match told(at, &[]) {
                    Whereabouts::Told(answerer) => answerer,
                    other => unreachable!("{other:?}"),
                }
            })
        };
        for (answer, expected) in [
            (answers("site-a", Some(true)), Some(true)),
            (answers("site-a", Some(false)), Some(false)),
            (answers("site-a", None), None),
            (answers("site-b", Some(true)), None),
            (Whereabouts::Unasked, None),
            (Whereabouts::Silent("no answer".to_owned()), None),
        ] {
            let asked = BTreeMap::from([(site("site-a"), answer.clone())]);
            let known = keep_statistics(&asked);
            assert_eq!(known.get(&site("site-a")).copied(), expected, "{answer:?}");
        }
    }

    /// The password goes nowhere where it does not go already.
    #[test]
    fn an_address_is_known_by_the_deployed_function_and_its_secret() {
        let mut observed = observed();
        let url = "https://a.example.com";
        assert!(!is_known(&observed, url), "nothing is deployed");
        let mut findings = findings();
        findings.found.infinispan_urls = observed.infinispan_urls.clone();
        findings.found.infinispan_secret = observed.infinispan_secrets[REGION].arn.clone();
        observed.standing.regions.get_mut(REGION).unwrap().function = Some(function(&topology(), &findings));
        assert!(is_known(&observed, url));
        assert!(!is_known(&observed, "https://evil.example.com"));
        observed.infinispan_secrets.get_mut(REGION).unwrap().arn = "arn:of:another:secret".to_owned();
        assert!(!is_known(&observed, url), "another secret");
    }

    #[test]
    fn an_endpoint_that_the_peer_s_cluster_exposes_is_refused() {
        let exposing = |host: Option<&str>| {
            ClusterLook::Seen(Box::new(ClusterReading {
                infinispan_endpoint: host.map(str::to_owned),
                ..ClusterReading::default()
            }))
        };
        for (own, peers, is_refused) in [
            (Some("a.example.com"), Some("b.example.com"), true),
            (None, Some("b.example.com"), true),
            (None, None, false),
            (Some("b.example.com"), Some("a.example.com"), false),
            // One host for both, as by a proxy in front of them: nothing is known.
            (Some("b.example.com"), Some("b.example.com"), false),
        ] {
            let mut topology = topology();
            topology.sites[0].infinispan.endpoint =
                Some(Endpoint::try_from("b.example.com".to_owned()).unwrap());
            let looks = [(site("site-a"), exposing(own)), (site("site-b"), exposing(peers))].into();
            let found = of_the_peer(&topology, &topology.sites[0], 0, &looks);
            assert_eq!(found.is_some(), is_refused, "{own:?} {peers:?}");
            if let (Some(problem), Some(own)) = (found, own) {
                assert!(problem.hint().ends_with(own), "{}", problem.hint());
            }
        }
    }
}
