//! Where credentials come from, and what is said when none do.

use crate::assert_run;
use crate::world::{APPLY, Cloud, aws_half};

const PLAN: &[&str] = &["plan", "--function-zip", "given.zip"];

#[test]
fn without_credentials_nothing_is_tried() {
    let cloud = Cloud::new();
    let run = cloud.stranger().args(aws_half(APPLY)).run().unwrap();
    assert_run!(run, cloud);
    assert_eq!(cloud.counter.changes(), [""; 0]);
}

#[test]
fn a_profile_is_as_good_as_variables() {
    let cloud = Cloud::new();
    let folder = cloud.home.path().join(".aws");
    std::fs::create_dir(&folder).unwrap();
    let profile = format!(
        "[ops]\naws_access_key_id = {}\naws_secret_access_key = test\n",
        cloud.account
    );
    std::fs::write(folder.join("credentials"), profile).unwrap();
    let run = cloud
        .stranger()
        .env("AWS_PROFILE", "ops")
        .args(aws_half(PLAN))
        .run()
        .unwrap();
    assert_eq!(run.code, Some(0), "{run}");
    assert!(
        run.stdout
            .contains(&format!("as arn:aws:iam::{}:root", cloud.account)),
        "{run}"
    );
    let run = cloud
        .stranger()
        .env("AWS_PROFILE", "opps")
        .args(aws_half(PLAN))
        .run()
        .unwrap();
    assert_run!(run, cloud);
}

/// As in a container that holds nothing else.
#[test]
fn a_system_without_authorities_is_reported_as_such() {
    let cloud = Cloud::new();
    let plan = cloud
        .provision()
        .env("SSL_CERT_FILE", "/dev/null")
        .env("SSL_CERT_DIR", "/nonexistent")
        .args(aws_half(PLAN))
        .run()
        .unwrap();
    assert_eq!(plan.code, Some(0), "{plan}");
    assert!(
        plan.stderr
            .contains("warning: this system has no certificate authorities"),
        "{plan}"
    );
    assert!(!cloud.run(PLAN).stderr.contains("certificate authorities"));
}

#[test]
fn credentials_that_aws_does_not_know_are_reported_as_such() {
    let cloud = Cloud::new();
    let run = cloud
        .stranger()
        .env("AWS_ACCESS_KEY_ID", "AKIAXXXXXXXXXXXXXXXX")
        .env("AWS_SECRET_ACCESS_KEY", "y")
        .args(aws_half(APPLY))
        .run()
        .unwrap();
    // Which of the questions that are asked at once is refused first is anybody's guess.
    assert_eq!(run.code, Some(1), "{run}");
    assert!(
        run.stderr.contains(" was refused: ")
            && run.stderr.ends_with(
                "hint: AWS does not know these credentials: check AWS_PROFILE, AWS_ACCESS_KEY_ID and AWS_ENDPOINT_URL\n"
            ),
        "{run}"
    );
    assert_eq!(cloud.counter.changes(), [""; 0]);
}

/// No Region is blamed for it, and nobody is sent to look at the network.
#[test]
#[cfg(unix)]
fn credentials_that_stop_working_in_the_middle_are_reported_as_such() {
    use std::os::unix::fs::PermissionsExt;
    let cloud = Cloud::new();
    let home = cloud.home.path();
    // It gives credentials to whoever signs in, good for a moment, and then none.
    let source = home.join("source");
    let expires = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(5);
    let script = format!(
        "#!/bin/sh\nmkdir {}/used || {{ echo 'the session has expired' >&2; exit 1; }}\n\
         echo '{{\"Version\": 1, \"AccessKeyId\": \"{}\", \"SecretAccessKey\": \"test\", \"Expiration\": \"{expires}\"}}'\n",
        home.display(),
        cloud.account
    );
    std::fs::write(&source, script).unwrap();
    std::fs::set_permissions(&source, std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::create_dir(home.join(".aws")).unwrap();
    let profile = format!("[profile ops]\ncredential_process = {}\n", source.display());
    std::fs::write(home.join(".aws/config"), profile).unwrap();
    let run = cloud
        .stranger()
        .env("AWS_PROFILE", "ops")
        .args(aws_half(APPLY))
        .run()
        .unwrap();
    assert_eq!(run.code, Some(1), "{run}");
    assert!(
        run.stderr
            .contains("could not be signed: the AWS credentials do not work any more")
            && run.stderr.contains("the session has expired")
            && run
                .stderr
                .contains("hint: with SSO, sign in again: `aws sso login`"),
        "{run}"
    );
    assert_eq!(cloud.counter.changes(), [""; 0]);
}
