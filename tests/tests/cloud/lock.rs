//! One apply at a time.

use aws_sdk_s3::primitives::ByteStream;

use crate::world::{Cloud, block_on, fake_function};

/// Someone else, on another machine, holds the lock.
fn locked_by_another(cloud: &Cloud) {
    let owner = r#"{"by":"arn:aws:iam::000000000000:user/ada","host":"ada-laptop","verb":"apply","since":"2026-11-21T10:00:00Z","token":"other"}"#;
    let (s3, bucket) = (cloud.s3(), cloud.bucket());
    block_on(async {
        s3.put_object()
            .bucket(bucket)
            .key("apply.lock")
            .body(ByteStream::from_static(owner.as_bytes()))
            .send()
            .await
            .unwrap();
    });
}

#[test]
fn the_second_of_two_people_is_told_who_and_since_when() {
    let cloud = Cloud::new();
    assert_eq!(cloud.apply().code, Some(0));
    std::fs::write(cloud.function_zip(), fake_function("newer", 62)).unwrap();
    locked_by_another(&cloud);
    let before = cloud.inventory();

    let refused = cloud.apply();
    assert_eq!(refused.code, Some(3), "{refused}");
    assert!(
        refused.stderr.contains(
            "error: arn:aws:iam::000000000000:user/ada is at work on this topology (`provision apply` on ada-laptop) \
             since 2026-11-21T10:00:00Z, last seen at 20"
        ),
        "{refused}"
    );
    assert!(refused.stderr.contains("--break-lock"), "{refused}");
    let destroy = cloud.run(&["destroy", "--yes"]);
    assert_eq!(destroy.code, Some(3), "{destroy}");
    assert_eq!(cloud.inventory(), before);

    // Looking is free, and so is an apply with nothing to do.
    assert_eq!(cloud.run(&["plan", "--function-zip", "given.zip"]).code, Some(0));

    let broken = cloud.run(&["apply", "--yes", "--break-lock", "--function-zip", "given.zip"]);
    assert_eq!(broken.code, Some(0), "{broken}");
    assert!(!cloud.inventory().values().any(|it| it.contains("apply.lock")));
}
