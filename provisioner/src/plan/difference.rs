//! What an update changes in a stack, key by key.
//!
//! CloudFormation's change set names outer properties: `Environment`, whether a comma changed in it or the word that
//! switches fencing off. And it cannot tell in advance whether a value that comes from another resource stays the same, so
//! it calls half of a stack "perhaps replaced" for a new tag. But the template that stands and the one that is to be
//! are both known here, with the values of their parameters: so we compare these, and take from the change set what
//! only it knows, which is what will be replaced, and whatever our comparison does not explain.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::step::{ParameterValue, StackGoal};
use crate::observed::StackReading;
use crate::observed::changes::{Action, PropertyChange, Replacement, ResourceChange, StackDifference};
use crate::observed::difference::{self, Segment};

/// What each type keeps for as long as it lives, of what our templates say of it: another value makes a new resource
/// and removes the old one. By AWS's resource schemas (`createOnlyProperties`).
const FOR_LIFE: [(&str, &[&str]); 17] = [
    ("AWS::CloudWatch::Alarm", &["AlarmName"]),
    ("AWS::CloudWatch::Dashboard", &["DashboardName"]),
    ("AWS::DynamoDB::GlobalTable", &["TableName", "KeySchema"]),
    ("AWS::DynamoDB::Table", &["TableName", "KeySchema"]),
    ("AWS::Events::Rule", &["Name"]),
    ("AWS::IAM::Role", &["RoleName"]),
    ("AWS::Lambda::EventInvokeConfig", &["FunctionName", "Qualifier"]),
    ("AWS::Lambda::Function", &["FunctionName"]),
    (
        "AWS::Lambda::Permission",
        &[
            "Action",
            "FunctionName",
            "FunctionUrlAuthType",
            "InvokedViaFunctionUrl",
            "Principal",
            "SourceArn",
        ],
    ),
    ("AWS::Lambda::Url", &["TargetFunctionArn"]),
    ("AWS::Logs::LogGroup", &["LogGroupName"]),
    (
        "AWS::Route53::HealthCheck",
        &["HealthCheckConfig.Type", "HealthCheckConfig.RequestInterval"],
    ),
    ("AWS::S3::Bucket", &["BucketName"]),
    ("AWS::S3::BucketPolicy", &["Bucket"]),
    ("AWS::SecretsManager::Secret", &["Name"]),
    ("AWS::SNS::Subscription", &["Endpoint", "Protocol", "TopicArn"]),
    ("AWS::SNS::Topic", &["TopicName"]),
];

/// Whether another value of a property can make a new resource: of the types that our templates have, that is known,
/// whatever a change set leaves open. Of all others it is taken to be so.
fn may_replace(kind: &str, path: &str) -> bool {
    let Some((_, for_life)) = FOR_LIFE.iter().find(|(known, _)| *known == kind) else {
        return true;
    };
    // A change set may name an outer property only, or one deep inside.
    for_life
        .iter()
        .any(|property| is_within(path, property) || is_within(property, path))
}

/// Whether a path is `outer` or something in it.
fn is_within(path: &str, outer: &str) -> bool {
    let rest = path.strip_prefix(outer);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Where the tags of a resource are.
const TAGS: [&str; 2] = ["Tags", "HealthCheckTags"];

/// What becomes of a stack on its way to `goal`.
pub(super) fn between(stack: &StackReading, goal: &StackGoal, account_id: &str) -> StackDifference {
    let (before, after) = (&stack.template.value, &goal.template.value);
    let known = |(name, value): (&String, &ParameterValue)| (name.clone(), told(value));
    let old = Values {
        parameters: stack.parameters.clone(),
        account_id,
        region: &goal.region,
        declared: &before["Parameters"],
    };
    let new = Values {
        parameters: goal.parameters.iter().map(known).collect(),
        account_id,
        region: &goal.region,
        declared: &after["Parameters"],
    };
    let tags = tags(&stack.tags, &goal.tags);
    let of = |template: &Value| template["Resources"].as_object().cloned().unwrap_or_default();
    let (had, has) = (of(before), of(after));
    let names: BTreeSet<&String> = had.keys().chain(has.keys()).collect();
    let resources = names
        .into_iter()
        .filter_map(|name| {
            let old = had.get(name).map(|resource| old.resolve(resource));
            let new = has.get(name).map(|resource| new.resolve(resource));
            resource(name, old.as_ref(), new.as_ref(), &tags)
        })
        .collect();
    StackDifference { tags, resources }
}

/// The name that a resource of `goal` gets outside, where its template says so.
pub fn name_of(goal: &StackGoal, logical_id: &str, account_id: &str) -> Option<String> {
    let template = &goal.template.value;
    let resource = &template["Resources"][logical_id];
    let kind = resource["Type"].as_str()?;
    let (_, for_life) = FOR_LIFE.iter().find(|(known, _)| *known == kind)?;
    let names = for_life.iter().find(|property| property.ends_with("Name"))?;
    let values = Values {
        parameters: goal
            .parameters
            .iter()
            .map(|(name, value)| (name.clone(), told(value)))
            .collect(),
        account_id,
        region: &goal.region,
        declared: &template["Parameters"],
    };
    let name = values.resolve(&resource["Properties"][names]);
    let name = name.as_str().filter(|name| !name.contains('{'));
    name.map(str::to_owned)
}

/// The value of a parameter, or where it will come from.
fn told(value: &ParameterValue) -> String {
    match value {
        ParameterValue::Known(value) => value.clone(),
        ParameterValue::Output { region, output, .. } => format!("(the new {output} of {region})"),
        ParameterValue::Uploaded { .. } => "(the version of the upload)".to_owned(),
        ParameterValue::SecretVersion { .. } => "(the version that is current then)".to_owned(),
    }
}

fn tags(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<PropertyChange> {
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    keys.into_iter()
        .filter(|key| before.get(*key) != after.get(*key))
        .map(|key| PropertyChange {
            before: before.get(key).cloned(),
            after: after.get(key).cloned(),
            ..PropertyChange::at(key.clone())
        })
        .collect()
}

fn resource(
    name: &str,
    before: Option<&Value>,
    after: Option<&Value>,
    tags: &[PropertyChange],
) -> Option<ResourceChange> {
    let kind = |resource: &Value| resource["Type"].as_str().unwrap_or("?").to_owned();
    let change = |action: Action, kind: String| ResourceChange {
        action,
        logical_id: name.to_owned(),
        kind,
        physical_id: None,
        replacement: Replacement::No,
        properties: Vec::new(),
    };
    let (before, after) = match (before, after) {
        (None, Some(after)) => return Some(change(Action::Create, kind(after))),
        (Some(before), None) => return Some(change(Action::Delete, kind(before))),
        (Some(before), Some(after)) => (before, after),
        (None, None) => return None,
    };
    let kind = kind(after);
    let for_life = FOR_LIFE.iter().find(|(known, _)| *known == kind);
    let for_life = for_life.map_or(&[][..], |(_, properties)| properties);
    let properties: Vec<PropertyChange> = difference::between(before, after)
        .iter()
        .filter_map(|found| property(found, for_life))
        .filter(|property| !is_inherited(property, tags))
        .collect();
    if properties.is_empty() {
        return None;
    }
    let is_new = properties.iter().any(|property| property.recreates);
    Some(ResourceChange {
        replacement: if is_new { Replacement::Yes } else { Replacement::No },
        properties,
        ..change(Action::Change, kind)
    })
}

/// What differs in a resource that people would ask about: its comments do not.
fn property(found: &difference::Difference, for_life: &[&str]) -> Option<PropertyChange> {
    let property = found.property();
    match found.path.first() {
        Some(Segment::Key(key)) if key == "Metadata" || key == "DependsOn" => None,
        Some(Segment::Key(key)) if key == "Properties" => {
            let path = property
                .path
                .trim_start_matches("Properties")
                .trim_start_matches('.');
            let recreates = for_life.iter().any(|it| is_within(path, it));
            Some(PropertyChange {
                path: path.to_owned(),
                recreates,
                ..property
            })
        }
        _ => Some(property),
    }
}

/// Whether a resource's tag only follows the stack's.
fn is_inherited(property: &PropertyChange, tags: &[PropertyChange]) -> bool {
    tags.iter().any(|tag| {
        let names_it = TAGS
            .iter()
            .any(|list| property.path == format!("{list}[{}]", tag.path));
        names_it && property.before == tag.before && property.after == tag.after
    })
}

/// What is known of a template's values.
struct Values<'a> {
    parameters: BTreeMap<String, String>,
    account_id: &'a str,
    region: &'a str,
    declared: &'a Value,
}

impl Values<'_> {
    /// The value with its functions worked out as far as that can be done without the resources: what refers to one
    /// of those becomes its name in braces.
    fn resolve(&self, value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                if let (1, Some((name, argument))) = (fields.len(), fields.iter().next())
                    && let Some(resolved) = self.function(name, argument)
                {
                    return resolved;
                }
                let resolved = fields
                    .iter()
                    .map(|(key, value)| (key.clone(), self.resolve(value)));
                Value::Object(resolved.collect::<Map<String, Value>>())
            }
            Value::Array(list) => Value::Array(list.iter().map(|it| self.resolve(it)).collect()),
            other => other.clone(),
        }
    }

    fn function(&self, name: &str, argument: &Value) -> Option<Value> {
        match name {
            "Ref" => Some(self.reference(argument.as_str()?)),
            "Fn::GetAtt" => {
                let parts: Option<Vec<&str>> = argument.as_array()?.iter().map(Value::as_str).collect();
                Some(Value::String(format!("{{{}}}", parts?.join("."))))
            }
            "Fn::Join" => {
                let separator = argument.get(0)?.as_str()?;
                let list = self.resolve(argument.get(1)?);
                let texts: Option<Vec<&str>> = list.as_array()?.iter().map(Value::as_str).collect();
                Some(Value::String(texts?.join(separator)))
            }
            _ => None,
        }
    }

    fn reference(&self, name: &str) -> Value {
        let text = match name {
            "AWS::AccountId" => self.account_id.to_owned(),
            "AWS::Region" => self.region.to_owned(),
            other => match self.parameters.get(other) {
                Some(value) if self.declared[other]["Type"] == "CommaDelimitedList" => {
                    return value.split(',').collect();
                }
                Some(value) => value.clone(),
                None => format!("{{{other}}}"),
            },
        };
        Value::String(text)
    }
}

/// Our comparison with what only the change set knows.
pub fn explained(ours: &StackDifference, theirs: &[ResourceChange]) -> StackDifference {
    let mut told: Vec<ResourceChange> = ours
        .resources
        .iter()
        .map(|change| {
            let known = theirs.iter().find(|it| it.logical_id == change.logical_id);
            known.map_or_else(|| change.clone(), |known| completed(change, known))
        })
        .collect();
    let replaced: BTreeSet<String> = told
        .iter()
        .chain(theirs)
        .filter(|change| change.replacement == Replacement::Yes)
        .map(|change| change.logical_id.clone())
        .collect();
    let resources: BTreeSet<&str> = theirs.iter().map(|change| change.logical_id.as_str()).collect();
    let others = theirs
        .iter()
        .filter(|change| !ours.resources.iter().any(|it| it.logical_id == change.logical_id))
        .filter(|change| has_more_to_tell(change, &resources, &replaced));
    told.extend(others.cloned().map(without_needless_doubt));
    StackDifference {
        tags: ours.tags.clone(),
        resources: told,
    }
}

fn completed(ours: &ResourceChange, theirs: &ResourceChange) -> ResourceChange {
    let doubt = |property: &&PropertyChange| {
        let outer = property.path.split(['.', '[']).next().unwrap_or_default();
        let known = theirs.properties.iter().find(|it| {
            let theirs = it.path.split('.').next().unwrap_or_default();
            theirs == outer
        });
        may_replace(&ours.kind, &property.path)
            && !TAGS.contains(&outer)
            && known.is_some_and(|known| known.may_recreate)
    };
    let replacement = match (ours.replacement, theirs.replacement) {
        (Replacement::Yes, _) | (_, Replacement::Yes) => Replacement::Yes,
        (_, Replacement::Perhaps) if ours.properties.iter().any(|it| doubt(&it)) => Replacement::Perhaps,
        (own, _) => own,
    };
    ResourceChange {
        // A resource that is there under its name is taken over, which the template does not show.
        action: if theirs.action == Action::Adopt {
            Action::Adopt
        } else {
            ours.action
        },
        physical_id: theirs.physical_id.clone(),
        replacement,
        ..ours.clone()
    }
}

/// A change as CloudFormation has it, but for a doubt that rests on nothing that could replace the resource.
fn without_needless_doubt(change: ResourceChange) -> ResourceChange {
    let is_open = |it: &PropertyChange| it.may_recreate && may_replace(&change.kind, &it.path);
    let replacement = match change.replacement {
        Replacement::Perhaps if !change.properties.iter().any(is_open) => Replacement::No,
        replacement => replacement,
    };
    ResourceChange {
        replacement,
        ..change
    }
}

/// Whether a change that we found no reason for is more than a tag of the stack's or the echo of another resource's
/// change: what one resource tells another is its name or ARN, which lasts as long as the resource.
fn has_more_to_tell(
    change: &ResourceChange,
    resources: &BTreeSet<&str>,
    replaced: &BTreeSet<String>,
) -> bool {
    if change.action != Action::Change || change.replacement == Replacement::Yes {
        return true;
    }
    change.properties.iter().any(|property| {
        let cause = property.cause.as_deref().unwrap_or_default();
        let cause = cause.split('.').next().unwrap_or_default();
        let is_echo = resources.contains(cause) && !replaced.contains(cause);
        !TAGS.contains(&property.path.as_str()) && !is_echo
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Template;
    use crate::topology::Region;
    use crate::topology::names::StackKind;

    const TEMPLATE: &str = "
Parameters:
  Groups: { Type: CommaDelimitedList }
  Key: { Type: String }
Resources:
  Function:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: fencer
      Code: { S3Key: { Ref: Key } }
      Environment: { Variables: { MODE: act, GROUPS: { Fn::Join: [',', { Ref: Groups }] } } }
  Role:
    Type: AWS::IAM::Role
    Properties:
      RoleName: fencer
      Policies:
        - PolicyName: fencing
          PolicyDocument:
            Statement:
              - { Sid: Fence, Action: [a, b], Resource: { Ref: Groups } }
              - { Sid: Log, Action: log, Resource: { Fn::GetAtt: [LogGroup, Arn] } }
      Tags: [{ Key: owner, Value: one }]
  LogGroup:
    Type: AWS::Logs::LogGroup
    Properties: { LogGroupName: { Fn::Join: ['/', ['log', { Ref: 'AWS::AccountId' }]] } }
";

    fn stack() -> StackReading {
        let of = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            let owned = pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            owned.collect()
        };
        StackReading {
            template: Template::read(TEMPLATE),
            parameters: of(&[("Groups", "g1,g2"), ("Key", "old.zip")]),
            tags: of(&[("owner", "one")]),
            ..crate::sample::stack("CREATE_COMPLETE", &[])
        }
    }

    fn goal(template: &str, key: &str, owner: &str) -> StackGoal {
        StackGoal {
            kind: StackKind::Fencing,
            region: Region::seen("eu-west-1").unwrap_or_else(|| unreachable!()),
            stack: "s".into(),
            template: Template::read(template),
            parameters: [("Groups", "g1,g2"), ("Key", key)]
                .map(|(name, value)| (name.to_owned(), ParameterValue::Known(value.to_owned())))
                .into(),
            tags: BTreeMap::from([("owner".to_owned(), owner.to_owned())]),
            adopts: false,
            difference: StackDifference::default(),
        }
    }

    fn lines(found: &StackDifference) -> Vec<String> {
        let side = |value: &Option<String>| value.clone().unwrap_or_default();
        let line = |it: &PropertyChange| format!("{}: {} → {}", it.path, side(&it.before), side(&it.after));
        let resources = found.resources.iter().flat_map(|change| {
            let head = format!(
                "{:?} {} {:?}",
                change.action, change.logical_id, change.replacement
            );
            std::iter::once(head).chain(change.properties.iter().map(line))
        });
        found.tags.iter().map(line).chain(resources).collect()
    }

    #[test]
    fn what_changes_is_shown_key_by_key() {
        let told = |from: &str, to: &str, key: &str, owner: &str| {
            let template = TEMPLATE.replace(from, to);
            lines(&between(&stack(), &goal(&template, key, owner), "1"))
        };
        assert_eq!(told("", "", "old.zip", "one"), [""; 0]);
        assert_eq!(
            told("MODE: act", "MODE: observe", "old.zip", "one"),
            ["Change Function No", "Environment.Variables.MODE: act → observe"]
        );
        assert_eq!(
            told("", "", "new.zip", "one"),
            ["Change Function No", "Code.S3Key: old.zip → new.zip"]
        );
        assert_eq!(
            told("[a, b]", "[a, c]", "old.zip", "one"),
            [
                "Change Role No",
                "Policies[fencing].PolicyDocument.Statement[Fence].Action: b → ",
                "Policies[fencing].PolicyDocument.Statement[Fence].Action:  → c",
            ]
        );
        // The stack's tag is shown once.
        assert_eq!(
            told("Value: one", "Value: two", "old.zip", "two"),
            ["owner: one → two"]
        );
        assert_eq!(
            told("RoleName: fencer", "RoleName: other", "old.zip", "one"),
            ["Change Role Yes", "RoleName: fencer → other"]
        );
        assert_eq!(
            told("'log'", "'logs'", "old.zip", "one"),
            ["Change LogGroup Yes", "LogGroupName: log/1 → logs/1"]
        );
        assert_eq!(
            told("  LogGroup:\n", "  Other:\n", "old.zip", "one"),
            ["Delete LogGroup No", "Create Other No"]
        );
    }

    /// As change sets have it where a value comes from a parameter or another resource, and as the local AWS has it of
    /// each type that it does not know.
    #[test]
    fn what_a_type_changes_in_place_is_never_called_perhaps_replaced() {
        use Replacement::{No, Perhaps};
        let changed = |kind: &str, outer: &str, ours: &str| {
            let change = |paths: &[&str], replacement| ResourceChange {
                kind: kind.into(),
                ..theirs(
                    "It",
                    replacement,
                    &paths.iter().map(|path| (*path, None)).collect::<Vec<_>>(),
                )
            };
            let explained_by = |own: Vec<ResourceChange>| {
                let own = StackDifference {
                    resources: own,
                    ..StackDifference::default()
                };
                let it = explained(&own, &[change(&[outer], Perhaps)]);
                it.resources.iter().map(|it| it.replacement).collect::<Vec<_>>()
            };
            let both = (explained_by(vec![change(&[ours], No)]), explained_by(vec![]));
            assert_eq!(both.0, both.1, "{kind} {outer}");
            both.0
        };
        for (kind, outer, ours, replacement) in [
            (
                "AWS::CloudWatch::Alarm",
                "AlarmDescription",
                "AlarmDescription",
                No,
            ),
            ("AWS::CloudWatch::Alarm", "AlarmActions", "AlarmActions", No),
            ("AWS::CloudWatch::Dashboard", "DashboardBody", "DashboardBody", No),
            (
                "AWS::Lambda::Function",
                "Environment",
                "Environment.Variables.MODE",
                No,
            ),
            ("AWS::SNS::Topic", "DisplayName", "DisplayName", No),
            // What may replace: by itself, or by something in it that only one of the two names.
            ("AWS::CloudWatch::Alarm", "AlarmName", "AlarmName", Perhaps),
            (
                "AWS::Route53::HealthCheck",
                "HealthCheckConfig",
                "HealthCheckConfig.Type",
                Perhaps,
            ),
            ("AWS::Lambda::Permission", "SourceArn", "SourceArn", Perhaps),
            // Of a type that we know nothing of, CloudFormation's doubt is shown.
            ("AWS::X::Y", "Anything", "Anything", Perhaps),
        ] {
            assert_eq!(changed(kind, outer, ours), [replacement], "{kind} {outer}");
        }
    }

    fn theirs(name: &str, replacement: Replacement, properties: &[(&str, Option<&str>)]) -> ResourceChange {
        ResourceChange {
            action: Action::Change,
            logical_id: name.into(),
            kind: "AWS::X::Y".into(),
            physical_id: Some("id".into()),
            replacement,
            properties: properties
                .iter()
                .map(|(path, cause)| PropertyChange {
                    may_recreate: true,
                    cause: cause.map(str::to_owned),
                    ..PropertyChange::at(*path)
                })
                .collect(),
        }
    }

    #[test]
    fn the_change_set_is_believed_where_it_knows_more() {
        let template = TEMPLATE.replace("MODE: act", "MODE: observe");
        let ours = between(&stack(), &goal(&template, "old.zip", "one"), "1");
        let told = |theirs: &[ResourceChange]| {
            let explained = explained(&ours, theirs);
            let heads = explained.resources.iter();
            heads
                .map(|it| format!("{} {:?}", it.logical_id, it.replacement))
                .collect::<Vec<_>>()
        };
        use Replacement::{No, Perhaps, Yes};
        let function = |replacement| theirs("Function", replacement, &[("Role", Some("Role.Arn"))]);
        // Perhaps by what does not change at all is no, and so is perhaps by what its type changes in place.
        assert_eq!(told(&[function(Perhaps)]), ["Function No"]);
        assert_eq!(told(&[function(Yes)]), ["Function Yes"]);
        assert_eq!(
            told(&[theirs("Function", Perhaps, &[("Environment", None)])]),
            ["Function No"]
        );
        // Tags of the stack and echoes of what stays are not shown; echoes of what is replaced are.
        let url = || {
            theirs(
                "Url",
                Perhaps,
                &[("Tags", None), ("TargetFunctionArn", Some("Function"))],
            )
        };
        assert_eq!(told(&[function(No), url()]), ["Function No"]);
        assert_eq!(told(&[function(Yes), url()]), ["Function Yes", "Url Perhaps"]);
        // What we have no reason for is shown as CloudFormation has it.
        assert_eq!(
            told(&[function(No), theirs("Topic", Perhaps, &[("DisplayName", None)])]),
            ["Function No", "Topic Perhaps"]
        );
    }
}
