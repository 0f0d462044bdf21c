//! The clouds: an accelerator with two endpoints, its register, its secrets, and two Infinispans that have lost each other.
//! No more of each than either function asks for; what they do is checked by the tests of the repository, not here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fencing::settings::sample::{ACCELERATOR, GROUP, SITES, balancer};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use crate::wire::{Answers, Asked, Given};

pub(crate) const PASSWORD: &str = "s3cret of the webhook";
pub(crate) const HEALTH_SECRET: &str = "0123456789abcdefghijABCDEFGHIJ0123456789";
pub(crate) const DNS_NAME: &str = "a1234567890abcdef.awsglobalaccelerator.com";

/// The call after which the survivor writes again.
pub(crate) const CUT: &str = "take-offline";

#[derive(Debug, Default)]
pub(crate) struct Outside {
    items: Mutex<BTreeMap<String, Map<String, Value>>>,
    endpoints: Mutex<Vec<String>>,
    offline: Mutex<BTreeMap<String, bool>>,
    linked: Mutex<bool>,
    /// Whether only one node of each site is a relay node.
    one_relay_node: AtomicBool,
}

impl Outside {
    /// Both sites serve; they see each other or not; nobody has decided anything.
    pub(crate) fn reset(&self, linked: bool) {
        self.items.lock().clear();
        *self.endpoints.lock() = SITES.map(balancer).to_vec();
        self.offline.lock().clear();
        *self.linked.lock() = linked;
    }

    /// Makes one node of each site its only relay node.
    pub(crate) fn leave_one_relay_node(&self) {
        self.one_relay_node.store(true, Ordering::SeqCst);
    }

    fn relay_nodes(&self) -> usize {
        if self.one_relay_node.load(Ordering::SeqCst) {
            1
        } else {
            2
        }
    }

    /// Whether the first site was left alone, and no longer replicates.
    pub(crate) fn is_fenced(&self) -> bool {
        *self.endpoints.lock() == [balancer(SITES[0])] && self.offline.lock().get(SITES[0]) == Some(&true)
    }
}

fn json_answer(what: &str, body: &Value) -> Given {
    Given {
        what: what.to_owned(),
        status: 200,
        kind: "application/x-amz-json-1.1",
        body: body.to_string(),
    }
}

/// AWS: whichever service a request names.
pub(crate) fn aws(outside: &Arc<Outside>) -> Answers {
    let outside = Arc::clone(outside);
    Arc::new(move |asked: &Asked| {
        let target = asked
            .headers
            .get("x-amz-target")
            .and_then(|target| target.to_str().ok())
            .unwrap_or_default();
        let Some((service, operation)) = target.split_once('.') else {
            return query(asked);
        };
        let input: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        match service {
            "secretsmanager" => json_answer(operation, &secret(&input)),
            "DynamoDB_20120810" => table(&outside, operation, &input),
            _ => json_answer(operation, &accelerator(&outside, operation, &input)),
        }
    })
}

fn secret(input: &Value) -> Value {
    let id = input["SecretId"].as_str().unwrap_or_default();
    let value = match id {
        "webhook" => PASSWORD,
        "health" => HEALTH_SECRET,
        _ => "s3cret of infinispan",
    };
    json!({"ARN": id, "Name": id, "VersionId": "1", "SecretString": value, "CreatedDate": 1.0})
}

/// The services that are asked by forms and answer in XML: the balancers' tags, and the topic.
fn query(asked: &Asked) -> Given {
    let form = String::from_utf8_lossy(&asked.body).into_owned();
    let field = |name: &str| {
        form.split('&')
            .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
            .unwrap_or_default()
            .replace("%3A", ":")
            .replace("%2F", "/")
    };
    let action = field("Action");
    let body = match action.as_str() {
        "DescribeTags" => {
            let arn = field("ResourceArns.member.1");
            let site = SITES
                .into_iter()
                .find(|site| balancer(site) == arn)
                .unwrap_or_default();
            format!(
                "<DescribeTagsResponse xmlns=\"http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/\">\
                 <DescribeTagsResult><TagDescriptions><member><ResourceArn>{arn}</ResourceArn><Tags><member>\
                 <Key>site</Key><Value>{site}</Value></member></Tags></member></TagDescriptions>\
                 </DescribeTagsResult></DescribeTagsResponse>"
            )
        }
        "GetTopicAttributes" => "<GetTopicAttributesResponse><GetTopicAttributesResult><Attributes>\
             <entry><key>SubscriptionsConfirmed</key><value>1</value></entry>\
             <entry><key>SubscriptionsPending</key><value>0</value></entry>\
             </Attributes></GetTopicAttributesResult></GetTopicAttributesResponse>"
            .to_owned(),
        _ => "<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>"
            .to_owned(),
    };
    Given {
        what: action,
        status: 200,
        kind: "text/xml",
        body,
    }
}

fn accelerator(outside: &Outside, operation: &str, input: &Value) -> Value {
    let described = json!({
        "AcceleratorArn": ACCELERATOR, "Name": "keycloak", "DnsName": DNS_NAME, "Enabled": true, "Status": "DEPLOYED",
    });
    let group = |endpoints: &[String]| {
        let endpoints: Vec<Value> = endpoints
            .iter()
            .map(|id| {
                json!({"EndpointId": id, "Weight": 128, "HealthState": "HEALTHY", "ClientIPPreservationEnabled": true})
            })
            .collect();
        json!({
            "EndpointGroupArn": GROUP, "EndpointGroupRegion": "eu-west-1", "EndpointDescriptions": endpoints,
            "TrafficDialPercentage": 100.0, "HealthCheckPort": 443, "HealthCheckProtocol": "TCP",
        })
    };
    match operation {
        "ListAccelerators" => json!({"Accelerators": [described]}),
        "DescribeAccelerator" => json!({"Accelerator": described}),
        "ListListeners" => json!({"Listeners": [{"ListenerArn": GROUP.split("/endpoint-group").next()}]}),
        "ListEndpointGroups" => json!({"EndpointGroups": [group(&outside.endpoints.lock())]}),
        "DescribeEndpointGroup" => json!({"EndpointGroup": group(&outside.endpoints.lock())}),
        "UpdateEndpointGroup" => {
            let wanted = input["EndpointConfigurations"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let ids = wanted
                .iter()
                .filter_map(|endpoint| endpoint["EndpointId"].as_str().map(str::to_owned));
            *outside.endpoints.lock() = ids.collect();
            json!({"EndpointGroup": group(&outside.endpoints.lock())})
        }
        "ListTagsForResource" => {
            let owner = fencing::settings::sample::settings().found.owner;
            json!({"Tags": [{"Key": fencing::accelerator::OWNER_TAG, "Value": owner}]})
        }
        _ => json!({}),
    }
}

/// As much of a table as the register needs: items by key, sets and removals of whole attributes, and a condition on the
/// revision.
fn table(outside: &Outside, operation: &str, input: &Value) -> Given {
    let mut items = outside.items.lock();
    let item = input["Key"]["pk"]["S"]
        .as_str()
        .or_else(|| input["Item"]["pk"]["S"].as_str());
    let key = item.unwrap_or_default().to_owned();
    let what = match key.split_once('#') {
        None => operation.to_owned(),
        Some((_, kind)) => format!("{operation} {}", kind.split('#').next().unwrap_or_default()),
    };
    match operation {
        "GetItem" => match items.get(&key) {
            Some(item) => json_answer(&what, &json!({"Item": item})),
            None => json_answer(&what, &json!({})),
        },
        "PutItem" => {
            items.insert(key, input["Item"].as_object().cloned().unwrap_or_default());
            json_answer(&what, &json!({}))
        }
        _ => {
            let item = items.entry(key.clone()).or_default();
            let value = |name: &str| &input["ExpressionAttributeValues"][name];
            let condition = input["ConditionExpression"].as_str().unwrap_or_default();
            let holds = match condition {
                "" => true,
                "#rev = :expected" => item.get("rev") == Some(value(":expected")),
                _ => item.is_empty(),
            };
            if !holds {
                let refused = json!({
                    "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
                    "message": "The conditional request failed", "Item": item,
                });
                return Given {
                    status: 400,
                    ..json_answer(&what, &refused)
                };
            }
            let name = |placeholder: &str| {
                let name = input["ExpressionAttributeNames"][placeholder].as_str();
                name.unwrap_or_default().to_owned()
            };
            let expression = input["UpdateExpression"].as_str().unwrap_or_default();
            let (sets, removes) = expression.split_once(" REMOVE ").unwrap_or((expression, ""));
            for (placeholder, set) in sets
                .trim_start_matches("SET ")
                .split(", ")
                .filter_map(|set| set.split_once(" = "))
            {
                item.insert(name(placeholder), value(set).clone());
            }
            for placeholder in removes.split(", ").filter(|placeholder| !placeholder.is_empty()) {
                item.remove(&name(placeholder));
            }
            item.insert("pk".to_owned(), json!({"S": key}));
            json_answer(&what, &json!({}))
        }
    }
}

pub(crate) fn infinispan(outside: &Arc<Outside>, site: &'static str) -> Answers {
    let outside = Arc::clone(outside);
    let peer = SITES.into_iter().find(|other| *other != site).unwrap_or(site);
    Arc::new(move |asked: &Asked| {
        let switches = asked.method == "POST";
        let (what, body) = if switches {
            outside
                .offline
                .lock()
                .insert(site.to_owned(), asked.query.ends_with("take-offline"));
            (
                CUT,
                json!({"sessions": "ok", "authenticationSessions": "ok", "work": "ok"}),
            )
        } else if asked.path.ends_with("/container") {
            let mut seen = vec![site];
            if *outside.linked.lock() {
                seen.push(peer);
            }
            // As behind a balancer: which node answers depends on the connection.
            let nodes = [format!("{site}-0"), format!("{site}-1")];
            let (own, relays) = (&nodes[asked.connection % 2], outside.relay_nodes());
            let is_relay = nodes[..relays].contains(own);
            let body = json!({
                "version": "16.0.5", "name": "default", "local_site": site,
                "sites_view": if is_relay { seen } else { Vec::new() }, "relay_node": is_relay,
                "node_address": own, "relay_nodes_address": nodes[..relays],
                "cluster_members": nodes, "cluster_size": nodes.len(),
            });
            ("view", body)
        } else if asked.query == "action=stats" {
            ("age", json!({"time_since_start": 86_400}))
        } else {
            let status = match outside.offline.lock().get(site) {
                Some(true) => "offline",
                _ => "online",
            };
            (
                "backup",
                json!({"status": status, "online": [], "offline": [], "mixed": []}),
            )
        };
        Given {
            kind: "application/json",
            ..json_answer(what, &body)
        }
    })
}
