//! The values of a stack's parameters: those that were planned, and those that only this walk has learned.

use std::collections::BTreeMap;

use super::failure::Failure;
use super::learned::Learned;
use super::stacks::Driver;
use crate::plan::{ParameterValue, StackGoal};
use crate::world::cloudformation::Stacks;
use crate::world::secrets::Secrets;

/// Stands where the version of a package does that is yet to be uploaded.
const NOT_UPLOADED: &str = "not-uploaded-yet";

impl Driver<'_> {
    /// The values of all parameters, those included that another stack's outputs tell by now. Without a walk that learns
    /// they are only looked at.
    pub(super) async fn parameters(
        &self,
        goal: &StackGoal,
        learned: Option<&Learned>,
    ) -> Result<BTreeMap<String, String>, Failure> {
        let mut values = BTreeMap::new();
        for (name, value) in &goal.parameters {
            let value = match value {
                ParameterValue::Known(value) => value.clone(),
                ParameterValue::Uploaded { region } => match learned {
                    // A change set that is only looked at fetches nothing.
                    None => NOT_UPLOADED.to_owned(),
                    Some(learned) => learned.version(region).ok_or(Failure::Overtaken)?,
                },
                ParameterValue::SecretVersion { region, secret } => {
                    let secrets = Secrets::new(self.session.aws.secrets_manager(region), region);
                    let found = secrets.describe(secret).await?;
                    let version = found.and_then(|secret| secret.version);
                    version.ok_or_else(|| Failure::NoReplicaYet {
                        secret: secret.clone(),
                        region: region.clone(),
                    })?
                }
                ParameterValue::Output {
                    region,
                    kind,
                    output,
                    reading,
                } => {
                    let stack = self.topology.stack_name(*kind);
                    let outputs = match learned.and_then(|learned| learned.outputs(region, *kind)) {
                        Some(outputs) => outputs,
                        None => {
                            let stacks = Stacks::new(self.session.aws.cloudformation(region), region);
                            let found = stacks.describe(&stack).await?;
                            found.map(|stack| stack.outputs).unwrap_or_default()
                        }
                    };
                    let text = outputs.get(*output).cloned();
                    let text = text.ok_or_else(|| Failure::NoOutput {
                        stack,
                        region: region.clone(),
                        output,
                    })?;
                    reading.read(&text)
                }
            };
            values.insert(name.clone(), value);
        }
        Ok(values)
    }
}
