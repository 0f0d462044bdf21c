//! What the policy of a KMS key says about one who shall use it.
//!
//! The whole of AWS's policy language decides, and of that only what is certain is judged here: who is named outright, for
//! which actions, and under conditions whose answer is known in advance. Whatever else a policy says makes the answer
//! unclear, never a no: a policy that is right is never called wrong.

use std::collections::BTreeMap;

use serde_json::Value;

/// One who shall use a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// A service of AWS.
    Service(String),
    /// A role of the account.
    Role {
        arn: String,
        /// The account's twelve digits.
        account_id: String,
        /// Whether its own policy allows it, so that it is enough for the key to trust the account.
        by_its_own_policy: bool,
    },
}

impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Service(name) => f.write_str(name),
            Self::Role { arn, .. } => write!(f, "the role {}", arn.rsplit('/').next().unwrap_or(arn)),
        }
    }
}

/// What will be known of a request, by the condition key that asks for it.
pub(super) type Context = BTreeMap<String, String>;

/// What a policy says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ruling {
    /// All of it is allowed.
    Allows,
    /// These actions are not.
    Lacks(Vec<String>),
    /// That cannot be known.
    Unclear(String),
}

/// How far something is certain, in the order of certainty that it applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Applies {
    No,
    Perhaps,
    Yes,
}

/// Reads a policy.
pub(super) fn judge(policy: &str, who: &Who, actions: &[&str], context: &Context) -> Ruling {
    let Ok(policy) = serde_json::from_str::<Value>(policy) else {
        return Ruling::Unclear("its policy is not JSON".to_owned());
    };
    let statements = several(&policy["Statement"]);
    let mut lacking = Vec::new();
    let mut perhaps = None;
    for action in actions {
        let strongest = |effect: &str| {
            let those = statements
                .iter()
                .filter(|statement| statement["Effect"] == effect);
            those
                .map(|statement| applies(statement, who, action, context))
                .max()
                .unwrap_or(Applies::No)
        };
        match (strongest("Deny"), strongest("Allow")) {
            (Applies::Yes, _) | (_, Applies::No) => lacking.push((*action).to_owned()),
            (Applies::No, Applies::Yes) => {}
            (Applies::Perhaps, _) => perhaps = Some(format!("a statement may deny {action}")),
            (_, Applies::Perhaps) => {
                perhaps = Some(format!(
                    "what allows {action} depends on what is not known in advance"
                ));
            }
        }
    }
    match perhaps {
        _ if !lacking.is_empty() => Ruling::Lacks(lacking),
        Some(why) => Ruling::Unclear(why),
        None => Ruling::Allows,
    }
}

/// A value, or the values of a list: policies have either.
fn several(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(all) => all.clone(),
        Value::Null => Vec::new(),
        one => vec![one.clone()],
    }
}

fn applies(statement: &Value, who: &Who, action: &str, context: &Context) -> Applies {
    let by_action = match (statement.get("Action"), statement.get("NotAction")) {
        (Some(these), _) => some(these, |it| matches(it, action, true)),
        (None, Some(others)) => !some(others, |it| matches(it, action, true)),
        (None, None) => false,
    };
    if !by_action {
        return Applies::No;
    }
    let by_resource = match statement.get("Resource") {
        Some(these) if some(these, |it| it == "*") => Applies::Yes,
        // Of the key itself by its ARN, most likely.
        _ => Applies::Perhaps,
    };
    let by_principal = match statement.get("Principal") {
        Some(principal) => principal_is(principal, who, statement["Effect"] == "Deny"),
        None => Applies::Perhaps,
    };
    let by_condition = match statement.get("Condition") {
        None => Applies::Yes,
        Some(conditions) if holds(conditions, context) => Applies::Yes,
        Some(_) => Applies::Perhaps,
    };
    by_resource.min(by_principal).min(by_condition)
}

/// A denial of an account denies everybody in it; what allows the account leaves it to the policies there.
fn principal_is(principal: &Value, who: &Who, denies: bool) -> Applies {
    let anyone = principal == "*" || some(&principal["AWS"], |it| it == "*");
    match who {
        Who::Service(name) if some(&principal["Service"], |it| it == name) => Applies::Yes,
        // Whether services are among "anyone" AWS does not write down, nor every spelling of theirs.
        Who::Service(name) => {
            let first = name.split('.').next().unwrap_or(name);
            let is_like_it = |it: &str| it == "*" || it == format!("{first}.amazonaws.com");
            if anyone || some(&principal["Service"], is_like_it) {
                Applies::Perhaps
            } else {
                Applies::No
            }
        }
        Who::Role {
            arn,
            account_id,
            by_its_own_policy,
        } => {
            let root = format!("arn:aws:iam::{account_id}:root");
            let is_account = |it: &str| it == root || it == account_id;
            let is_named = anyone || some(&principal["AWS"], |it| it == arn);
            if is_named || (denies || *by_its_own_policy) && some(&principal["AWS"], is_account) {
                Applies::Yes
            } else {
                Applies::No
            }
        }
    }
}

/// Whether all conditions are ones whose answer is known, and it is yes.
fn holds(conditions: &Value, context: &Context) -> bool {
    let Some(conditions) = conditions.as_object() else {
        return false;
    };
    conditions.iter().all(|(operator, keys)| {
        let is_pattern = match operator.as_str() {
            "StringEquals" => false,
            "StringLike" | "ArnEquals" | "ArnLike" => true,
            _ => return false,
        };
        keys.as_object().is_some_and(|keys| {
            keys.iter().all(|(key, wanted)| {
                let known = context.iter().find(|(known, _)| known.eq_ignore_ascii_case(key));
                known.is_some_and(|(_, value)| {
                    some(wanted, |it| {
                        if is_pattern {
                            matches(it, value, false)
                        } else {
                            it == value
                        }
                    })
                })
            })
        })
    })
}

fn some(value: &Value, is_it: impl Fn(&str) -> bool) -> bool {
    several(value).iter().filter_map(Value::as_str).any(is_it)
}

/// Whether a pattern with `*` and `?` fits a text.
fn matches(pattern: &str, text: &str, in_any_case: bool) -> bool {
    let pattern = regex::escape(pattern).replace(r"\*", ".*").replace(r"\?", ".");
    let pattern = regex::RegexBuilder::new(&format!("^(?:{pattern})$"))
        .case_insensitive(in_any_case)
        .build();
    // One that is too large to be built fits nothing that we ask for.
    pattern.is_ok_and(|pattern| pattern.is_match(text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ACCOUNT: &str = "111122223333";
    const LOGS: &str = "logs.eu-west-1.amazonaws.com";
    const ALARMS: &str = "cloudwatch.amazonaws.com";
    const USES: [&str; 2] = ["kms:Decrypt", "kms:GenerateDataKey"];

    fn role(by_its_own_policy: bool) -> Who {
        Who::Role {
            arn: format!("arn:aws:iam::{ACCOUNT}:role/sitefence-prod-eu-west-1"),
            account_id: ACCOUNT.to_owned(),
            by_its_own_policy,
        }
    }

    fn service(name: &str) -> Who {
        Who::Service(name.to_owned())
    }

    fn allow(principal: Value, action: Value) -> Value {
        let statement = json!({"Effect": "Allow", "Resource": "*"});
        with(with(statement, "Principal", principal), "Action", action)
    }

    fn with(mut statement: Value, name: &str, value: Value) -> Value {
        statement[name] = value;
        statement
    }

    /// As KMS writes it for a key that nobody said anything about.
    fn by_default() -> Value {
        allow(
            json!({"AWS": format!("arn:aws:iam::{ACCOUNT}:root")}),
            json!("kms:*"),
        )
    }

    fn lacks(actions: &[&str]) -> Ruling {
        Ruling::Lacks(actions.iter().map(|it| (*it).to_owned()).collect())
    }

    #[test]
    fn a_policy_allows_lacks_or_is_unclear() {
        let alarms = || json!({"Service": ALARMS});
        let group = format!("arn:aws:logs:eu-west-1:{ACCOUNT}:log-group:/aws/lambda/sitefence-prod-fencing");
        let of_logs = |pattern: &str| {
            with(
                allow(
                    json!({"Service": LOGS}),
                    json!(["kms:Encrypt*", "kms:Decrypt*", "kms:GenerateDataKey*"]),
                ),
                "Condition",
                json!({"ArnLike": {"kms:EncryptionContext:aws:logs:arn": pattern}}),
            )
        };
        let deny = |principal: Value| with(allow(principal, json!("kms:*")), "Effect", json!("Deny"));
        let unclear_allow = "what allows kms:GenerateDataKey depends on what is not known in advance";
        let unclear_deny = "a statement may deny kms:GenerateDataKey";
        let unclear = |why: &str| Ruling::Unclear(why.to_owned());
        let all = || allow(alarms(), json!("kms:*"));
        let cases = [
            (
                "nothing is allowed to anybody",
                vec![],
                service(ALARMS),
                lacks(&USES),
            ),
            (
                "the account is no service",
                vec![by_default()],
                service(ALARMS),
                lacks(&USES),
            ),
            (
                "as documented",
                vec![
                    by_default(),
                    allow(alarms(), json!(["kms:Decrypt", "kms:GenerateDataKey*"])),
                ],
                service(ALARMS),
                Ruling::Allows,
            ),
            (
                "in any case",
                vec![allow(alarms(), json!(["KMS:decrypt", "kms:generatedatakey"]))],
                service(ALARMS),
                Ruling::Allows,
            ),
            (
                "among others",
                vec![allow(
                    json!({"Service": ["sns.amazonaws.com", ALARMS]}),
                    json!("kms:*"),
                )],
                service(ALARMS),
                Ruling::Allows,
            ),
            (
                "half of it",
                vec![allow(alarms(), json!("kms:Decrypt"))],
                service(ALARMS),
                lacks(&["kms:GenerateDataKey"]),
            ),
            (
                "all but",
                vec![with(
                    json!({"Effect": "Allow", "Principal": alarms(), "Resource": "*"}),
                    "NotAction",
                    json!("kms:Decrypt"),
                )],
                service(ALARMS),
                lacks(&["kms:Decrypt"]),
            ),
            (
                "another Region's logs",
                vec![of_logs(&group)],
                service("logs.eu-west-2.amazonaws.com"),
                lacks(&USES),
            ),
            (
                "logs of no Region",
                vec![allow(json!({"Service": "logs.amazonaws.com"}), json!("kms:*"))],
                service(LOGS),
                unclear(unclear_allow),
            ),
            (
                "a condition that is known",
                vec![of_logs(&group)],
                service(LOGS),
                Ruling::Allows,
            ),
            (
                "a condition with a pattern",
                vec![of_logs(&format!("arn:aws:logs:eu-west-1:{ACCOUNT}:log-group:*"))],
                service(LOGS),
                Ruling::Allows,
            ),
            (
                "another's group",
                vec![of_logs("arn:aws:logs:eu-west-1:1:log-group:x")],
                service(LOGS),
                unclear(unclear_allow),
            ),
            (
                "a condition on what is unknown",
                vec![with(
                    all(),
                    "Condition",
                    json!({"StringEquals": {"aws:SourceArn": "x"}}),
                )],
                service(ALARMS),
                unclear(unclear_allow),
            ),
            (
                "an operator that is unknown",
                vec![with(
                    all(),
                    "Condition",
                    json!({"Bool": {"aws:SecureTransport": "true"}}),
                )],
                service(ALARMS),
                unclear(unclear_allow),
            ),
            (
                "conditions that are none",
                vec![with(all(), "Condition", json!("x"))],
                service(ALARMS),
                unclear(unclear_allow),
            ),
            (
                "anyone",
                vec![allow(json!("*"), json!("kms:*"))],
                service(ALARMS),
                unclear(unclear_allow),
            ),
            (
                "denied",
                vec![all(), deny(alarms())],
                service(ALARMS),
                lacks(&USES),
            ),
            (
                "denied to others",
                vec![all(), deny(json!({"Service": "s3.amazonaws.com"}))],
                service(ALARMS),
                Ruling::Allows,
            ),
            (
                "perhaps denied",
                vec![
                    all(),
                    with(deny(alarms()), "Condition", json!({"Bool": {"x": "true"}})),
                ],
                service(ALARMS),
                unclear(unclear_deny),
            ),
            (
                "denied to all but some",
                vec![
                    all(),
                    json!({"Effect": "Deny", "NotPrincipal": {"AWS": "x"}, "Action": "kms:*", "Resource": "*"}),
                ],
                service(ALARMS),
                unclear(unclear_deny),
            ),
            (
                "another resource",
                vec![with(all(), "Resource", json!("arn:x"))],
                service(ALARMS),
                unclear(unclear_allow),
            ),
            (
                "the account, which its own policy completes",
                vec![by_default()],
                role(true),
                Ruling::Allows,
            ),
            ("the account alone", vec![by_default()], role(false), lacks(&USES)),
            (
                "the role by name",
                vec![allow(
                    json!({"AWS": format!("arn:aws:iam::{ACCOUNT}:role/sitefence-prod-eu-west-1")}),
                    json!("kms:*"),
                )],
                role(false),
                Ruling::Allows,
            ),
            (
                "the account by number",
                vec![allow(json!({"AWS": ACCOUNT}), json!("kms:*"))],
                role(true),
                Ruling::Allows,
            ),
            (
                "another account",
                vec![allow(
                    json!({"AWS": "arn:aws:iam::999999999999:root"}),
                    json!("kms:*"),
                )],
                role(true),
                lacks(&USES),
            ),
            (
                "anyone is a role, too",
                vec![allow(json!({"AWS": "*"}), json!("kms:*"))],
                role(false),
                Ruling::Allows,
            ),
            (
                "the caller's account",
                vec![with(
                    allow(json!({"AWS": "*"}), json!("kms:*")),
                    "Condition",
                    json!({"StringEquals": {"kms:CallerAccount": ACCOUNT}}),
                )],
                role(false),
                Ruling::Allows,
            ),
        ];
        let context: Context = [
            ("kms:EncryptionContext:aws:logs:arn".to_owned(), group),
            ("kms:CallerAccount".to_owned(), ACCOUNT.to_owned()),
        ]
        .into();
        for (what, statements, who, verdict) in cases {
            let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
            assert_eq!(judge(&policy, &who, &USES, &context), verdict, "{what}");
        }
        let one = json!({"Statement": all()}).to_string();
        assert_eq!(
            judge(&one, &service(ALARMS), &USES, &context),
            Ruling::Allows,
            "one without a list"
        );
        assert!(matches!(
            judge("{", &service(ALARMS), &USES, &context),
            Ruling::Unclear(_)
        ));
    }

    /// A pattern means itself but for its two signs.
    #[test]
    fn a_pattern_s_other_signs_are_themselves() {
        for (pattern, text, fits) in [
            ("kms:*", "kms:Decrypt", true),
            ("kms:GenerateDataKey?", "kms:GenerateDataKey", false),
            ("kms.Decrypt", "kms:Decrypt", false),
            ("kms:Decrypt", "xkms:Decrypt", false),
            ("(", "(", true),
        ] {
            assert_eq!(matches(pattern, text, true), fits, "{pattern} {text}");
        }
    }
}
