//! The two Infinispans: would each of them do as a fence tells it, and could it say whom it sees?

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Finding, Judge, fails, fine, warns};
use crate::health::{BLIND_AFTER_SECONDS, Checkup, Probe, Reach, Refusal, Seen, seconds_from};
use crate::register::{Record, State};
use crate::replication::Backup;
use crate::words::SiteName;

impl Judge<'_> {
    fn probes_of_sites(&self) -> [Probe; 2] {
        let [a, b] = self.settings.sites.each_ref().map(|site| &site.name);
        [(a, b), (b, a)].map(|(at, backup)| Probe::Infinispan {
            at: at.clone(),
            backup: backup.clone(),
        })
    }

    /// Sites that answer and cannot say which sites are in view; since when, as far as the deep checks have seen.
    pub(super) fn blind_since(&self, previous: Option<&Checkup>) -> BTreeMap<SiteName, Timestamp> {
        let sites = self.settings.sites.iter().map(|site| &site.name);
        let is_blind = |probe: &Probe| matches!(self.seen(probe), Ok(Seen::Infinispan(Reach::Blind(_))));
        sites
            .zip(self.probes_of_sites())
            .filter(|(_, probe)| is_blind(probe))
            .map(|(site, _)| {
                let before = previous.and_then(|previous| previous.blind_since.get(site));
                (site.clone(), before.copied().unwrap_or(self.now))
            })
            .collect()
    }

    /// Returns the sites that gave no answer.
    pub(super) fn infinispans(
        &mut self,
        record: Option<&Record>,
        blind_since: &BTreeMap<SiteName, Timestamp>,
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
                Ok(Seen::Infinispan(Reach::Answers(backup))) => answers(*backup, other, record),
                Ok(Seen::Infinispan(Reach::Blind(_))) => {
                    let since = blind_since.get(site).copied().unwrap_or(self.now);
                    blind(seconds_from(since, self.now))
                }
                Ok(Seen::Infinispan(Reach::Refuses(why, what))) => fails(what.clone(), self.hint_for(*why)),
                Ok(_) => fails("it was not looked at", "this is a fault of the function"),
                Err(fault) if silent.len() == probes.len() => fails(
                    fault.to_string(),
                    "neither site can be reached: can the function get out of its network?",
                ),
                Err(fault) => warns(
                    fault.to_string(),
                    "if the site is lost, this is what the other one's alert is for",
                ),
            };
            self.say_of(probe, finding);
        }
        silent
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
                "the topology's names of sites have to be those of the Infinispan clusters' configuration"
                    .to_owned()
            }
            Refusal::Other => "look at this Infinispan, and at its address in the topology".to_owned(),
        }
    }
}

/// Of an Infinispan that would cut, and cannot be asked whether the other site is lost: it cannot survive.
fn blind(seconds: u64) -> Finding {
    let found =
        format!("answers, but for {seconds} seconds no relay node of it, and only those see the other site");
    let hint = "have as many relay nodes as replicas (`maxRelayNodes`), or have connections spread over the nodes: a \
                passthrough Route of OpenShift keeps a caller at one of them unless it is annotated \
                `haproxy.router.openshift.io/balance: roundrobin`";
    match seconds >= u64::from(BLIND_AFTER_SECONDS) {
        true => fails(found, hint),
        false => warns(found, hint),
    }
}

/// Of an Infinispan that does as it is told: is its replication what the register says?
fn answers(backup: Backup, other: &SiteName, record: Option<&Record>) -> Finding {
    let sentence = format!("answers, with ADMIN rights; replication to {other} is {backup}");
    let is_open = record.is_some_and(|record| record.state == State::Open);
    if is_open && backup != Backup::Online {
        return warns(
            format!("{sentence}, although no site is fenced"),
            "what is written here does not reach the other site; bring it online, and push the state",
        );
    }
    fine(sentence)
}
