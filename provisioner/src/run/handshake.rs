//! Handshakes with both sites' Infinispans, as the function will have them.

use std::collections::BTreeMap;

use crate::observed::handshake::Mistrust;
use crate::topology::{CaBundle, SiteName, Topology};
use crate::world::handshake::{self, ExpectedCertificate};

/// What keeps the function from trusting a site's Infinispan, with where it answers; of those that can be reached
/// from here.
pub async fn look(
    topology: &Topology,
    bundles: &[CaBundle],
    urls: &BTreeMap<SiteName, String>,
) -> Vec<(SiteName, String, Mistrust)> {
    let [a, b] = topology.sites.each_ref().map(async |site| {
        let url = urls.get(&site.name)?;
        let bundle = bundles.iter().find(|bundle| bundle.site == site.name);
        let expected = ExpectedCertificate {
            authorities: bundle.map(|bundle| bundle.pem.clone()),
            name: site.server_name(),
        };
        let mistrust = handshake::look(url, &expected).await?;
        Some((site.name.clone(), url.clone(), mistrust))
    });
    let (a, b) = tokio::join!(a, b);
    [a, b].into_iter().flatten().collect()
}
