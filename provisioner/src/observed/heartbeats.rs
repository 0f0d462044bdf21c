//! A site's heartbeats to the gossip routers, as its custom resource says.
//!
//! `spec.service.sites.local.discovery.heartbeats`, in milliseconds, which the Infinispan operator has had since 2.3.4. It
//! writes them into the servers' `TUNNEL` and into the router's own arguments. Where they are not set its webhook sets 10 s
//! and 30 s.

use serde_json::Value;

use crate::topology::{Heartbeats, Interval};

const AT: &str = "/spec/service/sites/local/discovery/heartbeats";

/// What is in force; nothing where heartbeats are switched off.
pub fn of_infinispan(object: &Value) -> Option<Heartbeats> {
    let default = Heartbeats::OF_THE_OPERATOR;
    let Some(said) = object.pointer(AT) else {
        return Some(default);
    };
    if said["enabled"] == false {
        return None;
    }
    Some(Heartbeats {
        interval: seconds(&said["interval"]).unwrap_or(default.interval),
        timeout: seconds(&said["timeout"]).unwrap_or(default.timeout),
    })
}

/// Whole seconds, rounded up.
fn seconds(said: &Value) -> Option<Interval> {
    let milliseconds = u32::try_from(said.as_u64()?).ok()?;
    Some(Interval::from_seconds(milliseconds.div_ceil(1000)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn heartbeats_are_read_from_the_custom_resource() {
        let of = |said: Value| {
            let sites = json!({ "local": { "discovery": { "heartbeats": said } } });
            let read = of_infinispan(&json!({ "spec": { "service": { "sites": sites } } }));
            read.map(|found| (found.interval.seconds(), found.timeout.seconds()))
        };
        for (said, expected) in [
            (json!({ "interval": 2000, "timeout": 6000 }), Some((2, 6))),
            (
                json!({ "enabled": true, "interval": 1500, "timeout": 6001 }),
                Some((2, 7)),
            ),
            // One alone: the other stays the operator's.
            (json!({ "timeout": 20000 }), Some((10, 20))),
            (json!({ "interval": "soon" }), Some((10, 30))),
            (json!({ "interval": -1 }), Some((10, 30))),
            (json!({}), Some((10, 30))),
            (Value::Null, Some((10, 30))),
            (json!({ "enabled": false, "interval": 2000 }), None),
        ] {
            assert_eq!(of(said.clone()), expected, "{said}");
        }
        assert_eq!(
            of_infinispan(&json!({ "spec": {} })),
            Some(Heartbeats::OF_THE_OPERATOR)
        );
    }
}
