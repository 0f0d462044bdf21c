//! How the accelerator is laid out in a history, and the settings that go with it.

use fencing::accelerator::{Endpoint, EndpointConfig, Group, Health};
use fencing::settings::{ClaimSettings, Found, Mode, Settings, Site, sample};
use fencing::words::{SiteName, TopologyName};

use crate::dice::Dice;

const ACCELERATOR: &str = "arn:aws:globalaccelerator::123456789012:accelerator/acc";

pub const CACHES: [&str; 3] = ["sessions", "actionTokens", "work"];

pub const SITES: [&str; 2] = ["site-a", "site-b"];

/// The user that Alertmanager presents.
pub const USER: &str = "keycloak";

pub fn balancer(index: usize) -> String {
    let name = SITES[index.min(1)];
    format!("arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/net/{name}/1")
}

/// Which listeners and groups there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Two Regions have a group each, two zones share one.
    pub two_regions: bool,
    pub two_listeners: bool,
    /// A further listener that holds nobody.
    pub empty_listener: bool,
    /// Sent to whom the function only looks.
    pub observe: bool,
    /// A site that is never left alone.
    pub never: Option<usize>,
    /// A claim holds for seconds only, less than a slow call takes.
    pub short_claims: bool,
}

impl Layout {
    /// The supported one: two zones, one group, one listener.
    pub const PLAIN: Self = Self {
        two_regions: false,
        two_listeners: false,
        empty_listener: false,
        observe: false,
        never: None,
        short_claims: false,
    };

    pub fn any(dice: &mut Dice) -> Self {
        Self {
            two_regions: dice.permille(400),
            two_listeners: dice.permille(300),
            empty_listener: dice.permille(300),
            observe: dice.permille(20),
            never: None,
            short_claims: dice.permille(300),
        }
    }

    fn arns(self) -> Vec<(String, Vec<usize>)> {
        let listeners = if self.two_listeners {
            vec!["l1", "l2"]
        } else {
            vec!["l1"]
        };
        let mut arns = Vec::new();
        let arn =
            |listener: &str, group: &str| format!("{ACCELERATOR}/listener/{listener}/endpoint-group/{group}");
        for listener in listeners {
            if self.two_regions {
                arns.push((arn(listener, "west"), vec![0]));
                arns.push((arn(listener, "central"), vec![1]));
            } else {
                arns.push((arn(listener, "west"), vec![0, 1]));
            }
        }
        if self.empty_listener {
            arns.push((arn("spare", "west"), Vec::new()));
        }
        arns
    }

    /// What the function is told.
    pub fn settings(self) -> Settings {
        let names = SITES.map(site);
        let regions = [
            "eu-west-1",
            if self.two_regions {
                "eu-central-1"
            } else {
                "eu-west-1"
            },
        ];
        let sample = sample::settings();
        Settings {
            topology: topology(),
            sites: [0, 1].map(|index| Site {
                name: names[index].clone(),
                region: regions[index].to_owned(),
            }),
            mode: if self.observe { Mode::Observe } else { Mode::Act },
            never_survivors: self.never.map(|index| names[index].clone()).into_iter().collect(),
            webhook_username: USER.to_owned(),
            claim: ClaimSettings {
                renew_interval_seconds: if self.short_claims { 1 } else { 5 },
                failure_threshold: if self.short_claims { 2 } else { 3 },
            },
            cleared_caches: vec!["actionTokens".to_owned(), "work".to_owned()],
            found: Found {
                accelerator_arn: ACCELERATOR.to_owned(),
                endpoint_group_arns: self.arns().into_iter().map(|(arn, _)| arn).collect(),
                balancers: [0, 1]
                    .map(|index| (names[index].clone(), vec![balancer(index)]))
                    .into(),
                topic_arn: String::new(),
                ..sample.found
            },
            ..sample
        }
    }

    /// The groups with everybody in.
    pub fn groups(self, _: &Settings) -> Vec<Group> {
        self.arns()
            .into_iter()
            .map(|(arn, sites)| Group {
                arn,
                endpoints: sites
                    .into_iter()
                    .map(|index| Endpoint {
                        config: EndpointConfig {
                            id: balancer(index),
                            weight: Some(if index == 0 { 100 } else { 50 }),
                            client_ip_preservation: Some(true),
                        },
                        health: Health::Healthy,
                    })
                    .collect(),
                closed: false,
            })
            .collect()
    }

    /// In which groups a site belongs, by their number.
    pub fn home(self, index: usize) -> Vec<usize> {
        self.arns()
            .iter()
            .enumerate()
            .filter(|(_, (_, sites))| sites.contains(&index))
            .map(|(number, _)| number)
            .collect()
    }
}

#[allow(clippy::expect_used)] // Constants of this file.
fn site(name: &str) -> SiteName {
    SiteName::new(name).expect("a site's name")
}

#[allow(clippy::expect_used)]
fn topology() -> TopologyName {
    TopologyName::new("keycloak-test").expect("a topology's name")
}
