//! What Infinispan's answers say. Only bodies come in here; a success by status was judged before.

use std::collections::BTreeMap;

use fencing::replication::{Backup, CacheFailure, Push, View};
use fencing::words::SiteName;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::Digest as _;

use crate::losses::Keys;

fn json<T: DeserializeOwned>(body: &[u8], what: &str) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| format!("its answer is not a {what}: {error}"))
}

#[derive(Deserialize)]
struct Container {
    #[serde(default)]
    relay_node: Option<bool>,
    #[serde(default)]
    local_site: Option<String>,
    #[serde(default)]
    sites_view: Option<Vec<String>>,
    #[serde(default)]
    node_address: Option<String>,
    #[serde(default)]
    relay_nodes_address: Option<Vec<String>>,
}

/// `GET /rest/v2/container`. A server without cross-site replication has none of the fields, and its answer
/// must not pass for a view of nobody.
pub(super) fn view(body: &[u8]) -> Result<View, String> {
    let container: Container = json(body, "description of a container")?;
    let (Some(relay_node), Some(local_site)) = (container.relay_node, container.local_site) else {
        return Err("its answer says nothing about sites: is cross-site replication configured?".to_owned());
    };
    Ok(View {
        relay_node,
        local_site,
        sites_view: container.sites_view.unwrap_or_default(),
        node_address: container.node_address.unwrap_or_default(),
        relay_nodes_address: container.relay_nodes_address.unwrap_or_default(),
    })
}

/// Who answers, of how many nodes that its site's cluster has.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) nodes: usize,
}

/// The same: who answers.
pub(super) fn member(body: &[u8]) -> Result<Member, String> {
    #[derive(Deserialize)]
    struct Container {
        node_address: String,
        cluster_members: Vec<String>,
    }
    json(body, "description of a node").map(|container: Container| Member {
        name: container.node_address,
        nodes: container.cluster_members.len(),
    })
}

/// The reply to switching all caches: 200, and in the body `"ok"` or a sentence for each cache.
///
/// Of the caches that are replicated to some site, one that is not replicated to this one says that its name is
/// wrong. While another cache knows the name that is no failure: there is nothing to be switched. Where none knows
/// it, it is no site's.
pub(super) fn failures(body: &[u8], backup: &SiteName) -> Result<Vec<CacheFailure>, String> {
    let results: BTreeMap<String, Value> = json(body, "list of results")?;
    let is_elsewhere = |result: &Value| {
        result.as_str().is_some_and(|said| {
            said == format!("Incorrect site name: {backup}")
                || said == format!("Unable to pushState to '{backup}'. Incorrect site name: {backup}")
                || said.ends_with(&format!("ISPN000617: Site '{backup}' not found."))
        })
    };
    let is_known = !results.values().all(is_elsewhere);
    Ok(results
        .into_iter()
        .filter(|(_, result)| result.as_str() != Some("ok") && !(is_known && is_elsewhere(result)))
        .map(|(cache, result)| CacheFailure {
            cache,
            message: match result {
                Value::String(message) => message,
                other => other.to_string(),
            },
        })
        .collect())
}

#[derive(Deserialize)]
struct BackupStatus {
    status: Backup,
}

/// `GET …/x-site/backups/{site}`.
pub(super) fn backup(body: &[u8]) -> Result<Backup, String> {
    json(body, "status of a backup").map(|BackupStatus { status }| status)
}

/// The same: which caches are offline where not all are, in the order of their names. A cache whose nodes differ is among
/// them, for some of it is.
pub(super) fn offline(body: &[u8]) -> Vec<String> {
    #[derive(Default, Deserialize)]
    struct Caches {
        #[serde(default)]
        offline: Vec<String>,
        #[serde(default)]
        mixed: Vec<String>,
    }
    let caches: Caches = serde_json::from_slice(body).unwrap_or_default();
    let mut all = [caches.offline, caches.mixed].concat();
    all.sort();
    all
}

/// `GET /rest/v2/caches`, without the server's internal caches.
pub(super) fn names(body: &[u8]) -> Result<Vec<String>, String> {
    let names: Vec<String> = json(body, "list of caches")?;
    Ok(names
        .into_iter()
        .filter(|name| !name.starts_with("___"))
        .collect())
}

/// `GET …/x-site/backups?action=push-state-status`; `None` for a cache that does not back up to this site.
pub(super) fn push(body: &[u8], backup: &SiteName) -> Result<Option<Push>, String> {
    let mut sites: BTreeMap<String, Value> = json(body, "status of a push")?;
    let Some(status) = sites.remove(backup.as_str()) else {
        return Ok(None);
    };
    match status.as_str() {
        Some("IDLE") => Ok(Some(Push::Idle)),
        Some("SENDING") => Ok(Some(Push::Sending)),
        Some("OK") => Ok(Some(Push::Ok)),
        Some("ERROR") => Ok(Some(Push::Error)),
        // Infinispan spells it with one L; with two it would be nobody's fault but ours.
        Some("CANCELED" | "CANCELLED") => Ok(Some(Push::Cancelled)),
        _ => Err(format!("a push is {status}, which is not known")),
    }
}

/// `GET …?action=size`
pub(super) fn size(body: &[u8]) -> Result<u64, String> {
    json(body, "number of entries")
}

/// `GET …?action=stats`: for how many seconds the node that answers has had this cache. One that keeps no statistics says
/// less than none; on Infinispan 15 it knows even then.
pub(super) fn age(body: &[u8]) -> Result<Option<u64>, String> {
    #[derive(Deserialize)]
    struct Stats {
        #[serde(default)]
        time_since_start: Option<i64>,
    }
    let stats: Stats = json(body, "list of statistics")?;
    Ok(stats
        .time_since_start
        .and_then(|seconds| u64::try_from(seconds).ok()))
}

/// `GET …?action=keys`: a list, whose elements depend on how the cache is encoded: texts, numbers, objects. They are
/// compared as they are written, each by the first half of its SHA-256. What an error would quote may be a key.
pub(super) fn keys(body: &[u8]) -> Result<Keys, String> {
    let keys: Vec<Value> =
        serde_json::from_slice(body).map_err(|_| "its answer is not a list of keys".to_owned())?;
    Ok(keys.iter().map(|key| digest(&key.to_string())).collect())
}

fn digest(text: &str) -> u128 {
    let digest = sha2::Sha256::digest(text.as_bytes());
    let half: [u8; 16] = std::array::from_fn(|index| digest[index]);
    u128::from_be_bytes(half)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_200_with_errors_inside_is_no_success() {
        let body = br#"{"sessions":"ok","work":"Exception on work : timeout","x":"Incorrect site name: y","z":null}"#;
        let site = SiteName::new("site-b").unwrap();
        let failures = failures(body, &site).unwrap();
        let told: Vec<(&str, &str)> = failures
            .iter()
            .map(|failure| (failure.cache.as_str(), failure.message.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                ("work", "Exception on work : timeout"),
                ("x", "Incorrect site name: y"),
                ("z", "null")
            ]
        );
        assert_eq!(super::failures(br#"{"sessions":"ok"}"#, &site), Ok(vec![]));
        assert_eq!(super::failures(b"{}", &site), Ok(vec![]));
        for body in [&b""[..], b"ok", b"[]", b"\"ok\""] {
            assert!(super::failures(body, &site).is_err());
        }
    }

    /// Word for word what Infinispan 15 and 16 say of a cache that is replicated to a third site only.
    #[test]
    fn a_cache_that_is_replicated_to_another_site_only_is_no_failure() {
        let site = SiteName::new("site-b").unwrap();
        for said in [
            "Incorrect site name: site-b",
            "Unable to pushState to 'site-b'. Incorrect site name: site-b",
            "Unable to perform operation. Error=ISPN000617: Site 'site-b' not found.",
        ] {
            let failed = |body: Value| failures(body.to_string().as_bytes(), &site).unwrap().len();
            let ok = serde_json::json!({"sessions": "ok", "elsewhere": said});
            assert_eq!(failed(ok), 0, "{said}");
            // Nothing is hidden behind it …
            let broken = serde_json::json!({"sessions": "Exception on sessions : no", "elsewhere": said});
            assert_eq!(failed(broken), 1, "{said}");
            // … and a name that no cache knows is wrong.
            let nobody = serde_json::json!({"sessions": said, "elsewhere": said});
            assert_eq!(failed(nobody), 2, "{said}");
        }
        let other = serde_json::json!({"sessions": "ok", "elsewhere": "Incorrect site name: site-c"});
        assert_eq!(failures(other.to_string().as_bytes(), &site).unwrap().len(), 1);
    }

    #[test]
    fn mixed_is_not_offline() {
        assert_eq!(backup(br#"{"status":"offline"}"#), Ok(Backup::Offline));
        assert_eq!(backup(br#"{"status":"online"}"#), Ok(Backup::Online));
        let mixed = br#"{"status":"mixed","online":["a"],"offline":["b"],"mixed":[]}"#;
        assert_eq!(backup(mixed), Ok(Backup::Mixed));
        assert_eq!(offline(mixed), ["b"]);
        assert_eq!(offline(br#"{"status":"online"}"#), [""; 0]);
        for body in [
            &b"{}"[..],
            b"",
            br#"{"status":"unknown"}"#,
            br#"{"status":"OFFLINE!"}"#,
        ] {
            assert!(backup(body).is_err());
        }
    }

    #[test]
    fn a_view_needs_the_fields_that_make_it_one() {
        let relay =
            br#"{"version":"16.0","relay_node":true,"node_address":"n1","relay_nodes_address":["n1","n2"],
            "local_site":"site-a","sites_view":["site-a","site-b"]}"#;
        let read = view(relay).unwrap();
        assert!(read.relay_node && read.is_primary());
        assert_eq!(read.sites_view, ["site-a", "site-b"]);
        let other = view(br#"{"relay_node":false,"local_site":"site-a","sites_view":[]}"#).unwrap();
        assert!(!other.counts());
        // Of a server that does not say who it is nothing is believed.
        let nameless = br#"{"relay_node":true,"local_site":"site-a","sites_view":["site-a"]}"#;
        assert!(!view(nameless).unwrap().counts());
        let null = view(br#"{"relay_node":false,"local_site":"site-a","sites_view":null}"#).unwrap();
        assert!(null.sites_view.is_empty());
        for body in [
            &b"{}"[..],
            br#"{"sites_view":[]}"#,
            br#"{"relay_node":true,"sites_view":["site-a"]}"#,
            br#"{"relay_node":true,"local_site":null,"sites_view":["site-a"]}"#,
            b"not found",
        ] {
            assert!(view(body).is_err());
        }
    }

    #[test]
    fn a_node_says_who_it_is_and_how_many_there_are() {
        let body = br#"{"node_address":"n1","cluster_members":["n0","n1"],"cluster_size":2}"#;
        let expected = Member {
            name: "n1".to_owned(),
            nodes: 2,
        };
        assert_eq!(member(body), Ok(expected));
        assert!(member(br#"{"node_address":null}"#).is_err());
    }

    #[test]
    fn keys_are_compared_whatever_they_are_and_quoted_nowhere() {
        let both = |a: &str, b: &str| {
            keys(a.as_bytes())
                .unwrap()
                .difference(&keys(b.as_bytes()).unwrap())
                .count()
        };
        assert_eq!(both(r#"["ana","ben"]"#, r#"["ben"]"#), 1);
        assert_eq!(both("[1,2,3]", "[3,2,1]"), 0);
        let typed = r#"[{"_type":"string","_value":"ana"}]"#;
        assert_eq!(both(typed, r#"[{"_value":"ana","_type":"string"}]"#), 0);
        assert_eq!(both(typed, r#"["ana"]"#), 1);
        let told = keys(br#"{"secret-session":1}"#).unwrap_err();
        assert_eq!(told, "its answer is not a list of keys");
        assert_eq!(size(b"12"), Ok(12));
        assert!(size(b"\"a\"").is_err());
    }

    #[test]
    fn a_cache_without_statistics_has_no_age() {
        for (body, seconds) in [
            (&br#"{"time_since_start":7,"stores":0}"#[..], Some(7)),
            (br#"{"time_since_start":0}"#, Some(0)),
            (br#"{"time_since_start":-1,"stores":-1}"#, None),
            (b"{}", None),
        ] {
            assert_eq!(age(body), Ok(seconds));
        }
        assert!(age(b"no").is_err());
    }

    #[test]
    fn pushes_are_read_per_site() {
        let site = SiteName::new("site-b").unwrap();
        for (body, push) in [
            (&br#"{"site-b":"SENDING","site-c":"OK"}"#[..], Some(Push::Sending)),
            (br#"{"site-b":"CANCELED"}"#, Some(Push::Cancelled)),
            (br#"{"site-b":"OK"}"#, Some(Push::Ok)),
            (br#"{"site-c":"OK"}"#, None),
            (b"{}", None),
        ] {
            assert_eq!(super::push(body, &site), Ok(push));
        }
        assert!(push(br#"{"site-b":"DANCING"}"#, &site).is_err());
        assert_eq!(
            names(br#"["work","___script_cache","sessions"]"#),
            Ok(vec!["work".to_owned(), "sessions".to_owned()])
        );
    }
}
