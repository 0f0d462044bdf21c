//! Input that nobody meant: through the whole handler, against a world that counts what is asked of it.
//!
//! The parser and the credentials have properties of their own beside their code; here it is about what a
//! body, a header or an event can *cause*.

use crate::common::{Memory, PASSWORD, Told, alert, invoke, payload, post, ready};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use function::event::Incoming;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Bodies as they come from somebody who has read the documentation.
fn bodies() -> Vec<(&'static str, String)> {
    let firing = alert("firing", "site-a", "site-b");
    let mixed = [
        alert("resolved", "site-a", "site-b"),
        firing.clone(),
        alert("firing", "site-b", "site-a"),
    ];
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let twice = r#"{"version":"3","version":"4","alerts":[],"alerts":[{"status":"resolved","status":"firing",
        "labels":{"alertname":"SiteOffline","topology":"keycloak-test","reporter":"x","reporter":"site-a","site":"site-b"}}]}"#;
    vec![
        (
            "a genuine alert",
            payload("firing", std::slice::from_ref(&firing)),
        ),
        ("ten thousand alerts", payload("firing", &vec![firing; 10_000])),
        ("mixed statuses", payload("resolved", &mixed)),
        ("bottomless nesting", nested),
        ("keys that stand twice", twice.to_owned()),
        ("five mebibytes", "x".repeat(5 * 1024 * 1024)),
        ("nothing", String::new()),
    ]
}

/// Runs one event in a world that nothing has happened to.
fn handled(event: Value) -> (Told, Memory) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let world = Memory::split();
        let told = {
            let handler = ready(&world).await;
            invoke(&handler, event).await
        };
        (told, world)
    })
}

/// Nothing was asked of AWS or of Infinispan: the webhook's secret at most, which is read when a process starts and
/// once more after a mismatch.
fn untouched(world: &Memory) -> bool {
    world.call_count() == 0
        && world.with(|state| {
            state.secret_reads <= 2
                && state.stamps.is_empty()
                && state.notices.is_empty()
                && state.history.is_empty()
                && state.looks.is_empty()
        })
}

#[test]
fn no_body_helps_somebody_without_the_password() {
    for (what, body) in bodies() {
        for base64 in [false, true] {
            for (user, password) in [("keycloak", "guess"), ("guess", PASSWORD), ("", "")] {
                let mut event = post(user, password, &body);
                if base64 {
                    event["body"] = json!(STANDARD.encode(&body));
                    event["isBase64Encoded"] = json!(true);
                }
                let (told, world) = handled(event);
                assert_eq!(told.status, 403, "{what}, {user}");
                assert!(untouched(&world), "{what}, {user}");
            }
        }
    }
}

#[test]
fn the_same_bodies_from_alertmanager_are_judged_one_by_one() {
    for (what, status, calls) in [
        ("a genuine alert", 200, true),
        ("ten thousand alerts", 200, true),
        ("mixed statuses", 200, true),
        ("bottomless nesting", 400, false),
        ("keys that stand twice", 400, false),
        ("five mebibytes", 413, false),
        ("nothing", 400, false),
    ] {
        let (_, body) = bodies().into_iter().find(|(name, _)| *name == what).unwrap();
        let (told, world) = handled(post("keycloak", PASSWORD, &body));
        assert_eq!(told.status, status, "{what}");
        assert_eq!(world.call_count() > 0, calls, "{what}");
    }
}

/// A wrong pair that is nearly the right one.
fn near_misses() -> impl Strategy<Value = String> {
    let right = format!("keycloak:{PASSWORD}");
    let length = right.chars().count();
    let quoted: String = right.bytes().map(percent_encoding::percent_encode_byte).collect();
    let (cut, put, flip) = (right.clone(), right.clone(), right.clone());
    prop_oneof![
        (0..length).prop_map(move |at| cut
            .chars()
            .enumerate()
            .filter(|(index, _)| *index != at)
            .map(|(_, c)| c)
            .collect()),
        (0..=length, any::<char>()).prop_map(move |(at, c)| {
            let mut all: Vec<char> = put.chars().collect();
            all.insert(at, c);
            all.into_iter().collect()
        }),
        (0..length).prop_map(move |at| flip
            .chars()
            .enumerate()
            .map(|(index, c)| match c {
                c if index != at => c,
                c if c.is_ascii_lowercase() => c.to_ascii_uppercase(),
                c if c.is_ascii_alphabetic() => c.to_ascii_lowercase(),
                _ => '_',
            })
            .collect()),
        Just(format!("{right}\n")),
        Just(format!("\u{feff}{right}")),
        Just(format!("{right}:{right}")),
        Just(STANDARD.encode(&right)),
        Just(quoted),
        Just("keycloak:".to_owned()),
        Just(format!(":{PASSWORD}")),
        Just(format!("{PASSWORD}:keycloak")),
    ]
}

/// JSON with everything that an event or a payload is made of, in the wrong places.
fn anything() -> impl Strategy<Value = Value> {
    let words = prop::sample::select(vec![
        "4",
        "firing",
        "resolved",
        "site-a",
        "site-b",
        "SiteOffline",
        "FencingPathWatchdog",
        "keycloak-test",
        "sweep",
        "operate",
        "POST",
        "/webhook",
    ]);
    let keys = prop::sample::select(vec![
        "version",
        "alerts",
        "status",
        "labels",
        "alertname",
        "topology",
        "reporter",
        "site",
        "sitefence",
        "task",
        "by",
        "fenced",
        "rawPath",
        "requestContext",
        "http",
        "method",
        "headers",
        "body",
        "isBase64Encoded",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        words.prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((keys.clone(), inner), 0..8)
                .prop_map(|pairs| Value::Object(pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn nearly_the_right_credentials_cause_nothing(pair in near_misses(), scheme in prop::sample::select(vec!["Basic", "basic", "BASIC", "Bearer", "Digest", ""])) {
        prop_assume!(pair != format!("keycloak:{PASSWORD}"));
        let mut event = post("", "", &payload("firing", &[alert("firing", "site-a", "site-b")]));
        event["headers"]["authorization"] = json!(format!("{scheme} {}", STANDARD.encode(&pair)));
        let (told, world) = handled(event);
        prop_assert!([401, 403].contains(&told.status), "{} for {pair:?}", told.status);
        prop_assert!(untouched(&world), "{pair:?}");
    }

    /// Alertmanager's own password in front of any bytes: an answer, and no call unless they accuse somebody.
    #[test]
    fn any_bytes_get_an_answer(body in prop::collection::vec(any::<u8>(), 0..600), base64: bool) {
        let mut event = post("keycloak", PASSWORD, "");
        event["body"] = json!(if base64 { STANDARD.encode(&body) } else { String::from_utf8_lossy(&body).into_owned() });
        event["isBase64Encoded"] = json!(base64);
        let (told, world) = handled(event);
        prop_assert_eq!(told.status, 400);
        prop_assert!(untouched(&world));
    }

    /// A delivery that was cut off is no delivery, wherever it was cut.
    #[test]
    fn a_payload_that_ends_too_early_causes_nothing(cut in 0.0..1.0_f64) {
        let body = payload("firing", &[alert("firing", "site-a", "site-b"), alert("firing", "site-b", "site-a")]);
        let end = (f64::from(u32::try_from(body.len()).unwrap()) * cut) as usize;
        let (told, world) = handled(post("keycloak", PASSWORD, &body[..end]));
        prop_assert_eq!(told.status, 400);
        prop_assert!(untouched(&world));
    }

    #[test]
    fn any_json_gets_an_answer(value in anything(), alerts in prop::collection::vec(anything(), 0..4), wrapped: bool) {
        let body = if wrapped { json!({"version": "4", "alerts": alerts}) } else { value };
        let (told, world) = handled(post("keycloak", PASSWORD, &body.to_string()));
        prop_assert!([200, 400, 422, 429, 503].contains(&told.status), "{}", told.status);
        // Only an alert that names this deployment and both its sites is looked into.
        let text = body.to_string();
        let accuses = ["SiteOffline", "keycloak-test", "site-a", "site-b", "firing"].iter().all(|word| text.contains(word));
        prop_assert!(accuses || world.call_count() == 0, "{text}");
    }

    /// What comes through the public URL is a web request or nothing, whatever else it says it is.
    #[test]
    fn no_event_from_the_web_is_an_order(mut event in anything(), context in anything()) {
        let _ = Incoming::read(event.clone());
        if let Value::Object(object) = &mut event {
            object.insert("requestContext".to_owned(), context);
            prop_assert!(matches!(Incoming::read(event), Ok(Incoming::Web(_)) | Err(_)));
        }
    }
}
