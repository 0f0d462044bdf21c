//! Secrets: Infinispan's, and ours.

use super::*;

#[test]
fn secrets_of_ours_are_ours_once_the_stack_stands() {
    let topology = topology();
    let mut observed = deployed(&topology, "open");
    own_secret(&mut observed, |_| {});
    assert!(judge(&topology, &observed, 0).is_ok());
    own_secret(&mut observed, |secret| secret.is_being_deleted = true);
    let problems = judge(&topology, &observed, 0).unwrap_err();
    assert!(
        problems.iter().any(|it| it
            .hint()
            .starts_with("the function needs it: aws secretsmanager restore-secret")),
        "{problems:?}"
    );
}

#[test]
fn a_replica_that_does_not_follow_is_a_warning() {
    for (region, warns) in [(REGION, true), ("ap-south-1", false)] {
        let observed = with(|it| {
            let secret = it.infinispan_secrets.get_mut(REGION).unwrap();
            secret.replicas_behind = vec![ReplicaBehind {
                region: region.into(),
                why: "Failed: the KMS key is disabled".to_owned(),
            }];
        });
        let findings = judge(&topology(), &observed, 0).unwrap();
        let warned = findings.warnings.iter().any(|it| {
            it.to_string().starts_with(
                "the secret `prod/infinispan` is not the same in eu-west-1 (Failed: the KMS key is disabled)",
            )
        });
        assert_eq!(warned, warns, "{region}: {:?}", findings.warnings);
    }
}

#[test]
fn every_function_needs_the_secret_beside_it() {
    let mut topology = topology();
    topology.regions.push("eu-central-1".into());
    let problems = judge(&topology, &observed(), 0).unwrap_err();
    assert!(
        matches!(&problems[..], [Problem::NoReplica { .. }]),
        "{problems:?}"
    );
    assert!(
        problems[0].hint().contains(
            "--region eu-west-1 --secret-id prod/infinispan --add-replica-regions Region=eu-central-1"
        ),
        "{}",
        problems[0].hint()
    );
}

#[test]
fn a_secret_in_a_silent_region_is_not_called_missing() {
    let mut topology = topology();
    topology.regions.push("eu-central-1".into());
    let silent = with(|it| {
        it.unreached.insert("eu-central-1".into(), "no answer".to_owned());
    });
    let findings = judge(&topology, &silent, 0).unwrap();
    assert_eq!(findings.unreached.len(), 1);
}

#[test]
fn the_secrets_stay_in_the_region_that_was_first() {
    // The Regions when it was applied, those wanted now, whether that is refused.
    for (before, now, refused) in [
        ("eu-west-1", vec!["eu-west-1"], false),
        ("eu-west-1", vec!["eu-west-1", "eu-central-1"], false),
        ("eu-west-1 eu-central-1", vec!["eu-west-1"], false),
        // Everything moves: nothing of the old is in the way.
        ("eu-north-1", vec!["eu-west-1"], false),
        ("eu-central-1 eu-west-1", vec!["eu-west-1"], true),
        ("eu-central-1 eu-west-1", vec!["eu-west-1", "eu-central-1"], true),
        ("eu-central-1", vec!["eu-west-1", "eu-central-1"], true),
    ] {
        let mut topology = topology();
        topology.regions = now
            .iter()
            .map(|region| (*region).to_owned().try_into().unwrap())
            .collect();
        let observed = with(|it| {
            let mut made = stack("CREATE_COMPLETE", &[]);
            made.tags
                .insert("sitefence:regions".to_owned(), before.to_owned());
            let region = it.standing.regions.get_mut(REGION).unwrap();
            region.stacks.insert(StackKind::Fencing, made);
        });
        let found = problems(&topology, &observed);
        let is_refused = found
            .iter()
            .any(|problem| problem.contains("the webhook's secret lives in"));
        assert_eq!(is_refused, refused, "{before} → {now:?}: {found:#?}");
    }
}
