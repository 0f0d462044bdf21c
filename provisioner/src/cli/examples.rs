//! The command line as it is shown: what clap derives from the verbs, with examples below each verb's help.
//!
//! They stand in one table, so that they can be read as what they are, the tool in daily use; a test takes each for
//! a command line and has clap read it.

use clap::{Command, CommandFactory};

use super::Cli;

/// A command line, and what it is for.
type Example = (&'static str, &'static str);

/// By verb, in the order of a deployment's life.
const EXAMPLES: &[(&str, &[Example])] = &[
    (
        "init",
        &[
            ("provision init", "asks questions, on a terminal"),
            (
                "provision init --from-clusters --context site-a --context site-b",
                "finds what it can in both clusters and in AWS",
            ),
            (
                "provision init --site site-a --site site-b --context a --context b --site-region eu-west-1 --platform openshift --namespace keycloak -o prod.yaml",
                "from flags; what they leave out is marked",
            ),
        ],
    ),
    (
        "validate",
        &[
            ("provision validate", "topology.yaml in this folder"),
            (
                "provision validate prod.yaml --output json",
                "for an editor or a pipeline",
            ),
            ("kustomize build . | provision validate -", "from stdin"),
        ],
    ),
    (
        "render",
        &[
            ("provision render -o out/", "a folder to review or to commit"),
            ("provision render | less", "everything on stdout"),
        ],
    ),
    (
        "build",
        &[
            (
                "provision build -o function.zip",
                "the function for the topology's processor",
            ),
            (
                "provision build --source ~/sitefence",
                "from a checkout that you changed",
            ),
        ],
    ),
    (
        "plan",
        &[
            ("provision plan", "both clouds"),
            ("provision plan --only site-a", "one cluster"),
            (
                "provision plan --detailed-exitcode",
                "exits with 4 if anything would change: for a pipeline",
            ),
            (
                "provision plan --profile prod -v",
                "with a profile, showing each call",
            ),
        ],
    ),
    (
        "apply",
        &[
            ("provision apply", "shows the plan, and asks"),
            ("provision apply --yes --wait 10m", "for a pipeline that can wait"),
            ("provision apply --only clusters", "the clusters only"),
        ],
    ),
    (
        "status",
        &[
            ("provision status", "how things stand, and the next command"),
            ("provision status --watch", "until Ctrl-C"),
            ("provision status --output json", "for programs (docs/status.md)"),
        ],
    ),
    (
        "destroy",
        &[
            ("provision destroy", "shows what will be removed, and asks"),
            (
                "provision destroy --only site-b --yes",
                "removes our objects from one cluster",
            ),
        ],
    ),
    (
        "history",
        &[
            ("provision history", "each decision, newest last"),
            ("provision history --epoch 3", "every entry of one decision"),
            (
                "provision history --near-misses",
                "suspicions that ended by themselves",
            ),
        ],
    ),
    (
        "fence",
        &[
            (
                "provision fence site-b --reason 'storage firmware upgrade'",
                "takes it out for planned work",
            ),
            (
                "provision fence site-b --force --reason 'the function is out of reach'",
                "from this machine, with your own rights",
            ),
        ],
    ),
    (
        "reconcile",
        &[(
            "provision reconcile",
            "records a forced fence, and lets the functions run again",
        )],
    ),
    (
        "rejoin",
        &[
            ("provision rejoin site-b --dry-run", "the checks alone"),
            (
                "provision rejoin site-b --when-healed",
                "waits for the link, then brings it back",
            ),
        ],
    ),
    (
        "promote",
        &[(
            "provision promote site-b --survivor-is-lost",
            "the fenced site serves; what only the survivor had is lost",
        )],
    ),
    (
        "hold",
        &[(
            "provision hold --reason 'work on the link' --until 2h",
            "no new decisions; an alarm reminds you after two hours",
        )],
    ),
    ("release", &[("provision release", "new decisions again")]),
    ("drill", &[("provision drill --path 10m", "are people notified?")]),
    (
        "version",
        &[
            (
                "provision version",
                "this program, and the function that it carries",
            ),
            ("provision version prod.yaml", "and what runs in each Region"),
        ],
    ),
    (
        "schema",
        &[(
            "provision schema > topology.schema.json",
            "beside the topology, for editors",
        )],
    ),
    (
        "explain",
        &[
            ("provision explain sites.infinispan", "a block and its fields"),
            ("provision explain alerting.for", "one field"),
            ("provision explain --recursive", "the whole topology"),
        ],
    ),
    (
        "completions",
        &[
            ("source <(provision completions bash)", "in ~/.bashrc"),
            (
                "source <(provision completions zsh)",
                "in ~/.zshrc, after compinit",
            ),
            (
                "provision completions fish | source",
                "in ~/.config/fish/config.fish",
            ),
        ],
    ),
    (
        "man",
        &[
            ("provision man plan | man -l -", "one verb's page"),
            (
                "provision man -o ~/.local/share/man/man1",
                "all pages, where `man` finds them",
            ),
        ],
    ),
];

/// The command line with its examples.
pub(super) fn command() -> Command {
    EXAMPLES.iter().fold(Cli::command(), |command, (verb, examples)| {
        if command.find_subcommand(verb).is_none() {
            return command;
        }
        command.mut_subcommand(verb, |verb| {
            let own = verb.get_after_help().map(|text| format!("{}\n\n", text.ansi()));
            let below = format!("{}{}", own.unwrap_or_default(), shown(examples));
            verb.after_help(below)
        })
    })
}

fn shown(examples: &[Example]) -> String {
    let lines: Vec<String> = examples
        .iter()
        .map(|(line, what)| format!("  {line}\n      {what}"))
        .collect();
    // As clap shows its own headings; where there is no colour it takes this out, too.
    format!("\u{1b}[1m\u{1b}[4mExamples:\u{1b}[0m\n{}", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_verb_has_examples_that_are_understood() {
        let known: Vec<&str> = EXAMPLES.iter().map(|(verb, _)| *verb).collect();
        let command = command();
        let verbs: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
        for verb in &verbs {
            assert!(known.contains(verb), "{verb} has no example");
        }
        for (verb, examples) in EXAMPLES {
            assert!(verbs.contains(verb), "there is no verb {verb}");
            for (line, _) in *examples {
                let start = line.find("provision ").unwrap();
                let ours = line[start..].split([')', '|', '>']).next().unwrap();
                let words = shlex::split(ours).unwrap();
                assert_eq!(words[1], *verb, "{line}");
                let read = command.clone().try_get_matches_from(words);
                assert!(read.is_ok(), "{line}: {}", read.unwrap_err());
            }
        }
    }
}
