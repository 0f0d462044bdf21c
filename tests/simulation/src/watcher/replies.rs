//! Demands on answers: I10.

use std::time::Duration;

use fencing::contract::alert::LEFT;
use fencing::register::State;
use fencing::settings::Mode;

use super::{InvocationId, Kind, Watcher, fences, stands_for, touched};
use crate::fleet::TIMEOUT;
use crate::reality::Reality;

/// A refusal is repeated for some seconds without looking again.
const REPEATED: Duration = Duration::from_secs(4);

/// A reading that lags can have been asked for by an invocation that then ran to the end of its time.
const LAGGED: Duration = TIMEOUT;

/// After wrong credentials the secret is read again, but not more often than this.
const REREAD: Duration = Duration::from_secs(31);

impl Watcher {
    pub(crate) fn answers(&mut self, id: InvocationId, status: u16, text: &str, reality: &Reality) {
        let Some(invoked) = self.invoked_mut(id) else {
            return;
        };
        invoked.over = true;
        let (kind, began, faulty, agreeing) = (
            invoked.kind.clone(),
            invoked.began,
            invoked.faulty,
            invoked.agreeing,
        );
        match kind {
            Kind::Stranger => self.demand(matches!(status, 401 | 403 | 503), || {
                format!("I9: {id} without credentials is answered {status}")
            }),
            Kind::Harmless => {
                // Guesses have used up the one reading of the secret that is made in half a minute.
                let rotated = status == 403 && reality.rotated_at + REREAD >= began;
                self.demand(status == 200 || rotated, || {
                    format!("I10: nothing is to be done for {id}, answered {status}: {text}")
                });
            }
            Kind::Suspicion(..) if text.starts_with(LEFT) => {
                self.counts.left += 1;
                self.demand(status == 200, || {
                    format!("I10: {id} is left to the alert, and answered {status}: {text}")
                });
            }
            Kind::Suspicion(..) => self.demand(status != 429, || {
                format!("I10: {id} is only suspected, and answered {status}: {text}")
            }),
            Kind::Alert(reporter, _) => {
                let hands = reality.hands;
                let own = reality.index(&reporter.0);
                let disturbed =
                    touched(hands.groups, began, reality) || touched(hands.sites[own], began, reality);
                let stands = stands_for(reality, &reporter);
                let observes = reality.settings.mode == Mode::Observe;
                if status == 200 && !observes {
                    // Right before it answered something else may have been decided, an operator's rejoin
                    // begun: what it says was so when it looked.
                    let moved = reality.written_at >= began
                        && reality
                            .record
                            .as_ref()
                            .is_some_and(|record| record.state != State::Complete);
                    let fenced = fences(reality, &reporter);
                    self.demand(stands || fenced || disturbed || moved, || {
                        format!("I10: {id} is answered 200 and the world is otherwise: {text}")
                    });
                }
                let quiet = reality.written_at + LAGGED + REPEATED < began;
                let rotated = status == 403 && reality.rotated_at + REREAD >= began;
                // A delivery can outlive its site; nobody can look there then.
                let alive = reality.sites[own].alive;
                if agreeing && stands && alive && quiet && !faulty && !disturbed && !observes && !rotated {
                    self.demand(status == 200 || reality.no_relay > 0, || {
                        format!("I10: everything is as decided, and {id} is answered {status}: {text}")
                    });
                }
            }
            Kind::Sweep | Kind::Operate(_) | Kind::Forced(_) => {}
        }
    }
}
