//! Infinispan's REST API v2, the part of it that a fencer needs.
//!
//! Follows the server's source where the guide is vague: `online` and `offline` come without lists and only
//! `mixed` names caches, the status of one cache is an object per backup site, reading the container needs
//! an authenticated user and everything about sites needs the permission ADMIN, a failing action on one
//! cache is 500 where the same failure in the container's answer hides in a 200.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::{Map, Value, json};

use super::world::{BackupStatus, CacheFault, Cluster, Push, World};

/// The operations this stand-in knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// `GET /rest/v2/container`
    Container,
    /// `GET /rest/v2/container/health/status`, for anyone.
    HealthStatus,
    /// `GET /rest/v2/container/x-site/backups`
    Backups,
    /// `GET /rest/v2/container/x-site/backups/{site}`
    Backup,
    /// `POST /rest/v2/container/x-site/backups/{site}?action=take-offline`
    TakeOffline,
    BringOnline,
    StartPushState,
    CancelPushState,
    /// `GET /rest/v2/caches/{cache}/x-site/backups`
    CacheBackups,
    /// `GET /rest/v2/caches/{cache}/x-site/backups/{site}`
    CacheBackup,
    /// `POST /rest/v2/caches/{cache}/x-site/backups/{site}?action=take-offline`
    CacheTakeOffline,
    CacheBringOnline,
    CacheStartPushState,
    CacheCancelPushState,
    /// `GET /rest/v2/caches/{cache}/x-site/backups?action=push-state-status`
    PushStateStatus,
    /// `POST /rest/v2/caches/{cache}/x-site/local?action=clear-push-state-status`
    ClearPushStateStatus,
    /// `POST /rest/v2/caches/{cache}?action=clear`
    Clear,
    /// `GET /rest/v2/caches/{cache}?action=size`
    Size,
}

impl Operation {
    /// Whether it can change anything.
    pub fn writes(self) -> bool {
        matches!(
            self,
            Self::TakeOffline
                | Self::BringOnline
                | Self::StartPushState
                | Self::CancelPushState
                | Self::CacheTakeOffline
                | Self::CacheBringOnline
                | Self::CacheStartPushState
                | Self::CacheCancelPushState
                | Self::ClearPushStateStatus
                | Self::Clear
        )
    }

    pub(super) fn permission(self) -> Permission {
        match self {
            Self::HealthStatus => Permission::Anyone,
            Self::Container | Self::Size => Permission::Authenticated,
            _ => Permission::Admin,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permission {
    Anyone,
    Authenticated,
    Admin,
}

/// A request that has been understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) operation: Operation,
    pub(super) cache: Option<String>,
    pub(super) backup_site: Option<String>,
}

impl Asked {
    pub(super) fn of(method: &Method, path: &str, query: Option<&str>) -> Option<Self> {
        let segments: Vec<String> = path
            .split('/')
            .filter(|part| !part.is_empty())
            .map(decoded)
            .collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let action = query.and_then(action);
        let get = method == Method::GET;
        let post = method == Method::POST;
        let asked = |operation| Self {
            operation,
            cache: None,
            backup_site: None,
        };
        let of_container = |operation, site: &str| Self {
            operation,
            cache: None,
            backup_site: Some(site.to_owned()),
        };
        let of_cache = |operation, cache: &str| Self {
            operation,
            cache: Some(cache.to_owned()),
            backup_site: None,
        };
        let of_backup = |operation, cache: &str, site: &str| Self {
            operation,
            cache: Some(cache.to_owned()),
            backup_site: Some(site.to_owned()),
        };
        Some(match (segments.as_slice(), action) {
            (["rest", "v2", "container"], None) if get => asked(Operation::Container),
            (["rest", "v2", "container", "health", "status"], None) if get => asked(Operation::HealthStatus),
            (["rest", "v2", "container", "x-site", "backups"], None) if get => asked(Operation::Backups),
            (["rest", "v2", "container", "x-site", "backups", site], None) if get => {
                of_container(Operation::Backup, site)
            }
            (["rest", "v2", "container", "x-site", "backups", site], Some(action)) if post => {
                of_container(SITE_ACTIONS.iter().find(|one| one.0 == action)?.1, site)
            }
            (["rest", "v2", "caches", cache, "x-site", "backups"], None) if get => {
                of_cache(Operation::CacheBackups, cache)
            }
            (["rest", "v2", "caches", cache, "x-site", "backups"], Some("push-state-status")) if get => {
                of_cache(Operation::PushStateStatus, cache)
            }
            (["rest", "v2", "caches", cache, "x-site", "backups", site], None) if get => {
                of_backup(Operation::CacheBackup, cache, site)
            }
            (["rest", "v2", "caches", cache, "x-site", "backups", site], Some(action)) if post => {
                of_backup(SITE_ACTIONS.iter().find(|one| one.0 == action)?.2, cache, site)
            }
            (["rest", "v2", "caches", cache, "x-site", "local"], Some("clear-push-state-status")) if post => {
                of_cache(Operation::ClearPushStateStatus, cache)
            }
            (["rest", "v2", "caches", cache], Some("clear")) if post => of_cache(Operation::Clear, cache),
            (["rest", "v2", "caches", cache], Some("size")) if get => of_cache(Operation::Size, cache),
            _ => return None,
        })
    }
}

/// An action on a backup site: its name, on the container, on a cache.
const SITE_ACTIONS: [(&str, Operation, Operation); 4] = [
    (
        "take-offline",
        Operation::TakeOffline,
        Operation::CacheTakeOffline,
    ),
    (
        "bring-online",
        Operation::BringOnline,
        Operation::CacheBringOnline,
    ),
    (
        "start-push-state",
        Operation::StartPushState,
        Operation::CacheStartPushState,
    ),
    (
        "cancel-push-state",
        Operation::CancelPushState,
        Operation::CacheCancelPushState,
    ),
];

fn action(query: &str) -> Option<&str> {
    query.split('&').find_map(|pair| pair.strip_prefix("action="))
}

fn decoded(segment: &str) -> String {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escaped = (*first == b'%')
            .then(|| tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok()))
            .flatten()
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match escaped {
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Carries it out on the cluster of `site`, asked through its node number `node`.
pub(super) fn respond(
    asked: &Asked,
    world: &mut World,
    site: &str,
    node: usize,
    faults: &BTreeMap<String, CacheFault>,
) -> Response<Bytes> {
    let cache = asked.cache.as_deref().unwrap_or_default();
    let backup_site = asked.backup_site.as_deref().unwrap_or_default();
    let Some(cluster) = world.cluster(site) else {
        return text(StatusCode::NOT_FOUND, "no such site");
    };
    if asked.cache.is_some() && !cluster.caches.contains_key(cache) {
        return text(
            StatusCode::NOT_FOUND,
            &format!("ISPN012010: Cache with name '{cache}' not found"),
        );
    }
    match asked.operation {
        Operation::Container => ok(&container(cluster, node, world)),
        Operation::HealthStatus => text(StatusCode::OK, "HEALTHY"),
        Operation::Backups => {
            let peer = world.peer(site).unwrap_or_default();
            ok(&container_status(cluster).map_or_else(|| json!({}), |status| json!({peer: status})))
        }
        Operation::Backup => match container_status(cluster) {
            Some(status) if world.peer(site) == Some(backup_site) => ok(&status),
            _ => empty(StatusCode::NOT_FOUND),
        },
        Operation::TakeOffline
        | Operation::BringOnline
        | Operation::StartPushState
        | Operation::CancelPushState => {
            let mut results = Map::new();
            for cache in cluster.backed_up() {
                let fault = faults.get(&cache);
                let result = act(asked.operation, world, site, backup_site, &cache, fault);
                results.insert(cache, Value::String(result));
            }
            ok(&Value::Object(results))
        }
        Operation::CacheTakeOffline
        | Operation::CacheBringOnline
        | Operation::CacheStartPushState
        | Operation::CacheCancelPushState => {
            if let Some(refusal) = no_backup(world, site, cache, Some(backup_site)) {
                return refusal;
            }
            let result = act(
                asked.operation,
                world,
                site,
                backup_site,
                cache,
                faults.get(cache),
            );
            match result.as_str() {
                "ok" => empty(StatusCode::OK),
                _ => error(&format!(
                    "ISPN012028: Operation on site '{backup_site}' failed with message: '{result}'"
                )),
            }
        }
        Operation::CacheBackups => {
            let peer = world.peer(site).unwrap_or_default().to_owned();
            match cluster.caches.get(cache).and_then(|cache| cache.backup) {
                Some(backup) => ok(&json!({peer: cache_status(cluster, backup.status)})),
                None => no_backups(cache),
            }
        }
        Operation::CacheBackup => no_backup(world, site, cache, Some(backup_site)).unwrap_or_else(|| {
            let status = cluster
                .caches
                .get(cache)
                .and_then(|cache| cache.backup)
                .map(|one| one.status);
            ok(&node_status(cluster, status.unwrap_or(BackupStatus::Online)))
        }),
        Operation::PushStateStatus => {
            let peer = world.peer(site).unwrap_or_default().to_owned();
            match world.poll_push(site, cache) {
                Some(push) => ok(&json!({peer: Push::as_str(push)})),
                None => no_backups(cache),
            }
        }
        Operation::ClearPushStateStatus => {
            if world.clear_push(site, cache) {
                ok(&json!("ok"))
            } else {
                no_backups(cache)
            }
        }
        Operation::Clear => match faults.get(cache) {
            Some(CacheFault::Exception(message)) => error(message),
            _ => match world.clear(site, cache) {
                Ok(()) => empty(StatusCode::NO_CONTENT),
                Err(failed) => error(&failed.to_string()),
            },
        },
        Operation::Size => {
            let size = cluster.caches.get(cache).map_or(0, |cache| cache.entries.len());
            ok(&json!(size))
        }
    }
}

fn act(
    operation: Operation,
    world: &mut World,
    site: &str,
    backup_site: &str,
    cache: &str,
    fault: Option<&CacheFault>,
) -> String {
    match operation {
        Operation::TakeOffline | Operation::CacheTakeOffline => {
            world.turn(site, backup_site, cache, BackupStatus::Offline, fault)
        }
        Operation::BringOnline | Operation::CacheBringOnline => {
            world.turn(site, backup_site, cache, BackupStatus::Online, fault)
        }
        Operation::StartPushState | Operation::CacheStartPushState => {
            world.start_push(site, backup_site, cache, fault)
        }
        _ => world.cancel_push(site, backup_site, cache, fault),
    }
}

fn container(cluster: &Cluster, node: usize, world: &World) -> Value {
    let is_relay = cluster.relay == Some(node);
    let view = if is_relay {
        world.view(&cluster.site)
    } else {
        Vec::new()
    };
    let relay_address: Vec<&String> = cluster
        .relay
        .and_then(|relay| cluster.nodes.get(relay))
        .into_iter()
        .collect();
    let addresses: Vec<String> = (0..cluster.nodes.len())
        .map(|number| format!("10.128.0.{}:7800", number + 10))
        .collect();
    let caches: Vec<Value> = cluster
        .caches
        .keys()
        .map(|name| json!({"name": name, "started": true}))
        .collect();
    json!({
        "version": "16.0.4",
        "name": "default",
        "coordinator": node == 0,
        "cache_configuration_names": cluster.caches.keys().collect::<Vec<_>>(),
        "cluster_name": "infinispan",
        "physical_addresses": format!("[{}]", addresses.get(node).map_or("", String::as_str)),
        "coordinator_address": cluster.nodes.first(),
        "cache_manager_status": "RUNNING",
        "created_cache_count": caches.len(),
        "running_cache_count": caches.len(),
        "node_address": cluster.nodes.get(node),
        "cluster_members": cluster.nodes,
        "cluster_members_physical_addresses": addresses,
        "cluster_size": cluster.nodes.len(),
        "defined_caches": caches,
        "local_site": cluster.site,
        "rebalancing_enabled": true,
        "relay_node": is_relay,
        "relay_nodes_address": relay_address,
        "sites_view": view,
    })
}

/// None when no cache has a backup: then the server knows no backup site at all.
fn container_status(cluster: &Cluster) -> Option<Value> {
    let mut by_status: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, cache) in &cluster.caches {
        if let Some(backup) = cache.backup {
            by_status.entry(backup.status.as_str()).or_default().push(name);
        }
    }
    let caches = |status: BackupStatus| by_status.get(status.as_str()).cloned().unwrap_or_default();
    match by_status.keys().copied().collect::<Vec<_>>().as_slice() {
        [] => None,
        [only] if *only != BackupStatus::Mixed.as_str() => Some(json!({"status": only})),
        _ => Some(json!({
            "status": "mixed",
            "online": caches(BackupStatus::Online),
            "offline": caches(BackupStatus::Offline),
            "mixed": caches(BackupStatus::Mixed),
        })),
    }
}

/// Of one cache: here a mixed status names nodes.
fn cache_status(cluster: &Cluster, status: BackupStatus) -> Value {
    if status != BackupStatus::Mixed {
        return json!({"status": status.as_str()});
    }
    let (offline, online) = cluster.nodes.split_at(cluster.nodes.len() / 2);
    json!({"status": "mixed", "online": online, "offline": offline})
}

fn node_status(cluster: &Cluster, status: BackupStatus) -> Value {
    let half = cluster.nodes.len() / 2;
    let of = |number: usize| match status {
        BackupStatus::Online => "online",
        BackupStatus::Offline => "offline",
        BackupStatus::Mixed if number < half => "offline",
        BackupStatus::Mixed => "online",
    };
    let nodes = cluster.nodes.iter().enumerate();
    Value::Object(
        nodes
            .map(|(number, node)| (node.clone(), json!(of(number))))
            .collect(),
    )
}

fn no_backup(world: &World, site: &str, cache: &str, backup_site: Option<&str>) -> Option<Response<Bytes>> {
    let has_backup = world
        .cluster(site)
        .and_then(|cluster| cluster.caches.get(cache))
        .is_some_and(|cache| cache.backup.is_some());
    if !has_backup {
        return Some(no_backups(cache));
    }
    (world.peer(site) != backup_site).then(|| {
        let message = format!(
            "Cache '{cache}' does not backup to site '{}'",
            backup_site.unwrap_or_default()
        );
        text(StatusCode::NOT_FOUND, &message)
    })
}

fn no_backups(cache: &str) -> Response<Bytes> {
    text(
        StatusCode::NOT_FOUND,
        &format!("Cache '{cache}' does not have backup sites."),
    )
}

fn error(message: &str) -> Response<Bytes> {
    let body = json!({"error": {"message": message, "cause": message}});
    with(
        StatusCode::INTERNAL_SERVER_ERROR,
        "application/json",
        body.to_string(),
    )
}

fn ok(body: &Value) -> Response<Bytes> {
    with(StatusCode::OK, "application/json", body.to_string())
}

pub(super) fn text(status: StatusCode, body: &str) -> Response<Bytes> {
    with(status, "text/plain", body.to_owned())
}

pub(super) fn empty(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}

fn with(status: StatusCode, content_type: &'static str, body: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert("content-type", HeaderValue::from_static(content_type));
    response
}
