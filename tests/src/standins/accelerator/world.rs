//! Accelerators, their listeners, groups and endpoints, as plain data.
//!
//! The shape is the real one: an endpoint group belongs to one Region of one listener, so two zones of one
//! Region share a group and two Regions have a group each. ARNs, addresses and DNS names are derived from
//! the names given, so that a failing test prints the same ones every time.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// The account that owns everything here: that of the local AWS, so that both are one account to a preflight.
pub const ACCOUNT: &str = "000000000000";

/// The quota of endpoints in one group.
pub(super) const ENDPOINTS_PER_GROUP: usize = 10;

/// All accelerators of the account, and the balancers that may become endpoints.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct World {
    pub accelerators: Vec<Accelerator>,
    /// A resource must exist to become an endpoint. Those given at the start exist, others are told by
    /// [`World::with_balancer`].
    pub balancers: BTreeMap<String, Owner>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    ThisAccount,
    /// Shared through a cross-account attachment, whose ARN every configuration of it must give, though no
    /// description ever shows it.
    Another {
        attachment_arn: String,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub struct Accelerator {
    pub name: String,
    pub arn: String,
    pub dns_name: String,
    /// Only an accelerator with IPv6 addresses has one.
    pub dual_stack_dns_name: Option<String>,
    pub enabled: bool,
    /// `DEPLOYED`, or `IN_PROGRESS` while the edge takes over a change.
    pub status: String,
    pub addresses: [Ipv4Addr; 2],
    pub tags: Vec<(String, String)>,
    pub listeners: Vec<Listener>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Listener {
    pub arn: String,
    pub port: u16,
    pub groups: Vec<EndpointGroup>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct EndpointGroup {
    pub arn: String,
    pub region: String,
    pub endpoints: Vec<Endpoint>,
    pub traffic_dial_percentage: f64,
    pub health_check: HealthCheck,
    /// From listener port to endpoint port.
    pub port_overrides: Vec<(u16, u16)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    pub port: u16,
    pub protocol: String,
    pub path: Option<String>,
    pub interval_seconds: u32,
    pub threshold_count: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub id: String,
    pub weight: u8,
    pub client_ip_preservation: bool,
    pub health: Health,
    pub health_reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    Initial,
    Healthy,
    Unhealthy,
}

impl Health {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Initial => "INITIAL",
            Self::Healthy => "HEALTHY",
            Self::Unhealthy => "UNHEALTHY",
        }
    }
}

impl World {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an accelerator; its endpoints are balancers that exist.
    #[must_use]
    pub fn with(mut self, accelerator: Accelerator) -> Self {
        for group in accelerator.groups() {
            for endpoint in &group.endpoints {
                self.balancers
                    .entry(endpoint.id.clone())
                    .or_insert(Owner::ThisAccount);
            }
        }
        self.accelerators.push(accelerator);
        self
    }

    /// Adds `count` accelerators of somebody else, so that whoever reads only the first page finds theirs
    /// instead of the one that is wanted. They have endpoints of their own.
    #[must_use]
    pub fn with_decoys(mut self, count: usize) -> Self {
        for number in 0..count {
            let name = format!("decoy-{number}");
            let balancer = balancer_arn("eu-north-1", &name);
            self = self.with(Accelerator::in_one_region(&name, "eu-north-1", &[&balancer]));
        }
        self
    }

    /// A balancer that exists and is in no group yet.
    #[must_use]
    pub fn with_balancer(mut self, arn: &str) -> Self {
        self.balancers.insert(arn.to_owned(), Owner::ThisAccount);
        self
    }

    /// A balancer of another account, shared by an attachment.
    #[must_use]
    pub fn with_shared_balancer(mut self, arn: &str, attachment_arn: &str) -> Self {
        self.balancers.insert(
            arn.to_owned(),
            Owner::Another {
                attachment_arn: attachment_arn.to_owned(),
            },
        );
        self
    }

    pub fn accelerator(&self, name: &str) -> Option<&Accelerator> {
        self.accelerators
            .iter()
            .find(|accelerator| accelerator.name == name)
    }

    pub fn accelerator_mut(&mut self, name: &str) -> Option<&mut Accelerator> {
        self.accelerators
            .iter_mut()
            .find(|accelerator| accelerator.name == name)
    }

    pub fn groups_mut(&mut self) -> impl Iterator<Item = &mut EndpointGroup> {
        self.accelerators
            .iter_mut()
            .flat_map(|one| &mut one.listeners)
            .flat_map(|one| &mut one.groups)
    }

    /// Sets the health of an endpoint wherever it is; says in how many groups it was found.
    pub fn set_health(&mut self, endpoint_id: &str, health: Health) -> usize {
        let mut found = 0;
        for group in self.groups_mut() {
            for endpoint in group
                .endpoints
                .iter_mut()
                .filter(|endpoint| endpoint.id == endpoint_id)
            {
                endpoint.health = health;
                endpoint.health_reason = match health {
                    Health::Healthy => None,
                    Health::Initial => Some("InitialHealthChecking".to_owned()),
                    Health::Unhealthy => Some("Timeout".to_owned()),
                };
                found += 1;
            }
        }
        found
    }

    /// Takes an endpoint out wherever it is, as somebody at the console would; says from how many groups.
    pub fn remove_by_hand(&mut self, endpoint_id: &str) -> usize {
        let mut found = 0;
        for group in self.groups_mut() {
            let before = group.endpoints.len();
            group.endpoints.retain(|endpoint| endpoint.id != endpoint_id);
            found += before - group.endpoints.len();
        }
        found
    }

    /// Puts an endpoint into every group of `region` of the named accelerator that lacks it, as somebody
    /// at the console would; says into how many.
    pub fn add_by_hand(&mut self, accelerator: &str, region: &str, endpoint: &Endpoint) -> usize {
        self.balancers
            .entry(endpoint.id.clone())
            .or_insert(Owner::ThisAccount);
        let Some(accelerator) = self.accelerator_mut(accelerator) else {
            return 0;
        };
        let mut added = 0;
        for group in accelerator
            .listeners
            .iter_mut()
            .flat_map(|listener| &mut listener.groups)
        {
            if group.region == region && group.endpoint(&endpoint.id).is_none() {
                group.endpoints.push(endpoint.clone());
                added += 1;
            }
        }
        added
    }
}

impl Accelerator {
    /// An accelerator without listeners.
    pub fn new(name: &str) -> Self {
        let hash = hash(name);
        let label = format!("a{hash:016x}");
        let [.., third, fourth] = hash.to_be_bytes();
        Self {
            name: name.to_owned(),
            arn: format!("arn:aws:globalaccelerator::{ACCOUNT}:accelerator/{}", uuid(name)),
            dns_name: format!("{label}.awsglobalaccelerator.com"),
            dual_stack_dns_name: Some(format!("{label}.dualstack.awsglobalaccelerator.com")),
            enabled: true,
            status: "DEPLOYED".to_owned(),
            addresses: [
                Ipv4Addr::new(75, 2, third, fourth),
                Ipv4Addr::new(99, 83, third, fourth),
            ],
            tags: Vec::new(),
            listeners: Vec::new(),
        }
    }

    /// The supported layout: two zones of one Region, all balancers in the one group of one listener.
    pub fn in_one_region(name: &str, region: &str, balancers: &[&str]) -> Self {
        Self::new(name).listener(443, &[(region, balancers)])
    }

    /// One listener with one group, and in it one balancer, per Region.
    pub fn in_two_regions(name: &str, sites: [(&str, &str); 2]) -> Self {
        let [(region_a, balancer_a), (region_b, balancer_b)] = sites;
        Self::new(name).listener(443, &[(region_a, &[balancer_a]), (region_b, &[balancer_b])])
    }

    /// Adds a TCP listener with one group for each Region named, its endpoints healthy.
    #[must_use]
    pub fn listener(mut self, port: u16, groups: &[(&str, &[&str])]) -> Self {
        let seed = format!("{}:{port}", self.name);
        let listener = format!("{}/listener/{:08x}", self.arn, hash(&seed) as u32);
        let groups = groups
            .iter()
            .map(|(region, balancers)| EndpointGroup::new(&listener, region, balancers))
            .collect();
        self.listeners.push(Listener {
            arn: listener,
            port,
            groups,
        });
        self
    }

    #[must_use]
    pub fn tag(mut self, key: &str, value: &str) -> Self {
        self.tags.push((key.to_owned(), value.to_owned()));
        self
    }

    pub fn groups(&self) -> impl Iterator<Item = &EndpointGroup> {
        self.listeners.iter().flat_map(|listener| &listener.groups)
    }

    /// The endpoints over each listener, in the order of the listeners: what traffic can reach.
    pub fn endpoint_ids(&self) -> Vec<Vec<String>> {
        let over = |listener: &Listener| {
            let endpoints = listener.groups.iter().flat_map(|group| &group.endpoints);
            endpoints.map(|endpoint| endpoint.id.clone()).collect()
        };
        self.listeners.iter().map(over).collect()
    }
}

impl EndpointGroup {
    fn new(listener: &str, region: &str, balancers: &[&str]) -> Self {
        let endpoints = balancers
            .iter()
            .map(|balancer| Endpoint::healthy(balancer))
            .collect();
        Self {
            arn: format!(
                "{listener}/endpoint-group/{:012x}",
                hash(&format!("{listener}{region}")) & 0xffff_ffff_ffff
            ),
            region: region.to_owned(),
            endpoints,
            traffic_dial_percentage: 100.0,
            health_check: HealthCheck {
                port: 443,
                protocol: "TCP".to_owned(),
                path: None,
                interval_seconds: 30,
                threshold_count: 3,
            },
            port_overrides: Vec::new(),
        }
    }

    pub fn endpoint(&self, id: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.id == id)
    }
}

impl Endpoint {
    /// An endpoint in service, with the settings of one that nobody configured.
    pub fn healthy(id: &str) -> Self {
        Self {
            health: Health::Healthy,
            health_reason: None,
            ..Self::just_added(id)
        }
    }

    #[must_use]
    pub fn weight(mut self, weight: u8) -> Self {
        self.weight = weight;
        self
    }

    #[must_use]
    pub fn client_ip_preservation(mut self, enabled: bool) -> Self {
        self.client_ip_preservation = enabled;
        self
    }

    /// What a configuration that names only the endpoint makes of it. This is the trap of
    /// `UpdateEndpointGroup`: weight and client-IP preservation that are not given back are gone.
    pub(super) fn just_added(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            weight: 128,
            // On by default for application balancers only.
            client_ip_preservation: id.contains(":loadbalancer/app/"),
            health: Health::Initial,
            health_reason: Some("InitialHealthChecking".to_owned()),
        }
    }
}

/// The ARN of a network load balancer, for worlds that do not take theirs from an ELBv2.
pub fn balancer_arn(region: &str, name: &str) -> String {
    let id = hash(&format!("{region}{name}"));
    format!("arn:aws:elasticloadbalancing:{region}:{ACCOUNT}:loadbalancer/net/{name}/{id:016x}")
}

fn uuid(name: &str) -> String {
    let (high, low) = (hash(name), hash(&format!("{name}.")));
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
}

/// FNV-1a: names that stay the same from run to run are all that is asked of it.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
