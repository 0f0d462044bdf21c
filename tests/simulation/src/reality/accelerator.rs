//! The accelerator: absolute writes, lagging reads, and an opinion on health.

use std::time::Duration;

use fencing::accelerator::{
    Endpoint, EndpointConfig, Group, GroupOutcome, Health, Mark, Reading, listener_of,
};
use fencing::step::{Call, Event};

use super::Reality;
use crate::dice::Dice;
use crate::layout;

/// Its weight where none is given.
const DEFAULT_WEIGHT: i32 = 128;

/// The identifiers in a group, sorted.
pub(super) fn ids(group: &Group) -> Vec<&str> {
    let mut ids: Vec<&str> = group.endpoints.iter().map(|e| e.config.id.as_str()).collect();
    ids.sort_unstable();
    ids
}

impl Reality {
    /// Whether a site's balancer is in any group.
    pub fn is_in(&self, index: usize) -> bool {
        let id = layout::balancer(index);
        self.groups
            .iter()
            .any(|group| group.endpoints.iter().any(|e| e.config.id == id))
    }

    /// How many endpoints each listener has.
    pub fn per_listener(&self) -> Vec<(String, usize)> {
        let mut counts: Vec<(String, usize)> = Vec::new();
        for group in &self.groups {
            let listener = listener_of(&group.arn);
            match counts.iter_mut().find(|(known, _)| known == listener) {
                Some((_, count)) => *count += group.endpoints.len(),
                None => counts.push((listener.to_owned(), group.endpoints.len())),
            }
        }
        counts
    }

    /// What is configured for a site's balancer, wherever it is.
    pub fn configs(&self, index: usize) -> Vec<(String, EndpointConfig)> {
        let id = layout::balancer(index);
        self.groups
            .iter()
            .flat_map(|group| group.endpoints.iter().map(move |e| (group.arn.clone(), e)))
            .filter(|(_, e)| e.config.id == id)
            .map(|(arn, e)| (arn, e.config.clone()))
            .collect()
    }

    pub(super) fn read_accelerator(&mut self, now: Duration, dice: &mut Dice) -> Reading {
        let lag = dice.between(Duration::ZERO, self.lag);
        let at = now.saturating_sub(lag);
        // The content that was there then: the oldest that was replaced only after it.
        let groups = self
            .earlier
            .iter()
            .find(|(replaced, _)| *replaced > at)
            .map_or(&self.groups, |(_, groups)| groups);
        let mark = if dice.permille(self.unread) {
            Mark::Unread("AccessDeniedException".to_owned())
        } else {
            self.mark.clone()
        };
        Reading {
            groups: groups.clone(),
            mark,
            reached: self.reached,
        }
    }

    pub(super) fn write_group(&mut self, write: &GroupOutcome, now: Duration) -> Event {
        self.remember(now);
        let Some(group) = self.groups.iter_mut().find(|group| group.arn == write.arn) else {
            return Call::WriteGroup(write.clone()).failed("EndpointGroupNotFoundException");
        };
        group.closed &= !write.opens;
        let old = std::mem::take(&mut group.endpoints);
        group.endpoints = write
            .endpoints
            .iter()
            .map(|config| {
                let before = old.iter().find(|e| e.config.id == config.id);
                Endpoint {
                    config: EndpointConfig {
                        id: config.id.clone(),
                        weight: config.weight.or(Some(DEFAULT_WEIGHT)),
                        client_ip_preservation: config.client_ip_preservation.or(Some(true)),
                    },
                    health: before.map_or(Health::Initial, |e| e.health),
                }
            })
            .collect();
        Event::Group(Ok(group.clone()))
    }

    /// Keeps what is there for readings that lag. To be called before each change.
    pub fn remember(&mut self, now: Duration) {
        while self
            .earlier
            .front()
            .is_some_and(|(replaced, _)| *replaced + self.lag < now)
        {
            self.earlier.pop_front();
        }
        self.earlier.push_back((now, self.groups.clone()));
    }

    /// The accelerator looks at its endpoints: a dead site is unhealthy, a living one healthy.
    pub fn check_health(&mut self) {
        for index in 0..2 {
            let id = layout::balancer(index);
            let health = match (self.sites[index].slandered, self.sites[index].alive) {
                (false, true) => Health::Healthy,
                _ => Health::Unhealthy,
            };
            for endpoint in self.groups.iter_mut().flat_map(|group| &mut group.endpoints) {
                if endpoint.config.id == id {
                    endpoint.health = health;
                }
            }
        }
    }

    /// Somebody puts an endpoint into a group by hand.
    pub fn put_in(&mut self, group: usize, id: &str, now: Duration) {
        self.remember(now);
        let group = &mut self.groups[group];
        if group.endpoints.iter().all(|e| e.config.id != id) {
            group.endpoints.push(Endpoint {
                config: EndpointConfig {
                    id: id.to_owned(),
                    weight: Some(64),
                    client_ip_preservation: Some(true),
                },
                health: Health::Initial,
            });
        }
        self.hands.groups = Some(now);
    }

    /// Administrators drain a site: by the dial where its Region has a group of its own, by its weight beside the other.
    pub fn drain(&mut self, index: usize, by_the_dial: bool, now: Duration) {
        self.remember(now);
        let id = layout::balancer(index);
        for group in &mut self.groups {
            let mut ends = group.endpoints.iter_mut();
            let Some(end) = ends.find(|end| end.config.id == id) else {
                continue;
            };
            if by_the_dial {
                group.closed = true;
            } else {
                end.config.weight = Some(0);
            }
        }
        self.hands.groups = Some(now);
    }

    /// They let everybody serve again.
    pub fn undrain(&mut self, now: Duration) {
        self.remember(now);
        for group in &mut self.groups {
            group.closed = false;
            for end in &mut group.endpoints {
                if end.config.weight == Some(0) {
                    end.config.weight = Some(DEFAULT_WEIGHT);
                }
            }
        }
        self.hands.groups = Some(now);
    }

    /// Somebody takes an endpoint out of one group by hand.
    pub fn take_out_of(&mut self, group: usize, id: &str, now: Duration) {
        self.remember(now);
        self.groups[group].endpoints.retain(|e| e.config.id != id);
        self.hands.groups = Some(now);
    }

    /// Somebody takes an endpoint out of every group by hand.
    pub fn take_out(&mut self, id: &str, now: Duration) {
        self.remember(now);
        for group in &mut self.groups {
            group.endpoints.retain(|e| e.config.id != id);
        }
        self.hands.groups = Some(now);
    }
}
