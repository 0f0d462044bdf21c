//! Demands on what is written outside the register: I1, I2, I3, I6, I7, I13, and that nothing is wiped.

use fencing::accelerator::{GroupOutcome, listener_of};
use fencing::register::{Decision, Record, State};
use fencing::replication::Backup;
use fencing::step::{Call, Task};
use fencing::words::{Epoch, SiteName};

use super::{Before, Circumstance, InvocationId, Kind, Watcher, is_rejoin, touched};
use crate::layout;
use crate::reality::{Keycloak, Reality};

/// Whom an operator fences without the register.
fn forced(kind: &Kind) -> Option<&SiteName> {
    match kind {
        Kind::Forced(Task::Fence { fenced, .. }) => Some(fenced),
        _ => None,
    }
}

/// To which part of the protocol an effect belongs, judged by when it lands.
enum Belongs {
    /// To the decision in force.
    Decision,
    Rejoin,
    /// To a rejoin that the lost link has ended, and whose decision is therefore not called complete yet.
    Straggler,
    /// To the epoch before, whose executors a promotion is just waiting for.
    Before,
    Nothing(String),
}

impl Watcher {
    /// Replication at the survivor may be cut only by somebody who was told that the accelerator holds
    /// exactly the survivor, or that another one had read so.
    pub(super) fn cut_is_issued(&mut self, id: InvocationId, call: &Call, reality: &Reality) {
        let Call::TakeOffline { at, .. } = call else {
            return;
        };
        let Some(invoked) = self.invoked(id) else {
            return;
        };
        if let Some(fenced) = forced(&invoked.kind) {
            let balancer = layout::balancer(reality.index(fenced));
            let seen = &invoked.seen.groups;
            let told = reality.settings.found.endpoint_group_arns.iter().all(|arn| {
                seen.iter().any(|group| {
                    group.arn == *arn && group.endpoints.iter().all(|it| it.config.id != balancer)
                })
            });
            let is_other = fenced != at;
            self.demand(told && is_other, || {
                format!(
                    "I3: {id} cuts replication at {at} by force and was not told that the other one is out"
                )
            });
            return;
        }
        let Some(record) = invoked.record.clone() else {
            self.violated(format!(
                "I3: {id} cuts replication without having read the register"
            ));
            return;
        };
        let Some(decision) = &record.decision else {
            self.violated(format!("I3: {id} cuts replication and knows no decision"));
            return;
        };
        if decision.survivor.0 != *at {
            return;
        }
        let fenced = layout::balancer(reality.index(&decision.fenced.0));
        let told = invoked.seen.agrees_with(&decision.outcome)
            && reality.settings.found.endpoint_group_arns.iter().all(|arn| {
                invoked.seen.groups.iter().any(|group| {
                    group.arn == *arn
                        && group
                            .endpoints
                            .iter()
                            .all(|endpoint| endpoint.config.id != fenced)
                })
            });
        self.demand(told || record.state != State::Decided, || {
            format!(
                "I3: {id} cuts replication at {at} and was not told that the accelerator holds exactly it: {:?}",
                self_seen(record.state)
            )
        });
    }

    pub(super) fn group_is_written(
        &mut self,
        id: InvocationId,
        write: &GroupOutcome,
        before: &Before,
        reality: &Reality,
        epoch: Epoch,
    ) {
        let record = &before.record;
        let Some((kind, began)) = self.invoked(id).map(|i| (i.kind.clone(), i.began)) else {
            return;
        };
        let hands = reality.hands.groups;
        let by_force = forced(&kind).map(|fenced| reality.index(fenced));
        if by_force.is_none() {
            let belongs = self.belongs(id, epoch, record, |decision| {
                decision.outcome.groups.contains(write)
            });
            self.judge(id, belongs, &format!("writes group {}", write.arn));
        }
        // A promotion goes by what is remembered where the accelerator cannot be read.
        let touched_since = touched(hands, began.min(self.epoch_before), reality);
        let listener = listener_of(&write.arn);
        let count = |counts: &[(String, usize)]| {
            counts
                .iter()
                .find(|(known, _)| known == listener)
                .map_or(0, |(_, count)| *count)
        };
        self.demand(
            count(&before.listeners) == 0
                || count(&reality.per_listener()) > 0
                || touched(hands, began, reality),
            || format!("I1: {id} leaves listener {listener} without an endpoint"),
        );
        if let Some(fenced) = by_force {
            self.demand(before.inside[fenced] || !reality.is_in(fenced), || {
                format!("I6: {id} ({kind}) puts the site in that it fences")
            });
            self.survivor_is_unchanged(
                id,
                1 - fenced,
                write,
                before,
                reality,
                touched(hands, began, reality),
            );
            return;
        }
        let Some(decision) = &record.decision else {
            return;
        };
        let (survivor, fenced) = (
            reality.index(&decision.survivor.0),
            reality.index(&decision.fenced.0),
        );
        let added = !before.inside[fenced] && reality.is_in(fenced);
        self.demand(!added || is_rejoin(&kind), || {
            format!("I6: {id} ({kind}) puts {} into the accelerator", decision.fenced)
        });
        let whole = reality.backup(0) == Backup::Online && reality.backup(1) == Backup::Online;
        let broken = reality.hands.sites.iter().any(|at| touched(*at, began, reality));
        let straggles = record.unsettled;
        self.demand(!added || whole || broken || straggles, || {
            format!("I2: {id} puts {} back while replication is cut", decision.fenced)
        });
        self.survivor_is_unchanged(id, survivor, write, before, reality, touched_since);
    }

    /// Whoever decided, and with the register or without.
    fn survivor_is_unchanged(
        &mut self,
        id: InvocationId,
        survivor: usize,
        write: &GroupOutcome,
        before: &Before,
        reality: &Reality,
        touched_since: bool,
    ) {
        for (group, config) in &before.configs[survivor] {
            let after = reality.configs(survivor);
            let same = after
                .iter()
                .find(|(arn, _)| arn == group)
                .is_none_or(|(_, after)| after == config);
            // An operator had a drained one serve.
            let restored = write.reweighs && config.weight == Some(0);
            self.demand(same || touched_since || restored, || {
                format!("I13: {id} changes the survivor's endpoint in {group}: {config:?}")
            });
        }
    }

    /// What is written by force rests on the evidence that an operator's fence with the register rests on, as this
    /// attempt was shown it.
    pub(super) fn forced_write_is_issued(
        &mut self,
        id: InvocationId,
        write: &GroupOutcome,
        reality: &Reality,
    ) {
        let Some(invoked) = self.invoked(id) else {
            return;
        };
        let Some(fenced) = forced(&invoked.kind).map(|fenced| reality.index(fenced)) else {
            return;
        };
        if invoked.has_balanced {
            return;
        }
        let restores = write.reweighs || write.opens;
        let problem = super::records::read_evidence(invoked, 1 - fenced, fenced, restores);
        if let Some(invoked) = self.invoked_mut(id) {
            invoked.has_balanced = true;
        }
        if let Some(problem) = problem {
            self.violated(format!(
                "I5: {id} fences {} by force: {problem}",
                layout::SITES[fenced]
            ));
        }
        let survivor = reality.name(1 - fenced);
        self.demand(reality.settings.may_survive(survivor), || {
            format!("I5: {id} leaves {survivor} alone by force, which is never to be")
        });
    }

    pub(super) fn infinispan_is_changed(
        &mut self,
        id: InvocationId,
        call: &Call,
        at: usize,
        before: &Before,
        reality: &Reality,
        epoch: Epoch,
    ) {
        let record = &before.record;
        let cut = matches!(call, Call::TakeOffline { .. });
        if let Some(invoked) = self.invoked(id)
            && let Some(fenced) = forced(&invoked.kind)
        {
            let (fenced, began) = (reality.index(fenced), invoked.began);
            self.demand(cut && at != fenced, || {
                format!("I7: {id}: by force {}", crate::sim::tell(call))
            });
            let hands = reality.hands;
            self.demand(
                !reality.is_in(fenced) || touched(hands.groups, began, reality),
                || format!("I3: {id} cuts replication by force while the other one is in the accelerator"),
            );
            let both = |backups: [Backup; 2]| backups.iter().all(|backup| *backup != Backup::Online);
            let backups = [reality.backup(0), reality.backup(1)];
            // Nobody can ask a site that is dead whether people have cut it off; the functions cannot have, for they take the
            // other one out first, and then nothing can be forced, unless people put it back. One that answered was asked.
            let since = if self.forced_blind {
                self.epoch_began.min(self.forced_since)
            } else {
                self.forced_since
            };
            let excused = touched(hands.sites[fenced], since, reality);
            // A promotion had given it up before, and nobody is sent there.
            let decided = record.decision.as_ref();
            let is_given_up = decided.is_some_and(|decision| reality.index(&decision.fenced.0) == fenced)
                && !reality.is_in(fenced);
            let second = both(backups) && !both(before.backups);
            if second && excused && self.forced_blind {
                self.met.insert(Circumstance::ForcedBesideADeadSitesCut);
            }
            if second && is_given_up && !excused {
                self.met.insert(Circumstance::ForcedAfterAPromotion);
            }
            self.demand(!second || excused || is_given_up, || {
                format!("I2: {id} cuts the second backup by force")
            });
            return;
        }
        // The schedule has the survivor forget what it pushed before the fence.
        let forgets = matches!(call, Call::CancelPush { .. } | Call::ClearPushes { .. })
            && self
                .invoked(id)
                .is_some_and(|invoked| invoked.kind == Kind::Sweep);
        let belongs = self.belongs(id, epoch, record, |decision| {
            (cut || forgets) && reality.index(&decision.survivor.0) == at
        });
        self.judge(id, belongs, &crate::sim::tell(call));
        let Some(decision) = record.decision.clone() else {
            return;
        };
        let (survivor, fenced) = (
            reality.index(&decision.survivor.0),
            reality.index(&decision.fenced.0),
        );
        let hands = reality.hands;
        // Hands may have come between an executor's looking and its deciding.
        let looked = self.invoked(id).map_or(self.epoch_began, |invoked| invoked.began);
        let since = self.epoch_began.min(looked);
        if cut && at == survivor && record.state != State::Rejoining && !record.waiting {
            self.demand(
                reality.holds_exactly(&decision.outcome, fenced)
                    || touched(hands.groups, since, reality)
                    || record.unsettled,
                || format!("I3: {id} cuts replication while the accelerator holds more than the survivor"),
            );
        }
        let both = |backups: [Backup; 2]| backups.iter().all(|backup| *backup != Backup::Online);
        let backups = [reality.backup(0), reality.backup(1)];
        if both(backups) && !both(before.backups) && cut {
            // While a promotion waits, the site of the decision before may still be cut off, and still serve alone.
            let alone = record.waiting && !reality.is_in(survivor);
            self.demand(
                !reality.is_in(fenced) || alone || touched(hands.groups, since, reality) || record.unsettled,
                || format!("I2: {id} cuts the second backup while {} serves", decision.fenced),
            );
        }
        // Pods are counted right before each call of a rejoin's command.
        let writes_alone = match call {
            Call::TakeOffline { .. } | Call::ClearCache { .. } => at == fenced,
            Call::StartPush { .. } => at == survivor,
            _ => false,
        };
        if writes_alone && record.state == State::Rejoining {
            self.demand(
                reality.sites[fenced].keycloak == Keycloak::Stopped
                    || touched(hands.keycloak[fenced], looked, reality),
                || {
                    format!(
                        "I2: {id}: {} while Keycloak of {} runs",
                        crate::sim::tell(call),
                        decision.fenced
                    )
                },
            );
        }
        if let Call::ClearCache { cache, .. } = call {
            let wiped = reality.sites[1 - at].wiped > before.wiped[1 - at];
            let read = self.invoked(id).and_then(|invoked| invoked.backup_read[at]);
            let restarted = read.is_some_and(|read| touched(hands.sites[at], read, reality));
            self.demand(!wiped || restarted, || {
                format!(
                    "I2: {id} clears {cache} at {} and wipes the kept site",
                    layout::SITES[at]
                )
            });
            self.demand(at == fenced || record.waiting, || {
                format!("I2: {id} clears the survivor's {cache}")
            });
        }
    }

    /// `epoch` is the one that the executor knew of when it sent the call.
    fn belongs(
        &self,
        id: InvocationId,
        epoch: Epoch,
        record: &Record,
        ours: impl Fn(&Decision) -> bool,
    ) -> Belongs {
        let Some(invoked) = self.invoked(id) else {
            return Belongs::Nothing("nobody".to_owned());
        };
        let rejoins = is_rejoin(&invoked.kind);
        if record.state == State::Decided && record.waiting && epoch < record.epoch {
            return Belongs::Before;
        }
        let Some(decision) = &record.decision else {
            return Belongs::Nothing("no decision is in force".to_owned());
        };
        if epoch != record.epoch {
            return Belongs::Nothing(format!(
                "it was told of epoch {} and epoch {} is in force",
                epoch, record.epoch
            ));
        }
        match record.state {
            State::Rejoining if rejoins => Belongs::Rejoin,
            State::Rejoining if record.waiting && ours(decision) => Belongs::Decision,
            State::Rejoining => Belongs::Nothing("the rejoin has waited for everybody".to_owned()),
            _ if ours(decision) => Belongs::Decision,
            _ if rejoins && record.unsettled => Belongs::Straggler,
            _ => Belongs::Nothing("it is not what was decided".to_owned()),
        }
    }

    fn judge(&mut self, id: InvocationId, belongs: Belongs, what: &str) {
        match belongs {
            Belongs::Decision | Belongs::Rejoin | Belongs::Before | Belongs::Straggler => {}
            Belongs::Nothing(why) => {
                let kind = self
                    .invoked(id)
                    .map_or(Kind::Stranger, |invoked| invoked.kind.clone());
                self.violated(format!("I7: {id} ({kind}): {what}: {why}"));
            }
        }
    }
}

fn self_seen(state: State) -> String {
    format!("the register as told is {state}")
}
