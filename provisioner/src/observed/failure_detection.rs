//! How soon a site's Infinispan suspects the other one, as its custom resource says.
//!
//! The Infinispan operator writes the servers' configuration itself and leaves two holes in it, which Java's own
//! options fill: `-Djgroups.xsite.fd.interval` and `-Djgroups.xsite.fd.timeout`, in milliseconds. The custom resource's
//! `heartbeats` are the tunnel's to the gossip routers, and shorten nothing here.

use serde_json::Value;

use crate::topology::{FailureDetection, Interval};

const INTERVAL: &str = "-Djgroups.xsite.fd.interval=";
const TIMEOUT: &str = "-Djgroups.xsite.fd.timeout=";

/// What the custom resource says; nothing where it says neither, nor a number that could be counted with.
pub fn of_infinispan(object: &Value) -> Option<FailureDetection> {
    let options = object.pointer("/spec/container/extraJvmOpts")?.as_str()?;
    let (interval, timeout) = (seconds(options, INTERVAL), seconds(options, TIMEOUT));
    if interval.is_none() && timeout.is_none() {
        return None;
    }
    let default = FailureDetection::OF_THE_OPERATOR;
    Some(FailureDetection {
        interval: interval.unwrap_or(default.interval),
        timeout: timeout.unwrap_or(default.timeout),
    })
}

/// The value of an option in whole seconds, rounded up. Of one that is given twice Java takes the last.
fn seconds(options: &str, option: &str) -> Option<Interval> {
    let mut given = options
        .split_whitespace()
        .filter_map(|word| word.trim_matches(['"', '\'']).strip_prefix(option));
    let milliseconds: u32 = given.next_back()?.parse().ok()?;
    Some(Interval::from_seconds(milliseconds.div_ceil(1000)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn failure_detection_is_read_from_java_s_options() {
        let of = |options: Value| {
            let read = of_infinispan(&json!({ "spec": { "container": { "extraJvmOpts": options } } }));
            read.map(|found| (found.interval.seconds(), found.timeout.seconds()))
        };
        for (options, expected) in [
            (
                "-Xlog:gc -Djgroups.xsite.fd.interval=2000 -Djgroups.xsite.fd.timeout=15000",
                Some((2, 15)),
            ),
            // One alone: the other stays the operator's.
            ("-Djgroups.xsite.fd.timeout=15000", Some((8, 15))),
            // The last one counts, and part of a second is one.
            (
                "-Djgroups.xsite.fd.timeout=1 -Djgroups.xsite.fd.timeout=15001\n\"-Djgroups.xsite.fd.interval=2000\"",
                Some((2, 16)),
            ),
            ("-Djgroups.xsite.fd.timeout=soon", None),
            ("-Djgroups.fd.timeout=15000", None),
            ("", None),
        ] {
            assert_eq!(of(json!(options)), expected, "{options}");
        }
        assert_eq!(of(json!(7)), None);
        assert_eq!(of_infinispan(&json!({ "spec": {} })), None);
    }
}
