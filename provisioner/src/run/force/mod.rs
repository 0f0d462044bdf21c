//! `fence --force` and `reconcile`: a fence where the functions, or their register, are out of reach.
//!
//! ```text
//!   the register answers ──▶ the protocol, here, on the register: as another Region's function would
//!   it does not ──▶ stop the functions in every Region ─▶ wait ─▶ the protocol, here, without the register
//!                        ─▶ … ─▶ reconcile: the same on the register ─▶ functions run again
//! ```
//!
//! A lock is of no use to the protocol, and a decision that nobody can read is none. So where the register does not
//! answer, nothing else may decide: the functions' concurrency goes to 0, which is read back, and whatever they had under
//! way ends within twice their timeout. Only then is anything touched. What is done is the protocol's own task, run by the
//! function's own driver in this process ([`Direct`]), with all that it looks at before and after each write; only the
//! register is a record in memory. Interrupted anywhere, the same command goes on, since nothing of it is relative.
//!
//! The functions stay stopped until the register says the same. Were they to run before that, and it held a decision the
//! other way half carried out, the next sweep would finish it: both sites cut off, or nobody in the accelerator. What was
//! done stands at the functions as tags, where `status` finds it. They are also what two operators see of each other: see
//! [`forced`](crate::preflight::forced).

mod forcing;
mod functions;
mod reconciling;

use std::time::Duration;

use fencing::answer::{Answer, Status};
use fencing::by_force;
use fencing::register::Record;
use fencing::settings::Settings;
use tokio::time::Instant;

use super::{Failure, Session, observe};
use crate::observed::forced::ForcedFence;
use crate::preflight::forced as rules;
use crate::report::Operated;
use crate::topology::{Loaded, Region, Site, SiteName, Topology};
use crate::world::call::CallError;
use crate::world::direct::Direct;
use crate::world::functions::Functions;

/// How often a task is begun again that a dependency failed, and after how long.
const RETRIES: u32 = 10;
const RETRY_AFTER: Duration = Duration::from_secs(3);

/// The function of one Region.
struct StoppedFunction {
    region: Region,
    functions: Functions,
    arn: String,
    settings: Settings,
    left: Option<ForcedFence>,
}

/// One command, and all that it needs.
struct Forcing<'a> {
    session: &'a Session,
    topology: &'a Topology,
    name: String,
    deployed: Vec<StoppedFunction>,
    direct: Direct,
    by: String,
    began: Instant,
}

/// Fences `site` without the functions.
pub async fn fence(
    session: &Session,
    loaded: &Loaded,
    site: &Site,
    reason: &str,
    cut_first: bool,
) -> Result<Operated, Failure> {
    let forcing = Forcing::begin(session, loaded).await?;
    forcing.fence(site, reason, cut_first).await
}

/// What `reconcile` was asked to do.
#[derive(Debug, Clone, Copy)]
pub struct ForceRequest {
    /// Only to let the functions run again.
    pub abandon: bool,
    /// To take a hold off that was there before.
    pub lift_hold: bool,
}

/// Has the register say what was forced, and lets the functions run again; or only the latter. `agree` is asked for the
/// fenced site's name, where there is anything to do.
pub async fn reconcile(
    session: &Session,
    loaded: &Loaded,
    asked: ForceRequest,
    agree: impl FnOnce(&SiteName) -> Result<(), Failure>,
) -> Result<Operated, Failure> {
    let forcing = Forcing::begin(session, loaded).await?;
    forcing.reconcile(asked, agree).await
}

/// Why a command ends after functions were stopped.
struct Halted {
    failure: Failure,
    /// They are, and by this command.
    stays: bool,
}

impl From<Failure> for Halted {
    fn from(failure: Failure) -> Self {
        Self { failure, stays: true }
    }
}

impl From<CallError> for Halted {
    fn from(error: CallError) -> Self {
        Failure::from(error).into()
    }
}

impl From<Halted> for Failure {
    fn from(halted: Halted) -> Self {
        if halted.stays {
            Self::StaysStopped(Box::new(halted.failure))
        } else {
            halted.failure
        }
    }
}

/// Somebody else is at it, or has been: this command touches nothing more.
fn overtaken(why: &str) -> Halted {
    Halted {
        failure: refused(format!(
            "{why}, so this command has stopped. Check `provision status`; run it again only if it is still needed"
        )),
        stays: false,
    }
}

fn refused(sentence: String) -> Failure {
    Failure::NotDone {
        status: Status::NotNow,
        sentence,
    }
}

fn failed(sentence: String) -> Failure {
    Failure::NotDone {
        status: Status::Retry,
        sentence,
    }
}

impl<'a> Forcing<'a> {
    async fn begin(session: &'a Session, loaded: &'a Loaded) -> Result<Self, Failure> {
        let topology = &loaded.topology;
        let name = topology.function_name();
        let by = observe::identity(session, topology).await?.arn;
        let mut deployed = Vec::new();
        for region in &topology.regions {
            let functions = Functions::new(session.aws.lambda(region), region);
            let Some(function) = functions.by_name(&name).await? else {
                continue;
            };
            let settings = Settings::from_environment(|name| function.environment.get(name).cloned());
            let settings = settings
                .map_err(|_| failed(format!("the settings of the function in {region} cannot be read")))?;
            deployed.push(StoppedFunction {
                left: ForcedFence::read(&functions.tags(&function.arn).await?),
                region: region.clone(),
                functions,
                arn: function.arn,
                settings,
            });
        }
        let Some(first) = deployed.first() else {
            return Err(Failure::NotDeployed {
                function: name,
                regions: topology.regions.to_vec(),
            });
        };
        let like = async |one: &StoppedFunction| {
            let direct = Direct::new(
                &session.aws,
                &one.region,
                one.settings.clone(),
                &loaded.ca_bundles,
            );
            direct.await.map_err(|error| failed(error.to_string()))
        };
        let mut direct = like(first).await?;
        // Each Region's function may have a replica of the register beside it; any is as good.
        for other in deployed.iter().skip(1) {
            if direct.register().await.is_ok() {
                break;
            }
            let another = like(other).await?;
            if another.register().await.is_ok() {
                direct = another;
            }
        }
        Ok(Self {
            session,
            topology,
            name,
            deployed,
            direct,
            by,
            began: Instant::now(),
        })
    }

    fn say(&self, sentence: &str) {
        let seconds = self.began.elapsed().as_secs();
        self.session.console.say(&format!("{seconds:>4} s  {sentence}"));
    }

    fn left(&self) -> Option<&ForcedFence> {
        rules::furthest(self.deployed.iter().filter_map(|one| one.left.as_ref()))
    }

    fn done(&self, answer: Answer) -> Result<Operated, Failure> {
        let operated = Operated {
            topology: self.topology.name.to_string(),
            region: self
                .deployed
                .first()
                .map_or_else(|| self.topology.first_region().clone(), |one| one.region.clone()),
            answer,
        };
        operated.done()
    }

    async fn pause_for(&self, what: &str) -> Result<(), Failure> {
        self.say(&format!("waiting {} s for {what}", self.direct.wait().as_secs()));
        self.session.interrupt.pause(self.direct.wait()).await
    }

    /// Runs a task again where a dependency failed.
    async fn persist<E: From<Failure>>(&self, run: impl AsyncFn() -> Result<Answer, E>) -> Result<Answer, E> {
        let mut said = String::new();
        let mut attempt = 0;
        loop {
            let answer = run().await?;
            attempt += 1;
            if answer.status != Status::Retry || attempt >= RETRIES {
                return Ok(answer);
            }
            if answer.sentence != said {
                self.say(&answer.sentence);
                said.clone_from(&answer.sentence);
            }
            self.session.interrupt.pause(RETRY_AFTER).await?;
        }
    }
}

/// With a decision the other way in force, half carried out or wholly, finishing or repairing it would undo this.
fn not_the_other_way(record: &Record, fenced: &SiteName) -> Result<(), Failure> {
    if by_force::is_kept(record, fenced) {
        return Err(refused(format!(
            "epoch {} is {}, and its survivor is {fenced}: only `promote` changes the survivor, and it needs the \
             function",
            record.epoch, record.state
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_fails_while_functions_are_stopped_says_that_they_stay_so() {
        for failure in [
            Failure::Interrupted,
            refused("no".to_owned()),
            failed("no".to_owned()),
        ] {
            let (code, kind, text) = (failure.code(), failure.kind(), failure.to_string());
            let hint = failure.hint();
            let stays = Failure::from(Halted::from(failure));
            assert_eq!(
                (stays.code(), stays.kind(), stays.to_string()),
                (code, kind, text)
            );
            let said = stays.hint().unwrap();
            assert!(said.starts_with(hint.as_deref().unwrap_or_default()), "{said}");
            assert!(
                said.contains("stay stopped until `provision reconcile`"),
                "{said}"
            );
        }
        // Somebody has let them run: nobody knows.
        let overtaken = Failure::from(overtaken("somebody did"));
        assert_eq!((overtaken.code(), overtaken.hint()), ("notNow", None));
    }
}
