//! Which endpoints belong to which site, and whether every one of them does.
//!
//! A site's balancer is known by its tag `site`, not by its place in the accelerator: while a site is fenced
//! its balancer is out of every group, and `apply` must neither forget it nor put it back.

use std::collections::{BTreeMap, BTreeSet};

use fencing::settings::Found;
use fencing::words::SiteName;

use super::{Examination, keepers};
use crate::observed::{EndpointReading, ListenerReading};
use crate::preflight::problem::Problem;
use crate::preflight::warning::Warning;
use crate::topology::{Region, Topology};

/// Whether the accelerator is the one that the topology names: by ARN, or by either DNS name.
pub fn is_wanted(wanted: &str, arn: &str, dns_name: &str, dual_stack_dns_name: Option<&str>) -> bool {
    let same = |name: &str| {
        !name.is_empty()
            && name
                .trim_end_matches('.')
                .eq_ignore_ascii_case(wanted.trim_end_matches('.'))
    };
    arn == wanted || same(dns_name) || dual_stack_dns_name.is_some_and(same)
}

/// The sites that miss in a listener of the sites, or in all of them: their balancers must be looked for by
/// tag, each in its Region.
pub fn sites_to_search(
    topology: &Topology,
    listeners: &[ListenerReading],
    endpoints: &BTreeMap<String, EndpointReading>,
) -> Vec<(SiteName, Region)> {
    let site_of = |endpoint: &String| match endpoints.get(endpoint) {
        Some(EndpointReading::Balancer(balancer)) => balancer.site.clone(),
        _ => None,
    };
    let sites_in = |listener: &ListenerReading| -> BTreeSet<String> {
        listener
            .groups
            .iter()
            .flat_map(|group| &group.endpoints)
            .filter_map(site_of)
            .collect()
    };
    let present: Vec<BTreeSet<String>> = listeners.iter().map(sites_in).collect();
    topology
        .sites
        .iter()
        .filter(|site| {
            let peer = topology.peer_of(site);
            present
                .iter()
                .any(|sites| sites.contains(peer.name.as_str()) && !sites.contains(site.name.as_str()))
        })
        .map(|site| (site.name.clone(), site.region.clone()))
        .collect()
}

impl Examination<'_> {
    fn site_of(&self, endpoint: &str) -> Option<&SiteName> {
        match self.observed.endpoints.get(endpoint)? {
            EndpointReading::Balancer(balancer) => self
                .topology
                .sites
                .iter()
                .map(|site| &site.name)
                .find(|name| balancer.site.as_deref() == Some(name.as_str())),
            // Its Region does not answer; what it was when the functions were deployed it is still.
            EndpointReading::Unseen { .. } => {
                let deployed = self.observed.standing.deployed()?;
                let is_of = |name: &&SiteName| {
                    let arns = deployed.found.balancers.get(name);
                    arns.is_some_and(|arns| arns.iter().any(|arn| arn == endpoint))
                };
                self.topology.sites.iter().map(|site| &site.name).find(is_of)
            }
            EndpointReading::Gone | EndpointReading::Other => None,
        }
    }

    pub(super) fn found(&mut self) -> Found {
        let mut found = Found {
            infinispan_urls: self.infinispan_urls(),
            register_table: self.topology.table_name(),
            ..Found::default()
        };
        let Some(accelerator) = &self.observed.accelerator else {
            self.problems.push(Problem::NoAccelerator {
                wanted: self.topology.accelerator.to_string(),
                account_id: self.observed.standing.identity.account_id.clone(),
                seen: self
                    .observed
                    .accelerators
                    .iter()
                    .map(|seen| format!("{}  {}", seen.dns_name, seen.name))
                    .collect(),
            });
            return found;
        };
        found.accelerator_arn.clone_from(&accelerator.arn);
        found.owner = self.topology.owner(&self.observed.standing.identity.account_id);
        self.whose(&accelerator.arn, &found.owner);
        let kept = keepers::keepers(&self.observed.accelerator_tags).into_iter();
        self.warnings
            .extend(kept.map(|(keeper, does)| Warning::KeptByOthers { keeper, does }));
        if !accelerator.enabled {
            self.problems.push(Problem::AcceleratorDisabled {
                name: accelerator.name.clone(),
                arn: accelerator.arn.clone(),
            });
        }
        let holds_a_site = |listener: &&ListenerReading| {
            listener
                .groups
                .iter()
                .flat_map(|group| &group.endpoints)
                .any(|endpoint| self.site_of(endpoint).is_some())
        };
        let mut listeners: Vec<&ListenerReading> =
            self.observed.listeners.iter().filter(holds_a_site).collect();
        if listeners.is_empty() {
            self.problems.push(Problem::NoSiteInAccelerator {
                name: accelerator.name.clone(),
            });
            // What is there tells why.
            listeners = self.observed.listeners.iter().collect();
            for listener in listeners {
                self.strangers(listener);
            }
            return found;
        }
        let mut groups = BTreeSet::new();
        let mut balancers: BTreeMap<SiteName, BTreeSet<String>> = BTreeMap::new();
        for listener in listeners {
            self.strangers(listener);
            groups.extend(listener.groups.iter().map(|group| group.arn.clone()));
            for (site, arns) in self.balancers_in(listener) {
                balancers.entry(site).or_default().extend(arns);
            }
        }
        found.endpoint_group_arns = groups.into_iter().collect();
        self.regions_of(&balancers);
        found.balancers = balancers
            .into_iter()
            .map(|(site, arns)| (site, arns.into_iter().collect()))
            .collect();
        found
    }

    /// A site's balancer stands where the site does, or one of the two is written wrongly: the Region decides where the
    /// register must not be, and which Region's silence takes which site along.
    fn regions_of(&mut self, balancers: &BTreeMap<SiteName, BTreeSet<String>>) {
        for (index, site) in self.topology.sites.iter().enumerate() {
            for arn in balancers.get(&site.name).into_iter().flatten() {
                let region = arn.split(':').nth(3).unwrap_or_default();
                if region != site.region.as_str() {
                    self.problems.push(Problem::BalancerInAnotherRegion {
                        site: site.name.clone(),
                        index,
                        region: site.region.clone(),
                        arn: arn.clone(),
                        found: region.to_owned(),
                    });
                }
            }
        }
    }

    /// Whether the accelerator is another deployment's: by its tag, or because the settings of another
    /// topology's function name it.
    fn whose(&mut self, arn: &str, ours: &str) {
        let others = self.observed.owner.as_ref();
        if let Some(owner) = others.filter(|owner| *owner != ours && !self.was_ours(owner)) {
            self.problems.push(Problem::AnothersAccelerator {
                arn: arn.to_owned(),
                owner: owner.clone(),
                ours: ours.to_owned(),
            });
        }
        for region in &self.observed.regions {
            for neighbour in region.neighbours.iter().filter(|it| it.accelerator_arn == arn) {
                self.problems.push(Problem::SharedAccelerator {
                    function: neighbour.function.clone(),
                    region: region.region.clone(),
                    topology: neighbour.topology.clone(),
                });
            }
        }
    }

    /// Whether an owner is this topology before its register moved: a function of ours has it in its settings, or the register
    /// that it names is one that the move has left.
    fn was_ours(&self, owner: &str) -> bool {
        let standing = &self.observed.standing;
        let account_id = &standing.identity.account_id;
        let mut left = standing.former_registers.iter().flat_map(|(place, table)| {
            // The first of several replicas stands in the mark, whichever of them was looked at.
            let regions =
                std::iter::once(place.region.as_str()).chain(table.replicas.regions().map(String::as_str));
            regions.map(move |region| (place.role_arn.as_deref(), region, &place.table))
        });
        standing.told().any(|told| told.found.owner == owner)
            || left.any(|(role_arn, region, table)| {
                self.topology.owner_with(account_id, role_arn, region, table) == owner
            })
    }

    /// The sites that an untagged balancer may belong to: those that miss in its listener, or else all.
    fn candidates(&self, listener: &ListenerReading) -> Vec<SiteName> {
        let is_in = |site: &SiteName| {
            let mut endpoints = listener.groups.iter().flat_map(|group| &group.endpoints);
            endpoints.any(|endpoint| self.site_of(endpoint) == Some(site))
        };
        let all = self.site_names();
        let missing: Vec<SiteName> = all.iter().filter(|site| !is_in(site)).cloned().collect();
        if missing.is_empty() { all.to_vec() } else { missing }
    }

    /// Endpoints that nobody can tell the site of.
    fn strangers(&mut self, listener: &ListenerReading) {
        let sites = self.site_names();
        let candidates = self.candidates(listener);
        for group in &listener.groups {
            for endpoint in &group.endpoints {
                let problem = match self.observed.endpoints.get(endpoint) {
                    Some(EndpointReading::Balancer(balancer)) => match &balancer.site {
                        None => Problem::UntaggedBalancer {
                            arn: endpoint.clone(),
                            region: group.region.clone(),
                            candidates: candidates.clone(),
                        },
                        Some(site) if sites.iter().all(|name| name.as_str() != site) => {
                            Problem::UnknownSite {
                                arn: endpoint.clone(),
                                region: group.region.clone(),
                                site: site.clone(),
                                sites: sites.clone(),
                            }
                        }
                        Some(_) => continue,
                    },
                    Some(EndpointReading::Unseen { .. }) if self.site_of(endpoint).is_some() => continue,
                    Some(EndpointReading::Unseen { region }) => Problem::UnseenBalancer {
                        arn: endpoint.clone(),
                        region: region.clone(),
                    },
                    Some(EndpointReading::Gone) => Problem::GoneBalancer {
                        arn: endpoint.clone(),
                        group: group.arn.clone(),
                    },
                    Some(EndpointReading::Other) | None => Problem::ForeignEndpoint {
                        endpoint: endpoint.clone(),
                        group: group.arn.clone(),
                    },
                };
                self.problems.push(problem);
            }
        }
    }

    /// Each site's balancers for this listener: those in it, or, for a site that is out, the one outside.
    fn balancers_in(&mut self, listener: &ListenerReading) -> BTreeMap<SiteName, Vec<String>> {
        let ports = listener.ports.join(", ");
        let mut result = BTreeMap::new();
        for site in self.site_names() {
            let mut inside: Vec<String> = listener
                .groups
                .iter()
                .flat_map(|group| &group.endpoints)
                .filter(|endpoint| self.site_of(endpoint) == Some(&site))
                .cloned()
                .collect();
            inside.dedup();
            if inside.len() > 1 {
                self.problems.push(Problem::SeveralBalancers {
                    site: site.clone(),
                    ports: ports.clone(),
                    arns: inside.clone(),
                });
            }
            if inside.is_empty() {
                inside.extend(self.balancer_outside(&site, listener, &ports));
            }
            result.insert(site, inside);
        }
        result
    }

    fn holds_one_of_unknown_site(&self, listener: &ListenerReading) -> bool {
        let mut endpoints = listener.groups.iter().flat_map(|group| &group.endpoints);
        endpoints.any(|endpoint| match self.observed.endpoints.get(endpoint) {
            Some(EndpointReading::Balancer(balancer)) => balancer.site.is_none(),
            Some(EndpointReading::Unseen { .. }) => self.site_of(endpoint).is_none(),
            _ => false,
        })
    }

    /// The balancer of a site that is out of a listener. Fenced sites are; a site that someone took out by
    /// hand may be, once the function is deployed; otherwise it was forgotten.
    fn balancer_outside(
        &mut self,
        site: &SiteName,
        listener: &ListenerReading,
        ports: &str,
    ) -> Option<String> {
        let tagged = self
            .observed
            .balancers_elsewhere
            .get(site)
            .cloned()
            .unwrap_or_default();
        let deployed = self.observed.standing.deployed();
        let known: Vec<&String> = deployed
            .as_ref()
            .and_then(|settings| settings.found.balancers.get(site))
            .into_iter()
            .flatten()
            .collect();
        let [first, second] = &self.topology.sites;
        let region = if first.name == *site {
            &first.region
        } else {
            &second.region
        };
        let is_fenced = self
            .observed
            .standing
            .registers()
            .any(|table| !table.item.is_open() && table.item.fenced() == Some(site));
        if !is_fenced && known.is_empty() {
            // One that lacks its tag is reported already, and is probably this site's.
            if self.holds_one_of_unknown_site(listener) {
                return None;
            }
            self.problems.push(Problem::SiteNotInListener {
                site: site.clone(),
                ports: ports.to_owned(),
                group: listener
                    .groups
                    .iter()
                    .find(|group| group.region == *region)
                    .map(|group| group.arn.clone()),
                balancers: tagged,
            });
            return None;
        }
        if !is_fenced {
            self.warnings.push(Warning::SiteTakenOut {
                site: site.clone(),
                ports: ports.to_owned(),
            });
        }
        match tagged.as_slice() {
            [only] => return Some(only.clone()),
            [] if self.observed.unreached.contains_key(region) => match known.as_slice() {
                [only] => return Some((*only).clone()),
                _ => self.problems.push(Problem::NoBalancer {
                    site: site.clone(),
                    region: region.clone(),
                }),
            },
            [] => self.problems.push(Problem::NoBalancer {
                site: site.clone(),
                region: region.clone(),
            }),
            several => {
                // The one that the function knows is the one that was in.
                let mut known_ones = several.iter().filter(|arn| known.contains(arn));
                match (known_ones.next(), known_ones.next()) {
                    (Some(one), None) => return Some(one.clone()),
                    _ => self.problems.push(Problem::AmbiguousBalancer {
                        site: site.clone(),
                        region: region.clone(),
                        arns: several.to_vec(),
                    }),
                }
            }
        }
        None
    }
}
