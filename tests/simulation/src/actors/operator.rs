//! An operator, doing what the command line does: call, wait as told, scale Keycloak, call again.

use std::time::Duration;

use fencing::answer::{Answer, Next, Status};
use fencing::step::{Keycloak, Task};
use fencing::words::{SiteName, Token};
use function::handler::Reply;
use serde_json::json;

use super::Stage;
use crate::reality;
use crate::watcher::Kind;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// With this last answer.
    Answered(Answer),
    GaveUp,
}

/// One call of a command.
async fn operate(stage: &Stage, task: Task) -> Option<Answer> {
    let event = json!({"sitefence": "operate", "task": task});
    let region = match stage.regions {
        1 => 0,
        all => stage.sim.core().dice.below(all as u64) as usize,
    };
    match stage.fleet.invoke(region, Kind::Operate(task), event).await {
        Some(Reply::Answer(answer)) => Some(answer),
        _ => None,
    }
}

/// A command that calls until it is over. `task` makes the next call from what is known so far.
pub async fn command(
    stage: &Stage,
    stale: Option<SiteName>,
    task: impl Fn(Option<Token>, Keycloak) -> Task,
) -> End {
    let mut waited = pasted(stage);
    let mut keycloak = Keycloak::Unknown;
    let mut failures = 0;
    // A rejoin takes a dozen calls; one that is not over after so many never will be.
    for _ in 0..60 {
        let counted = count(stage, stale.as_ref(), keycloak);
        let Some(answer) = operate(stage, task(waited.clone(), counted)).await else {
            failures += 1;
            if failures > 5 {
                return End::GaveUp;
            }
            stage.sim.sleep(Duration::from_secs(2)).await;
            continue;
        };
        match answer.next {
            Next::Again => {}
            Next::Wait { seconds, token } => {
                stage.sim.core().reality.told.push(token.clone());
                wait(stage, Duration::from_secs(seconds.into())).await;
                waited = Some(token);
            }
            Next::StopKeycloak => {
                scale(stage, stale.as_ref(), reality::Keycloak::Stopped).await;
                keycloak = Keycloak::Stopped;
            }
            Next::StartKeycloak => {
                scale(stage, stale.as_ref(), reality::Keycloak::Running).await;
                keycloak = Keycloak::Ready;
            }
            Next::Poll => stage.sim.sleep(Duration::from_secs(3)).await,
            Next::Nothing if answer.status == Status::Retry && failures < 5 => {
                failures += 1;
                stage.sim.sleep(Duration::from_secs(3)).await;
            }
            Next::Nothing => return End::Answered(answer),
        }
    }
    End::GaveUp
}

/// What somebody has waited for before, and a rude operator finds in the history of his shell.
fn pasted(stage: &Stage) -> Option<Token> {
    let mut core = stage.sim.core();
    let pastes = core.reality.rude && !core.reality.told.is_empty() && core.dice.permille(200);
    let told = core.reality.told.len() as u64;
    let which = pastes.then(|| core.dice.below(told))?;
    core.reality.told.get(usize::try_from(which).ok()?).cloned()
}

/// The wait that an answer asks for. Not everybody keeps it.
async fn wait(stage: &Stage, whole: Duration) {
    let rude = {
        let mut core = stage.sim.core();
        core.reality.rude && core.dice.permille(500)
    };
    let wait = if rude {
        stage.sim.core().dice.between(Duration::ZERO, whole)
    } else {
        whole
    };
    if rude {
        stage.note(|| format!("       the operator waits for {} s only", wait.as_secs()));
    }
    stage.sim.sleep(wait).await;
}

/// The pods that were stopped are counted right before each call.
fn count(stage: &Stage, stale: Option<&SiteName>, keycloak: Keycloak) -> Keycloak {
    let runs = stale
        .is_some_and(|stale| stage.sim.core().reality.site(stale).keycloak == reality::Keycloak::Running);
    match keycloak {
        Keycloak::Stopped if runs => Keycloak::Running { pods: 2 },
        known => known,
    }
}

async fn scale(stage: &Stage, stale: Option<&SiteName>, to: reality::Keycloak) {
    stage.sim.pause(1, 4).await;
    if let Some(stale) = stale {
        stage.note(|| format!("       Keycloak of {stale}: {to:?}"));
        let mut core = stage.sim.core();
        let index = core.reality.index(stale);
        core.reality.sites[index].keycloak = to;
        if to == reality::Keycloak::Running {
            core.reality.hands.keycloak[index] = Some(stage.sim.clock.now());
        }
    }
}

/// `provision rejoin SITE`, of the site that is fenced just now.
pub async fn rejoin(stage: &Stage) -> End {
    let session = format!("session-{}", stage.sim.number());
    let Some(stale) = stage.sim.core().reality.register().fenced().cloned() else {
        return End::GaveUp;
    };
    command(stage, Some(stale.clone()), |waited, keycloak| Task::Rejoin {
        stale: stale.clone(),
        session: session.clone(),
        by: "ana".to_owned(),
        waited,
        keycloak,
    })
    .await
}

/// `provision promote SITE`, and whether the operator says that the survivor is lost.
pub async fn promote(stage: &Stage, survivor: &SiteName, survivor_is_lost: bool) -> End {
    let end = command(stage, None, |waited, _| Task::Promote {
        survivor: survivor.clone(),
        by: "ana".to_owned(),
        waited,
        survivor_is_lost,
    })
    .await;
    // Had it been stopped for a rejoin, it is needed now.
    let mut core = stage.sim.core();
    let survives = core
        .reality
        .register()
        .decision
        .is_some_and(|decision| decision.survivor.0 == *survivor);
    if survives {
        let (index, now) = (core.reality.index(survivor), stage.sim.clock.now());
        core.reality.sites[index].keycloak = reality::Keycloak::Running;
        core.reality.hands.sites[index] = Some(now);
        core.reality.hands.keycloak[index] = Some(now);
    }
    end
}

/// `provision fence SITE`.
pub async fn fence(stage: &Stage, fenced: &SiteName) -> End {
    command(stage, None, |_, _| Task::Fence {
        fenced: fenced.clone(),
        by: "ana".to_owned(),
    })
    .await
}

/// `provision hold`.
pub async fn hold(stage: &Stage) -> End {
    command(stage, None, |_, _| Task::Hold {
        by: "ben".to_owned(),
        reason: "maintenance".to_owned(),
        until: None,
        replace: false,
    })
    .await
}

/// `provision release`.
pub async fn release(stage: &Stage) -> End {
    command(stage, None, |_, _| Task::Release { by: "ben".to_owned() }).await
}

/// Somebody on duty who looks at how things stand now and then and does something about it.
pub async fn on_duty(stage: Stage) {
    use fencing::register::State;
    while !stage.calm() {
        stage.sim.pause(15, 60).await;
        if stage.calm() {
            return;
        }
        let (state, held, linked, decision, alive, choice) = {
            let mut core = stage.sim.core();
            let record = core.reality.register();
            let sees = core.reality.link;
            let alive = [core.reality.sites[0].alive, core.reality.sites[1].alive];
            let sites = record.decision.map(|d| (d.survivor.0, d.fenced.0));
            (
                record.state,
                record.hold.is_some(),
                sees,
                sites,
                alive,
                core.dice.below(100),
            )
        };
        let died = decision.as_ref().is_some_and(|(survivor, _)| {
            let index = stage.sim.core().reality.index(survivor);
            !alive[index]
        });
        match (state, decision) {
            _ if held && choice < 70 => {
                release(&stage).await;
            }
            (State::Open, _) if choice < 12 => {
                let site = stage.sim.core().reality.name((choice % 2) as usize).clone();
                fence(&stage, &site).await;
            }
            (_, Some((_, fenced))) if died && choice < 60 => {
                promote(&stage, &fenced, choice < 20).await;
            }
            // Sometimes for no good reason.
            (_, Some((_, fenced))) if choice < 8 => {
                promote(&stage, &fenced, choice < 4).await;
            }
            (State::Complete | State::Rejoining, _) if linked || choice > 95 => {
                // The command may be broken off at any time, and be started a second time meanwhile.
                let patience = stage.sim.core().dice.seconds(10, 300);
                let own = stage.clone();
                let task = stage.sim.clock.spawn(async move {
                    rejoin(&own).await;
                });
                stage.sim.sleep(patience).await;
                let breaks = stage.sim.core().dice.permille(500);
                if breaks {
                    stage.sim.clock.kill(task);
                }
            }
            _ if !held && choice > 92 => {
                hold(&stage).await;
            }
            _ => {}
        }
    }
}
