//! Infinispan's REST API v2, the part of it that a fencer needs.
//!
//! Follows the server's source where the guide is vague: `online` and `offline` come without lists and only
//! `mixed` names caches, the status of one cache is an object per backup site, reading the container needs
//! an authenticated user and everything about sites needs the permission ADMIN, a failing action on one
//! cache is 500 where the same failure in the container's answer hides in a 200.

mod documents;

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use self::documents::{backups, cache_status, container, container_status, node_status, stats};
use super::pushes::Push;
use super::world::{BackupStatus, CacheFault, Link, Release, World, WriteError};

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
    /// `GET /rest/v2/caches`
    Caches,
    /// `GET /rest/v2/caches/{cache}/x-site/backups`
    CacheBackups,
    /// `GET /rest/v2/caches/{cache}/x-site/backups/{site}`
    CacheBackup,
    /// `POST /rest/v2/caches/{cache}/x-site/backups/{site}?action=take-offline`
    CacheTakeOffline,
    CacheBringOnline,
    CacheStartPushState,
    CacheCancelPushState,
    /// `POST /rest/v2/caches/{cache}/x-site/backups/{site}?action=cancel-receive-state`
    CacheCancelReceiveState,
    /// `GET /rest/v2/caches/{cache}/x-site/backups?action=push-state-status`
    PushStateStatus,
    /// `POST /rest/v2/caches/{cache}/x-site/local?action=clear-push-state-status`
    ClearPushStateStatus,
    /// `POST /rest/v2/caches/{cache}?action=clear`
    Clear,
    /// `GET /rest/v2/caches/{cache}?action=size`
    Size,
    /// `GET /rest/v2/caches/{cache}?action=stats`
    Stats,
    /// `GET /rest/v2/caches/{cache}?action=keys`, with `limit` of them
    Keys,
    /// `PUT /rest/v2/caches/{cache}/{key}`
    Put,
    /// `GET /rest/v2/caches/{cache}/{key}`
    Get,
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
                | Self::CacheCancelReceiveState
                | Self::Put
                | Self::ClearPushStateStatus
                | Self::Clear
        )
    }

    pub(super) fn permission(self) -> Permission {
        match self {
            Self::HealthStatus => Permission::Anyone,
            // Keycloak's caches have no authorization of their own, so whoever is known may also clear them.
            Self::Container
            | Self::Caches
            | Self::Size
            | Self::Stats
            | Self::Keys
            | Self::Put
            | Self::Get
            | Self::Clear => Permission::Authenticated,
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
    pub(super) key: Option<String>,
    /// How many are wanted at most.
    pub(super) limit: Option<usize>,
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
            key: None,
            limit: None,
        };
        let of_container = |operation, site: &str| Self {
            operation,
            cache: None,
            backup_site: Some(site.to_owned()),
            key: None,
            limit: None,
        };
        let of_cache = |operation, cache: &str| Self {
            operation,
            cache: Some(cache.to_owned()),
            backup_site: None,
            key: None,
            limit: None,
        };
        let of_backup = |operation, cache: &str, site: &str| Self {
            operation,
            cache: Some(cache.to_owned()),
            backup_site: Some(site.to_owned()),
            key: None,
            limit: None,
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
            (["rest", "v2", "caches"], None) if get => asked(Operation::Caches),
            (["rest", "v2", "caches", cache, "x-site", "backups"], None) if get => {
                of_cache(Operation::CacheBackups, cache)
            }
            (["rest", "v2", "caches", cache, "x-site", "backups"], Some("push-state-status")) if get => {
                of_cache(Operation::PushStateStatus, cache)
            }
            (["rest", "v2", "caches", cache, "x-site", "backups", site], None) if get => {
                of_backup(Operation::CacheBackup, cache, site)
            }
            (["rest", "v2", "caches", cache, "x-site", "backups", site], Some("cancel-receive-state"))
                if post =>
            {
                of_backup(Operation::CacheCancelReceiveState, cache, site)
            }
            (["rest", "v2", "caches", cache, "x-site", "backups", site], Some(action)) if post => {
                of_backup(SITE_ACTIONS.iter().find(|one| one.0 == action)?.2, cache, site)
            }
            (["rest", "v2", "caches", cache, "x-site", "local"], Some("clear-push-state-status")) if post => {
                of_cache(Operation::ClearPushStateStatus, cache)
            }
            (["rest", "v2", "caches", cache], Some("clear")) if post => of_cache(Operation::Clear, cache),
            (["rest", "v2", "caches", cache], Some("size")) if get => of_cache(Operation::Size, cache),
            (["rest", "v2", "caches", cache], Some("stats")) if get => of_cache(Operation::Stats, cache),
            (["rest", "v2", "caches", cache], Some("keys")) if get => Self {
                limit: query.and_then(limit),
                ..of_cache(Operation::Keys, cache)
            },
            (["rest", "v2", "caches", cache, key], None) if get || method == Method::PUT => Self {
                key: Some((*key).to_owned()),
                ..of_cache(if get { Operation::Get } else { Operation::Put }, cache)
            },
            _ => return None,
        })
    }
}

/// What is said to a request for something that is there, but not so.
pub(super) fn misfit(method: &Method, path: &str, query: Option<&str>) -> Option<Response<Bytes>> {
    let is_cross_site = path.contains("/x-site/");
    if is_cross_site && method == Method::POST && query.and_then(action).is_some() {
        return Some(bare(
            StatusCode::BAD_REQUEST,
            "Invalid 'action' parameter supplied",
        ));
    }
    (is_cross_site && method == Method::GET).then(|| bare(StatusCode::METHOD_NOT_ALLOWED, "Not allowed"))
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

fn limit(query: &str) -> Option<usize> {
    let limit = query.split('&').find_map(|pair| pair.strip_prefix("limit="));
    limit.and_then(|limit| limit.parse().ok())
}

fn decoded(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

/// Carries it out on the cluster of `site`, asked through its node number `node`.
pub(super) fn respond(
    asked: &Asked,
    world: &mut World,
    site: &str,
    node: usize,
    faults: &BTreeMap<String, CacheFault>,
    body: &[u8],
) -> Response<Bytes> {
    let cache = asked.cache.as_deref().unwrap_or_default();
    let backup_site = asked.backup_site.as_deref().unwrap_or_default();
    let Some(cluster) = world.cluster(site) else {
        return text(StatusCode::NOT_FOUND, "no such site");
    };
    if asked.cache.is_some() && !cluster.caches.contains_key(cache) {
        return bare(
            StatusCode::NOT_FOUND,
            &format!("ISPN012010: Cache with name '{cache}' not found amongst the configured caches"),
        );
    }
    match asked.operation {
        Operation::Container => ok(&container(cluster, node, world)),
        Operation::HealthStatus => text(StatusCode::OK, "HEALTHY"),
        Operation::Caches => {
            let own: &[&str] = match world.release {
                Release::Fifteen => &[
                    "___protobuf_metadata",
                    "___script_cache",
                    "memcachedCache",
                    "respCache",
                ],
                Release::Sixteen => &["___protobuf_metadata", "___script_cache"],
            };
            let all = own
                .iter()
                .copied()
                .chain(cluster.caches.keys().map(String::as_str));
            ok(&json!(all.collect::<Vec<_>>()))
        }
        Operation::Backups => {
            let peer = world.peer(site).unwrap_or_default();
            let third = cluster.caches.values().filter_map(|cache| cache.third.as_ref());
            let sites = third.map(|(site, _)| site.as_str()).chain([peer]);
            let statuses = sites.filter_map(|backup_site| {
                let status = container_status(cluster, peer, backup_site)?;
                Some((backup_site.to_owned(), status))
            });
            ok(&Value::Object(statuses.collect()))
        }
        Operation::Backup => {
            let peer = world.peer(site).unwrap_or_default();
            match container_status(cluster, peer, backup_site) {
                Some(status) => ok(&status),
                None => empty(StatusCode::NOT_FOUND),
            }
        }
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
                    "ISPN012047: Site operation on '{backup_site}' failed: '{result}'"
                )),
            }
        }
        Operation::CacheCancelReceiveState => {
            if let Some(refusal) = no_backup(world, site, cache, Some(backup_site)) {
                return refusal;
            }
            world.cancel_receive(site, cache);
            empty(StatusCode::OK)
        }
        Operation::CacheBackups => {
            let peer = world.peer(site).unwrap_or_default();
            let backups = backups(cluster, peer, cache);
            if backups.is_empty() {
                return no_backups(cache);
            }
            let statuses = backups
                .into_iter()
                .map(|(site, backup)| (site, cache_status(cluster, backup.status)));
            ok(&Value::Object(statuses.collect()))
        }
        Operation::CacheBackup => no_backup(world, site, cache, Some(backup_site)).unwrap_or_else(|| {
            let peer = world.peer(site).unwrap_or_default();
            let backups = backups(cluster, peer, cache);
            let backup = backups.iter().find(|(site, _)| site == backup_site);
            ok(&node_status(
                cluster,
                backup.map_or(BackupStatus::Online, |(_, backup)| backup.status),
            ))
        }),
        Operation::PushStateStatus => {
            world.poll_push(site, cache);
            let peer = world.peer(site).unwrap_or_default();
            let backups = world
                .cluster(site)
                .map(|cluster| backups(cluster, peer, cache))
                .unwrap_or_default();
            if backups.is_empty() {
                return no_backups(cache);
            }
            let pushes = backups
                .into_iter()
                .map(|(site, backup)| (site, json!(Push::as_str(backup.push))));
            ok(&Value::Object(pushes.collect()))
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
                Err(failed) => error(&refused(world, &failed)),
            },
        },
        Operation::Put => {
            let (key, value) = (
                asked.key.as_deref().unwrap_or_default(),
                String::from_utf8_lossy(body),
            );
            match world.put(site, cache, key, &value) {
                Ok(()) => empty(StatusCode::NO_CONTENT),
                Err(failed) => error(&refused(world, &failed)),
            }
        }
        Operation::Get => {
            let key = asked.key.as_deref().unwrap_or_default();
            match cluster.caches.get(cache).and_then(|cache| cache.entries.get(key)) {
                Some(value) => text(StatusCode::OK, value),
                None => empty(StatusCode::NOT_FOUND),
            }
        }
        Operation::Keys => {
            let keys = cluster
                .caches
                .get(cache)
                .into_iter()
                .flat_map(|it| it.entries.keys());
            let keys: Vec<&String> = keys.take(asked.limit.unwrap_or(usize::MAX)).collect();
            ok(&json!(keys))
        }
        Operation::Stats => ok(&stats(world.release, cluster, node, cache)),
        Operation::Size => {
            let size = cluster.caches.get(cache).map_or(0, |cache| cache.entries.len());
            ok(&json!(size))
        }
    }
}

/// What a write says that could not be replicated.
fn refused(world: &World, failed: &WriteError) -> String {
    let WriteError::BackupFailed { site, cache } = failed else {
        return failed.to_string();
    };
    let peer = world.peer(site).unwrap_or_default();
    let suspected = world.release.of_site(peer);
    // The number counts what the server has asked others for.
    let timed_out =
        format!("ISPN000476: Timed out waiting for responses for request 1 from {peer} after 4.5 seconds");
    match world.release {
        Release::Sixteen => {
            let why = match world.link {
                Link::Unnoticed => timed_out,
                _ => format!("ISPN000400: Node {suspected} was suspected"),
            };
            format!(
                "ISPN000709: Failed to backup cache `{cache}` to one or more remote sites: {why}\n    {peer}"
            )
        }
        Release::Fifteen => {
            let why = match world.link {
                Link::Unnoticed => format!("org.infinispan.commons.TimeoutException: {timed_out}"),
                _ => format!(
                    "org.infinispan.remoting.transport.jgroups.SuspectException: ISPN000400: Node {suspected} was \
                     suspected"
                ),
            };
            format!("The local cache {cache} failed to backup data to the remote sites:\n{peer}: {why}")
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

fn no_backup(world: &World, site: &str, cache: &str, backup_site: Option<&str>) -> Option<Response<Bytes>> {
    let peer = world.peer(site).unwrap_or_default();
    let backups = world
        .cluster(site)
        .map(|cluster| backups(cluster, peer, cache))
        .unwrap_or_default();
    if backups.is_empty() {
        return Some(no_backups(cache));
    }
    let wanted = backup_site.unwrap_or_default();
    (!backups.iter().any(|(site, _)| site == wanted)).then(|| {
        text(
            StatusCode::NOT_FOUND,
            &format!("Cache '{cache}' does not backup to site '{wanted}'"),
        )
    })
}

fn no_backups(cache: &str) -> Response<Bytes> {
    text(
        StatusCode::NOT_FOUND,
        &format!("Cache '{cache}' does not have backup sites."),
    )
}

fn error(message: &str) -> Response<Bytes> {
    bare(StatusCode::INTERNAL_SERVER_ERROR, message)
}

/// Errors are plain text that is not called so.
pub(super) fn bare(status: StatusCode, body: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_owned()));
    *response.status_mut() = status;
    response
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
