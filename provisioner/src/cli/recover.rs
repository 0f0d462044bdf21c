//! `provision rejoin`, `fence` and `promote`: what changes who serves, by an operator's word.
//!
//! Each shows how things stand first, says what it will do and what that costs, and has the site's name typed.

use clap::{Args, ValueEnum};
use clap_complete::ArgValueCandidates;

use super::cloud;
use super::completions::sites;
use super::consent::{DRY, LOOK_WITHIN, answer, consent};
use super::force::Forced;
use super::hold::reason;
use super::{CommandError, Exit, OutputFormat, TopologyFile, say};
use crate::observed::status::StatusReading;
use crate::report;
use crate::run::console::Console;
use crate::run::keycloak::Hands;
use crate::run::rejoin::{self, Way};
use crate::run::{self, Scope, Session, losses, recover, status};
use crate::topology::{Interval, Loaded, Site};
use crate::yaml::shortened;

/// Who handles the stale site's Keycloak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum KeycloakBy {
    /// This command scales it, in the site's cluster
    #[default]
    Command,
    /// You do, and confirm when it is done
    Manual,
}

#[derive(Debug, Args)]
pub(super) struct Rejoin {
    /// The site to bring back
    #[arg(add = ArgValueCandidates::new(sites))]
    site: String,
    #[command(flatten)]
    file: TopologyFile,
    /// Wait until the sites see each other again, then continue: you can leave this running
    #[arg(long)]
    when_healed: bool,
    /// How long --when-healed waits
    #[arg(long, value_name = "DURATION", value_parser = cloud::interval, default_value = "12h")]
    give_up_after: Interval,
    /// Who stops and starts the site's Keycloak
    #[arg(long, value_enum, default_value_t)]
    keycloak: KeycloakBy,
    /// How long Keycloak's pods may take to stop or to start
    #[arg(long, value_name = "DURATION", value_parser = cloud::interval, default_value = "15m")]
    keycloak_within: Interval,
    /// Make every check that changes nothing, then stop
    #[arg(long)]
    dry_run: bool,
    /// Consent in advance
    #[arg(short = 'y', long)]
    yes: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    output: OutputFormat,
}

#[derive(Debug, Args)]
pub(super) struct Fence {
    /// The site to take out
    #[arg(add = ArgValueCandidates::new(sites))]
    site: String,
    #[command(flatten)]
    file: TopologyFile,
    /// Why; this is kept in the record
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
    /// Fence from this machine, with your rights, if the functions fail or their register does not answer. If it has
    /// to stop the functions, `provision reconcile` starts them again
    #[arg(long)]
    force: bool,
    /// Only cut replication, because the accelerator's API is down, too; both sites then stay in the accelerator
    #[arg(long, requires = "force")]
    cut_first: bool,
    /// Show the evidence, then stop
    #[arg(long)]
    dry_run: bool,
    /// Consent in advance
    #[arg(short = 'y', long)]
    yes: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    output: OutputFormat,
}

#[derive(Debug, Args)]
pub(super) struct Promote {
    /// The site that will serve from now on
    #[arg(add = ArgValueCandidates::new(sites))]
    site: String,
    #[command(flatten)]
    file: TopologyFile,
    /// The survivor looks alive, and you know that it is lost
    #[arg(long)]
    survivor_is_lost: bool,
    /// Consent in advance
    #[arg(short = 'y', long)]
    yes: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    output: OutputFormat,
}

impl Rejoin {
    pub(super) fn run(self) -> Result<Exit, CommandError> {
        let loaded = self.file.load()?;
        let site = site_of(&loaded, &self.site)?;
        let topology = &loaded.topology;
        let file = self.file.name();
        cloud::finish(async {
            let scope = Scope {
                aws: true,
                clusters: [site.name.clone()].into(),
            };
            let session = Session::over(topology, &scope, Console::new()).await?;
            let seen = status::look(&session, topology, &file, LOOK_WITHIN).await;
            say(&report::verdict(&seen).sentence);
            if is_open(&seen) {
                say("there is nothing to bring back");
                return Ok(Exit::Done);
            }
            let within = cloud::duration(self.keycloak_within);
            let hands = match self.keycloak {
                KeycloakBy::Command => Hands::ours(&session, site, within).await?,
                KeycloakBy::Manual => Hands::theirs(&session, site, within).await,
            };
            say(&format!(
                "this brings {0} back: its Keycloak is stopped, what only {0} has is lost (logins under way, counts \
                 of failed logins, action tokens), the other site's state is pushed to it, its Keycloak is started, \
                 and it goes back into the accelerator. Meanwhile the other site serves all users. If this is \
                 interrupted, run the same command again",
                site.name
            ));
            // A person who has agreed already reads no more.
            if self.dry_run || !self.yes {
                let other = &topology.peer_of(site).name;
                let losses = losses::count(&session, topology, &site.name, other).await;
                let cleared: Vec<String> = topology.caches.iter().map(ToString::to_string).collect();
                say(report::losses_text(&losses, site.name.as_str(), &cleared).trim_end());
            }
            if self.dry_run {
                say(DRY);
                return Ok(Exit::Done);
            }
            consent(&session.console, self.yes, site.name.as_str())?;
            let way = Way {
                hands,
                when_healed: self.when_healed.then(|| cloud::duration(self.give_up_after)),
            };
            let operated = rejoin::rejoin(&session, topology, site, &way).await?;
            answer(self.output, &operated)
        })
    }
}

impl Fence {
    pub(super) fn run(self) -> Result<Exit, CommandError> {
        let loaded = self.file.load()?;
        let site = site_of(&loaded, &self.site)?;
        let topology = &loaded.topology;
        let file = self.file.name();
        if self.force {
            let forced = Forced {
                loaded: &loaded,
                file,
                site,
                reason: &self.reason,
                cut_first: self.cut_first,
                dry_run: self.dry_run,
                yes: self.yes,
                output: self.output,
            };
            return forced.run();
        }
        cloud::finish(async {
            let session = Session::begin(topology, Console::new()).await?;
            let seen = status::look(&session, topology, &file, LOOK_WITHIN).await;
            say(report::status_text(&seen).trim_end());
            say(&format!(
                "\nthis fences {0}: it leaves the accelerator, and the other site stops replicating to it. Open \
                 connections to it last until they are idle. To bring it back afterwards: provision rejoin {0} \
                 {file}",
                site.name
            ));
            if self.dry_run {
                say(DRY);
                return Ok(Exit::Done);
            }
            consent(&session.console, self.yes, site.name.as_str())?;
            let operated = recover::fence(&session, topology, &site.name, &self.reason).await?;
            answer(self.output, &operated)
        })
    }
}

impl Promote {
    pub(super) fn run(self) -> Result<Exit, CommandError> {
        let loaded = self.file.load()?;
        let site = site_of(&loaded, &self.site)?;
        let topology = &loaded.topology;
        let file = self.file.name();
        cloud::finish(async {
            let session = Session::begin(topology, Console::new()).await?;
            let seen = status::look(&session, topology, &file, LOOK_WITHIN).await;
            say(report::status_text(&seen).trim_end());
            let other = topology.peer_of(site);
            if let Some(sign) = report::sign_of_life(&seen, &other.name).filter(|_| !self.survivor_is_lost) {
                return Err(run::Failure::SurvivorLives {
                    survivor: other.name.clone(),
                    sign,
                });
            }
            say(&format!(
                "\nthis makes {0} serve alone. Data that only {1} has, such as everything written since {0} was \
                 fenced, will be missing. Make sure that {0}'s Keycloak runs",
                site.name, other.name
            ));
            if !self.yes {
                let losses = losses::count(&session, topology, &other.name, &site.name).await;
                say(report::losses_text(&losses, other.name.as_str(), &[]).trim_end());
            }
            // The site that is given up is the one to be typed.
            let named = if self.survivor_is_lost { other } else { site };
            consent(&session.console, self.yes, named.name.as_str())?;
            let operated = recover::promote(&session, topology, &site.name, self.survivor_is_lost).await?;
            answer(self.output, &operated)
        })
    }
}

fn is_open(seen: &StatusReading) -> bool {
    seen.register
        .as_ref()
        .is_ok_and(|items| items.record.decision.is_none())
}

fn site_of<'a>(loaded: &'a Loaded, name: &str) -> Result<&'a Site, CommandError> {
    let sites = &loaded.topology.sites;
    sites
        .iter()
        .find(|site| site.name.as_str() == name)
        .ok_or_else(|| {
            let [a, b] = sites.each_ref().map(|site| site.name.as_str());
            CommandError::new(
                Exit::Invalid,
                format!("`{}` is not a site of this topology", shortened(name, 80)),
            )
            .hint(format!("its sites are {a} and {b}"))
        })
}
