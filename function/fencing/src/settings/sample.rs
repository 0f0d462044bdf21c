//! One deployment that every test starts from: two zones of one Region, one endpoint group, a balancer each.
//!
//! A test names what it is about and takes the rest from here: `Settings { mode: Mode::Observe, ..settings() }`.
//! The crates' tests share it through the feature `samples`, which nothing that is shipped switches on.

#![allow(clippy::expect_used)]

use std::collections::BTreeMap;

use super::{ClaimSettings, Found, Mode, Settings, Site};
use crate::words::{SiteName, TopologyName};

pub const SITES: [&str; 2] = ["site-a", "site-b"];

pub const REGION: &str = "eu-west-1";

/// The accelerator in front of both.
pub const ACCELERATOR: &str = "arn:aws:globalaccelerator::111111111111:accelerator/a";

/// Its only endpoint group.
pub const GROUP: &str = "arn:aws:globalaccelerator::111111111111:accelerator/a/listener/l/endpoint-group/g";

pub fn site(name: &str) -> SiteName {
    SiteName::new(name).expect("tests write names that are in the grammar")
}

pub fn balancer(site: &str) -> String {
    format!("arn:aws:elasticloadbalancing:eu-west-1:111111111111:loadbalancer/net/{site}/1")
}

/// Something for each site.
pub fn by_site<T>(make: impl Fn(&str) -> T) -> BTreeMap<SiteName, T> {
    SITES.map(|name| (site(name), make(name))).into()
}

/// The function's settings there.
pub fn settings() -> Settings {
    Settings {
        topology: TopologyName::new("keycloak-test").expect("the name is in the grammar"),
        sites: SITES.map(|name| Site {
            name: site(name),
            region: REGION.to_owned(),
        }),
        mode: Mode::Act,
        never_survivors: Vec::new(),
        webhook_username: "keycloak".to_owned(),
        infinispan_username: "developer".to_owned(),
        infinispan_names: BTreeMap::new(),
        secrets_region: REGION.to_owned(),
        register_region: REGION.to_owned(),
        register_role_arn: String::new(),
        claim: ClaimSettings {
            renew_interval_seconds: 5,
            failure_threshold: 3,
        },
        cooldown_seconds: 60,
        suspicion_seconds: 5,
        timeout_seconds: 15,
        cleared_caches: vec!["work".to_owned()],
        deep_percent: 100,
        hold_after_seconds: 3600,
        found: Found {
            accelerator_arn: ACCELERATOR.to_owned(),
            endpoint_group_arns: vec![GROUP.to_owned()],
            balancers: by_site(|site| vec![balancer(site)]),
            infinispan_urls: by_site(|site| format!("https://{site}.example.com")),
            infinispan_secret: "infinispan".to_owned(),
            webhook_secret: "webhook".to_owned(),
            health_secret: "health".to_owned(),
            register_table: "register".to_owned(),
            owner: "111111111111/eu-west-1/register/keycloak-test".to_owned(),
            topic_arn: "arn:topic".to_owned(),
        },
    }
}
