//! What the verbs that talk to AWS have in common: the topology, the function, the runtime, the last word.

use std::future::Future;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::{Exit, Failure, OutputFormat, print, print_json};
use crate::plan::StackDocument;
use crate::plan::elf::Binary;
use crate::plan::package::{self, PackedFunction};
use crate::render::{self, DocumentKind};
use crate::report;
use crate::run::console::Console;
use crate::run::{self, Wanted};
use crate::topology::Loaded;
use crate::world::build::{self, Profile};

/// Where the function comes from.
#[derive(Debug, Clone, Args)]
pub(super) struct FunctionArgs {
    /// Take the `bootstrap` of this zip instead of building the function
    #[arg(long, value_name = "FILE", conflicts_with_all = ["source", "profile"])]
    pub(super) function_zip: Option<PathBuf>,
    /// Build from this checkout of Sitefence
    #[arg(long, value_name = "DIR")]
    pub(super) source: Option<PathBuf>,
    /// How much the compiler tries: what tests deploy need not be small
    #[arg(long, value_enum, hide = true)]
    pub(super) profile: Option<ProfileArg>,
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

/// Gets the function: builds it, or takes it from a zip, and packs it with the topology's authorities.
pub(super) async fn function(
    loaded: &Loaded,
    arguments: &FunctionArgs,
    console: &Console,
) -> Result<(PackedFunction, Binary), run::Failure> {
    let topology = &loaded.topology;
    let bootstrap = match &arguments.function_zip {
        Some(path) => {
            let zip = std::fs::read(path).map_err(|source| run::Failure::File {
                what: "the function's zip".to_owned(),
                path: path.clone(),
                source,
            })?;
            package::bootstrap_of(&zip)?
        }
        None => {
            let profile = arguments.profile.map(Profile::from).unwrap_or_default();
            let say = |line: &str| console.say(line);
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

/// Everything that does not depend on the world.
pub(super) async fn wanted<'a>(
    loaded: &'a Loaded,
    arguments: &FunctionArgs,
    console: &Console,
) -> Result<Wanted<'a>, run::Failure> {
    let topology = &loaded.topology;
    let documents = render::render(topology)?
        .into_iter()
        .filter_map(|document| match document.kind {
            DocumentKind::Stack { kind, region } => Some(StackDocument {
                kind,
                region: region.to_string(),
                template: document.text,
            }),
            DocumentKind::Object { .. } => None,
        })
        .collect();
    let (function, _) = function(loaded, arguments, console).await?;
    Ok(Wanted {
        topology,
        documents,
        function,
    })
}

/// Runs a verb that talks to the world to its end.
pub(super) fn finish(verb: impl Future<Output = Result<Exit, run::Failure>>) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Failed, error))?;
    runtime.block_on(verb).map_err(|failure| {
        let exit = match failure.kind() {
            run::failure::Kind::Failed => Exit::Failed,
            run::failure::Kind::Usage => Exit::Invalid,
            run::failure::Kind::Refused => Exit::Refused,
        };
        Failure::new(exit, report::failure_text(&failure))
    })
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
