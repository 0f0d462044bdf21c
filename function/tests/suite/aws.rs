//! The AWS edges over real sockets: TLS through the ring client, retries, and what is read out of replies.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::common::server::{Asked, Authority, Given, Server, given};
use crate::common::{GROUP, settings};
use fencing::accelerator::{EndpointConfig, GroupOutcome, Health};
use fencing::health::{Forced, Kept, judge};
use fencing::register::{Record, SCHEMA, State};
use fencing::settings::Found;
use fencing::step::Written;
use fencing::words::{Epoch, Reporter, Rev};
use function::world::accelerator::Accelerator;
use function::world::aws::Aws;
use function::world::journal::Journal;
use function::world::register::Register;
use function::world::secrets::Secrets;
use function::world::tls::{self, Plain};
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

fn aws_over(connector: tls::Connector, url: String) -> Aws {
    Aws::over(connector, &move |name| match name {
        "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("test".to_owned()),
        "AWS_REGION" => Some("eu-west-1".to_owned()),
        "AWS_ENDPOINT_URL" => Some(url.clone()),
        _ => None,
    })
    .unwrap()
}

fn aws(server: &Server) -> Aws {
    let connector = tls::connector(tls::public_roots(), Plain::Allowed).unwrap();
    aws_over(connector, format!("http://127.0.0.1:{}", server.port))
}

fn accelerator(server: &Server, group_arns: &[String]) -> Accelerator {
    let found = Found {
        accelerator_arn: "arn:accelerator".to_owned(),
        endpoint_group_arns: group_arns.to_vec(),
        ..Found::default()
    };
    Accelerator::new(&aws(server), &found)
}

fn operation(asked: &Asked) -> &str {
    asked.header("x-amz-target").rsplit('.').next().unwrap()
}

fn refusal(code: &str) -> Given {
    given(
        400,
        json!({"__type": code, "message": "said the service"}).to_string(),
    )
}

/// The SDK compiles without any HTTP client and fails at run time; so one request goes the whole way.
#[tokio::test]
async fn a_request_goes_through_ring_and_only_to_a_trusted_host() {
    let authority = Authority::new();
    let server = Server::tls(&authority, |_| given(200, "{}")).await;
    let url = format!("https://localhost:{}", server.port);
    let trusting = tls::connector(
        tls::roots_from_pem(authority.pem.as_bytes()).unwrap(),
        Plain::Refused,
    )
    .unwrap();
    let register = Register::new(&aws_over(trusting, url.clone()), &settings());
    assert_eq!(register.read().await, Ok(None));
    let asked = server.asked();
    assert_eq!(operation(&asked[0]), "GetItem");
    assert!(
        asked[0]
            .header("authorization")
            .starts_with("AWS4-HMAC-SHA256 Credential=test/")
    );
    assert_eq!(asked[0].json()["ConsistentRead"], json!(true));
    assert_eq!(asked[0].json()["Key"], json!({"pk": {"S": "keycloak-test"}}));

    let public = tls::connector(tls::public_roots(), Plain::Refused).unwrap();
    let register = Register::new(&aws_over(public, url), &settings());
    let fault = register.read().await.unwrap_err();
    assert!(fault.what.contains("certificate"), "{fault}");
    assert_eq!(
        server.asked().len(),
        1,
        "nothing was sent to a host that is not trusted"
    );
}

fn decided() -> Record {
    Record {
        epoch: Epoch(1),
        rev: Rev(8),
        state: State::Decided,
        by: "request".to_owned(),
        ..Record::empty()
    }
}

/// An item as DynamoDB holds it, taken from the request that would write it.
async fn stored(record: &Record) -> Value {
    let server = Server::plain(|_| given(200, "{}")).await;
    Register::new(&aws(&server), &settings())
        .write(Rev(7), record)
        .await;
    written(&server.asked()[0])
}

/// What a request that changes an item sets, by the names that it spells with placeholders.
fn written(asked: &Asked) -> Value {
    let asked = asked.json();
    let names = asked["ExpressionAttributeNames"].as_object().unwrap();
    let expression = asked["UpdateExpression"].as_str().unwrap();
    let set = expression.strip_prefix("SET ").unwrap();
    let set = set.split_once(" REMOVE").map_or(set, |(set, _)| set);
    set.split(", ")
        .map(|part| {
            let (name, value) = part.split_once(" = ").unwrap();
            let name = names[name].as_str().unwrap().to_owned();
            (name, asked["ExpressionAttributeValues"][value].clone())
        })
        .collect()
}

#[tokio::test]
async fn a_write_is_conditional_on_the_revision() {
    let server = Server::plain(|_| given(200, "{}")).await;
    let register = Register::new(&aws(&server), &settings());
    assert_eq!(register.write(Rev(7), &decided()).await, Written::Stored);
    assert_eq!(register.write(Rev(0), &decided()).await, Written::Stored);
    let asked = server.asked();
    let first = asked[0].json();
    assert_eq!(first["ConditionExpression"], "#rev = :expected");
    assert_eq!(first["ExpressionAttributeNames"]["#rev"], "rev");
    assert_eq!(first["ExpressionAttributeValues"][":expected"], json!({"N": "7"}));
    assert_eq!(first["ReturnValuesOnConditionCheckFailure"], "ALL_OLD");
    assert_eq!(operation(&asked[0]), "UpdateItem");
    assert_eq!(first["Key"], json!({"pk": {"S": "keycloak-test"}}));
    assert_eq!(written(&asked[0])["schema"], json!({"N": SCHEMA.to_string()}));
    assert_eq!(written(&asked[0])["rev"], json!({"N": "8"}));
    assert_eq!(
        asked[1].json()["ConditionExpression"],
        "attribute_not_exists(#pk)"
    );
}

#[tokio::test]
async fn a_lost_race_hands_over_what_is_there() {
    let theirs = Record {
        by: "another".to_owned(),
        ..decided()
    };
    let item = stored(&theirs).await;
    let server = Server::plain(move |_| {
        given(
            400,
            json!({"__type": "ConditionalCheckFailedException", "Item": item}).to_string(),
        )
    })
    .await;
    let register = Register::new(&aws(&server), &settings());
    assert_eq!(
        register.write(Rev(7), &decided()).await,
        Written::Lost(Some(Box::new(theirs.clone())))
    );
    assert_eq!(server.asked().len(), 1, "a verdict is not asked for twice");
    // One's own write, whose reply was lost: the SDK repeated it, and it failed its own condition.
    assert_eq!(register.write(Rev(7), &theirs).await, Written::Stored);
}

#[tokio::test]
async fn collisions_and_throttling_pass_by_themselves() {
    for code in [
        "ReplicatedWriteConflictException",
        "ThrottlingException",
        "ProvisionedThroughputExceededException",
    ] {
        let tries = AtomicUsize::new(0);
        let server = Server::plain(move |_| match tries.fetch_add(1, Ordering::SeqCst) {
            0 | 1 => refusal(code),
            _ => given(200, "{}"),
        })
        .await;
        let register = Register::new(&aws(&server), &settings());
        assert_eq!(
            register.write(Rev(7), &decided()).await,
            Written::Stored,
            "{code}"
        );
        assert_eq!(server.asked().len(), 3);
    }
    let server = Server::plain(|_| refusal("ResourceNotFoundException")).await;
    let register = Register::new(&aws(&server), &settings());
    assert!(matches!(
        register.write(Rev(7), &decided()).await,
        Written::Unknown(_)
    ));
    let fault = register.read().await.unwrap_err();
    assert_eq!(
        fault.to_string(),
        "the register: ResourceNotFoundException: said the service"
    );
}

#[tokio::test]
async fn history_and_stamps_lie_beside_the_record() {
    let server = Server::plain(|_| given(200, "{}")).await;
    let register = Register::new(&aws(&server), &settings());
    register.chronicle(&decided()).await.unwrap();
    let at: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
    register
        .stamp(&Reporter(crate::common::site("site-a")), at)
        .await
        .unwrap();
    let asked = server.asked();
    assert_eq!(asked[0].json()["Item"]["pk"]["S"], "keycloak-test#history#1#8");
    let stamp = asked[1].json()["Item"].clone();
    assert_eq!(stamp["pk"]["S"], "keycloak-test#seen#site-a");
    assert_eq!(stamp["seen_at"]["S"], "2026-11-21T10:00:00Z");
    assert!(
        asked
            .iter()
            .all(|asked| asked.json().get("ConditionExpression").is_none())
    );
}

#[tokio::test]
async fn a_probe_is_a_conditional_write_into_an_item_of_its_own() {
    let at: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
    for (code, works) in [
        (None, true),
        // Somebody else was faster: the table evaluates conditions.
        (Some("ConditionalCheckFailedException"), true),
        (Some("AccessDeniedException"), false),
    ] {
        let server = Server::plain(move |_| code.map_or_else(|| given(200, "{}"), refusal)).await;
        let probed = Journal::new(&aws(&server), &settings()).probe(at).await;
        assert_eq!(probed.is_ok(), works, "{code:?}");
        let asked = server.asked()[0].json();
        assert_eq!(asked["Item"]["pk"]["S"], "keycloak-test#probe#eu-west-1");
        assert_eq!(
            asked["ConditionExpression"],
            "attribute_not_exists(#pk) OR #at < :at"
        );
    }
}

/// A deep check's result and a rehearsal's end share an item, and neither overwrites the other.
#[tokio::test]
async fn what_is_kept_comes_back() {
    let item = Arc::new(Mutex::new(serde_json::Map::new()));
    let stored = Arc::clone(&item);
    let server = Server::plain(move |asked| {
        let mut item = stored.lock().unwrap();
        let input = asked.json();
        assert_eq!(input["Key"]["pk"]["S"], "keycloak-test#deep#eu-west-1");
        if operation(asked) == "GetItem" {
            return given(200, json!({"Item": *item}).to_string());
        }
        assert_eq!(
            (operation(asked), &input["UpdateExpression"]),
            ("UpdateItem", &json!("SET #what = :what"))
        );
        let name = input["ExpressionAttributeNames"]["#what"]
            .as_str()
            .unwrap()
            .to_owned();
        item.insert(name, input["ExpressionAttributeValues"][":what"].clone());
        given(200, "{}")
    })
    .await;
    let journal = Journal::new(&aws(&server), &settings());
    assert_eq!(journal.kept().await, Ok(Kept::default()));
    let at: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
    let checkup = judge(&settings(), at, &[]);
    let forced = Forced {
        by: "ana".to_owned(),
        until: at,
    };
    journal.keep(&checkup).await.unwrap();
    journal.force(&forced).await.unwrap();
    let kept = Kept {
        checkup: Some(checkup),
        forced: Some(forced),
    };
    assert_eq!(journal.kept().await, Ok(kept));
    // What another version kept is as good as nothing.
    item.lock()
        .unwrap()
        .insert("checkup".to_owned(), json!({"S": "fine"}));
    assert_eq!(journal.kept().await.unwrap().checkup, None);
}

#[tokio::test]
async fn an_accelerator_is_found_from_the_top_page_by_page() {
    let server = Server::plain(|asked| {
        let input = asked.json();
        let first = input.get("NextToken").is_none();
        let reply = match operation(asked) {
            "DescribeAccelerator" => json!({"Accelerator": {"Enabled": true}}),
            "ListListeners" if first => {
                json!({"Listeners": [{"ListenerArn": "arn:l1"}], "NextToken": "more"})
            }
            "ListListeners" => json!({"Listeners": [{"ListenerArn": "arn:l2"}]}),
            "ListEndpointGroups" => {
                let arn = format!("{}/endpoint-group/g", input["ListenerArn"].as_str().unwrap());
                json!({"EndpointGroups": [{
                    "EndpointGroupArn": arn, "EndpointDescriptions": [{"EndpointId": "lb-a"}],
                }]})
            }
            other => panic!("{other}"),
        };
        given(200, reply.to_string())
    })
    .await;
    let listing = accelerator(&server, &[]).list().await.unwrap();
    assert!(listing.enabled);
    let arns: Vec<&str> = listing.groups.iter().map(|group| group.arn.as_str()).collect();
    assert_eq!(arns, ["arn:l1/endpoint-group/g", "arn:l2/endpoint-group/g"]);
    assert_eq!(listing.groups[1].endpoints[0].config.id, "lb-a");
}

fn described() -> String {
    json!({"EndpointGroup": {
        "EndpointGroupArn": GROUP,
        "EndpointDescriptions": [
            {"EndpointId": "lb-a", "Weight": 128, "HealthState": "HEALTHY", "ClientIPPreservationEnabled": true},
            {"EndpointId": "lb-b", "Weight": 64, "HealthState": "UNHEALTHY", "HealthReason": "timeout"}
        ]
    }})
    .to_string()
}

fn outcome(endpoints: &[&str], remove: &[&str]) -> GroupOutcome {
    let config = |id: &&str| EndpointConfig {
        id: (*id).to_owned(),
        weight: Some(128),
        client_ip_preservation: Some(true),
    };
    GroupOutcome {
        remove: remove.iter().map(|id| (*id).to_owned()).collect(),
        ..GroupOutcome::holding(GROUP, endpoints.iter().map(config).collect())
    }
}

#[tokio::test]
async fn every_group_is_read_side_by_side_in_the_order_of_the_settings() {
    let server = Server::plain(|asked| {
        let arn = asked.json()["EndpointGroupArn"].clone();
        given(
            200,
            json!({"EndpointGroup": {"EndpointGroupArn": arn}}).to_string(),
        )
    })
    .await;
    let arns = ["arn:2".to_owned(), "arn:1".to_owned(), "arn:3".to_owned()];
    let accelerator = accelerator(&server, &arns);
    let reading = accelerator.read().await.unwrap();
    let read: Vec<&str> = reading.groups.iter().map(|group| group.arn.as_str()).collect();
    assert_eq!(read, ["arn:2", "arn:1", "arn:3"]);
    let asked = server.asked();
    let (tags, groups): (Vec<_>, Vec<_>) = asked
        .iter()
        .partition(|asked| operation(asked) == "ListTagsForResource");
    assert_eq!(tags.len(), 1, "and beside them whose it is");
    assert!(
        groups
            .iter()
            .all(|asked| operation(asked) == "DescribeEndpointGroup")
    );
    assert!(
        asked[0]
            .header("authorization")
            .contains("/us-west-2/globalaccelerator/")
    );
}

#[tokio::test]
async fn an_empty_group_is_written_as_an_explicit_empty_list() {
    let server = Server::plain(|_| given(200, described())).await;
    let accelerator = accelerator(&server, &[GROUP.to_owned()]);
    let group = accelerator.write(&outcome(&[], &[])).await.unwrap();
    accelerator.write(&outcome(&["lb-a"], &[])).await.unwrap();
    let asked = server.asked();
    assert_eq!(operation(&asked[0]), "UpdateEndpointGroup");
    assert_eq!(asked[0].json()["EndpointConfigurations"], json!([]));
    assert_eq!(
        asked[1].json()["EndpointConfigurations"],
        json!([{"EndpointId": "lb-a", "Weight": 128, "ClientIPPreservationEnabled": true}])
    );
    // What is returned is what the reply shows, not what was asked for.
    let healths: Vec<Health> = group.endpoints.iter().map(|endpoint| endpoint.health).collect();
    assert_eq!(healths, [Health::Healthy, Health::Unhealthy]);
}

/// A dial that is not mentioned stays as administrators have set it.
#[tokio::test]
async fn the_dial_is_opened_only_where_that_is_decided_and_its_0_is_read() {
    let server = Server::plain(|_| {
        let mut replied: Value = serde_json::from_str(&described()).unwrap();
        replied["EndpointGroup"]["TrafficDialPercentage"] = json!(0.0);
        given(200, replied.to_string())
    })
    .await;
    let accelerator = accelerator(&server, &[GROUP.to_owned()]);
    let opens = GroupOutcome {
        opens: true,
        ..outcome(&["lb-a"], &[])
    };
    assert!(accelerator.write(&opens).await.unwrap().closed);
    accelerator.write(&outcome(&["lb-a"], &[])).await.unwrap();
    let asked = server.asked();
    assert_eq!(asked[0].json()["TrafficDialPercentage"], json!(100.0));
    assert_eq!(asked[1].json().get("TrafficDialPercentage"), None);
    assert!(accelerator.read().await.unwrap().groups[0].closed);
    // One that is low, or not told, drains nobody.
    for dial in [json!(0.5), Value::Null] {
        let server = Server::plain(move |_| {
            let mut replied: Value = serde_json::from_str(&described()).unwrap();
            replied["EndpointGroup"]["TrafficDialPercentage"] = dial.clone();
            given(200, replied.to_string())
        })
        .await;
        let accelerator = self::accelerator(&server, &[GROUP.to_owned()]);
        assert!(!accelerator.read().await.unwrap().groups[0].closed);
    }
}

#[tokio::test]
async fn an_endpoint_of_another_account_is_kept_by_removing_the_other() {
    for (status, reply) in [
        (200, "{}".to_owned()),
        (400, json!({"__type": "EndpointNotFoundException"}).to_string()),
    ] {
        let server = Server::plain(move |asked| match operation(asked) {
            "RemoveEndpoints" => given(status, reply.clone()),
            _ => given(200, described()),
        })
        .await;
        let accelerator = accelerator(&server, &[GROUP.to_owned()]);
        let group = accelerator.write(&outcome(&["lb-a"], &["lb-b"])).await.unwrap();
        assert_eq!(group.endpoints.len(), 2, "what is read decides");
        let asked = server.asked();
        let operations: Vec<&str> = asked.iter().map(operation).collect();
        assert_eq!(operations, ["RemoveEndpoints", "DescribeEndpointGroup"]);
        assert_eq!(
            asked[0].json()["EndpointIdentifiers"],
            json!([{"EndpointId": "lb-b"}])
        );
    }
    let server = Server::plain(|_| refusal("AccessDeniedException")).await;
    let accelerator = accelerator(&server, &[GROUP.to_owned()]);
    let fault = accelerator
        .write(&outcome(&["lb-a"], &["lb-b"]))
        .await
        .unwrap_err();
    assert_eq!(fault.what, "AccessDeniedException: said the service");
}

/// Both are served as client errors, which the SDK would not repeat by itself.
#[tokio::test]
async fn a_change_in_progress_and_an_internal_error_pass_by_themselves() {
    for code in ["TransactionInProgressException", "InternalServiceErrorException"] {
        let tries = AtomicUsize::new(0);
        let server = Server::plain(move |_| match tries.fetch_add(1, Ordering::SeqCst) {
            0 | 1 => refusal(code),
            _ => given(200, described()),
        })
        .await;
        let accelerator = accelerator(&server, &[GROUP.to_owned()]);
        assert!(
            accelerator.write(&outcome(&["lb-a"], &[])).await.is_ok(),
            "{code}"
        );
        assert_eq!(server.asked().len(), 3, "{code}");
        assert!(accelerator.read().await.is_ok());
    }
    let server = Server::plain(|_| refusal("EndpointGroupNotFoundException")).await;
    let accelerator = accelerator(&server, &[GROUP.to_owned()]);
    assert!(accelerator.read().await.is_err());
    let groups = server.asked();
    let groups = groups
        .iter()
        .filter(|asked| operation(asked) == "DescribeEndpointGroup");
    assert_eq!(groups.count(), 1, "a lasting error is told at once");
}

#[tokio::test]
async fn secrets_are_read_as_text_and_infinispans_only_once() {
    let server = Server::plain(|asked| {
        let id = asked.json()["SecretId"].as_str().unwrap().to_owned();
        given(
            200,
            json!({"SecretString": format!("password of {id}")}).to_string(),
        )
    })
    .await;
    let secrets = Secrets::new(&aws(&server), &settings());
    assert_eq!(
        secrets.webhook().await.unwrap().expose_secret(),
        "password of webhook"
    );
    let (first, second) = tokio::join!(secrets.infinispan(), secrets.infinispan());
    let first = first.unwrap();
    assert_eq!(first.username, "developer");
    assert_eq!(first.password.expose_secret(), "password of infinispan");
    assert!(second.is_ok());
    assert_eq!(server.asked().len(), 2);
    // Refused by an Infinispan: it is read again, is still the same, and then simply wrong for a while.
    for _ in 0..3 {
        assert!(secrets.infinispan_instead_of(&first).await.unwrap().is_none());
    }
    assert_eq!(server.asked().len(), 3);

    let server = Server::plain(|_| given(200, json!({"SecretBinary": "c2VjcmV0"}).to_string())).await;
    let fault = Secrets::new(&aws(&server), &settings())
        .webhook()
        .await
        .unwrap_err();
    assert_eq!(
        fault.to_string(),
        "the webhook's secret: it holds bytes instead of text"
    );
}
