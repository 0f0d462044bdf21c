//! What Infinispan's answers say. Only bodies come in here; a success by status was judged before.

use std::collections::BTreeMap;

use fencing::replication::{Backup, CacheFailure, Push, View};
use fencing::words::SiteName;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

fn json<T: DeserializeOwned>(body: &[u8], what: &str) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| format!("its answer is no {what}: {error}"))
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
struct Status {
    status: Backup,
}

/// `GET …/x-site/backups/{site}`.
pub(super) fn backup(body: &[u8]) -> Result<Backup, String> {
    json(body, "status of a backup").map(|Status { status }| status)
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
