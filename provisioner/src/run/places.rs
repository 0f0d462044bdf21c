//! Asks both sites' Infinispans who they are, as the function would ask them.

use std::collections::BTreeMap;
use std::time::Duration;

use fencing::settings::Found;

use super::{Session, handshake};
use crate::observed::Observed;
use crate::observed::place::Whereabouts;
use crate::preflight::places::{is_known, judge, keep_statistics};
use crate::preflight::warning::Warning;
use crate::topology::{Loaded, SiteName};
use crate::world::direct::Direct;

/// From here most are out of reach, and nobody waits long for what is only worth knowing.
const WITHIN: Duration = Duration::from_secs(5);

/// What both sites' Infinispans say from here: whether the function will trust them, whether they are the right ones, and
/// at which of them it can learn for how long a node has been running.
pub async fn asked(
    session: &Session,
    loaded: &Loaded,
    observed: &Observed,
    may_read_secrets: bool,
    signs_in: bool,
) -> (Vec<Warning>, BTreeMap<SiteName, bool>) {
    let (topology, urls) = (&loaded.topology, &observed.infinispan_urls);
    let asked = async {
        if may_read_secrets {
            look(session, loaded, observed, signs_in).await
        } else {
            BTreeMap::new()
        }
    };
    let (mistrusted, mut asked) = tokio::join!(handshake::look(topology, &loaded.ca_bundles, urls), asked);
    // That also says why a site that is not trusted gives no answer.
    for (site, ..) in &mistrusted {
        asked.remove(site);
    }
    let mistrusted = mistrusted
        .into_iter()
        .map(|(site, url, mistrust)| Warning::Mistrusted { site, url, mistrust });
    (
        mistrusted.chain(judge(topology, urls, &asked)).collect(),
        keep_statistics(&asked),
    )
}

/// What answers at each site's address. Signs in where the deployed function does, and elsewhere if it `signs_in`.
async fn look(
    session: &Session,
    loaded: &Loaded,
    observed: &Observed,
    signs_in: bool,
) -> BTreeMap<SiteName, Whereabouts> {
    let topology = &loaded.topology;
    let mut asked = BTreeMap::new();
    let mut regions = topology.regions.iter();
    let secret = regions.find_map(|region| Some((region, observed.infinispan_secrets.get(region)?)));
    let direct = match secret {
        Some((region, secret)) => {
            let found = Found {
                infinispan_secret: secret.arn.clone(),
                infinispan_urls: observed.infinispan_urls.clone(),
                ..Found::default()
            };
            let settings = topology.settings(region, found);
            let direct = Direct::new(&session.aws, region, settings, &loaded.ca_bundles).await;
            direct.map_err(|error| error.to_string())
        }
        None => Err("its password cannot be read: the secret's Region does not answer".to_owned()),
    };
    let [a, b] = topology.sites.each_ref().map(async |site| {
        let url = observed.infinispan_urls.get(&site.name)?;
        let answer = if !signs_in && !is_known(observed, url) {
            Whereabouts::Unasked
        } else {
            match &direct {
                Err(why) => Whereabouts::Silent(why.clone()),
                Ok(direct) => match tokio::time::timeout(WITHIN, direct.place(&site.name)).await {
                    Ok(Ok(place)) => Whereabouts::Told(place),
                    Ok(Err(fault)) => Whereabouts::Silent(fault.what),
                    Err(_) => Whereabouts::Silent(format!("no answer within {} s", WITHIN.as_secs())),
                },
            }
        };
        Some((site.name.clone(), answer))
    });
    let (a, b) = tokio::join!(a, b);
    asked.extend([a, b].into_iter().flatten());
    asked
}
