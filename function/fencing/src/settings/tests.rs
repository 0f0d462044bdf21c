//! Every variable there and back, and every mistake in one reported at once.

#![allow(clippy::unwrap_used)]
use super::*;

use super::sample::site as name;

/// The sample, with something in every field that may be empty or has a default, so that a lost variable shows.
fn settings() -> Settings {
    let mut settings = Settings {
        mode: Mode::Observe,
        never_survivors: vec![name("site-b")],
        infinispan_names: [(name("site-a"), "infinispan.keycloak.svc".to_owned())].into(),
        register_role_arn: "arn:aws:iam::123456789012:role/register".into(),
        cleared_caches: vec!["work".into(), "actionTokens".into()],
        ..sample::settings()
    };
    settings.found.balancers.insert(
        name("site-a"),
        vec!["arn:lb/a1".to_owned(), "arn:lb/a2".to_owned()],
    );
    settings
}

fn read(environment: &[(Variable, String)]) -> Result<Settings, Vec<SettingsError>> {
    Settings::from_environment(|wanted| {
        environment
            .iter()
            .find(|(variable, _)| variable.name == wanted)
            .map(|(_, value)| value.clone())
    })
}

#[test]
fn what_provision_renders_the_function_reads() {
    let environment = settings().environment();
    let variables: Vec<Variable> = environment.iter().map(|(variable, _)| *variable).collect();
    assert_eq!(variables, VARIABLES);
    assert_eq!(read(&environment), Ok(settings()));
}

#[test]
fn every_variable_matters() {
    for index in 0..VARIABLES.len() {
        let mut environment = settings().environment();
        let (variable, _) = environment.remove(index);
        match read(&environment) {
            Ok(other) => assert_ne!(other, settings(), "{} is read by nobody", variable.name),
            Err(errors) => {
                assert!(
                    errors.iter().any(|e| e.to_string().contains(variable.name)),
                    "{errors:?}"
                );
            }
        }
    }
}

/// As it is in the environment that an older `provision` made: every other variable is there.
#[test]
fn without_its_variable_suspicion_is_switched_off() {
    let environment: Vec<(Variable, String)> = settings()
        .environment()
        .into_iter()
        .filter(|(variable, _)| *variable != SUSPICION_SECONDS)
        .collect();
    assert_eq!(
        read(&environment),
        Ok(Settings {
            suspicion_seconds: 0,
            ..settings()
        })
    );
    // No other number may be left out.
    let emptied = settings().environment().into_iter().map(|(variable, value)| {
        let is_number = value.parse::<u32>().is_ok();
        (variable, if is_number { String::new() } else { value })
    });
    let missing = read(&emptied.collect::<Vec<_>>()).unwrap_err();
    assert!(missing.len() >= 6, "{missing:?}");
    assert!(
        missing
            .iter()
            .all(|error| matches!(error, SettingsError::Missing { .. })),
        "{missing:?}"
    );
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let errors = Settings::from_environment(|name| match name {
        "SITEFENCE_SITES" => Some("site-a=eu-west-1,site-a=eu-west-1".to_owned()),
        "SITEFENCE_TIMEOUT_SECONDS" => Some("soon".to_owned()),
        _ => None,
    })
    .unwrap_err();
    let text = errors
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n");
    assert!(text.contains("not exactly two different sites"), "{text}");
    assert!(text.contains("SITEFENCE_TIMEOUT_SECONDS holds `soon`"), "{text}");
    assert!(text.contains("SITEFENCE_REGISTER_TABLE is not set"), "{text}");
}

#[test]
fn a_site_without_balancer_is_refused() {
    let mut settings = settings();
    settings.found.balancers.remove(&name("site-b"));
    let errors = read(&settings.environment()).unwrap_err();
    assert!(
        errors[0].to_string().contains("site `site-b` is missing"),
        "{errors:?}"
    );
}

#[test]
fn a_mode_is_one_of_two_words() {
    for mode in [Mode::Act, Mode::Observe] {
        let settings = Settings { mode, ..settings() };
        assert_eq!(read(&settings.environment()).unwrap().mode, mode);
    }
    assert!(Mode::parse("acts").is_err());
}

#[test]
fn bytes_are_counted_with_the_names() {
    let settings = settings();
    let counted: usize = settings
        .environment()
        .iter()
        .map(|(variable, value)| format!("{}{value}", variable.name).len())
        .sum();
    assert_eq!(settings.environment_bytes(), counted);
    assert!(counted < ENVIRONMENT_LIMIT_BYTES);
}
