//! Whose an accelerator is: by the marks that our own deployment put on accelerators, and by the functions of others.

use std::collections::BTreeSet;

use fencing::settings::{self, Source, Variable};

use super::{FunctionReading, StackReading, Standing};
use crate::topology::names::StackKind;

/// A function that fences for another topology.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    pub function: String,
    pub topology: String,
    /// The accelerator that its settings name.
    pub accelerator_arn: String,
}

impl FunctionReading {
    /// Whether it fences, and for another topology than `ours`. Its variables are read one by one: it may be of any
    /// age.
    pub fn neighbour(&self, ours: &str) -> Option<Neighbour> {
        let told = |variable: Variable| self.environment.get(variable.name).cloned();
        let topology = told(settings::TOPOLOGY).filter(|topology| topology != ours)?;
        Some(Neighbour {
            function: self.name.clone(),
            topology,
            accelerator_arn: told(settings::ACCELERATOR_ARN)?,
        })
    }
}

/// What an accelerator's tag says where a deployment of ours wrote it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OwnerMark {
    pub accelerator_arn: String,
    pub owner: String,
}

impl Standing {
    /// The marks that what stands may have put on accelerators: every accelerator and owner in a function's settings,
    /// or in those of a stack that never came to life. Several, where a move stopped half-way.
    pub fn marks(&self) -> BTreeSet<OwnerMark> {
        let told = self.told().map(|told| OwnerMark {
            accelerator_arn: told.found.accelerator_arn,
            owner: told.found.owner,
        });
        let stacks = self
            .regions
            .values()
            .filter_map(|region| region.stacks.get(&StackKind::Fencing));
        let to_be_told = stacks.map(|stack| OwnerMark {
            accelerator_arn: parameter(stack, settings::ACCELERATOR_ARN),
            owner: parameter(stack, settings::OWNER),
        });
        told.chain(to_be_told)
            .filter(|mark| !mark.accelerator_arn.is_empty() && !mark.owner.is_empty())
            .collect()
    }
}

/// The value that a stack tells its function for a variable by a parameter; empty where it does not.
fn parameter(stack: &StackReading, variable: Variable) -> String {
    match variable.source {
        Source::Parameter(name) => stack.parameters.get(name).cloned().unwrap_or_default(),
        Source::Literal | Source::Resource => String::new(),
    }
}
