//! Which functions a plan replaces by another version of them.

use super::step::FunctionMove;
use crate::observed::Standing;
use crate::package::Package;
use crate::render::parameters;
use crate::topology::Region;
use crate::topology::names::StackKind;

/// What becomes of the function of a Region whose stack changes; nothing where it is new, or stays.
pub(super) fn function_move(standing: &Standing, region: &Region, package: &Package) -> Option<FunctionMove> {
    let told = &standing.stack(region, StackKind::Fencing)?.parameters;
    (told.get(parameters::ARTIFACT_KEY)? != &package.key()).then(|| FunctionMove {
        region: region.clone(),
        from: noted_version(told.get(parameters::FUNCTION_VERSION)),
        to: package.version.clone(),
    })
}

/// The version that a stack's parameter says.
pub fn noted_version(parameter: Option<&String>) -> Option<String> {
    parameter
        .filter(|version| *version != parameters::UNVERSIONED)
        .cloned()
}
