//! What the verbs that call the two clouds have in common: the topology, the function, the runtime, the last word.

use std::collections::BTreeSet;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint};
use clap_complete::ArgValueCandidates;
use serde_json::{Value, json};

use super::completions::parts;
use super::{CommandError, Exit, OutputFormat, print, print_json};
use crate::check;
use crate::files;
use crate::observed::cluster::Unreached;
use crate::package::elf::Binary;
use crate::package::{self, PackedFunction, embedded};
use crate::plan::unreached::{Deferred, UnreachedRegion};
use crate::preflight::ours::{Choices, OURS};
use crate::render::DocumentKind;
use crate::render::ObjectDocument;
use crate::render::{StackDocument, Template};
use crate::report;
use crate::run::console::Console;
use crate::run::{self, Scope, Session, Wanted, status};
use crate::topology::{Architecture, Interval, Loaded, Topology};
use crate::world::build::{self, Profile};
use crate::yaml::shortened;

/// How long the register is waited for before a verb begins.
const HERALD_WITHIN: Duration = Duration::from_secs(2);

/// Which half, or which cluster.
#[derive(Debug, Clone, Args)]
pub(super) struct ScopeArgs {
    /// Work on one part only: `aws`, `clusters`, or the cluster of one site. May be given twice
    #[arg(long, value_name = "PART", add = ArgValueCandidates::new(parts))]
    pub(super) only: Vec<String>,
}

impl ScopeArgs {
    /// What is meant, in the words of a topology. A site that is called like a half is reached by the half.
    pub(super) fn scope(&self, topology: &Topology) -> Result<Scope, CommandError> {
        if self.only.is_empty() {
            return Ok(Scope::all(topology));
        }
        let mut scope = Scope {
            aws: false,
            clusters: BTreeSet::new(),
        };
        for part in &self.only {
            let site = topology.sites.iter().find(|site| site.name.as_str() == part);
            match (part.as_str(), site) {
                ("aws", _) => scope.aws = true,
                ("clusters", _) => scope.clusters = Scope::all(topology).clusters,
                (_, Some(site)) => drop(scope.clusters.insert(site.name.clone())),
                (_, None) => {
                    let [a, b] = topology.sites.each_ref().map(|site| site.name.as_str());
                    return Err(CommandError::new(
                        Exit::Invalid,
                        format!("`{}` is not a part of this topology", shortened(part, 80)),
                    )
                    .hint(format!("its parts are aws, clusters, {a} and {b}")));
                }
            }
        }
        Ok(scope)
    }
}

/// A duration as an argument.
pub(super) fn interval(text: &str) -> Result<Interval, String> {
    Interval::new(text).map_err(|error| format!("{error}: {}", error.hint))
}

/// The same as the clock counts it.
pub(super) fn duration(interval: Interval) -> Duration {
    Duration::from_secs(interval.seconds().into())
}

/// Where the function comes from.
#[derive(Debug, Clone, Args)]
pub(super) struct FunctionArgs {
    /// Use the `bootstrap` in this zip instead of the function that this program carries or builds
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["source", "build_profile"])]
    pub(super) function_zip: Option<PathBuf>,
    /// Build from this checkout of Sitefence
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(super) source: Option<PathBuf>,
    /// How much the compiler optimises: what tests deploy need not be small
    #[arg(long, value_enum, hide = true)]
    pub(super) build_profile: Option<ProfileArg>,
}

/// A [`Profile`] as an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ProfileArg {
    /// Small.
    Release,
    /// Fast to build.
    Quick,
}

impl From<ProfileArg> for Profile {
    fn from(profile: ProfileArg) -> Self {
        match profile {
            ProfileArg::Release => Self::Release,
            ProfileArg::Quick => Self::Quick,
        }
    }
}

impl FunctionArgs {
    /// Whether the function that this program carries is meant: where no other one is named, and no build asked for.
    fn is_embedded(&self, architecture: Architecture) -> bool {
        self.function_zip.is_none()
            && self.source.is_none()
            && self.build_profile.is_none()
            && embedded::zip(architecture).is_some()
    }

    /// Whether getting the function takes minutes. What can be known to be wrong before that is then reported first.
    fn builds(&self, architecture: Architecture) -> bool {
        self.function_zip.is_none() && !self.is_embedded(architecture)
    }
}

/// Gets the function as `plan` and `apply` do: this program's own, unless another one is named.
async fn function(
    loaded: &Loaded,
    arguments: &FunctionArgs,
    console: &Console,
) -> Result<PackedFunction, run::Failure> {
    let topology = &loaded.topology;
    if arguments.is_embedded(topology.function.architecture)
        && let Some(packed) = run::pack_embedded(topology, &loaded.ca_bundles)?
    {
        packed.package.is_ours()?;
        return Ok(packed);
    }
    Ok(built(loaded, arguments, console).await?.0)
}

/// Builds the function, or takes it from a zip, and packs it with the topology's authorities.
pub(super) async fn built(
    loaded: &Loaded,
    arguments: &FunctionArgs,
    console: &Console,
) -> Result<(PackedFunction, Binary), run::Failure> {
    let topology = &loaded.topology;
    let bootstrap = match &arguments.function_zip {
        Some(path) => {
            let zip = files::read(path, files::ZIP_BYTES).map_err(|source| run::Failure::File {
                what: "the function's zip".to_owned(),
                path: path.clone(),
                source,
            })?;
            package::bootstrap_of(&zip)?
        }
        None => {
            let profile = arguments.build_profile.map(Profile::from).unwrap_or_default();
            let say = |line: &str| console.progress(line);
            build::build(
                topology.function.architecture,
                profile,
                arguments.source.as_deref(),
                say,
            )
            .await?
        }
    };
    run::pack(topology, &bootstrap, &loaded.ca_bundles)
}

/// Everything that does not depend on the world. Where it takes a build, which is minutes, the world is looked at
/// first: what stands in the way is reported at once.
pub(super) async fn wanted<'a>(
    loaded: &'a Loaded,
    arguments: &FunctionArgs,
    session: &Session,
    choices: Choices,
    resume_epoch: Option<u64>,
) -> Result<Wanted<'a>, run::Failure> {
    let topology = &loaded.topology;
    let (mut documents, mut objects) = (Vec::new(), Vec::new());
    for document in check::documents(topology)? {
        match document.kind {
            DocumentKind::Stack { kind, region } => documents.push(StackDocument {
                kind,
                region,
                template: Template {
                    text: document.text,
                    value: document.value,
                },
            }),
            DocumentKind::Object { site, kind } if OURS.contains(&kind) => objects.push(ObjectDocument {
                site,
                kind,
                value: document.value,
            }),
            DocumentKind::Object { .. } => {}
        }
    }
    let mut wanted = Wanted {
        topology,
        documents,
        objects,
        function: None,
        resume_epoch,
    };
    if choices.aws {
        if arguments.builds(topology.function.architecture) {
            session.connected()?;
            run::apply::look(session, &wanted, choices).await?;
        }
        wanted.function = Some(function(loaded, arguments, &session.console).await?);
    }
    Ok(wanted)
}

/// Runs a look at the world that goes on without whatever does not answer.
pub(super) fn finish_without_failure<T>(look: impl Future<Output = T>) -> Result<T, CommandError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    Ok(runtime
        .map_err(|error| CommandError::new(Exit::Failed, error))?
        .block_on(look))
}

/// Runs a verb that calls the world to its end.
pub(super) fn finish(verb: impl Future<Output = Result<Exit, run::Failure>>) -> Result<Exit, CommandError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| CommandError::new(Exit::Failed, error))?;
    runtime.block_on(verb).map_err(|failure| {
        let exit = match failure.kind() {
            run::failure::FailureKind::Failed => Exit::Failed,
            run::failure::FailureKind::Usage => Exit::Invalid,
            run::failure::FailureKind::Refused => Exit::Refused,
        };
        let text = failure.text();
        let told = CommandError::new(exit, text.trim_end().to_owned()).code(failure.code());
        match &failure {
            run::Failure::Problems(problems) => {
                let things = problems
                    .iter()
                    .map(|problem| json!({ "message": problem.to_string(), "hint": problem.hint() }))
                    .collect();
                told.details("problems", failure.to_string(), things)
            }
            _ => told.details("because", failure.to_string(), report::causes_json(&failure)),
        }
        .advice(failure.hint())
        .runbook(failure.runbook())
    })
}

/// Says how things stand where that is not as usual. Where the register does not answer nothing is said: the verb says
/// what it makes of that itself.
pub(super) async fn herald(session: &Session, topology: &Topology, file: &str) {
    if let Ok(items) = status::register_of(session, topology, HERALD_WITHIN).await
        && let Some(line) = report::herald(topology.name.as_str(), &items.record, topology.mode, file)
    {
        session.console.say(&line);
    }
}

/// Says what was left out, and whether that was nothing: done, or failed where something was out of reach.
pub(super) fn complete(
    console: &Console,
    clusters: &[Unreached],
    regions: &[UnreachedRegion],
    deferred: &[Deferred],
    meaning: &str,
) -> Exit {
    let lines = report::left_out(clusters, regions, deferred, meaning);
    for line in &lines {
        console.say(line);
    }
    if lines.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    }
}

/// Prints a result.
pub(super) fn answer(
    output: OutputFormat,
    text: impl FnOnce() -> String,
    json: impl FnOnce() -> Value,
) -> Result<(), run::Failure> {
    let printed = match output {
        OutputFormat::Text => print(&text()),
        OutputFormat::Json => print_json(&json()),
    };
    printed.map_err(|error| run::Failure::Unprintable {
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_duration_is_answered_with_how_one_looks() {
        assert_eq!(interval("90s"), Ok(Interval::from_seconds(90)));
        let refused = "`5` is not a duration: write whole numbers with units: 10s, 5m, 1m30s, 1h or 2d";
        assert_eq!(interval("5"), Err(refused.to_owned()));
    }
}
