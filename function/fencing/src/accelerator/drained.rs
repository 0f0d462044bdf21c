//! Sites that administrators have drained: weight 0, or a traffic dial at 0.
//!
//! That says that a site is not to serve, although it looks as if it could: a drained site passes its health
//! checks. So it does not win over one that is not drained. Where nobody else is left, people are
//! notified at once, and an operator's `fence` restores what the administrators had set. So does `promote`: who is made the
//! survivor is to serve. These are the two cases in which a survivor's own configuration is changed.

use std::collections::BTreeSet;

use super::{
    EndpointConfig, Group, GroupOutcome, Health, Outcome, Place, Reading, Unfit, account_of, listener_of,
    short,
};
use crate::settings::Settings;
use crate::words::{Fenced, SiteName, Survivor};

/// What Global Accelerator gives an endpoint that is added without one.
const DEFAULT_WEIGHT: i32 = 128;

/// A drained survivor, and whether nobody else is left in that listener.
pub(super) struct Alone(pub(super) bool);

/// An operator's word that a drained site may survive.
#[derive(Debug, Clone, Copy)]
pub struct Waiver<'a> {
    /// What is remembered of the sites' weights.
    pub places: &'a [Place],
}

/// A site's endpoints in one listener: whether it has any, whether all of them are drained, the best health.
struct Stand {
    present: bool,
    drained: bool,
    health: Option<Health>,
}

fn stand(settings: &Settings, groups: &[&Group], site: &SiteName) -> Stand {
    let endpoints = || {
        groups
            .iter()
            .flat_map(|group| group.endpoints.iter().map(|end| (group.closed, end)))
            .filter(|(_, end)| settings.site_of_balancer(&end.config.id) == Some(site))
    };
    let present = endpoints().next().is_some();
    Stand {
        present,
        drained: present && endpoints().all(|(closed, end)| closed || end.config.weight == Some(0)),
        health: endpoints().map(|(_, end)| end.health).max(),
    }
}

/// Whether a survivor is drained in a listener where the other one is not.
pub(super) fn survivor(
    settings: &Settings,
    groups: &[&Group],
    survivor: &Survivor,
    fenced: &Fenced,
) -> Option<Alone> {
    let (own, other) = (
        stand(settings, groups, &survivor.0),
        stand(settings, groups, &fenced.0),
    );
    let alone = !other.present || other.health != Some(Health::Healthy);
    (own.drained && !other.drained).then_some(Alone(alone))
}

impl Waiver<'_> {
    /// What is written of a group in which the survivor is drained: with the weight that is remembered, or the usual
    /// one, and an open dial.
    pub(super) fn restored(
        self,
        settings: &Settings,
        write: GroupOutcome,
        group: &Group,
        survivor: &Survivor,
    ) -> Result<GroupOutcome, Unfit> {
        if write.endpoints.is_empty() {
            return Ok(write);
        }
        // Of a balancer in another account nothing but its absence can be written.
        let own = account_of(&settings.found.accelerator_arn);
        if write.endpoints.iter().any(|config| account_of(&config.id) != own) {
            return Err(Unfit::DrainedElsewhere {
                survivor: survivor.clone(),
            });
        }
        let reweighs = write.endpoints.iter().any(|config| config.weight == Some(0));
        let weigh = |config: EndpointConfig| match config.weight {
            Some(0) => EndpointConfig {
                weight: Some(self.weight(&write.arn, &config.id)),
                ..config
            },
            _ => config,
        };
        Ok(GroupOutcome {
            endpoints: write.endpoints.iter().cloned().map(weigh).collect(),
            reweighs,
            opens: group.closed,
            ..write
        })
    }

    fn weight(self, group_arn: &str, id: &str) -> i32 {
        let mut known = self.places.iter().filter(|place| {
            place.group_arn == group_arn && place.config.id == id && place.config.weight != Some(0)
        });
        known
            .find_map(|place| place.config.weight)
            .unwrap_or(DEFAULT_WEIGHT)
    }
}

impl Outcome {
    /// The same outcome, in which a site that was drained serves again, as after an operator's fence: an operator who promotes it
    /// wants it to. Where the other one is drained, too, it is no difference between them.
    ///
    /// A fenced site is in no group, so its weights are what this outcome and `places` remember, and the dial is that of
    /// the groups it belongs to. Of a group that could not be read nobody knows the dial, and it stays.
    #[must_use]
    pub fn serving(mut self, places: &[Place], seen: Option<&Reading>, fenced: &SiteName) -> Self {
        let closed = |arn: &str| {
            let mut groups = seen.into_iter().flat_map(|reading| &reading.groups);
            groups.any(|group| group.arn == arn && group.closed)
        };
        let idle = |arn: &str, config: &EndpointConfig| closed(arn) || config.weight == Some(0);
        let drained = |listener: &str| {
            let here = |arn: &str| listener_of(arn) == listener;
            let mut own = self.groups.iter().filter(|write| here(&write.arn));
            let mut others = places
                .iter()
                .filter(|place| place.site == *fenced && here(&place.group_arn))
                .peekable();
            own.all(|write| write.endpoints.iter().all(|config| idle(&write.arn, config)))
                && (others.peek().is_none() || !others.all(|place| idle(&place.group_arn, &place.config)))
        };
        let all: BTreeSet<&str> = self.listeners().collect();
        let listeners: BTreeSet<String> = all
            .into_iter()
            .filter(|listener| drained(listener))
            .map(str::to_owned)
            .collect();
        let writes = self
            .groups
            .iter_mut()
            .filter(|write| !write.endpoints.is_empty() && listeners.contains(listener_of(&write.arn)));
        for write in writes {
            write.opens = closed(&write.arn);
            for config in write
                .endpoints
                .iter_mut()
                .filter(|config| config.weight == Some(0))
            {
                config.weight = Some(DEFAULT_WEIGHT);
                write.reweighs = true;
            }
        }
        self
    }

    /// Whether it gives a drained site its weight or its dial back.
    pub fn restores(&self) -> bool {
        self.groups.iter().any(|write| write.reweighs || write.opens)
    }
}

impl Group {
    /// Whether it serves as far as a write has to see to that. Which weight it has is for the administrators to say,
    /// as long as it has one.
    pub(super) fn serves_as(&self, write: &GroupOutcome) -> bool {
        let weighs = |wanted: &EndpointConfig| {
            self.endpoints
                .iter()
                .any(|end| end.config.id == wanted.id && end.config.weight != Some(0))
        };
        (!write.opens || !self.closed) && (!write.reweighs || write.endpoints.iter().all(weighs))
    }
}

impl Reading {
    /// The sites that are drained somewhere, each with the listeners' last parts.
    pub fn drained(&self, settings: &Settings) -> Vec<(SiteName, String)> {
        let mut listeners: Vec<&str> = self.groups.iter().map(|group| listener_of(&group.arn)).collect();
        listeners.sort_unstable();
        listeners.dedup();
        let mut drained = Vec::new();
        for site in &settings.sites {
            for listener in &listeners {
                let groups: Vec<&Group> = self
                    .groups
                    .iter()
                    .filter(|group| listener_of(&group.arn) == *listener)
                    .collect();
                if stand(settings, &groups, &site.name).drained {
                    drained.push((site.name.clone(), short(listener)));
                }
            }
        }
        drained
    }

    /// The same reading as it is once `outcome` has restored weights.
    #[must_use]
    pub fn restored(mut self, outcome: &Outcome) -> Self {
        for write in outcome.groups.iter().filter(|write| write.reweighs) {
            let groups = self.groups.iter_mut().filter(|group| group.arn == write.arn);
            for end in groups.flat_map(|group| &mut group.endpoints) {
                if let Some(config) = write.endpoints.iter().find(|config| config.id == end.config.id) {
                    end.config = config.clone();
                }
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::super::Endpoint;
    use super::super::tests::{LISTENER, OTHER_LISTENER, balancer, name, settings};
    use super::*;
    use Health::{Healthy, Initial, Unhealthy};

    fn end(site: &str, weight: i32, health: Health) -> Endpoint {
        Endpoint {
            config: EndpointConfig {
                id: balancer(site),
                weight: Some(weight),
                client_ip_preservation: Some(true),
            },
            health,
        }
    }

    fn group(listener: &str, number: u8, closed: bool, endpoints: &[Endpoint]) -> Group {
        Group {
            arn: format!("{listener}/endpoint-group/{number}"),
            endpoints: endpoints.to_vec(),
            closed,
        }
    }

    fn outcome(groups: Vec<Group>, waiver: Option<Waiver<'_>>) -> Result<Outcome, Unfit> {
        let reading = Reading {
            groups,
            ..Reading::default()
        };
        reading.outcome(
            &settings(),
            &Survivor(name("site-a")),
            &Fenced(name("site-b")),
            waiver,
        )
    }

    /// Some(alone) where it is unfit for being drained.
    fn judged(groups: Vec<Group>) -> Option<bool> {
        match outcome(groups, None) {
            Ok(_) => None,
            Err(Unfit::SurvivorDrained { alone, listener, .. }) => {
                assert_eq!(listener, "l1");
                Some(alone)
            }
            Err(other) => unreachable!("{other}"),
        }
    }

    #[test]
    fn a_drained_site_does_not_win_over_one_that_is_not() {
        let (a, b) = (end("site-a", 0, Healthy), end("site-b", 77, Healthy));
        assert_eq!(
            judged(vec![group(LISTENER, 1, false, &[a.clone(), b.clone()])]),
            Some(false)
        );
        // Both are, in this way or in that: it is no difference between them.
        let (_, drained_b) = ((), end("site-b", 0, Healthy));
        assert_eq!(
            judged(vec![group(LISTENER, 1, false, &[a.clone(), drained_b])]),
            None
        );
        assert_eq!(judged(vec![group(LISTENER, 1, true, &[a, b])]), None);
        // The other way round it wins.
        let served = end("site-a", 77, Healthy);
        let drained_b = end("site-b", 0, Healthy);
        assert_eq!(
            judged(vec![group(LISTENER, 1, false, &[served, drained_b])]),
            None
        );
    }

    #[test]
    fn the_dial_of_its_region_s_group_drains_a_site_as_well() {
        let (a, b) = (end("site-a", 77, Healthy), end("site-b", 77, Healthy));
        let regions = |closed_a: bool, closed_b: bool| {
            judged(vec![
                group(LISTENER, 1, closed_a, std::slice::from_ref(&a)),
                group(LISTENER, 2, closed_b, std::slice::from_ref(&b)),
            ])
        };
        assert_eq!(regions(true, false), Some(false));
        assert_eq!(regions(true, true), None);
        assert_eq!(regions(false, true), None);
    }

    #[test]
    fn it_is_alone_where_the_other_is_not_there_or_not_healthy() {
        let a = end("site-a", 0, Unhealthy);
        assert_eq!(
            judged(vec![group(LISTENER, 1, false, std::slice::from_ref(&a))]),
            Some(true)
        );
        for (health, alone) in [(Unhealthy, true), (Initial, true), (Healthy, false)] {
            let (a, b) = (end("site-a", 0, Healthy), end("site-b", 77, health));
            assert_eq!(
                judged(vec![group(LISTENER, 1, false, &[a, b])]),
                Some(alone),
                "{health}"
            );
        }
    }

    #[test]
    fn a_site_with_one_endpoint_that_serves_is_not_drained() {
        let (drained, serves) = (end("site-a", 0, Healthy), end("site-a", 9, Healthy));
        let b = end("site-b", 77, Healthy);
        let groups = |closed: bool| {
            vec![
                group(LISTENER, 1, false, &[drained.clone(), b.clone()]),
                group(LISTENER, 2, closed, std::slice::from_ref(&serves)),
            ]
        };
        assert_eq!((judged(groups(false)), judged(groups(true))), (None, Some(false)));
    }

    #[test]
    fn a_waiver_restores_the_weight_that_is_remembered_and_opens_the_dial() {
        let place = |group: &Group, weight: i32| Place {
            site: name("site-a"),
            group_arn: group.arn.clone(),
            config: end("site-a", weight, Healthy).config,
        };
        let here = group(
            LISTENER,
            1,
            false,
            &[end("site-a", 0, Healthy), end("site-b", 77, Healthy)],
        );
        let dialled = group(OTHER_LISTENER, 1, true, &[end("site-a", 5, Healthy)]);
        let beside = group(OTHER_LISTENER, 2, false, &[end("site-b", 77, Healthy)]);
        for (remembered, weight) in [
            (vec![place(&here, 200)], 200),
            (vec![place(&dialled, 200)], 128),
            (vec![place(&here, 0)], 128),
            (vec![], 128),
        ] {
            let waiver = Waiver { places: &remembered };
            let groups = vec![here.clone(), dialled.clone(), beside.clone()];
            let written = outcome(groups, Some(waiver)).map(|outcome| outcome.groups);
            let one = GroupOutcome {
                reweighs: true,
                ..GroupOutcome::holding(here.arn.clone(), vec![end("site-a", weight, Healthy).config])
            };
            let two = GroupOutcome {
                opens: true,
                ..GroupOutcome::holding(dialled.arn.clone(), vec![end("site-a", 5, Healthy).config])
            };
            let three = GroupOutcome::holding(beside.arn.clone(), Vec::new());
            assert_eq!(written, Ok(vec![one, two, three]));
        }
    }

    /// Only what people drained is changed, and only where it decides.
    #[test]
    fn a_waiver_changes_nothing_where_nobody_is_drained_or_both_are() {
        let waiver = Some(Waiver { places: &[] });
        for weights in [(77, 77), (0, 0)] {
            let ends = [
                end("site-a", weights.0, Healthy),
                end("site-b", weights.1, Healthy),
            ];
            let written =
                outcome(vec![group(LISTENER, 1, false, &ends)], waiver).map(|outcome| outcome.groups);
            let kept = GroupOutcome::holding(
                format!("{LISTENER}/endpoint-group/1"),
                vec![ends[0].config.clone()],
            );
            assert_eq!(written, Ok(vec![kept]));
        }
    }

    /// Site-a is to serve alone, and was fenced while it was drained: (its weight, its dial at 0, the other's weight).
    #[test]
    fn who_is_promoted_serves_again_unless_both_were_drained() {
        let (one, two) = (
            format!("{LISTENER}/endpoint-group/1"),
            format!("{LISTENER}/endpoint-group/2"),
        );
        let place = |site: &str, arn: &str, weight: i32| Place {
            site: name(site),
            group_arn: arn.to_owned(),
            config: end(site, weight, Healthy).config,
        };
        for (weight, closed, other, (expected, reweighs, opens)) in [
            (0, false, Some(77), (128, true, false)),
            (0, true, Some(77), (128, true, true)),
            (9, true, Some(77), (9, false, true)),
            (9, false, Some(77), (9, false, false)),
            (0, false, Some(0), (0, false, false)),
            (9, true, Some(0), (9, false, false)),
            // Where the other one was is not known: it is nowhere drained.
            (0, false, None, (128, true, false)),
        ] {
            let mut places = vec![place("site-a", &one, weight)];
            places.extend(other.map(|weight| place("site-b", &two, weight)));
            let outcome = Outcome {
                groups: vec![
                    GroupOutcome::holding(one.clone(), vec![end("site-a", weight, Healthy).config]),
                    GroupOutcome::holding(two.clone(), Vec::new()),
                ],
            };
            let seen = Reading {
                groups: vec![group(LISTENER, 1, closed, &[]), group(LISTENER, 2, false, &[])],
                ..Reading::default()
            };
            let written = outcome.clone().serving(&places, Some(&seen), &name("site-b"));
            let first = GroupOutcome {
                reweighs,
                opens,
                ..GroupOutcome::holding(one.clone(), vec![end("site-a", expected, Healthy).config])
            };
            assert_eq!(
                written.groups,
                [first, GroupOutcome::holding(two.clone(), Vec::new())],
                "{weight} {closed} {other:?}"
            );
            // Nobody could look: its weight is remembered, its dial is not.
            let blind = outcome.serving(&places, None, &name("site-b"));
            assert!(!blind.groups.iter().any(|write| write.opens));
            assert_eq!(
                blind.groups[0].reweighs,
                weight == 0 && other != Some(0),
                "{weight} {closed} {other:?}"
            );
        }
    }

    #[test]
    fn what_was_to_be_restored_has_to_be_read_so() {
        let wanted = |reweighs: bool, opens: bool| GroupOutcome {
            reweighs,
            opens,
            ..GroupOutcome::holding(
                format!("{LISTENER}/endpoint-group/1"),
                vec![end("site-a", 128, Healthy).config],
            )
        };
        for (weight, closed, reweighs, opens, agrees) in [
            (128, false, true, true, true),
            (0, false, true, true, false),
            (128, true, true, true, false),
            // A decision that restored nothing does not look at either.
            (0, true, false, false, true),
            (0, false, false, true, true),
            (128, true, true, false, true),
        ] {
            let here = group(LISTENER, 1, closed, &[end("site-a", weight, Healthy)]);
            assert_eq!(
                here.agrees_with(&wanted(reweighs, opens)),
                agrees,
                "{weight} {closed}"
            );
        }
    }

    #[test]
    fn a_balancer_of_another_account_cannot_be_given_a_weight() {
        let mut settings = settings();
        let foreign = balancer("site-a").replace("111111111111", "222222222222");
        settings
            .found
            .balancers
            .insert(name("site-a"), vec![foreign.clone()]);
        let mut a = end("site-a", 0, Healthy);
        a.config.id = foreign;
        let b = end("site-b", 77, Healthy);
        for groups in [
            vec![group(LISTENER, 1, false, &[a.clone(), b.clone()])],
            // Nobody has to be taken out of its own group.
            vec![
                group(LISTENER, 1, false, &[a.clone()]),
                group(LISTENER, 2, false, &[b]),
            ],
            vec![group(LISTENER, 1, false, &[a])],
        ] {
            let reading = Reading {
                groups,
                ..Reading::default()
            };
            let (survivor, fenced) = (Survivor(name("site-a")), Fenced(name("site-b")));
            let refused = reading.outcome(&settings, &survivor, &fenced, Some(Waiver { places: &[] }));
            assert_eq!(refused, Err(Unfit::DrainedElsewhere { survivor }));
        }
    }

    #[test]
    fn each_drained_site_is_named_with_its_listeners() {
        let settings = settings();
        let reading = Reading {
            groups: vec![
                group(LISTENER, 1, true, &[end("site-a", 7, Healthy)]),
                group(LISTENER, 2, false, &[end("site-b", 7, Healthy)]),
                group(OTHER_LISTENER, 1, false, &[end("site-b", 0, Healthy)]),
            ],
            ..Reading::default()
        };
        let expected = [
            (name("site-a"), "l1".to_owned()),
            (name("site-b"), "l2".to_owned()),
        ];
        assert_eq!(reading.drained(&settings), expected);
    }
}
