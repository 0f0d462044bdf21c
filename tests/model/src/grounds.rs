//! What does not change while a configuration is checked: names, settings, and the accelerator's layout.

use fencing::accelerator::{Endpoint, EndpointConfig, Group as Read, GroupOutcome, Health, Mark, Reading};
use fencing::settings::{Found, Settings, sample};
use fencing::words::{SiteName, TopologyName};

/// One of the two sites.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Site {
    A,
    B,
}

impl Site {
    pub const ALL: [Self; 2] = [Self::A, Self::B];

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    pub fn index(self) -> usize {
        self as usize
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "site-a",
            Self::B => "site-b",
        }
    }
}

/// Where a balancer of nobody's stands among a group's members.
pub const STRANGER: usize = 2;

/// What the accelerator's tag says where it is ours, and where it is the other topology's.
pub const OURS: &str = "111111111111/eu-west-1/register/model";
/// See [`OURS`].
pub const OTHERS: &str = "111111111111/eu-west-1/register/another";

/// The weights that the members are configured with: each its own, so that a mixed-up configuration shows.
pub const WEIGHTS: [u8; 3] = [100, 200, 50];

/// What an endpoint group holds: the weight of site-a's, site-b's and a stranger's balancer, where it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group {
    /// By [`Site::index`], then [`STRANGER`].
    pub members: [Option<u8>; 3],
    /// Whether its traffic dial is at 0.
    pub closed: bool,
    /// Whether its present content was a person's doing.
    pub by_hand: bool,
}

/// How the accelerator is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    pub listeners: usize,
    /// Two Regions have an endpoint group each; two zones of one Region share one.
    pub two_regions: bool,
}

/// Names and settings, made once.
#[derive(Debug)]
pub struct Grounds {
    /// What the function is told.
    pub settings: Settings,
    /// What the function of another topology is told, which somebody has put on the same accelerator.
    pub others: Settings,
    pub layout: Layout,
    names: [SiteName; 2],
    balancers: [String; 3],
    arns: Vec<String>,
}

impl Grounds {
    pub fn new(layout: Layout, never: Option<Site>) -> Self {
        let accelerator_arn = sample::ACCELERATOR.to_owned();
        let name = |site: Site| SiteName::new(site.as_str()).expect("the name is in the grammar");
        let names = Site::ALL.map(name);
        let balancers = ["site-a", "site-b", "stranger"].map(sample::balancer);
        let per_listener = if layout.two_regions { 2 } else { 1 };
        let arns: Vec<String> = (0..layout.listeners)
            .flat_map(|listener| (0..per_listener).map(move |group| (listener, group)))
            .map(|(listener, group)| {
                format!("{accelerator_arn}/listener/l{listener}/endpoint-group/g{group}")
            })
            .collect();
        let sample = sample::settings();
        let settings = Settings {
            topology: TopologyName::new("model").expect("the name is in the grammar"),
            cooldown_seconds: 20,
            // Three looks, the fewest that there are.
            suspicion_seconds: 2,
            never_survivors: never.map(name).into_iter().collect(),
            found: Found {
                accelerator_arn,
                owner: OURS.to_owned(),
                endpoint_group_arns: arns.clone(),
                balancers: Site::ALL
                    .map(|site| (names[site.index()].clone(), vec![balancers[site.index()].clone()]))
                    .into(),
                ..sample.found
            },
            ..sample
        };
        let others = Settings {
            topology: TopologyName::new("another").expect("the name is in the grammar"),
            found: Found {
                owner: OTHERS.to_owned(),
                ..settings.found.clone()
            },
            ..settings.clone()
        };
        Self {
            settings,
            others,
            layout,
            names,
            balancers,
            arns,
        }
    }

    /// A site's name as the protocol knows it.
    pub fn name(&self, site: Site) -> &SiteName {
        &self.names[site.index()]
    }

    /// The site of a name.
    pub fn site(&self, name: &SiteName) -> Site {
        if *name == self.names[0] { Site::A } else { Site::B }
    }

    /// Both sites where they belong.
    pub fn whole(&self) -> Vec<Group> {
        (0..self.arns.len())
            .map(|index| Group {
                members: [
                    self.belongs(index, Site::A).then_some(WEIGHTS[0]),
                    self.belongs(index, Site::B).then_some(WEIGHTS[1]),
                    None,
                ],
                closed: false,
                by_hand: false,
            })
            .collect()
    }

    /// Whether a site's balancer has its place in a group.
    pub fn belongs(&self, group: usize, site: Site) -> bool {
        !self.layout.two_regions || group % 2 == site.index()
    }

    /// The groups of each listener.
    pub fn listeners(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        let per_listener = self.arns.len() / self.layout.listeners;
        (0..self.layout.listeners).map(move |listener| listener * per_listener..(listener + 1) * per_listener)
    }

    /// The group of an ARN.
    pub fn group(&self, arn: &str) -> usize {
        self.arns
            .iter()
            .position(|known| known == arn)
            .unwrap_or_default()
    }

    /// What a write of a whole group leaves in it.
    pub fn written(&self, write: &GroupOutcome, before: Group) -> Group {
        let mut members = [None; 3];
        if write.remove.is_empty() {
            for config in &write.endpoints {
                if let Some(member) = self.balancers.iter().position(|known| *known == config.id) {
                    members[member] = Some(
                        config
                            .weight
                            .map_or(0, |weight| u8::try_from(weight).unwrap_or(0)),
                    );
                }
            }
        } else {
            members = before.members;
            for id in &write.remove {
                if let Some(member) = self.balancers.iter().position(|known| known == id) {
                    members[member] = None;
                }
            }
        }
        Group {
            members,
            closed: before.closed && !write.opens,
            by_hand: false,
        }
    }

    /// One group as the accelerator shows it.
    pub fn read(&self, index: usize, group: &Group, healths: [Health; 2]) -> Read {
        Read {
            arn: self.arns[index].clone(),
            endpoints: group
                .members
                .iter()
                .enumerate()
                .filter_map(|(member, weight)| {
                    Some(Endpoint {
                        config: EndpointConfig {
                            id: self.balancers[member].clone(),
                            weight: Some((*weight)?.into()),
                            client_ip_preservation: Some(true),
                        },
                        health: healths.get(member).copied().unwrap_or(Health::Healthy),
                    })
                })
                .collect(),
            closed: group.closed,
        }
    }

    /// All groups as the accelerator shows them.
    pub fn reading(&self, groups: &[Group], healths: [Health; 2], mark: Mark) -> Reading {
        Reading {
            mark,
            reached: None,
            groups: groups
                .iter()
                .enumerate()
                .map(|(index, group)| self.read(index, group, healths))
                .collect(),
        }
    }

    /// Whether a member of these groups is drained in all of them that it is in: its weight is 0, or the dial.
    pub fn drained(groups: &[Group], member: usize) -> bool {
        let mut weights = groups
            .iter()
            .filter_map(|group| group.members[member].map(|weight| group.closed || weight == 0))
            .peekable();
        weights.peek().is_some() && weights.all(|drained| drained)
    }

    /// The members of a group as it was read.
    pub fn members(&self, group: &Read) -> [Option<u8>; 3] {
        let mut members = [None; 3];
        for endpoint in &group.endpoints {
            if let Some(member) = self
                .balancers
                .iter()
                .position(|known| *known == endpoint.config.id)
            {
                let weight = endpoint.config.weight.unwrap_or_default();
                members[member] = Some(u8::try_from(weight).unwrap_or_default());
            }
        }
        members
    }
}
