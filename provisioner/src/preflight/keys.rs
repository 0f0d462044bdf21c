//! KMS keys of other people, and whether their policies let through what a deployment sends past them.
//!
//! Sitefence makes no key. A topology names one for what its stacks make (`function.kmsKey`); two more may be in the way
//! unnamed, that of Infinispan's secret and that of an existing topic. What a policy leaves out shows late: an alarm that
//! CloudWatch may not encrypt is dropped without a word. So the policies are read in advance, where that is allowed.

use std::collections::BTreeMap;

use super::Examination;
use super::key_policy::{self, Context, Ruling, Who};
use super::warning::Warning;
use crate::observed::SecretReading;
use crate::observed::key::{KeyReading, TopicReading};
use crate::topology::names::{HEALTH_REGION, health_region};
use crate::topology::{KeyArn, Region, Topology};

/// AWS's own key for SNS, whose policy nobody can change.
const OF_SNS: &str = "alias/aws/sns";
const PUBLISHING: &[&str] = &["kms:Decrypt", "kms:GenerateDataKey"];
const LOGGING: &[&str] = &[
    "kms:Encrypt",
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "kms:DescribeKey",
];

/// What somebody needs of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUse {
    /// The key, as it was named: by ARN, id or alias.
    pub key: String,
    /// Where it is.
    pub region: Region,
    who: Who,
    actions: &'static [&'static str],
    context: Context,
    purpose: String,
}

/// All that the topology and what it leads to need.
pub fn needs(
    topology: &Topology,
    account_id: &str,
    secrets: &BTreeMap<Region, SecretReading>,
    topics: &BTreeMap<String, TopicReading>,
) -> Vec<KeyUse> {
    let mut needs = Vec::new();
    let role = |region: &Region, by_its_own_policy: bool| Who::Role {
        arn: format!("arn:aws:iam::{account_id}:role/{}", topology.role_name(region)),
        account_id: account_id.to_owned(),
        by_its_own_policy,
    };
    let caller = ("kms:CallerAccount".to_owned(), account_id.to_owned());
    let alarms = |key: &str, region: &Region, topic: &str| KeyUse {
        key: key.to_owned(),
        region: region.clone(),
        who: Who::Service("cloudwatch.amazonaws.com".to_owned()),
        actions: PUBLISHING,
        context: Context::new(),
        purpose: format!("alarms do not get through the topic {topic}"),
    };
    let has_topic = |region: &str| {
        topology
            .notify
            .topics
            .iter()
            .any(|topic| topic.region() == region)
    };
    for region in &topology.regions {
        let ours = topology
            .function
            .kms_key
            .as_ref()
            .map(|key| key.in_region(region));
        if let Some(key) = &ours {
            let group = topology.log_group_name();
            let arn = format!("arn:aws:logs:{region}:{account_id}:log-group:{group}");
            needs.push(KeyUse {
                key: key.to_string(),
                region: region.clone(),
                who: Who::Service(format!("logs.{region}.amazonaws.com")),
                actions: LOGGING,
                context: [("kms:EncryptionContext:aws:logs:arn".to_owned(), arn)].into(),
                purpose: format!("the log group {group} cannot be created"),
            });
            needs.push(KeyUse {
                key: key.to_string(),
                region: region.clone(),
                who: role(region, true),
                actions: &["kms:Decrypt"],
                context: [caller.clone()].into(),
                purpose: "the function can read neither its environment nor its secrets".to_owned(),
            });
            if !has_topic(region.as_str()) {
                // To read it has no need of this.
                needs.push(KeyUse {
                    key: key.to_string(),
                    region: region.clone(),
                    who: role(region, true),
                    actions: &["kms:GenerateDataKey"],
                    context: [caller.clone()].into(),
                    purpose: format!(
                        "the function's messages do not get through the topic {}",
                        topology.topic_name()
                    ),
                });
                needs.push(alarms(key.as_str(), region, &topology.topic_name()));
            }
        }
        let of_secret = secrets.get(region).and_then(|secret| secret.key.as_ref());
        if let Some(key) = of_secret.filter(|key| !ours.as_ref().is_some_and(|ours| is_same(ours, key))) {
            let via = format!("secretsmanager.{region}.amazonaws.com");
            needs.push(KeyUse {
                key: key.clone(),
                region: region.clone(),
                who: role(region, false),
                actions: &["kms:Decrypt"],
                context: [caller.clone(), ("kms:ViaService".to_owned(), via)].into(),
                purpose: format!(
                    "the function cannot read the secret `{}`: let the role have it, or encrypt the secret under \
                     function.kmsKey",
                    topology.infinispan.password_secret
                ),
            });
        }
    }
    if topology.health.route53 && !has_topic(HEALTH_REGION) {
        let key = topology.key_of_health();
        needs.extend(key.map(|key| alarms(&key, &health_region(), &topology.topic_name())));
    }
    for topic in &topology.notify.topics {
        let Some(region) = Region::seen(topic.region()) else {
            continue;
        };
        if let Some(TopicReading::Key(Some(key))) = topics.get(&topic.to_string())
            && !key.ends_with(OF_SNS)
        {
            needs.push(alarms(key, &region, &topic.to_string()));
            let ours = topology
                .function
                .kms_key
                .as_ref()
                .map(|key| key.in_region(&region));
            let is_ours = ours.is_some_and(|ours| is_same(&ours, key));
            if topology.regions.contains(&region) && !is_ours {
                needs.push(KeyUse {
                    key: key.clone(),
                    who: role(&region, false),
                    actions: PUBLISHING,
                    context: [caller.clone()].into(),
                    purpose: format!("the function's messages do not get through the topic {topic}"),
                    region,
                });
            }
        }
    }
    needs
}

/// Whether a name of a key, an ARN or an id, is this key's.
fn is_same(ours: &KeyArn, key: &str) -> bool {
    let id = |key: &str| key.rsplit('/').next().map(str::to_owned);
    id(ours.as_str()) == id(key)
}

impl Examination<'_> {
    pub(super) fn keys(&mut self) {
        let observed = self.observed;
        for topic in &self.topology.notify.topics {
            match observed.topics.get(&topic.to_string()) {
                Some(TopicReading::Key(Some(key))) if key.ends_with(OF_SNS) => {
                    self.warnings.push(Warning::TopicUnderAwsKey {
                        topic: topic.to_string(),
                    });
                }
                Some(TopicReading::Unread(why)) => self.warnings.push(Warning::TopicUnread {
                    topic: topic.to_string(),
                    why: why.clone(),
                }),
                _ => {}
            }
        }
        let needs = needs(
            self.topology,
            &observed.standing.identity.account_id,
            &observed.infinispan_secrets,
            &observed.topics,
        );
        let mut unread: Vec<(String, String)> = Vec::new();
        for mut need in needs {
            let reading = observed.keys.get(&(need.region.clone(), need.key.clone()));
            if let (
                Some(KeyReading::OfAlias { id, .. }),
                Who::Role {
                    by_its_own_policy, ..
                },
            ) = (reading, &mut need.who)
            {
                // An alias of the deployment's own key, which the role's policy speaks of.
                let ours = self.topology.function.kms_key.as_ref();
                let ours = ours.map(|key| key.in_region(&need.region));
                *by_its_own_policy |= ours.is_some_and(|ours| is_same(&ours, id));
            }
            let why = match reading {
                Some(KeyReading::Policy(policy) | KeyReading::OfAlias { policy, .. }) => {
                    let KeyUse {
                        key, who, purpose, ..
                    } = need;
                    self.warnings.extend(
                        match key_policy::judge(policy, &who, need.actions, &need.context) {
                            Ruling::Allows => None,
                            Ruling::Lacks(actions) => Some(Warning::KeyForbids {
                                key,
                                who,
                                actions,
                                purpose,
                            }),
                            Ruling::Unclear(why) => Some(Warning::KeyUnclear {
                                key,
                                who,
                                why,
                                purpose,
                            }),
                        },
                    );
                    continue;
                }
                Some(KeyReading::Unread(why)) => why.clone(),
                None => format!("{} does not answer", need.region),
            };
            // Once for each key, however many need it.
            if !unread.iter().any(|(key, _)| *key == need.key) {
                unread.push((need.key, why));
            }
        }
        self.warnings.extend(
            unread
                .into_iter()
                .map(|(key, why)| Warning::KeyUnread { key, why }),
        );
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::super::judge;
    use super::*;
    use crate::observed::Observed;
    use crate::sample::*;

    fn key(id: &str) -> String {
        format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{id}")
    }

    fn topic() -> String {
        format!("arn:aws:sns:{REGION}:{ACCOUNT}:pagers")
    }

    fn warnings(topology: &Topology, observed: &Observed) -> Vec<String> {
        let findings = judge(topology, observed, 0).unwrap();
        findings.warnings.iter().map(ToString::to_string).collect()
    }

    fn policy(statements: Value) -> KeyReading {
        KeyReading::Policy(Value::from_iter([("Statement", statements)]).to_string())
    }

    fn to_account() -> Value {
        let root = format!("arn:aws:iam::{ACCOUNT}:root");
        json!({"Effect": "Allow", "Principal": {"AWS": root}, "Action": "kms:*", "Resource": "*"})
    }

    fn to_service(name: &str) -> Value {
        json!({"Effect": "Allow", "Principal": {"Service": name}, "Action": "kms:*", "Resource": "*"})
    }

    /// The key of a topology, with this policy.
    fn under(topology: &Topology, reading: KeyReading) -> Vec<String> {
        let mut observed = observed();
        observed.keys = [((REGION.into(), key("k")), reading)].into();
        warnings(topology, &observed)
    }

    #[test]
    fn the_policy_of_the_topology_s_key_is_read_for_alarms_logs_and_the_function() {
        let topology = topology_from(&format!("function: {{ kmsKey: '{}' }}", key("k")));
        let logs = format!("logs.{REGION}.amazonaws.com");
        let whole = policy(json!([
            to_account(),
            to_service("cloudwatch.amazonaws.com"),
            to_service(&logs)
        ]));
        assert_eq!(under(&topology, whole), [""; 0]);
        let told = under(&topology, policy(json!([to_account()])));
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told[0].contains(&format!("does not let {logs} use kms:Encrypt, kms:Decrypt, kms:GenerateDataKey, kms:DescribeKey, and the log group")),
            "{told:?}"
        );
        assert!(
            told[1].contains("does not let cloudwatch.amazonaws.com use kms:Decrypt, kms:GenerateDataKey, and alarms do not get through the topic sitefence-prod-notifications"),
            "{told:?}"
        );
        let told = under(
            &topology,
            policy(json!([to_service("cloudwatch.amazonaws.com"), to_service(&logs)])),
        );
        assert!(
            told[0].contains("does not let the role sitefence-prod-eu-west-1 use"),
            "{told:?}"
        );
        // What the role needs for messages alone says nothing about what it can read.
        let to_role = json!({"Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:role/sitefence-prod-{REGION}")},
            "Action": "kms:Decrypt", "Resource": "*"});
        let services = [to_service("cloudwatch.amazonaws.com"), to_service(&logs)];
        let told = under(&topology, policy(json!([to_role, services[0], services[1]])));
        assert_eq!(
            told,
            [format!(
                "the policy of the key {} does not let the role sitefence-prod-eu-west-1 use kms:GenerateDataKey, and the \
                 function's messages do not get through the topic sitefence-prod-notifications",
                key("k")
            )]
        );
        // Once, whatever it is needed for.
        let denied = "KMS:GetKeyPolicy in eu-west-1 was refused: AccessDeniedException: no: the caller needs `kms:GetKeyPolicy`";
        let told = under(&topology, KeyReading::Unread(denied.to_owned()));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].starts_with("not verified: ") && told[0].contains("kms:GetKeyPolicy`"),
            "{told:?}"
        );
    }

    /// The secret names the deployment's own key by an alias: the role's own policy lets it use that.
    #[test]
    fn an_alias_of_the_own_key_is_the_own_key() {
        let mut observed = observed();
        let topology = topology_from(&format!("function: {{ kmsKey: '{}' }}", key("mrk-own")));
        let alias = format!("arn:aws:kms:{REGION}:{ACCOUNT}:alias/logins");
        observed.infinispan_secrets.get_mut(REGION).unwrap().key = Some(alias.clone());
        let policy = json!({"Statement": [to_account(), to_service("cloudwatch.amazonaws.com"),
            to_service(&format!("logs.{REGION}.amazonaws.com"))]})
        .to_string();
        let told_of = |observed: &mut Observed, id: &str| {
            let own = KeyReading::Policy(policy.clone());
            let of_alias = KeyReading::OfAlias {
                id: id.to_owned(),
                policy: policy.clone(),
            };
            observed.keys = [
                ((REGION.into(), key("mrk-own")), own),
                ((REGION.into(), alias.clone()), of_alias),
            ]
            .into();
            let told = warnings(&topology, observed);
            told.iter().filter(|it| it.contains("alias/logins")).count()
        };
        assert_eq!(told_of(&mut observed, "mrk-own"), 0);
        assert_eq!(told_of(&mut observed, "mrk-another"), 1);
    }

    #[test]
    fn a_secret_under_another_key_is_judged_by_that_key_s_policy() {
        let keyed = topology_from(&format!("function: {{ kmsKey: '{}' }}", key("mrk-1")));
        let role = json!({"AWS": format!("arn:aws:iam::{ACCOUNT}:role/sitefence-prod-{REGION}")});
        let by_secrets =
            json!({"StringEquals": {"kms:ViaService": format!("secretsmanager.{REGION}.amazonaws.com")}});
        let to_role = json!({"Effect": "Allow", "Principal": role, "Action": "kms:Decrypt", "Resource": "*", "Condition": by_secrets});
        for (topology, under, policy_of_it, warns) in [
            (&topology(), None, None, false),
            (
                &topology(),
                Some(key("other")),
                Some(policy(json!([to_account()]))),
                true,
            ),
            (
                &topology(),
                Some(key("other")),
                Some(policy(json!([to_account(), to_role]))),
                false,
            ),
            (&keyed, Some(key("mrk-1")), None, false),
            (&keyed, Some("mrk-1".to_owned()), None, false),
            (
                &keyed,
                Some(key("other")),
                Some(policy(json!([to_account()]))),
                true,
            ),
        ] {
            let mut observed = observed();
            observed
                .infinispan_secrets
                .get_mut(REGION)
                .unwrap()
                .key
                .clone_from(&under);
            let readings = under.clone().zip(policy_of_it);
            observed
                .keys
                .extend(readings.map(|(key, policy)| ((REGION.into(), key), policy)));
            let told = warnings(topology, &observed);
            let warned = told.iter().any(|it| {
                it.contains("does not let the role sitefence-prod-eu-west-1 use kms:Decrypt, and the function cannot read")
            });
            assert_eq!(warned, warns, "{under:?}: {told:?}");
        }
    }

    #[test]
    fn an_existing_topic_s_key_has_to_let_alarms_and_messages_through() {
        let topology = topology_from(&format!("notify: {{ topics: ['{}'] }}", topic()));
        let told = |reading: TopicReading, policy: Option<KeyReading>| {
            let mut observed = observed();
            observed.topics = [(topic(), reading)].into();
            observed.keys = policy
                .into_iter()
                .map(|policy| ((REGION.into(), key("t")), policy))
                .collect();
            warnings(&topology, &observed)
        };
        let under = |key: &str| TopicReading::Key(Some(key.to_owned()));
        assert_eq!(told(TopicReading::Key(None), None), [""; 0]);
        assert!(told(under("alias/aws/sns"), None)[0].contains("lets no CloudWatch alarm through"));
        assert!(told(TopicReading::Unread("no".to_owned()), None)[0].contains("(no)"));
        let told = told(under(&key("t")), Some(policy(json!([to_account()]))));
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told[0].contains("alarms do not get through the topic arn:"),
            "{told:?}"
        );
        assert!(
            told[1].contains("the function's messages do not get through the topic arn:"),
            "{told:?}"
        );
    }
}
