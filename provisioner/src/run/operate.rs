//! What operators ask of the deployed function: one call, one sentence back.
//!
//! Only the function writes to the accelerator, to Infinispan and to the register; a command invokes it by
//! name, which IAM guards, with the task as the event. Any Region's function will do: they share the register.
//! So the Regions are asked in the topology's order, and the first function that can be reached answers; unless it
//! only says that it cannot just now: what fails it, as its Region's replica of the register, may not fail another.
//! Asking two is no harm, since each effect is safe to repeat.

use fencing::answer::Status;
use fencing::contract::Envelope;
use fencing::step::Task;
use serde_json::Value;

use super::{Failure, Session, observe};
use crate::report::Operated;
use crate::topology::{Region, Topology};
use crate::world::functions::{Functions, Invoked};

/// Has the function do what `task` makes of the caller's identity.
pub async fn operate(
    session: &Session,
    topology: &Topology,
    task: impl FnOnce(String) -> Task,
) -> Result<Operated, Failure> {
    let identity = observe::identity(session, topology).await?;
    let envelope = Envelope::Operate {
        task: task(identity.arn),
    };
    envelope.fits()?;
    let event = envelope.event();
    let mut undone = None;
    let mut unreachable = None;
    for region in &topology.regions {
        match ask(session, topology, region, &event).await {
            Ok(Some(operated)) if operated.answer.status == Status::Retry => {
                undone.get_or_insert(operated);
            }
            Ok(Some(operated)) => return Ok(operated),
            Ok(None) => {}
            Err(Failure::Call(error)) => {
                session
                    .console
                    .say(&format!("{region}: the function cannot be reached: {error}"));
                unreachable.get_or_insert(error);
            }
            Err(failure) => return Err(failure),
        }
    }
    if let Some(operated) = undone {
        return Ok(operated);
    }
    // A Region that could not be asked may have a function.
    match unreachable {
        Some(error) => Err(error.into()),
        None => Err(Failure::NotDeployed {
            function: topology.function_name(),
            regions: topology.regions.to_vec(),
        }),
    }
}

/// Has the function of one Region serve an event; nothing where there is no such function.
pub(super) async fn ask(
    session: &Session,
    topology: &Topology,
    region: &Region,
    event: &Value,
) -> Result<Option<Operated>, Failure> {
    let function = topology.function_name();
    let functions = Functions::new(session.aws.lambda(region), region);
    match functions.invoke(&function, event).await? {
        Invoked::Answered(answer) => {
            let answer = serde_json::from_value(answer).map_err(|source| Failure::NoAnswer {
                function,
                region: region.clone(),
                source,
            })?;
            Ok(Some(Operated {
                topology: topology.name.to_string(),
                region: region.clone(),
                answer,
            }))
        }
        Invoked::Failed { message } => Err(Failure::FunctionFailed {
            function,
            region: region.clone(),
            message,
        }),
        Invoked::Absent => Ok(None),
    }
}

impl Operated {
    /// Whether it was done; if not, why, as a failure.
    pub fn done(self) -> Result<Self, Failure> {
        match self.answer.status {
            Status::Done => Ok(self),
            status => Err(Failure::NotDone {
                status,
                sentence: self.answer.sentence,
            }),
        }
    }
}
