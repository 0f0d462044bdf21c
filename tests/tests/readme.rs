//! What the README and the runbook tell people to type, and to allow, is what the programs take and do.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use fencing::answer::{Cause, Next};
use fencing::contract::alert;
use fencing::step::Task;
use fencing::words::Token;
use function::event::Incoming;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

#[test]
fn the_events_that_operators_send_by_hand_are_understood() {
    let runbook = std::fs::read_to_string(root().join("docs/runbook.md")).unwrap();
    let mut waited = Vec::new();
    for event in runbook.split("--payload '").skip(1) {
        let event = event.split('\'').next().unwrap();
        match Incoming::read(serde_json::from_str(event).unwrap()).unwrap() {
            Incoming::Operate(Task::Promote { waited: token, .. }) => waited.push(token),
            other => unreachable!("{other:?}"),
        }
    }
    // Pasted as they stand they do no harm: no function ever names this token.
    let token: Token = serde_json::from_str("\"TOKEN\"").unwrap();
    assert_eq!(waited, [None, Some(token.clone())]);
    // And the answer between the two is quoted as it is given.
    let next = Next::Wait { seconds: 30, token };
    let quoted = format!("\"next\":{}", serde_json::to_string(&next).unwrap());
    assert!(runbook.contains(&quoted), "{quoted}");
}

/// Every file below a folder.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// The names that AWS calls go by in errors: `call("PutItem")`, `Call::new("STS", "GetCallerIdentity", …)`.
fn calls(text: &str) -> impl Iterator<Item = &str> {
    let literals = |after: &'static str| {
        text.split(after)
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
    };
    let by_service = text.split("Call::new(\"").skip(1).filter_map(|rest| {
        let mut words = rest.split('"');
        let (_service, between, name) = (words.next()?, words.next()?, words.next()?);
        (between.trim() == ",").then_some(name)
    });
    literals("call(\"").chain(by_service)
}

#[test]
fn every_call_to_aws_is_among_the_rights_that_are_listed() {
    let permissions = source("docs/permissions.md");
    let start = permissions.find("needs in AWS").unwrap();
    let rights = &permissions[start..start + permissions[start..].find("needs in the clusters").unwrap()];
    let mut sources = Vec::new();
    files(&root().join("provisioner/src/world"), &mut sources);
    // The clusters' calls have a table of their own.
    sources.retain(|source| !source.components().any(|part| part.as_os_str() == "kubernetes"));
    let mut known = 0;
    for source in sources {
        let text = std::fs::read_to_string(&source).unwrap();
        for call in calls(&text).filter(|name| name.starts_with(char::is_uppercase)) {
            // S3 authorises these by the singular.
            let action = if call == "DeleteObjects" {
                "DeleteObject"
            } else {
                call
            };
            let listed = rights
                .split(|c: char| !c.is_ascii_alphanumeric())
                .any(|word| word == action);
            assert!(listed, "{call} of {} is not listed", source.display());
            known += 1;
        }
    }
    assert!(
        known > 40,
        "only {known} calls were found: how they are named has changed"
    );
}

fn source(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// The texts of a match's arms, between a function's name and the end of the function.
fn arms(source: &str, function: &str) -> Vec<String> {
    let body = source.split(&format!("fn {function}(")).nth(1).unwrap();
    let body = body
        .split("\n    }\n")
        .next()
        .unwrap()
        .split("\n}\n")
        .next()
        .unwrap();
    body.split("=> \"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .map(str::to_owned)
        .collect()
}

/// Whatever wakes somebody has a place in the runbook, and what is there can wake somebody.
#[test]
fn each_alarm_alert_mail_and_error_has_its_place_in_the_runbook() {
    let runbook = source("docs/runbook.md");
    let places = |chapter: &str| -> BTreeSet<String> {
        let (_, after) = runbook.split_once(&format!("\n## {chapter}\n")).unwrap();
        let chapter = after.split("\n## ").next().unwrap();
        let headings = chapter.lines().filter_map(|line| line.strip_prefix("### "));
        headings.map(str::to_owned).collect()
    };

    let mut golden = Vec::new();
    files(&root().join("tests/golden"), &mut golden);
    let mut alarms = BTreeSet::new();
    for file in golden {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let names = text.split("AlarmName: \"").skip(1);
        alarms.extend(names.filter_map(|rest| rest.split('"').next()).map(str::to_owned));
    }
    assert!(alarms.len() > 30, "{alarms:?}");
    let headings = places("Alarms");
    let is_of = |alarm: &str, heading: &str| alarm.contains(&format!("-{heading}"));
    for alarm in &alarms {
        assert!(headings.iter().any(|it| is_of(alarm, it)), "{alarm} is not there");
    }
    for heading in &headings {
        assert!(
            alarms.iter().any(|it| is_of(it, heading)),
            "no alarm is called {heading}"
        );
    }

    let alerts = alert::ALL.map(str::to_owned);
    assert_eq!(places("Alerts"), alerts.into());

    let subjects = arms(&source("function/src/world/notices.rs"), "subject");
    assert_eq!(subjects.len(), Cause::ALL.len(), "{subjects:?}");
    for (cause, subject) in Cause::ALL.into_iter().zip(&subjects) {
        let is_there = runbook.contains(&format!("\n| {subject} |"));
        assert_eq!(is_there, cause.notifies(), "{subject}");
    }

    let failures = source("provisioner/src/run/failure.rs");
    let mut codes: BTreeSet<String> = arms(&failures, "code").into_iter().collect();
    codes.extend(arms(&source("provisioner/src/cli/mod.rs"), "new"));
    let mut sources = Vec::new();
    files(&root().join("provisioner/src/cli"), &mut sources);
    files(&root().join("provisioner/src/run"), &mut sources);
    for source in sources {
        let text = std::fs::read_to_string(&source).unwrap();
        // What gives one to a failure, and what a failure keeps that has one of several.
        for before in [
            ".code(\"",
            "code: \"",
            "const KEYCLOAK_CONTROLLED: &str = \"",
            "const KEYCLOAK_SLOW: &str = \"",
        ] {
            let given = text
                .split(before)
                .skip(1)
                .filter_map(|rest| rest.split('"').next());
            codes.extend(given.map(str::to_owned));
        }
        for kept in text.split("code: match ").skip(1) {
            codes.extend(arms(&format!("fn kept({kept}"), "kept"));
        }
    }
    // Those of AWS's answers, in tests, begin with a capital.
    codes.retain(|code| code.starts_with(char::is_lowercase));
    assert!(codes.len() > 50, "{codes:?}");
    let (_, table) = runbook.split_once("\n## Errors by name\n").unwrap();
    let rows = table.split("\n## ").next().unwrap().lines();
    let named: BTreeSet<String> = rows
        .filter_map(|row| row.strip_prefix("| `")?.split_once(" | "))
        .flat_map(|(names, _)| {
            names
                .split('`')
                .step_by(2)
                .filter(|name| !name.is_empty())
                .collect::<Vec<_>>()
        })
        .map(str::to_owned)
        .collect();
    assert_eq!(codes, named);
}

/// The places of the runbook that something leads to.
fn led_to(text: &str) -> impl Iterator<Item = &str> {
    let ends = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
    text.split("docs/runbook.md#")
        .skip(1)
        .filter_map(move |rest| rest.split(ends).next())
}

/// Each alarm and each alert leads to its own section, mails and refusals to one that is there.
#[test]
fn whatever_wakes_or_refuses_somebody_leads_to_its_place_in_the_runbook() {
    let runbook = source("docs/runbook.md");
    let anchors: BTreeSet<String> = runbook
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| anchor(line.trim_start_matches('#').trim()))
        .collect();
    let mut golden = Vec::new();
    files(&root().join("tests/golden"), &mut golden);
    let (mut alarms, mut alerts) = (0, 0);
    for file in golden {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        for alarm in text.split("AlarmName: \"").skip(1) {
            let name = alarm.split('"').next().unwrap();
            let description = alarm.split("AlarmDescription:").nth(1).unwrap();
            let description = description.split("\n      Namespace:").next().unwrap();
            assert!(
                description.contains("Next: `provision ") && !description.contains(".yaml"),
                "{name}: {description}"
            );
            let places: Vec<&str> = led_to(description).collect();
            assert_eq!(places.len(), 1, "{name}: {description}");
            assert!(
                name.contains(&format!("-{}", places[0])),
                "{name} leads to {places:?}"
            );
            assert!(anchors.contains(places[0]), "{name} leads to {places:?}");
            alarms += 1;
        }
        for alert in text.split("- alert: \"").skip(1) {
            let name = alert.split('"').next().unwrap();
            let places: Vec<&str> = led_to(alert).collect();
            assert_eq!(places, [anchor(name)], "{name} of {}", file.display());
            assert!(anchors.contains(places[0]), "{name}");
            alerts += 1;
        }
    }
    assert!(alarms > 30 && alerts > 10, "{alarms} alarms, {alerts} alerts");

    for cause in Cause::ALL {
        assert!(anchors.contains(cause.section()), "{cause:?}");
    }
    let failures = source("provisioner/src/run/failure.rs");
    let (_, body) = failures.split_once("fn runbook(").unwrap();
    let sections: BTreeSet<&str> = body
        .split("\n    }\n")
        .next()
        .unwrap()
        .split('"')
        .skip(1)
        .step_by(2)
        .filter(|word| word.contains('-'))
        .collect();
    assert!(sections.len() >= 5, "{sections:?}");
    for section in sections {
        assert!(anchors.contains(section), "{section}");
    }
}

/// The heading's anchor, as a Markdown viewer makes it.
fn anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
            _ => None,
        })
        .collect()
}

/// The pages people read, by their path.
fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    files(&root().join("docs"), &mut pages);
    pages.retain(|page| page.extension().is_some_and(|it| it == "md"));
    pages.extend(["README.md", "CHANGELOG.md"].map(|page| root().join(page)));
    pages.sort();
    pages
}

#[test]
fn every_link_between_the_pages_leads_to_a_heading_that_is_there() {
    let mut links = 0;
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let to = if file.is_empty() {
                page.clone()
            } else {
                page.parent().unwrap().join(file)
            };
            assert!(to.exists(), "{} leads to {target}", page.display());
            if !heading.is_empty() {
                let there = std::fs::read_to_string(&to).unwrap();
                let headings = there
                    .lines()
                    .filter(|line| line.starts_with('#'))
                    .map(|line| anchor(line.trim_start_matches('#').trim()));
                assert!(
                    headings.into_iter().any(|it| it == heading),
                    "{} leads to {target}, and there is no such heading",
                    page.display()
                );
            }
            links += 1;
        }
    }
    assert!(links > 30, "only {links} links were found");
}

/// Without it, cargo takes the newest version of each crate, which nobody has tried here.
#[test]
fn what_is_installed_from_a_clone_is_made_of_the_crates_that_were_tested() {
    let mut installs = 0;
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for options in text.split("cargo install").skip(1) {
            let options = options.split(['`', '\n']).next().unwrap();
            assert!(
                options.contains(" --locked"),
                "{}: cargo install{options}",
                page.display()
            );
            installs += 1;
        }
    }
    assert!(installs > 0);
}

#[test]
fn the_readme_fits_on_a_screen_and_a_half_and_leads_to_every_page() {
    let readme = source("README.md");
    let lines = readme.lines().count();
    assert!(lines <= 200, "{lines} lines");
    for page in pages()
        .iter()
        .filter(|page| page.parent().unwrap().ends_with("docs"))
    {
        let link = format!("(docs/{})", page.file_name().unwrap().to_str().unwrap());
        assert!(readme.contains(&link), "README.md does not lead to {link}");
    }
}

/// What the manifests give is what the page lists, and what a program asks for there is in one of them.
#[test]
fn every_right_of_the_manifests_is_among_those_that_the_page_lists() {
    let page = source("docs/permissions.md").to_lowercase();
    let (_, after) = page.split_once("needs in the clusters").unwrap();
    let rows: Vec<&str> = after
        .split("\n## ")
        .next()
        .unwrap()
        .lines()
        .filter(|line| line.starts_with('|'))
        .collect();
    let mut seen = 0;
    for name in ["provision.yaml", "rejoin.yaml", "drill.yaml"] {
        assert!(page.contains(name), "{name} is not named");
        for document in source(&format!("examples/rbac/{name}")).split("\n---\n") {
            let role: serde_json::Value = serde_yaml::from_str(document).unwrap();
            for rule in role["rules"].as_array().into_iter().flatten() {
                let words = |field: &str| -> Vec<String> {
                    let all = rule[field].as_array().into_iter().flatten();
                    all.filter_map(|word| word.as_str().map(str::to_owned)).collect()
                };
                for resource in words("resources") {
                    let one = resource.strip_suffix("es").filter(|_| resource.ends_with("sses"));
                    let one = one.unwrap_or(resource.trim_end_matches('s'));
                    for verb in words("verbs") {
                        let is_listed = |row: &&str| row.contains(one) && row.contains(&format!("`{verb}`"));
                        assert!(rows.iter().any(is_listed), "{name}: {verb} on {resource}");
                        seen += 1;
                    }
                }
            }
        }
    }
    assert!(seen > 20, "only {seen} rights were found");
}
