//! `provision drill`: rehearses what nobody wants to see for the first time in earnest.

use clap::Args;
use fencing::health::FORCED_AT_MOST_SECONDS;

use super::consent::{LOOK_WITHIN, consent};
use super::{CommandError, Exit, OutputFormat, TopologyFile, cloud, say};
use crate::report;
use crate::run::console::Console;
use crate::run::keycloak::Hands;
use crate::run::rejoin::{self, Way};
use crate::run::split_brain::{self, Parts};
use crate::run::{self, Scope, Session, drill, status};
use crate::topology::time_to_fence::{Readings, worst_cases};
use crate::topology::{Interval, Topology};

#[derive(Debug, Args)]
#[command(
    after_help = "Without options, the loss of each site is rehearsed: an alert is sent to the function's real URL \
                  with the real credentials, and the function answers what it would do if the link were down now, without changing anything. Exit codes: 0 every loss would be handled · 5 at least one \
                  would not"
)]
pub(super) struct Drill {
    #[command(flatten)]
    file: TopologyFile,
    /// Test whether people are notified of a failing health check: it fails for this long (for example 10m; at most an
    /// hour; 0s ends it). Fences nobody, and ends by itself
    #[arg(long, alias = "fail-health", value_name = "DURATION", value_parser = lasting)]
    path: Option<Interval>,
    /// Cut the link between the sites for real: the Infinispan operators and the gossip routers of both clusters are
    /// scaled to zero until a site is fenced, and scaled back whatever happens; then the fenced site is brought back.
    /// Shows how long each stage took and what was promised. Users who are logging in at the fenced site have to start
    /// again
    #[arg(long, conflicts_with = "path")]
    split_brain: bool,
    /// Scale back what a killed drill left at zero, from any machine
    #[arg(long, conflicts_with_all = ["path", "split_brain"])]
    restore: bool,
    /// How long the sites may take to see each other again, after --split-brain
    #[arg(long, value_name = "DURATION", value_parser = cloud::interval, default_value = "1h", requires = "split_brain")]
    give_up_after: Interval,
    /// How long Keycloak's pods may take to stop or to start, after --split-brain
    #[arg(long, value_name = "DURATION", value_parser = cloud::interval, default_value = "15m", requires = "split_brain")]
    keycloak_within: Interval,
    /// Consent in advance
    #[arg(short = 'y', long)]
    yes: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    output: OutputFormat,
}

/// A duration that a rehearsal may have.
fn lasting(text: &str) -> Result<Interval, String> {
    let interval = cloud::interval(text)?;
    if interval.seconds() > FORCED_AT_MOST_SECONDS {
        return Err("a rehearsal lasts at most one hour (1h)".to_owned());
    }
    Ok(interval)
}

impl Drill {
    pub(super) fn run(self) -> Result<Exit, CommandError> {
        let loaded = self.file.load()?;
        let file = self.file.name();
        if self.split_brain || self.restore {
            return cloud::finish(self.scaling(&loaded.topology, &file));
        }
        cloud::finish(async {
            let session = Session::begin(&loaded.topology, Console::new()).await?;
            cloud::herald(&session, &loaded.topology, &file).await;
            match self.path {
                Some(lasts) => self.fail_health(&session, &loaded.topology, lasts).await,
                None => self.rehearse(&session, &loaded.topology).await,
            }
        })
    }

    /// What scales something in the clusters.
    async fn scaling(&self, topology: &Topology, file: &str) -> Result<Exit, run::Failure> {
        let session = Session::over(topology, &Scope::all(topology), Console::new()).await?;
        let parts = Parts::of(&session, topology)?;
        if self.restore {
            cloud::herald(&session, topology, file).await;
            let restored = split_brain::restore(&session, &parts).await?;
            say(&match restored {
                0 => "no drill has left anything at zero".to_owned(),
                _ => format!("scaled back; if a site was fenced meanwhile: provision status {file}"),
            });
            return Ok(Exit::Done);
        }
        let seen = status::look(&session, topology, file, LOOK_WITHIN).await;
        let by = split_brain::check(&session, topology, &seen, &parts, file).await?;
        let mut hands = Vec::new();
        for site in &topology.sites {
            let within = cloud::duration(self.keycloak_within);
            hands.push((&site.name, Hands::ours(&session, site, within).await?));
        }
        let cases = worst_cases(topology, &Readings::default());
        say(report::verdict(&seen).line().as_str());
        say(
            "this cuts the link between the sites for real: the Infinispan operators and the gossip routers of both \
             clusters are scaled to zero. One site is fenced, and the other serves all users alone; until then, \
             writes fail at both. Users who are logging in at the fenced site have to start again. Then everything \
             is scaled back, and the fenced site is brought back",
        );
        if !self.yes {
            confirm(&session.console)?;
        }
        consent(&session.console, self.yes, topology.name.as_str())?;
        let fenced = split_brain::split(&session, topology, file, &parts, &cases).await;
        let fenced =
            fenced.inspect_err(|_| say(&format!("how things stand now: provision status {file}")))?;
        let measured = split_brain::measured(by, &fenced, &cases);
        // At once: what comes after it takes minutes, and can fail by itself.
        let name = topology.name.as_str();
        cloud::answer(
            self.output,
            || report::split_brain_text(&measured, &cases),
            || report::split_brain_json(name, &measured, &cases),
        )?;
        if let Err(failure) = split_brain::keep(&session, topology, &measured).await {
            say(&format!("`status` will not show this drill: {failure}"));
        }
        let stale = &fenced.decision.fenced.0;
        say(&format!(
            "\nbringing {stale} back; if this is interrupted, continue with: provision rejoin {stale} {file} \
             --when-healed"
        ));
        for (site, hands) in hands {
            if let Some(site) = topology
                .sites
                .iter()
                .find(|it| it.name == *site && it.name == *stale)
            {
                let way = Way {
                    hands,
                    when_healed: Some(cloud::duration(self.give_up_after)),
                };
                let operated = rejoin::rejoin(&session, topology, site, &way).await;
                let operated = operated.map_err(|failure| {
                    let next =
                        format!("to bring {stale} back: provision rejoin {stale} {file} --when-healed");
                    split_brain::stopped(failure, split_brain::BACK, next)
                })?;
                say(&operated.answer.sentence);
            }
        }
        Ok(Exit::Done)
    }

    async fn fail_health(
        &self,
        session: &Session,
        topology: &Topology,
        lasts: Interval,
    ) -> Result<Exit, run::Failure> {
        let drilled = drill::fail_health(session, topology, lasts).await?;
        cloud::answer(
            self.output,
            || report::drilled_text(&drilled),
            || report::drilled_json(&drilled),
        )?;
        Ok(Exit::Done)
    }

    async fn rehearse(&self, session: &Session, topology: &Topology) -> Result<Exit, run::Failure> {
        let rehearsed = drill::rehearse(session, topology).await?;
        let name = topology.name.as_str();
        cloud::answer(
            self.output,
            || report::rehearsed_text(name, &rehearsed),
            || report::rehearsed_json(name, &rehearsed),
        )?;
        Ok(if report::would_all_be_fenced(&rehearsed) {
            Exit::Done
        } else {
            Exit::Degraded
        })
    }
}

/// The first of two questions: the second is answered with a name.
fn confirm(console: &Console) -> Result<(), run::Failure> {
    match console.ask("have your users been informed? yes or no:") {
        Ok(answer) if answer == "yes" => Ok(()),
        Ok(_) => Err(run::Failure::Declined),
        Err(_) => Err(run::Failure::NoTerminal),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_rehearsal_lasts_an_hour_at_most() {
        for (text, seconds) in [("10m", 600), ("0s", 0), ("1h", 3600)] {
            assert_eq!(lasting(text).unwrap().seconds(), seconds);
        }
        for text in ["2h", "61m", "10", "-1s", "soon", ""] {
            assert!(lasting(text).is_err(), "{text}");
        }
    }
}
