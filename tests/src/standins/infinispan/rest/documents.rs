//! What a server says of itself and of its backups, in the form that real ones have.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::world::{Backup, BackupStatus, Cluster, Release, World};

/// The backups of a cache, by site.
pub(super) fn backups(cluster: &Cluster, peer: &str, cache: &str) -> Vec<(String, Backup)> {
    let Some(cache) = cluster.caches.get(cache) else {
        return Vec::new();
    };
    let at_peer = cache.backup.map(|backup| (peer.to_owned(), backup));
    cache.third.clone().into_iter().chain(at_peer).collect()
}

pub(super) fn container(cluster: &Cluster, node: usize, world: &World) -> Value {
    let relays = cluster.relay_nodes();
    let is_relay = relays.contains(&node);
    let view = if is_relay {
        world.view(&cluster.site)
    } else {
        Vec::new()
    };
    let relay_address: Vec<&String> = relays
        .iter()
        .filter_map(|relay| cluster.nodes.get(*relay))
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
        "version": world.release.version(),
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

/// Of one backup site, over all caches; none when no cache has a backup there: then the server does not know it.
pub(super) fn container_status(cluster: &Cluster, peer: &str, backup_site: &str) -> Option<Value> {
    let mut by_status: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for name in cluster.caches.keys() {
        for (site, backup) in backups(cluster, peer, name) {
            if site == backup_site {
                by_status.entry(backup.status.as_str()).or_default().push(name);
            }
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
pub(super) fn cache_status(cluster: &Cluster, status: BackupStatus) -> Value {
    if status != BackupStatus::Mixed {
        return json!({"status": status.as_str()});
    }
    let (offline, online) = cluster.nodes.split_at(cluster.nodes.len() / 2);
    json!({"status": "mixed", "online": online, "offline": offline})
}

pub(super) fn node_status(cluster: &Cluster, status: BackupStatus) -> Value {
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

/// What a cache of one node has counted: nothing but the time. Where it keeps no statistics, Infinispan 16 says less than
/// none of that, too; 15 knows it.
pub(super) fn stats(release: Release, cluster: &Cluster, node: usize, cache: &str) -> Value {
    let counts = cluster.caches.get(cache).is_some_and(|cache| cache.statistics);
    let since_start = if counts || release == Release::Fifteen {
        cluster.seconds_up(node)
    } else {
        -1
    };
    let nothing = if counts { 0 } else { -1 };
    json!({
        "time_since_start": since_start,
        "time_since_reset": since_start,
        "approximate_entries": nothing,
        "current_number_of_entries": -1,
        "stores": nothing,
        "retrievals": nothing,
        "hits": nothing,
        "misses": nothing,
        "evictions": nothing,
        "required_minimum_number_of_nodes": if counts { 1 } else { -1 },
    })
}
