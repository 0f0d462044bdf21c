#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use fencing::credentials::Credentials;
use fencing::settings::sample::settings;
use proptest::prelude::*;
use serde_json::{Value, json};

fn expected() -> Expected {
    Expected::from(&Credentials {
        username: "keycloak".to_owned(),
        password: "s3cret".into(),
    })
}

fn request(body: impl Into<String>) -> Request {
    Request {
        method: "POST".to_owned(),
        path: path::WEBHOOK.to_owned(),
        authorization: Some(format!("Basic {}", STANDARD.encode("keycloak:s3cret")).into()),
        body: body.into(),
        base64: false,
    }
}

fn read(request: Request) -> Result<Delivery, Rejection> {
    authenticate(Box::new(request), &expected())
        .map_err(|(_, refusal)| refusal)?
        .read(&settings())
}

fn alert(status: &str, labels: &Value) -> Value {
    json!({
        "status": status, "labels": labels, "annotations": {"summary": "…"},
        "startsAt": "2026-11-21T10:00:00Z", "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus/", "fingerprint": "c0ffee"
    })
}

fn offline(reporter: &str, site: &str) -> Value {
    json!({
        "alertname": SITE_OFFLINE, "topology": "keycloak-test", "reporter": reporter, "site": site,
        "namespace": "keycloak", "severity": "critical"
    })
}

fn payload(status: &str, alerts: &[Value]) -> String {
    json!({
        "version": "4", "groupKey": "{}:{}", "truncatedAlerts": 0, "status": status, "receiver": "sitefence",
        "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://alertmanager",
        "alerts": alerts
    })
    .to_string()
}

fn accusations(delivery: &Delivery) -> Vec<(&str, &str)> {
    delivery
        .accusations
        .iter()
        .map(|accusation| (accusation.reporter.0.as_str(), accusation.suspect.0.as_str()))
        .collect()
}

#[test]
fn a_firing_alert_accuses_the_site_it_names() {
    let body = payload("firing", &[alert("firing", &offline("site-a", "site-b"))]);
    let delivery = read(request(body.clone())).unwrap();
    assert_eq!(accusations(&delivery), [("site-a", "site-b")]);
    assert_eq!(delivery.resolved + delivery.ignored + delivery.foreign.len(), 0);

    let encoded = Request {
        base64: true,
        ..request(STANDARD.encode(body))
    };
    assert_eq!(read(encoded), Ok(delivery));
}

/// The group is still firing, its alert is not: the predecessor fenced on it.
#[test]
fn a_resolved_alert_in_a_firing_payload_accuses_nobody() {
    let body = payload(
        "firing",
        &[
            alert("resolved", &offline("site-a", "site-b")),
            alert("firing", &offline("site-b", "site-a")),
            alert(
                "resolved",
                &json!({"alertname": WATCHDOG, "topology": "keycloak-test", "reporter": "site-a"}),
            ),
        ],
    );
    let delivery = read(request(body)).unwrap();
    assert_eq!(accusations(&delivery), [("site-b", "site-a")]);
    assert_eq!((delivery.resolved, delivery.watchdogs.len()), (2, 0));
}

#[test]
fn ten_thousand_identical_alerts_are_one_accusation() {
    let body = payload(
        "firing",
        &vec![alert("firing", &offline("site-a", "site-b")); 10_000],
    );
    assert!(body.len() < BODY_LIMIT_BYTES, "{} bytes", body.len());
    let delivery = read(request(body)).unwrap();
    assert_eq!(accusations(&delivery), [("site-a", "site-b")]);
}

#[test]
fn the_watchdog_never_accuses_whatever_its_labels_say() {
    for labels in [
        json!({"alertname": WATCHDOG, "topology": "keycloak-test", "reporter": "site-a"}),
        json!({"alertname": WATCHDOG, "topology": "keycloak-test", "reporter": "site-a", "site": "site-b"}),
        json!({"alertname": WATCHDOG, "topology": "keycloak-test", "reporter": "site-a", "site": "site-a"}),
    ] {
        let delivery = read(request(payload("firing", &[alert("firing", &labels)]))).unwrap();
        assert!(delivery.accusations.is_empty());
        assert_eq!(delivery.watchdogs.len(), 1);
    }
}

#[test]
fn alerts_of_another_name_are_nobodys_business_here() {
    let mut labels = offline("site-a", "site-b");
    labels["alertname"] = json!("ReplicationCut");
    let body = payload("firing", &[alert("firing", &labels), alert("firing", &json!({}))]);
    let delivery = read(request(body)).unwrap();
    assert_eq!(
        (
            delivery.ignored,
            delivery.accusations.len(),
            delivery.foreign.len()
        ),
        (2, 0, 0)
    );
}

#[test]
fn foreign_labels_are_named() {
    let without = |label: &str| {
        let mut labels = offline("site-a", "site-b");
        labels.as_object_mut().unwrap().remove(label);
        labels
    };
    let with = |label: &str, value: &str| {
        let mut labels = offline("site-a", "site-b");
        labels[label] = json!(value);
        labels
    };
    for (labels, sentence) in [
        (without("topology"), "it has no label `topology`"),
        (without("reporter"), "it has no label `reporter`"),
        (without("site"), "it has no label `site`"),
        (with("site", ""), "it has no label `site`"),
        (
            with("topology", "other"),
            "its label `topology` is \"other\", this is `keycloak-test`",
        ),
        (
            with("reporter", "site-c"),
            "its label `reporter` is \"site-c\", which is neither site",
        ),
        (
            with("site", "site-\u{7}\n"),
            "its label `site` is \"site-\\u{7}\\n\", which is neither site",
        ),
        (with("site", "site-a"), "reporter and suspect are both `site-a`"),
    ] {
        let delivery = read(request(payload("firing", &[alert("firing", &labels)]))).unwrap();
        assert!(delivery.accusations.is_empty());
        let told: Vec<String> = delivery.foreign.iter().map(ToString::to_string).collect();
        assert_eq!(told, [sentence]);
    }
}

#[test]
fn credentials_come_before_everything_else() {
    let garbage = |authorization: Option<&str>| Request {
        authorization: authorization.map(Into::into),
        base64: true,
        ..request("not base64, not JSON")
    };
    let wrong = format!("Basic {}", STANDARD.encode("keycloak:wrong"));
    assert_eq!(read(garbage(None)), Err(Rejection::NoCredentials));
    assert_eq!(read(garbage(Some(&wrong))), Err(Rejection::WrongCredentials));
    assert_eq!(
        read(Request {
            base64: true,
            ..request("not base64")
        }),
        Err(Rejection::NotBase64)
    );
}

const OTHER: &str = "a field is missing, appears twice, or has the wrong type";

#[test]
fn malformed_bodies_are_refused_with_a_place_and_without_their_text() {
    for (body, problem) in [
        ("", "it ends too early"),
        ("{", "it ends too early"),
        ("hunter2", "it is not JSON"),
        ("[]", OTHER),
        ("null", OTHER),
        ("{}", OTHER),
        (r#"{"version":"4"}"#, OTHER),
        (r#"{"version":4,"alerts":[]}"#, OTHER),
        (
            r#"{"version":"4","alerts":[{"status":"hunter2","labels":{}}]}"#,
            OTHER,
        ),
        (r#"{"version":"4","alerts":[]} hunter2"#, "it is not JSON"),
    ] {
        let refusal = read(request(body)).unwrap_err();
        assert!(
            matches!(&refusal, Rejection::NotAPayload { problem: said, .. } if *said == problem),
            "{body}: {refusal}"
        );
        assert_eq!(refusal.http(), 400);
        assert!(!refusal.to_string().contains("hunter2"), "{refusal}");
    }
    assert_eq!(
        read(request(r#"{"version":"5","alerts":[]}"#)),
        Err(Rejection::Version)
    );
}

#[test]
fn a_huge_body_is_refused_before_it_is_decoded() {
    let huge = "A".repeat(BODY_LIMIT_BYTES + 4);
    assert!(matches!(
        read(request(huge.clone())),
        Err(Rejection::TooLarge { .. })
    ));
    let encoded = Request {
        base64: true,
        ..request(STANDARD.encode(huge))
    };
    let refusal = read(encoded).unwrap_err();
    assert_eq!(refusal.http(), 413, "{refusal}");
    let spaces = " ".repeat(BODY_LIMIT_BYTES);
    assert_eq!(read(request(spaces)).unwrap_err().http(), 400);
}

#[test]
fn a_field_that_appears_twice_is_refused_and_unknown_ones_are_skipped() {
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let labels = offline("site-a", "site-b");
    let body = |alert: &str| {
        request(format!(
            r#"{{"version":"4","routeLabels":{deep},"notification_reason":"x","alerts":[{{{alert}"new":{deep},"labels":{labels}}}]}}"#
        ))
    };
    let good = read(body(r#""status":"firing","#)).unwrap();
    assert_eq!(accusations(&good), [("site-a", "site-b")]);
    let twice = read(body(r#""status":"resolved","status":"firing","#)).unwrap_err();
    assert!(
        matches!(twice, Rejection::NotAPayload { problem: OTHER, .. }),
        "{twice}"
    );
}

#[test]
fn bottomless_nesting_is_survived() {
    for open in ["[", "{\"a\":", "{\"alerts\":[", "{\"version\":"] {
        let body = open.repeat(500_000 / open.len());
        assert_eq!(read(request(body)).unwrap_err().http(), 400);
    }
    let inside = format!(
        r#"{{"version":"4","new":{}{},"alerts":[]}}"#,
        "[".repeat(200_000),
        "]".repeat(200_000)
    );
    // Skipped or refused; the stack holds either way.
    let _ = read(request(inside));
}

#[test]
fn places_and_methods_are_distinguished() {
    let at = |method: &str, path: &str| Request {
        method: method.to_owned(),
        path: path.to_owned(),
        ..request("")
    };
    assert_eq!(route(&at("POST", "/webhook")), Ok(Route::Webhook));
    for method in ["GET", "PUT", "post", ""] {
        assert_eq!(route(&at(method, "/webhook")), Err(Rejection::Method));
    }
    for path in [
        "/",
        "",
        "/webhook/",
        "/WEBHOOK",
        "/health",
        "/webhook?x",
        "//webhook",
    ] {
        assert_eq!(route(&at("POST", path)), Err(Rejection::NotFound));
    }
}

/// Values that a body may be made of: everything the parser looks for, wrongly typed and wrongly nested.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop_oneof![
            Just("4"),
            Just("firing"),
            Just("resolved"),
            Just("site-a"),
            Just("site-b"),
            Just(SITE_OFFLINE),
            Just(WATCHDOG),
            Just("keycloak-test"),
            Just("")
        ]
        .prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    let key = prop_oneof![
        Just("version"),
        Just("alerts"),
        Just("status"),
        Just("labels"),
        Just("alertname"),
        Just("topology"),
        Just("reporter"),
        Just("site"),
        Just("truncatedAlerts"),
        Just("other")
    ];
    leaf.prop_recursive(6, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..8)
                .prop_map(|pairs| Value::Object(pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(body in prop::collection::vec(any::<u8>(), 0..2_000), base64: bool) {
        let text = if base64 { STANDARD.encode(&body) } else { String::from_utf8_lossy(&body).into_owned() };
        let refused = read(Request { base64, ..request(text) });
        prop_assert!(refused.is_err(), "random bytes are no payload");
    }

    #[test]
    fn no_base64_lookalike_makes_the_decoder_panic(text in "[A-Za-z0-9+/= \\-_]{0,200}") {
        let _ = read(Request { base64: true, ..request(text) });
    }

    #[test]
    fn no_json_makes_the_reader_panic_or_accuse_a_stranger(value in anything(), alerts in prop::collection::vec(anything(), 0..5)) {
        let _ = read(request(value.to_string()));
        let wrapped = json!({"version": "4", "alerts": alerts}).to_string();
        if let Ok(delivery) = read(request(wrapped)) {
            for accusation in &delivery.accusations {
                prop_assert_ne!(&accusation.reporter.0, &accusation.suspect.0);
            }
            prop_assert!(delivery.accusations.len() <= 2);
        }
    }

    /// Only the exact pair gets in; everything else is turned away before the body is touched.
    #[test]
    fn no_other_header_is_let_in(header in prop_oneof![
        ".{0,80}",
        "Basic .{0,60}",
        "[^:]{0,12}:.{0,12}".prop_map(|pair| format!("Basic {}", STANDARD.encode(pair))),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(|pair| format!("Basic {}", STANDARD.encode(pair))),
    ]) {
        let right = format!("Basic {}", STANDARD.encode("keycloak:s3cret"));
        prop_assume!(header != right);
        let given = Request { authorization: Some(header.into()), ..request("{") };
        let refusal = read(given).unwrap_err();
        prop_assert!(matches!(refusal, Rejection::NoCredentials | Rejection::WrongCredentials), "{}", refusal);
    }

    /// Each alert is judged by itself: the result is the union over the firing ones.
    #[test]
    fn mixed_statuses_are_judged_one_by_one(alerts in prop::collection::vec((any::<bool>(), any::<bool>()), 0..40), group: bool) {
        let body = payload(
            if group { "firing" } else { "resolved" },
            &alerts
                .iter()
                .map(|(firing, a_reports)| {
                    let labels = if *a_reports { offline("site-a", "site-b") } else { offline("site-b", "site-a") };
                    alert(if *firing { "firing" } else { "resolved" }, &labels)
                })
                .collect::<Vec<_>>(),
        );
        let delivery = read(request(body)).unwrap();
        let a = alerts.iter().any(|(firing, a_reports)| *firing && *a_reports);
        let b = alerts.iter().any(|(firing, a_reports)| *firing && !*a_reports);
        prop_assert_eq!(accusations(&delivery).contains(&("site-a", "site-b")), a);
        prop_assert_eq!(accusations(&delivery).contains(&("site-b", "site-a")), b);
        prop_assert_eq!(delivery.resolved, alerts.iter().filter(|(firing, _)| !firing).count());
    }
}
