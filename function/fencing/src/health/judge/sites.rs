//! The two Infinispans: would each of them do what a fence asks, and could it say which site it sees?

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Finding, Judge, fails, fine, warns};
use crate::health::{
    BLIND_AFTER_SECONDS, Checkup, DIVIDED_AFTER_SECONDS, ENDING_FAILS_DAYS, ENDING_WARNS_DAYS, Probe, Reach,
    Refusal, RelayWitness, Seen, seconds_from,
};
use crate::register::{Record, State};
use crate::replication::{Backup, Sight, View, primary, relay_nodes_disagree, sight};
use crate::words::SiteName;

impl Judge<'_> {
    fn probes_of_sites(&self) -> [Probe; 2] {
        let [a, b] = self.settings.sites.each_ref().map(|site| &site.name);
        [(a, b), (b, a)].map(|(at, backup)| Probe::Infinispan {
            at: at.clone(),
            backup: backup.clone(),
        })
    }

    fn views_of(&self, probe: &Probe) -> Option<&[View]> {
        match self.seen(probe) {
            Ok(Seen::Infinispan(Reach::Answers(_, views) | Reach::Mixed(_, views))) => Some(views),
            _ => None,
        }
    }

    /// What each site that answers shows of the other, and the sites whose relay nodes contradict each other.
    pub(super) fn sights(&self) -> (BTreeMap<SiteName, Sight>, Vec<SiteName>) {
        let mut sights = BTreeMap::new();
        let mut divided = Vec::new();
        for probe in self.probes_of_sites() {
            if let (Some(views), Probe::Infinispan { at, backup }) = (self.views_of(&probe), &probe) {
                sights.insert(at.clone(), sight(views, at, backup));
                if relay_nodes_disagree(views, backup) {
                    divided.push(at.clone());
                }
            }
        }
        (sights, divided)
    }

    /// The primary relay node of each site that has seen the other one, now or a while ago. Where another node has taken
    /// its place since, or two claim it, nobody has.
    pub(super) fn witnesses(&self, previous: Option<&Checkup>) -> BTreeMap<SiteName, RelayWitness> {
        let mut witnesses = BTreeMap::new();
        for probe in self.probes_of_sites() {
            let Probe::Infinispan { at, backup } = &probe else {
                continue;
            };
            let known = previous
                .and_then(|previous| previous.witnesses.get(at))
                .filter(|witness| witness.counts_at(self.now));
            let views = self.views_of(&probe).unwrap_or_default();
            let strays = views.iter().any(|view| view.local_site != at.as_str());
            let witness = match primary(views) {
                _ if strays => None,
                Some(node) if node.sees(backup) => Some(RelayWitness {
                    node: node.node_address.clone(),
                    relays: u32::try_from(node.relay_nodes_address.len()).unwrap_or(u32::MAX),
                    at: self.now,
                }),
                Some(node) => known.filter(|known| known.node == node.node_address).cloned(),
                None if views.iter().any(View::is_primary) => None,
                None => known.cloned(),
            };
            witnesses.extend(witness.map(|witness| (at.clone(), witness)));
        }
        witnesses
    }

    /// Since when something is so at these sites, as far as the deep checks have seen.
    pub(super) fn since<'b>(
        &self,
        sites: impl IntoIterator<Item = &'b SiteName>,
        before: Option<&BTreeMap<SiteName, Timestamp>>,
    ) -> BTreeMap<SiteName, Timestamp> {
        let began = |site: &SiteName| before.and_then(|before| before.get(site)).copied();
        sites
            .into_iter()
            .map(|site| (site.clone(), began(site).unwrap_or(self.now)))
            .collect()
    }

    /// Returns the sites that gave no answer.
    pub(super) fn infinispans(
        &mut self,
        record: Option<&Record>,
        blind_since: &BTreeMap<SiteName, Timestamp>,
        divided_since: &BTreeMap<SiteName, Timestamp>,
    ) -> Vec<SiteName> {
        let [a, b] = self.settings.sites.each_ref().map(|site| &site.name);
        let probes = self.probes_of_sites();
        let is_silent = |probe: &Probe| self.seen(probe).is_err();
        let silent: Vec<SiteName> = probes
            .iter()
            .zip([a, b])
            .filter(|(probe, _)| is_silent(probe))
            .map(|(_, site)| site.clone())
            .collect();
        for (probe, (site, other)) in probes.iter().zip([(a, b), (b, a)]) {
            let finding = match self.seen(probe) {
                Ok(Seen::Infinispan(reach @ (Reach::Answers(_, views) | Reach::Mixed(_, views)))) => {
                    let lasts = |since: &BTreeMap<SiteName, Timestamp>| {
                        since.get(site).map(|since| seconds_from(*since, self.now))
                    };
                    let stray = views.iter().find(|view| view.local_site != site.as_str());
                    match (stray, lasts(blind_since), lasts(divided_since)) {
                        (Some(stray), ..) => {
                            fails(leads_elsewhere(&stray.local_site), self.hint_for(Refusal::Site))
                        }
                        (None, Some(seconds), _) => blind(seconds),
                        (None, None, Some(seconds)) => divided(views, other, seconds),
                        (None, None, None) => answers(reach, sight(views, site, other), other, record),
                    }
                }
                Ok(Seen::Infinispan(Reach::Refuses(why, what))) => fails(what.clone(), self.hint_for(*why)),
                Ok(_) => fails("it was not checked", "this is a bug in the function"),
                Err(fault) if silent.len() == probes.len() => fails(
                    fault.to_string(),
                    "neither site can be reached: can the function get out of its network?",
                ),
                Err(fault) => warns(
                    fault.to_string(),
                    "if the site is lost, the other one's alert deals with that",
                ),
            };
            self.say_of(probe, finding);
        }
        silent
    }

    /// Of what handshakes have shown. Where there was none, the site's own check says why.
    pub(super) fn certificates(&mut self) {
        const DAY_SECONDS: u64 = 86_400;
        for site in self.settings.sites.each_ref().map(|site| &site.name) {
            let probe = Probe::Certificate { of: site.clone() };
            let Ok(Seen::Certificate(Some(ending))) = self.seen(&probe) else {
                continue;
            };
            let days = seconds_from(self.now, ending.at) / DAY_SECONDS;
            let (whose, hint) = if ending.is_authority {
                (
                    "an authority's certificate",
                    "add its successor to the site's `infinispan.caBundle` and apply, before Infinispan's \
                     certificate is renewed by the successor",
                )
            } else {
                (
                    "its certificate",
                    "renew it at this Infinispan; the authority may stay",
                )
            };
            let found = format!(
                "{whose}, {}, expires in {days} days, at {}",
                ending.subject, ending.at
            );
            let finding = if days < u64::from(ENDING_FAILS_DAYS) {
                fails(found, hint)
            } else if days < u64::from(ENDING_WARNS_DAYS) {
                warns(found, hint)
            } else {
                fine(found)
            };
            self.say_of(&probe, finding);
        }
    }

    fn hint_for(&self, why: Refusal) -> String {
        let user = &self.settings.infinispan_username;
        match why {
            Refusal::Certificate => {
                "renew it, or name its authority in the site's `infinispan.caBundle` and apply".to_owned()
            }
            Refusal::Credentials => format!("store the current password of `{user}` in the secret"),
            Refusal::Rights => format!("give `{user}` the role `admin` at this Infinispan"),
            Refusal::Site => {
                "the site names in the topology have to be those in Infinispan's configuration".to_owned()
            }
            Refusal::Other => "check this Infinispan, and its address in the topology".to_owned(),
        }
    }
}

/// Of an address at which another site's Infinispan answers.
pub fn leads_elsewhere(site: &str) -> String {
    format!("its address leads to the Infinispan of `{site}`")
}

/// Of an Infinispan that would cut, and cannot be asked whether the other site is lost: it cannot survive.
fn blind(seconds: u64) -> Finding {
    let found = format!(
        "answers, but its primary relay node has not answered for {seconds} seconds, and only that node can say \
         whether the other site is lost"
    );
    let hint = "run as many relay nodes as replicas (`maxRelayNodes`), or spread connections over the nodes: an \
                OpenShift passthrough Route keeps a caller on one node unless it is annotated \
                `haproxy.router.openshift.io/balance: roundrobin`";
    if seconds >= u64::from(BLIND_AFTER_SECONDS) {
        fails(found, hint)
    } else {
        warns(found, hint)
    }
}

/// Of an Infinispan some of whose relay nodes see the other site while others do not. For a moment that is how a link
/// is lost and how it heals.
fn divided(views: &[View], other: &SiteName, seconds: u64) -> Finding {
    let sees = |view: &View| view.sites_view.iter().any(|seen| seen == other.as_str());
    let names = |wanted: bool| {
        let nodes: BTreeSet<&str> = views
            .iter()
            .filter(|view| view.counts() && sees(view) == wanted)
            .map(|view| view.node_address.as_str())
            .collect();
        nodes.into_iter().collect::<Vec<_>>().join(", ")
    };
    let found = format!(
        "its relay nodes have disagreed for {seconds} seconds: {} sees {other}, {} does not",
        names(true),
        names(false)
    );
    let hint = "check the network between the relay nodes and the gossip routers, and whether one of them hangs; if \
                the primary does not see the other site, writes fail at every node";
    if seconds >= u64::from(DIVIDED_AFTER_SECONDS) {
        fails(found, hint)
    } else {
        warns(found, hint)
    }
}

/// Of an Infinispan that does what a fence asks: is its replication what the register says?
fn answers(reach: &Reach, sight: Sight, other: &SiteName, record: Option<&Record>) -> Finding {
    let (backup, which) = match reach {
        Reach::Answers(Backup::Mixed, _) => (Backup::Mixed, ", not the same at each of its nodes".to_owned()),
        Reach::Answers(backup, _) => (*backup, String::new()),
        Reach::Mixed(offline, _) => (Backup::Mixed, format!(", offline for {}", offline.join(", "))),
        Reach::Refuses(_, what) => return fails(what.clone(), "this is a bug in the function"),
    };
    let sees = match sight {
        Sight::Sees => "sees",
        _ => "does not see",
    };
    let sentence =
        format!("answers, with ADMIN rights; it {sees} {other}, and replication to it is {backup}{which}");
    let is_open = record.is_some_and(|record| record.state == State::Open);
    if is_open && backup != Backup::Online {
        return fails(
            format!("{sentence}, although no site is fenced"),
            "what is written here does not reach the other site: somebody took it offline, or the register's item is \
             gone; the other one is stale, so it has to leave the accelerator before it is brought back",
        );
    }
    fine(sentence)
}
