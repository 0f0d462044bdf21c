//! The topology's half of the contract with the function: [`fencing::settings::Settings`].

use fencing::settings::{self, ClaimSettings, Found, Settings};

use super::names::{HEALTH_REGION, health_region};
use super::{Mode, Region, RegisterKind, Site, Topology};

impl Site {
    /// What its Infinispan's certificate may be made out to beside the host that is dialled. Left out, it is the name
    /// that OpenShift's service authority writes, but only where the topology says which authority verifies it: no
    /// public authority signs a name like this.
    pub fn server_name(&self) -> Option<String> {
        match (&self.infinispan.server_name, &self.infinispan.ca_bundle) {
            (Some(name), _) => Some(name.to_string()),
            (None, Some(_)) => Some(format!("{}.{}.svc", self.infinispan.cluster, self.namespace)),
            (None, None) => None,
        }
    }
}

impl Topology {
    /// The settings of the function in `region`; `found` is what only a look at the two clouds can tell.
    ///
    /// Secrets are read in the function's own Region: with several, they are replicated, so that a function
    /// outlives the first Region.
    pub fn settings(&self, region: &Region, found: Found) -> Settings {
        Settings {
            topology: self.name.clone(),
            sites: self.sites.each_ref().map(|site| settings::Site {
                name: site.name.clone(),
                region: site.region.to_string(),
            }),
            mode: match self.mode {
                Mode::Act => settings::Mode::Act,
                Mode::Observe => settings::Mode::Observe,
            },
            never_survivors: self
                .sites
                .iter()
                .filter(|site| site.never_survivor)
                .map(|site| site.name.clone())
                .collect(),
            webhook_username: self.webhook.username.to_string(),
            infinispan_username: self.infinispan.username.to_string(),
            infinispan_names: self
                .sites
                .iter()
                .filter_map(|site| Some((site.name.clone(), site.server_name()?)))
                .collect(),
            secrets_region: region.to_string(),
            register_region: self.register_region(region).to_string(),
            register_role_arn: self
                .register
                .role_arn
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            claim: ClaimSettings {
                renew_interval_seconds: self.claim.renew_interval.seconds(),
                failure_threshold: self.claim.failure_threshold,
            },
            cooldown_seconds: self.register.cooldown.seconds(),
            suspicion_seconds: self.alerting.suspicion.seconds(),
            timeout_seconds: self.function.timeout.seconds(),
            cleared_caches: self.caches.iter().map(ToString::to_string).collect(),
            deep_percent: self.health.deep_percent,
            hold_after_seconds: self.notify.hold_after.seconds(),
            found,
        }
    }

    /// The first of the function's Regions. [`super::parse`] accepts no topology without one.
    pub fn first_region(&self) -> &Region {
        self.regions.first().unwrap_or(&self.sites[0].region)
    }

    /// The Regions of the register's replicas.
    pub fn register_regions(&self) -> &[Region] {
        if self.register.regions.is_empty() {
            std::slice::from_ref(self.first_region())
        } else {
            &self.register.regions
        }
    }

    /// The Region in which the function of `region` reads and writes the register: its own where that has a
    /// replica, else the first.
    pub fn register_region<'a>(&'a self, region: &'a Region) -> &'a Region {
        let regions = self.register_regions();
        match self.register.kind {
            RegisterKind::Strong if regions.contains(region) => region,
            RegisterKind::Strong | RegisterKind::Table => regions.first().unwrap_or(region),
        }
    }

    /// Whether the register's table is ours to make and to remove.
    pub fn owns_register(&self) -> bool {
        self.register.table.is_none() && self.register.role_arn.is_none()
    }

    /// Whether both sites live in one Region.
    pub fn is_one_region(&self) -> bool {
        self.sites[0].region == self.sites[1].region
    }

    /// The key where the health stack is. One that is no multi-Region key is of use in its own Region only, and the key
    /// that AWS keeps for SNS lets no alarm through: then the topic stays as it is.
    pub fn key_of_health(&self) -> Option<String> {
        let key = self.function.kms_key.as_ref()?;
        let is_there = key.is_multi_region() || key.region() == HEALTH_REGION;
        is_there.then(|| key.in_region(&health_region()).to_string())
    }

    /// The site beside `site`.
    pub fn peer_of(&self, site: &Site) -> &Site {
        let [a, b] = &self.sites;
        if a.name == site.name { b } else { a }
    }
}
