//! One apply at a time.

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;

use tests::standins::gate::Moment;

use crate::world::{Cloud, block_on, fake_function};

const KEY: &str = "apply.lock";
const ADAS: &str = r#"{"by":"arn:aws:iam::000000000000:user/ada","host":"ada-laptop","verb":"apply","since":"2026-11-21T10:00:00Z","token":"other"}"#;

/// Someone else, on another machine, holds the lock.
fn locked_by_another(s3: &Client, bucket: &str) {
    let put = s3.put_object().bucket(bucket).key(KEY);
    let put = put.body(ByteStream::from_static(ADAS.as_bytes()));
    block_on(put.send()).unwrap();
}

/// What stands in the lock.
fn lock_of(s3: &Client, bucket: &str) -> String {
    block_on(async {
        let object = s3.get_object().bucket(bucket).key(KEY).send().await.unwrap();
        let body = object.body.collect().await.unwrap().to_vec();
        String::from_utf8(body).unwrap()
    })
}

#[test]
fn the_second_of_two_people_learns_who_and_since_when() {
    let cloud = Cloud::new();
    assert_eq!(cloud.apply().code, Some(0));
    std::fs::write(cloud.function_zip(), fake_function("newer", 62)).unwrap();
    locked_by_another(&cloud.s3(), &cloud.bucket());
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

/// Someone took the lock over with --break-lock from a run that was slow and not dead: what that run ends with must
/// not set the topology free for a third.
#[test]
fn a_lock_that_was_taken_over_is_not_released_by_its_former_owner() {
    for verb in ["apply", "destroy"] {
        let cloud = Cloud::new();
        assert_eq!(cloud.apply().code, Some(0));
        std::fs::write(cloud.function_zip(), fake_function("newer", 62)).unwrap();
        let (s3, bucket) = (cloud.s3(), cloud.bucket());
        // The lock itself, then the first thing that is done under it.
        cloud.counter.stop_at(1, Moment::After, move || {
            let takes_over = move || locked_by_another(&s3, &bucket);
            std::thread::spawn(takes_over).join().unwrap();
        });
        let ended = match verb {
            "apply" => cloud.apply(),
            _ => cloud.run(&["destroy", "--yes"]),
        };
        assert_eq!(ended.code, Some(1), "{ended}");
        assert!(
            ended.stderr.contains(
                "error: the lock on this topology was taken over by arn:aws:iam::000000000000:user/ada"
            ),
            "{ended}"
        );
        assert_eq!(lock_of(&cloud.s3(), &cloud.bucket()), ADAS, "{verb}");
    }
}
