//! Which functions are deployed: one look into each of a topology's Regions.

use futures_util::future::join_all;

use super::Session;
use crate::observed::version::{Deployed, DeployedFunction};
use crate::plan::noted_version;
use crate::render::parameters;
use crate::topology::names::StackKind;
use crate::topology::{Region, Topology};
use crate::world::call::CallError;
use crate::world::cloudformation::Stacks;
use crate::world::functions::Functions;

/// Looks. A Region that does not answer is said to be out of reach.
pub async fn deployed(session: &Session, topology: &Topology) -> Vec<DeployedFunction> {
    let looks = topology.regions.iter().map(|region| async move {
        let seen = look(session, topology, region).await;
        DeployedFunction {
            region: region.clone(),
            what: seen.unwrap_or_else(|error| Deployed::Unknown {
                why: error.to_string(),
            }),
        }
    });
    join_all(looks).await
}

async fn look(session: &Session, topology: &Topology, region: &Region) -> Result<Deployed, CallError> {
    let functions = Functions::new(session.aws.lambda(region), region);
    let stacks = Stacks::new(session.aws.cloudformation(region), region);
    let (function_name, stack_name) = (topology.function_name(), topology.stack_name(StackKind::Fencing));
    let (function, stack) =
        tokio::try_join!(functions.by_name(&function_name), stacks.describe(&stack_name))?;
    Ok(match function {
        None => Deployed::Nothing,
        Some(function) => Deployed::Function {
            version: stack.and_then(|it| noted_version(it.parameters.get(parameters::FUNCTION_VERSION))),
            code_sha256: function.code_sha256,
        },
    })
}
