//! Settings for tests beside the code.

#![allow(clippy::unwrap_used)]

use fencing::settings::{ClaimSettings, Found, Mode, Settings, Site};
use fencing::words::{SiteName, TopologyName};

pub(crate) fn site(name: &str) -> SiteName {
    SiteName::new(name).unwrap()
}

/// Two zones of one Region: one endpoint group.
pub(crate) fn settings() -> Settings {
    let (a, b) = (site("site-a"), site("site-b"));
    let accelerator = "arn:aws:globalaccelerator::123456789012:accelerator/acc";
    let balancer = |name: &str| {
        vec![format!(
            "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/net/{name}/1"
        )]
    };
    Settings {
        topology: TopologyName::new("keycloak-test").unwrap(),
        sites: [&a, &b].map(|name| Site {
            name: name.clone(),
            region: "eu-west-1".to_owned(),
        }),
        mode: Mode::Act,
        webhook_username: "keycloak".to_owned(),
        infinispan_username: "developer".to_owned(),
        secrets_region: "eu-west-1".to_owned(),
        register_region: "eu-west-1".to_owned(),
        register_role_arn: String::new(),
        claim: ClaimSettings {
            renew_interval_seconds: 5,
            failure_threshold: 3,
        },
        cooldown_seconds: 120,
        timeout_seconds: 15,
        cleared_caches: vec!["work".to_owned()],
        deep_percent: 100,
        hold_after_seconds: 3600,
        found: Found {
            accelerator_arn: accelerator.to_owned(),
            endpoint_group_arns: vec![format!("{accelerator}/listener/l/endpoint-group/g")],
            balancers: [(a.clone(), balancer("a")), (b.clone(), balancer("b"))].into(),
            infinispan_urls: [
                (a, "https://a.example.com".to_owned()),
                (b, "https://b.example.com".to_owned()),
            ]
            .into(),
            infinispan_secret: "infinispan".to_owned(),
            webhook_secret: "webhook".to_owned(),
            health_secret: "health".to_owned(),
            register_table: "register".to_owned(),
            topic_arn: String::new(),
        },
    }
}
