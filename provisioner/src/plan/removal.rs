//! How one stack is removed: what has to come before, what goes with it, what it keeps. Both need it, the plan that takes
//! everything away and the one that replaces a stack.

use crate::observed::{ResourceReading, StackReading};
use crate::plan::Step;
use crate::topology::Region;
use crate::topology::names::StackKind;

/// The bucket that an artifact stack made and that still stands.
pub(super) fn bucket(stack: &StackReading) -> Option<String> {
    stack
        .resources
        .iter()
        .filter(|resource| resource.kind == "AWS::S3::Bucket" && resource.stands())
        .find_map(|resource| resource.physical_id.clone())
}

/// What has to come before the deletion of a stack whose table goes with it: the table is protected from being deleted,
/// by whomever, and a deletion that fails half-way is not easily begun again.
pub(super) fn unprotection(region: &Region, stack: &StackReading) -> Option<Step> {
    let mut tables = stack
        .resources
        .iter()
        .filter(|resource| resource.is_table() && resource.stands() && !stack.keeps(resource));
    Some(Step::UnprotectTable {
        region: region.clone(),
        table: tables.next()?.physical_id.clone()?,
    })
}

/// The step that deletes `stack`.
pub(super) fn deletion(
    kind: StackKind,
    region: &Region,
    name: &str,
    stack: &StackReading,
    why: &str,
) -> Step {
    let standing = stack.resources.iter().filter(|resource| resource.stands());
    let (kept, gone): (Vec<_>, Vec<_>) = standing.partition(|resource| stack.keeps(resource));
    let words = |resources: Vec<&ResourceReading>| {
        let words = resources.into_iter().map(|resource| {
            let name = resource.physical_id.as_deref().unwrap_or(&resource.logical_id);
            format!("{} {name}", resource.kind)
        });
        words.collect()
    };
    Step::DeleteStack {
        kind,
        region: region.clone(),
        stack: name.to_owned(),
        id: stack.id.clone(),
        why: why.to_owned(),
        resources: words(gone),
        keeps: words(kept),
    }
}
