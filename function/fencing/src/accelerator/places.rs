//! Where the sites belong in the accelerator: remembered while they are there, for the day they are put back.
//!
//! A fence takes a site's endpoints out, and nothing in the accelerator says afterwards where they were. So
//! every decision and every recovery notes what it sees. What nobody ever saw is supposed: two zones of one
//! Region share an endpoint group, two Regions have one each, so the other site's place tells this one's.
//! Supposing beats a `promote` that cannot help while the only other site is dead.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{EndpointConfig, GroupOutcome, Outcome, Reading, Unfit, listener_of};
use crate::settings::Settings;
use crate::words::SiteName;

/// Where one site's balancer belongs: remembered so that it can be put back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    pub site: SiteName,
    pub group_arn: String,
    pub config: EndpointConfig,
}

impl Place {
    fn listener(&self) -> &str {
        listener_of(&self.group_arn)
    }
}

/// Newer knowledge of where the sites belong over older: each site's places in a listener are replaced as
/// a whole by what was read there, and kept where nothing was.
pub fn remember(known: &[Place], read: &[Place]) -> Vec<Place> {
    let same_spot = |a: &Place, b: &Place| a.site == b.site && a.listener() == b.listener();
    let mut places: Vec<Place> = known
        .iter()
        .filter(|old| !read.iter().any(|new| same_spot(old, new)))
        .cloned()
        .collect();
    places.extend_from_slice(read);
    places.sort();
    places
}

impl Outcome {
    /// The outcome that keeps `survivor` alone, in every listener that is known to hold either site. A
    /// `promote` writes it: nobody needs to be there now.
    pub fn only(settings: &Settings, places: &[Place], survivor: &SiteName) -> Result<Self, Unfit> {
        let known = still_there(settings, places);
        let places = remember(&supposed(settings, &known, survivor), &known);
        Self::of(&places, |place| place.site == *survivor)
            .filter(|outcome| outcome.leaves_no_listener_empty())
            .ok_or_else(|| Unfit::NoPlace {
                site: survivor.clone(),
            })
    }

    /// The same outcome, and nobody in the groups beside it that are empty now: a site that somebody puts into
    /// one of them is taken out again, as after a fence. Strangers keep the groups that they are in.
    #[must_use]
    pub fn beside(mut self, reading: &Reading) -> Self {
        let listeners: BTreeSet<String> = self.listeners().map(str::to_owned).collect();
        let empty = reading.groups.iter().filter(|group| {
            group.endpoints.is_empty()
                && listeners.contains(listener_of(&group.arn))
                && !self.covers(&group.arn)
        });
        let empty: Vec<GroupOutcome> = empty
            .map(|group| GroupOutcome::holding(group.arn.clone(), Vec::new()))
            .collect();
        self.groups.extend(empty);
        self.groups.sort_by(|a, b| a.arn.cmp(&b.arn));
        self
    }

    /// The outcome that puts `stale` back beside `kept`: where it was last seen or, if nobody ever saw it,
    /// where it is supposed to be. A `rejoin` ends with it.
    pub fn both(
        settings: &Settings,
        places: &[Place],
        kept: &SiteName,
        stale: &SiteName,
    ) -> Result<Self, Unfit> {
        let mut known = still_there(settings, places);
        if !known.iter().any(|place| place.site == *stale) {
            known = remember(&supposed(settings, &known, stale), &known);
        }
        // A listener without the kept site is none of ours any more: nobody decided anything there.
        let ours: BTreeSet<String> = known
            .iter()
            .filter(|place| place.site == *kept)
            .map(|place| place.listener().to_owned())
            .collect();
        known.retain(|place| ours.contains(place.listener()));
        let knows = |site: &SiteName| known.iter().any(|place| place.site == *site);
        let absent = [kept, stale].into_iter().find(|site| !knows(site));
        match (absent, Self::of(&known, |_| true)) {
            (None, Some(outcome)) => Ok(outcome),
            (absent, _) => Err(Unfit::NoPlace {
                site: absent.unwrap_or(stale).clone(),
            }),
        }
    }

    /// Whether it says what a group has to hold.
    pub fn covers(&self, group_arn: &str) -> bool {
        self.groups.iter().any(|group| group.arn == group_arn)
    }

    fn of(places: &[Place], keep: impl Fn(&Place) -> bool) -> Option<Self> {
        let groups: BTreeSet<&str> = places.iter().map(|place| place.group_arn.as_str()).collect();
        let groups: Vec<GroupOutcome> = groups
            .into_iter()
            .map(|arn| {
                let there = places
                    .iter()
                    .filter(|place| place.group_arn == arn && keep(place));
                GroupOutcome::holding(arn, there.map(|place| place.config.clone()).collect())
            })
            .collect();
        (!groups.is_empty()).then_some(Self { groups })
    }

    fn leaves_no_listener_empty(&self) -> bool {
        let all: BTreeSet<&str> = self.listeners().collect();
        let held = self.groups.iter().filter(|group| !group.endpoints.is_empty());
        all == held.map(|group| listener_of(&group.arn)).collect()
    }

    pub(super) fn listeners(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().map(|group| listener_of(&group.arn))
    }
}

/// The places whose group the accelerator still has, as far as the settings know.
fn still_there(settings: &Settings, places: &[Place]) -> Vec<Place> {
    places
        .iter()
        .filter(|place| settings.found.endpoint_group_arns.contains(&place.group_arn))
        .cloned()
        .collect()
}

/// Where `site` should be in the listeners that hold its peer and are not known to have held it. Nothing is
/// supposed where there is more than one possibility.
fn supposed(settings: &Settings, known: &[Place], site: &SiteName) -> Vec<Place> {
    let (Some(peer), Some([balancer])) = (
        settings.peer_of(site),
        settings.found.balancers.get(site).map(Vec::as_slice),
    ) else {
        return Vec::new();
    };
    let listeners: BTreeSet<&str> = known.iter().map(Place::listener).collect();
    let one_region = settings.sites[0].region == settings.sites[1].region;
    listeners
        .into_iter()
        .filter_map(|listener| {
            let peers: BTreeSet<&str> = known
                .iter()
                .filter(|place| place.site == *peer && place.listener() == listener)
                .map(|place| place.group_arn.as_str())
                .collect();
            let others: BTreeSet<&str> = settings
                .found
                .endpoint_group_arns
                .iter()
                .map(String::as_str)
                .filter(|arn| listener_of(arn) == listener && !peers.contains(arn))
                .collect();
            let candidates = if one_region { peers } else { others };
            let group = candidates.first().filter(|_| candidates.len() == 1)?;
            Some(Place {
                site: site.clone(),
                group_arn: (*group).to_owned(),
                // Left out, these get Global Accelerator's defaults.
                config: EndpointConfig {
                    id: balancer.clone(),
                    weight: None,
                    client_ip_preservation: None,
                },
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::tests::{LISTENER, OTHER_LISTENER, balancer, kept, name, settings};
    use super::super::{Endpoint, Group, Health};
    use super::*;

    fn place(site: &str, group: &str, weight: i32) -> Place {
        Place {
            site: name(site),
            group_arn: group.to_owned(),
            config: EndpointConfig {
                id: balancer(site),
                weight: Some(weight),
                client_ip_preservation: None,
            },
        }
    }

    fn group(listener: &str, number: u8) -> String {
        format!("{listener}/endpoint-group/{number}")
    }

    fn with_groups(groups: &[&str]) -> Settings {
        let mut settings = settings();
        settings.found.endpoint_group_arns = groups.iter().map(|arn| (*arn).to_owned()).collect();
        settings
    }

    #[test]
    fn what_was_read_replaces_what_was_known_of_that_spot_only() {
        let (one, two) = (group(LISTENER, 1), group(OTHER_LISTENER, 1));
        let known = [
            place("site-a", &one, 1),
            place("site-b", &one, 2),
            place("site-b", &two, 3),
        ];
        assert_eq!(
            remember(&known, &[place("site-b", &one, 9)]),
            [
                place("site-a", &one, 1),
                place("site-b", &one, 9),
                place("site-b", &two, 3)
            ]
        );
    }

    #[test]
    fn a_site_goes_back_where_it_was_seen_and_nowhere_else() {
        let (one, two) = (group(LISTENER, 1), group(OTHER_LISTENER, 1));
        let settings = with_groups(&[&one, &two]);
        let places = [
            place("site-a", &one, 1),
            place("site-a", &two, 1),
            place("site-b", &one, 2),
        ];
        let both = Outcome::both(&settings, &places, &name("site-a"), &name("site-b")).unwrap();
        assert_eq!(
            kept(&both),
            [
                vec![balancer("site-a"), balancer("site-b")],
                vec![balancer("site-a")]
            ]
        );
    }

    /// The suspect was out before the register knew anything; its rejoin and its promotion find a way.
    #[test]
    fn a_site_that_nobody_saw_is_supposed_beside_its_peer_or_in_the_other_regions_group() {
        let (one, two) = (group(LISTENER, 1), group(LISTENER, 2));
        let places = [place("site-a", &one, 7)];
        let zones = with_groups(&[&one]);
        let both = Outcome::both(&zones, &places, &name("site-a"), &name("site-b")).unwrap();
        assert_eq!(kept(&both), [vec![balancer("site-a"), balancer("site-b")]]);
        assert_eq!(
            both.groups[0].endpoints[0].weight,
            Some(7),
            "the kept site's own stays"
        );
        let only = Outcome::only(&zones, &places, &name("site-b")).unwrap();
        assert_eq!(kept(&only), [vec![balancer("site-b")]]);

        let mut regions = with_groups(&[&one, &two]);
        regions.sites[1].region = "eu-central-1".into();
        let only = Outcome::only(&regions, &places, &name("site-b")).unwrap();
        assert_eq!(kept(&only), [vec![], vec![balancer("site-b")]]);
    }

    #[test]
    fn each_listener_is_supposed_by_itself() {
        let groups: Vec<String> = [LISTENER, OTHER_LISTENER]
            .into_iter()
            .flat_map(|listener| [group(listener, 1), group(listener, 2)])
            .collect();
        let mut settings = with_groups(&groups.iter().map(String::as_str).collect::<Vec<_>>());
        settings.sites[1].region = "eu-central-1".into();
        let places = [place("site-a", &groups[0], 7), place("site-a", &groups[2], 7)];
        let only = Outcome::only(&settings, &places, &name("site-b")).unwrap();
        let b = || vec![balancer("site-b")];
        assert_eq!(kept(&only), [vec![], b(), vec![], b()]);

        let zones = with_groups(&[&groups[0], &groups[2]]);
        let only = Outcome::only(&zones, &places, &name("site-b")).unwrap();
        assert_eq!(kept(&only), [b(), b()]);
    }

    #[test]
    fn nothing_is_supposed_where_there_is_more_than_one_possibility() {
        let groups: Vec<String> = (1..4).map(|number| group(LISTENER, number)).collect();
        let places = [place("site-a", &groups[0], 7)];
        let refused = Err(Unfit::NoPlace { site: name("site-b") });
        let mut three = with_groups(&groups.iter().map(String::as_str).collect::<Vec<_>>());
        three.sites[1].region = "eu-central-1".into();
        assert_eq!(Outcome::only(&three, &places, &name("site-b")), refused);
        assert_eq!(
            Outcome::both(&three, &places, &name("site-a"), &name("site-b")),
            refused
        );
        let mut two_balancers = with_groups(&[&groups[0]]);
        two_balancers
            .found
            .balancers
            .insert(name("site-b"), vec![balancer("b1"), balancer("b2")]);
        assert_eq!(Outcome::only(&two_balancers, &places, &name("site-b")), refused);
        assert_eq!(
            Outcome::only(&two_balancers, &[], &name("site-b")),
            refused,
            "nothing is known at all"
        );
    }

    /// The survivor was moved into the other group by hand, so nobody is known where it was before.
    #[test]
    fn an_empty_group_beside_the_survivor_stays_empty_and_a_strangers_stays_theirs() {
        let groups: Vec<String> = (1..4).map(|number| group(LISTENER, number)).collect();
        let other = group(OTHER_LISTENER, 1);
        let places = [place("site-a", &groups[1], 1), place("site-b", &groups[1], 2)];
        let read = |arn: &str, ids: &[&str]| Group {
            arn: arn.to_owned(),
            endpoints: ids
                .iter()
                .map(|id| Endpoint {
                    config: EndpointConfig {
                        id: (*id).to_owned(),
                        weight: None,
                        client_ip_preservation: None,
                    },
                    health: Health::Healthy,
                })
                .collect(),
            closed: false,
        };
        let reading = Reading {
            groups: vec![
                read(&groups[0], &[]),
                read(&groups[1], &[&balancer("site-a")]),
                read(&groups[2], &["a-stranger"]),
                read(&other, &[]),
            ],
            ..Reading::default()
        };
        let settings = with_groups(&groups.iter().map(String::as_str).collect::<Vec<_>>());
        let only = Outcome::only(&settings, &places, &name("site-b")).unwrap();
        assert_eq!(kept(&only), [vec![balancer("site-b")]]);
        let only = only.beside(&reading);
        let arns: Vec<&str> = only.groups.iter().map(|group| group.arn.as_str()).collect();
        assert_eq!(arns, [groups[0].as_str(), groups[1].as_str()]);
        assert_eq!(kept(&only), [vec![], vec![balancer("site-b")]]);
    }

    #[test]
    fn a_group_that_is_gone_is_forgotten() {
        let (one, gone) = (group(LISTENER, 1), group(OTHER_LISTENER, 1));
        let settings = with_groups(&[&one]);
        let places = [
            place("site-a", &one, 1),
            place("site-b", &one, 2),
            place("site-b", &gone, 3),
        ];
        let only = Outcome::only(&settings, &places, &name("site-b")).unwrap();
        assert_eq!(kept(&only), [vec![balancer("site-b")]]);
    }
}
