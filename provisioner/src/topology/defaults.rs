//! What a topology says when it says nothing.

use std::collections::BTreeMap;

use super::{
    Alerting, Architecture, CacheName, Claim, DataKey, Drills, Function, Health, Interval, LabelValue,
    Monitoring, Notify, ObjectName, Operator, Register, RegisterKind, Router, SiteInfinispan, SiteKeycloak,
    Username, Webhook,
};

/// `alerting.suspicion` where nothing is said.
pub(super) const SUSPICION_SECONDS: u32 = 5;

impl Default for Webhook {
    fn default() -> Self {
        Self {
            username: Username::literal("keycloak"),
        }
    }
}

impl Default for SiteInfinispan {
    fn default() -> Self {
        Self {
            endpoint: None,
            ca_bundle: None,
            server_name: None,
            cluster: ObjectName::literal("infinispan"),
            failure_detection: None,
            relay_nodes: None,
            heartbeats: None,
        }
    }
}

impl Default for SiteKeycloak {
    fn default() -> Self {
        Self {
            name: ObjectName::literal("keycloak"),
            namespace: None,
        }
    }
}

impl Default for Operator {
    fn default() -> Self {
        Self {
            deployment: ObjectName::literal("infinispan-operator-controller-manager"),
            namespace: None,
        }
    }
}

impl Default for Router {
    fn default() -> Self {
        Self {
            deployment: ObjectName::literal("infinispan-router"),
            namespace: None,
        }
    }
}

impl Default for Alerting {
    fn default() -> Self {
        Self {
            pending: Interval::from_seconds(10),
            preference_delay: Interval::from_seconds(20),
            suspicion: Interval::from_seconds(SUSPICION_SECONDS),
            group_wait: Interval::from_seconds(5),
            group_interval: Interval::from_seconds(20),
            repeat_interval: Interval::from_seconds(300),
            scrape_interval: Interval::from_seconds(5),
            evaluation_interval: Interval::from_seconds(5),
            severity: LabelValue::literal("critical"),
        }
    }
}

impl Default for Function {
    fn default() -> Self {
        Self {
            architecture: Architecture::default(),
            memory_mib: 256,
            timeout: Interval::from_seconds(15),
            log_retention_days: 30,
            reserved_concurrency: None,
            vpc: BTreeMap::new(),
            permissions_boundary: None,
            kms_key: None,
        }
    }
}

impl Default for Register {
    fn default() -> Self {
        Self {
            kind: RegisterKind::default(),
            regions: Vec::new(),
            witness: None,
            table: None,
            role_arn: None,
            // A decision rests on what is seen when it is taken; quiet would only lengthen the next outage.
            cooldown: Interval::from_seconds(0),
            retain: false,
        }
    }
}

impl Default for Claim {
    fn default() -> Self {
        Self {
            renew_interval: Interval::from_seconds(5),
            failure_threshold: 3,
        }
    }
}

impl Default for Health {
    fn default() -> Self {
        Self {
            route53: false,
            interval: Interval::from_seconds(30),
            deep_percent: 100,
            checker_regions: Vec::new(),
        }
    }
}

impl Default for Notify {
    fn default() -> Self {
        Self {
            emails: Vec::new(),
            topics: Vec::new(),
            hold_after: Interval::from_seconds(3_600),
        }
    }
}

impl Default for Drills {
    fn default() -> Self {
        Self {
            remind_after: Interval::from_seconds(30 * 86_400),
        }
    }
}

impl Default for Monitoring {
    fn default() -> Self {
        Self {
            labels: BTreeMap::new(),
            pod_monitor: true,
            dashboard: true,
            alertmanagers: None,
            proxy: None,
            proxy_ca: None,
        }
    }
}

/// Where OpenShift puts its trusted authorities.
pub(super) fn trusted_bundle_key() -> DataKey {
    DataKey::literal("ca-bundle.crt")
}

/// The caches that hold what must not outlive a fenced site's absence (Keycloak's list).
pub(super) fn default_caches() -> Vec<CacheName> {
    ["actionTokens", "authenticationSessions", "loginFailures", "work"]
        .into_iter()
        .map(CacheName::literal)
        .collect()
}
