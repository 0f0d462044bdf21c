//! Promises about who may do what.

use fencing::register::items;
use serde_json::{Value, json};

use super::{DocumentCase, as_list, of_type, text, texts};

/// The statements whose resource is, or ends in, a wildcard, and why.
pub const WILDCARD_RESOURCES: &[(&str, &str)] = &[
    (
        "LetTheAcceleratorLookAtEndpoints",
        "Global Accelerator describes balancers and addresses with its caller's rights; these actions know no resource",
    ),
    (
        "FindGroupsOfItsListeners",
        "the listeners of the one accelerator; their ids are not known before",
    ),
    (
        "JoinTheNetwork",
        "Lambda attaches the function to its subnets with the function's rights; these actions know no narrower resource",
    ),
];

pub(super) fn permissions(template: &Value) -> Vec<(&str, &Value)> {
    of_type(template, "AWS::Lambda::Permission").collect()
}

pub(super) fn url_has_both_permissions(case: &mut DocumentCase<'_>) {
    for (document, _) in case.fencing_stacks() {
        let template = &document.value;
        let functions = of_type(template, "AWS::Lambda::Function")
            .map(|(id, _)| json!({"Ref": id}))
            .collect::<Vec<_>>();
        let mut wanted = vec![
            ("lambda:InvokeFunctionUrl", json!("NONE"), Value::Null),
            ("lambda:InvokeFunction", Value::Null, json!(true)),
        ];
        for (id, permission) in permissions(template) {
            let get = |name: &str| permission.get(name).cloned().unwrap_or_default();
            if get("Principal") != json!("*") {
                continue;
            }
            let (action, auth, via_url) = (
                text(permission, "/Action"),
                get("FunctionUrlAuthType"),
                get("InvokedViaFunctionUrl"),
            );
            let before = wanted.len();
            if functions.contains(&get("FunctionName")) {
                wanted.retain(|(a, b, c)| !(action == *a && auth == *b && via_url == *c));
            }
            if wanted.len() == before {
                case.breach(document, format!("`{id}` opens {action} to everyone"));
            }
        }
        for (action, _, _) in wanted {
            case.breach(document, format!("no permission for {action}"));
        }
        let urls: Vec<_> = of_type(template, "AWS::Lambda::Url").collect();
        if urls.len() != 1 || text(urls[0].1, "/AuthType") != "NONE" {
            case.breach(
                document,
                "there is not exactly one URL without IAM authentication",
            );
        }
    }
}

/// The statements of all policies in a template that allow something, with the role's logical id.
fn allowed(template: &Value) -> Vec<(&str, &Value)> {
    let mut statements = Vec::new();
    for (id, role) in of_type(template, "AWS::IAM::Role") {
        for policy in as_list(role.get("Policies").unwrap_or(&Value::Null)) {
            for statement in as_list(
                policy
                    .pointer("/PolicyDocument/Statement")
                    .unwrap_or(&Value::Null),
            ) {
                statements.push((id, statement));
            }
        }
    }
    statements.retain(|(_, statement)| text(statement, "/Effect") == "Allow");
    statements
}

pub(super) fn no_wildcard_action(case: &mut DocumentCase<'_>) {
    for (document, _, _) in case.stacks() {
        for (id, statement) in allowed(&document.value) {
            if statement.get("NotAction").is_some() || statement.get("NotResource").is_some() {
                case.breach(document, format!("`{id}` allows by exclusion"));
            }
            for action in as_list(statement.get("Action").unwrap_or(&Value::Null)) {
                match action.as_str() {
                    Some(action) if !action.contains(['*', '?']) => {}
                    _ => case.breach(document, format!("`{id}` may {action}")),
                }
            }
        }
        for (id, role) in of_type(&document.value, "AWS::IAM::Role") {
            if role.get("ManagedPolicyArns").is_some() {
                case.breach(
                    document,
                    format!("`{id}` has managed policies, which change without us"),
                );
            }
        }
        for kind in [
            "AWS::IAM::Policy",
            "AWS::IAM::ManagedPolicy",
            "AWS::IAM::RolePolicy",
        ] {
            for (id, _) in of_type(&document.value, kind) {
                case.breach(
                    document,
                    format!("`{id}` is a policy that these promises do not look into"),
                );
            }
        }
    }
}

pub(super) fn wildcard_resources_are_listed(case: &mut DocumentCase<'_>) {
    for (document, _, _) in case.stacks() {
        for (id, statement) in allowed(&document.value) {
            let sid = text(statement, "/Sid");
            let resource = statement.get("Resource").unwrap_or(&Value::Null);
            let mut is_wild = resource.is_null();
            texts(resource, "", &mut |_, text| is_wild |= text.contains('*'));
            if is_wild && !WILDCARD_RESOURCES.iter().any(|(listed, _)| *listed == sid) {
                case.breach(
                    document,
                    format!("statement `{sid}` of `{id}` reaches {resource}"),
                );
            }
        }
    }
}

/// The actions of DynamoDB that name exactly one item.
const SENDS_ONE_KEY: &[&str] = &["GetItem", "PutItem", "UpdateItem", "DeleteItem"];

pub(super) fn register_access_is_limited_to_own_items(case: &mut DocumentCase<'_>) {
    let own = json!([
        items::record(&case.topology.name),
        format!("{}*", items::others(&case.topology.name))
    ]);
    for (document, _) in case.fencing_stacks() {
        for (_, statement) in allowed(&document.value) {
            let actions = as_list(statement.get("Action").unwrap_or(&Value::Null));
            let on_table: Vec<&str> = actions
                .iter()
                .filter_map(|action| action.as_str()?.strip_prefix("dynamodb:"))
                .collect();
            if on_table.is_empty() {
                continue;
            }
            // "For all values" is also true of none: only actions that always send a key are limited by it.
            if let Some(action) = on_table.iter().find(|action| !SENDS_ONE_KEY.contains(action)) {
                case.breach(
                    document,
                    format!("dynamodb:{action} is not limited by the key it sends"),
                );
            }
            let condition = |pointer: &str| statement.pointer(pointer).cloned().unwrap_or_default();
            let keys = condition("/Condition/ForAllValues:StringLike/dynamodb:LeadingKeys");
            if keys != own {
                case.breach(
                    document,
                    format!("the table is reached under {}", condition("/Condition")),
                );
            }
        }
    }
}
