//! What every verb takes: whose credentials, and how much is said.
//!
//! `--profile` and `--region` mean what `AWS_PROFILE` and `AWS_REGION` mean, for everything that reads these: the
//! SDK, `credential_process`, and the plugins that sign in to clusters (`aws eks get-token`). So the process starts
//! over with the variables set. Keys in the environment would win over a profile there, and somebody who types `--profile`
//! does not mean those: they are taken out, as the AWS CLI does. An empty value is refused: it is a script's variable that
//! is not set, and signing in as somebody else because of it helps nobody.

use std::io::IsTerminal;

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgAction, Args};
use clap_complete::ArgValueCandidates;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use super::completions::{profiles, regions};
use super::{CommandError, Exit};
use crate::environment;
use crate::run::console::{self, Volume};
use crate::world::calls;

#[derive(Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub(super) struct Globals {
    /// Sign in to AWS with this profile, like AWS_PROFILE
    #[arg(long, global = true, value_name = "NAME", value_parser = NonEmptyStringValueParser::new(), add = ArgValueCandidates::new(profiles))]
    profile: Option<String>,
    /// Sign in to AWS in this Region, like AWS_REGION; the topology decides where things are deployed
    #[arg(long, global = true, value_name = "REGION", value_parser = NonEmptyStringValueParser::new(), add = ArgValueCandidates::new(regions))]
    region: Option<String>,
    /// Show each call to AWS and to the clusters, but never its content; -vv adds its address and request id
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
    /// Do not report progress, only results, warnings and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
}

impl Globals {
    /// Puts them into effect.
    pub(super) fn apply(&self) -> Result<(), CommandError> {
        self.put_into_environment()?;
        console::set_volume(match (self.quiet, self.verbose) {
            (true, _) => Volume::Quiet,
            (false, 0) => Volume::Usual,
            (false, _) => Volume::Calls,
        });
        if self.verbose > 0 {
            let level = if self.verbose == 1 {
                LevelFilter::DEBUG
            } else {
                LevelFilter::TRACE
            };
            let lines = fmt::layer()
                .with_writer(std::io::stderr)
                .with_ansi(std::io::stderr().is_terminal())
                .with_level(false)
                .with_target(false)
                .without_time();
            // Ours alone: libraries tell headers and bodies, and secrets stand in these.
            let ours = Targets::new().with_target(calls::TARGET, level);
            // Fails only where somebody listens already.
            let _ = tracing_subscriber::registry()
                .with(lines.with_filter(ours))
                .try_init();
        }
        Ok(())
    }

    fn put_into_environment(&self) -> Result<(), CommandError> {
        let mut wanted = Vec::new();
        if let Some(profile) = &self.profile {
            wanted.push(("AWS_PROFILE", Some(profile.as_str())));
            for key in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"] {
                wanted.push((key, None));
            }
        }
        if let Some(region) = &self.region {
            wanted.push(("AWS_REGION", Some(region.as_str())));
        }
        environment::start_over_with(&wanted).map_err(|error| {
            CommandError::new(
                Exit::Failed,
                format!("--profile and --region cannot be passed on: {error}"),
            )
            .hint("set AWS_PROFILE and AWS_REGION instead")
        })
    }
}
