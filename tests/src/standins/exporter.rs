//! The metrics port of a site's Infinispan pods: the series that Sitefence's rules are about, among others.
//!
//! What they say is read from the world of [`super::infinispan`] at each scrape, so whoever cuts the link changes the
//! metrics. As on the real port, the operator's own credentials are asked for.

use std::fmt::Write as _;
use std::future::ready;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::{Response, StatusCode};

use super::infinispan::{BackupStatus, InfinispanPair, Link};
use super::server::{Received, Reply, Server, StartError};

/// How a release of Infinispan spells the series that rules are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// 16 as it comes.
    Sixteen,
    /// 16 with `metrics.legacy`, which Keycloak's guide sets; 15 with names as tags says the same.
    Legacy,
    /// 15 as it comes: the names of cache and site stand in the metric's, beside the labels.
    Fifteen,
}

impl Spelling {
    pub const ALL: [Self; 3] = [Self::Sixteen, Self::Legacy, Self::Fifteen];

    /// Whether a site is in view.
    pub fn view(self) -> &'static str {
        match self {
            Self::Sixteen => "jgroups_site_view_status",
            Self::Legacy | Self::Fifteen => "vendor_jgroups_site_view_status",
        }
    }

    /// Whether a cache is replicated to a site.
    pub fn admin(self, cache: &str, site: &str) -> String {
        let word = |name: &str| name.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        match self {
            Self::Sixteen => "infinispan_x_site_admin_status".to_owned(),
            Self::Legacy => "vendor_x_site_admin_status".to_owned(),
            Self::Fifteen => format!(
                "vendor_cache_manager_default_cache_{}_x_site_admin_{}_status",
                word(cache),
                word(site)
            ),
        }
    }

    /// What real servers said to `/metrics`, the lines about sites and some others.
    pub fn recorded(self) -> &'static [&'static str] {
        match self {
            Self::Sixteen => &[include_str!("../../recorded/infinispan/metrics-16.0.5.txt")],
            Self::Legacy => &[
                include_str!("../../recorded/infinispan/metrics-16.0.5-legacy.txt"),
                include_str!("../../recorded/infinispan/metrics-15.0.13-names-as-tags.txt"),
            ],
            Self::Fifteen => &[include_str!("../../recorded/infinispan/metrics-15.0.13.txt")],
        }
    }
}

/// One pod's port; dropping it stops it.
#[derive(Debug)]
pub struct Exporter {
    server: Server,
}

impl Exporter {
    /// The port of one pod of a site's cluster.
    pub fn start(
        infinispan: &Arc<InfinispanPair>,
        site: &str,
        node: usize,
        spelling: Spelling,
        [user, password]: [&str; 2],
    ) -> Result<Self, StartError> {
        let infinispan = Arc::clone(infinispan);
        let site = site.to_owned();
        let expected = format!("Basic {}", BASE64.encode(format!("{user}:{password}")));
        let server = Server::start("a pod's metrics port", None, move |received: Received| {
            let said = received.headers.get(http::header::AUTHORIZATION);
            let (status, text) = if said.is_none_or(|said| said.as_bytes() != expected.as_bytes()) {
                (StatusCode::UNAUTHORIZED, String::new())
            } else if received.uri.path() == "/metrics" {
                (StatusCode::OK, metrics(&infinispan, &site, node, spelling))
            } else {
                (StatusCode::NOT_FOUND, String::new())
            };
            let mut response = Response::new(Bytes::from(text));
            *response.status_mut() = status;
            ready(Reply::Answer(response))
        })?;
        Ok(Self { server })
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        self.server.address().to_string()
    }
}

fn metrics(infinispan: &InfinispanPair, site: &str, node: usize, spelling: Spelling) -> String {
    let mut text = String::from("base_memory_usedHeap_bytes 1.234567E8\n");
    let world = infinispan.world();
    let is_relay = world
        .cluster(site)
        .is_some_and(|cluster| cluster.relay == Some(node));
    for other in infinispan.sites().iter().map(|site| site.name()) {
        // 2: not the relay, so it cannot tell.
        let status = match (is_relay, other == site || world.link != Link::Cut) {
            (false, _) => 2,
            (true, true) => 1,
            (true, false) => 0,
        };
        // A String takes whatever is written to it.
        let _ = writeln!(
            text,
            "{}{{cache_manager=\"default\",node=\"node-{node}\",site=\"{other}\"}} {status}",
            spelling.view()
        );
        if other != site {
            let admin = u8::from(world.replication(site) != Some(BackupStatus::Offline));
            let _ = writeln!(
                text,
                "{}{{cache_manager=\"default\",node=\"node-{node}\",cache=\"sessions\",site=\"{other}\"}} {admin}",
                spelling.admin("sessions", other)
            );
        }
    }
    text
}
