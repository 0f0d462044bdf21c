//! What a field may hold, as flags and answers are judged, and the questions on a terminal.

use crate::cli::{CommandError, Exit, say};
use crate::report::draft::{Draft, Entry};
use crate::run::console::Console;
use crate::topology::{
    Accelerator, ContextName, GrammarError, MARK, Namespace, Platform, Region, SecretReference, SiteName,
    TopologyName, Username,
};
use crate::yaml::shortened;

const ASKED: &str = "";

/// Whether a text can stand in a field.
pub(super) type InputCheck = fn(&str) -> Result<(), String>;

fn judged<T>(read: Result<T, GrammarError>) -> Result<(), String> {
    read.map(drop).map_err(|error| format!("{error}: {}", error.hint))
}

pub(super) fn as_name(text: &str) -> Result<(), String> {
    TopologyName::new(text)
        .map(drop)
        .map_err(|error| error.to_string())
}

pub(super) fn as_site(text: &str) -> Result<(), String> {
    SiteName::new(text).map(drop).map_err(|error| error.to_string())
}

pub(super) fn as_region(text: &str) -> Result<(), String> {
    judged(Region::new(text))
}

pub(super) fn as_platform(text: &str) -> Result<(), String> {
    let known = [Platform::Openshift, Platform::Kubernetes];
    if known.iter().any(|it| it.to_string() == text) {
        Ok(())
    } else {
        Err(format!(
            "`{}` is not a platform: write openshift or kubernetes",
            shortened(text, 80)
        ))
    }
}

pub(super) fn as_accelerator(text: &str) -> Result<(), String> {
    judged(Accelerator::new(text))
}

pub(super) fn as_context(text: &str) -> Result<(), String> {
    judged(ContextName::new(text))
}

pub(super) fn as_namespace(text: &str) -> Result<(), String> {
    judged(Namespace::new(text))
}

pub(super) fn as_username(text: &str) -> Result<(), String> {
    judged(Username::new(text))
}

pub(super) fn as_secret(text: &str) -> Result<(), String> {
    judged(SecretReference::new(text))
}

/// The function's Regions follow from the sites', where nobody said otherwise.
pub(super) fn settle_regions(draft: &mut Draft) {
    let mut of_sites: Vec<String> = draft
        .sites
        .iter()
        .filter_map(|site| site.region.value().map(str::to_owned))
        .collect();
    of_sites.sort();
    of_sites.dedup();
    let are_known = draft.sites.iter().all(|site| site.region.is_known());
    if are_known && !draft.regions.is_known() {
        draft.regions = Entry {
            values: of_sites.clone(),
            remark: match of_sites.len() {
                1 => "the sites' own: losing a zone does not affect it",
                _ => "the sites' own, so that one function survives the loss of either",
            }
            .to_owned(),
        };
    }
    let in_two = are_known && of_sites.len() == 2;
    let lives_there = draft
        .regions
        .values
        .first()
        .is_some_and(|region| of_sites.contains(region));
    if in_two && lives_there && draft.register_region.is_none() {
        draft.register_region = Some(Entry::unknown(
            "a Region in which no site lives: the record has to survive the loss of either",
        ));
    }
}

/// Questions and answers.
pub(super) struct Conversation<'a> {
    pub(super) console: &'a Console,
}

impl Conversation<'_> {
    pub(super) fn hold(&self, draft: &mut Draft) -> Result<(), CommandError> {
        say("Press Enter to accept the value in brackets, or to leave the field for later if there is none.");
        self.ask(
            "name",
            "names every AWS resource and labels every object",
            &mut draft.name,
            as_name,
        )?;
        for (index, site) in draft.sites.iter_mut().enumerate() {
            let which = ["first", "second"][index];
            self.ask(
                &format!("{which} site: name"),
                "the name that its Infinispan uses",
                &mut site.name,
                as_site,
            )?;
            self.ask(
                &format!("{which} site: context"),
                "its cluster in the kubeconfig",
                &mut site.context,
                as_context,
            )?;
            self.ask(
                &format!("{which} site: namespace"),
                "where its Infinispan runs",
                &mut site.namespace,
                as_namespace,
            )?;
            self.ask(
                &format!("{which} site: platform"),
                "openshift or kubernetes",
                &mut site.platform,
                as_platform,
            )?;
            self.ask(
                &format!("{which} site: region"),
                "where its load balancer is",
                &mut site.region,
                as_region,
            )?;
            if let Some(authority) = site.authority.as_mut().filter(|it| !it.is_trusted) {
                say(&format!(
                    "Its Infinispan shows the certificate of the authority `{}`.\n  SHA-256 {}",
                    authority.name, authority.fingerprint
                ));
                let answer = self.line(
                    "Have you compared this fingerprint with your authority's, and do they match? [y/N]",
                )?;
                authority.is_trusted = ["y", "yes"].contains(&answer.to_lowercase().as_str());
            }
        }
        settle_regions(draft);
        let mut regions = Entry {
            values: Some(draft.regions.values.join(","))
                .filter(|it| !it.is_empty())
                .into_iter()
                .collect(),
            ..Entry::default()
        };
        let each = |text: &str| text.split(',').map(str::trim).try_for_each(as_region);
        self.ask(
            "regions",
            "where the function runs, separated by commas",
            &mut regions,
            each,
        )?;
        let answered: Vec<String> = regions
            .values
            .iter()
            .flat_map(|it| it.split(','))
            .map(|it| it.trim().to_owned())
            .collect();
        if answered != draft.regions.values {
            draft.regions.values = answered;
            draft.regions.remark.clear();
        }
        if let Some(region) = &mut draft.register_region {
            self.ask(
                "register: region",
                "one in which no site lives",
                region,
                as_region,
            )?;
        }
        self.ask(
            "accelerator",
            "its DNS name or ARN",
            &mut draft.accelerator,
            as_accelerator,
        )?;
        self.ask(
            "infinispan: username",
            "a user with ADMIN rights at both sites",
            &mut draft.username,
            as_username,
        )?;
        self.ask(
            "infinispan: passwordSecret",
            "the secret in AWS Secrets Manager that holds its password, never the password",
            &mut draft.password_secret,
            as_secret,
        )
    }

    fn ask(
        &self,
        what: &str,
        meaning: &str,
        entry: &mut Entry,
        judge: InputCheck,
    ) -> Result<(), CommandError> {
        loop {
            let proposal = entry
                .value()
                .map(|value| format!(" [{value}]"))
                .unwrap_or_default();
            let answer = self.line(&format!("{what} ({meaning}){proposal}:"))?;
            if answer.is_empty() || answer == MARK {
                return Ok(());
            }
            match judge(&answer) {
                Ok(()) => {
                    if entry.value() != Some(&answer) {
                        *entry = Entry::known(answer, ASKED);
                    }
                    return Ok(());
                }
                Err(error) => say(&error),
            }
        }
    }

    fn line(&self, question: &str) -> Result<String, CommandError> {
        self.console.ask(question).map_err(|_| {
            CommandError::new(Exit::Invalid, "there is no terminal to ask on").code("noTerminal")
        })
    }
}
