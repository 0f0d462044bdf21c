//! Why CloudFormation could not do something: which resource, in its own name, and what it said.

use std::collections::BTreeMap;

use serde::Serialize;

/// A stack's resource that stands under a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    pub stack: String,
    /// The resource's name in its template.
    pub logical_id: String,
}

/// The first thing that went wrong in a stack.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StackCause {
    /// The resource, in the template's words.
    pub logical_id: String,
    pub kind: String,
    /// Its name outside, where that is known.
    pub name: Option<String>,
    /// What was said about it.
    pub reason: String,
    /// Where the name is taken: the stack that has it, if one has.
    pub holder: Option<Holder>,
}

/// What stands before and after the words that a service said to CloudFormation.
const WRAPPED: (&str, &str) = ("Resource handler returned message: \"", "\" (RequestToken");
/// What stands before an identifier in a sentence about a name that is taken.
const IDENTIFIER: &str = "with identifier '";

impl StackCause {
    /// What CloudFormation said of a resource.
    pub fn new(logical_id: &str, kind: &str, name: Option<&str>, reason: &str) -> Self {
        let named = identifier(reason).or_else(|| name.map(str::to_owned));
        Self {
            logical_id: logical_id.to_owned(),
            kind: kind.to_owned(),
            name: named.filter(|name| !name.is_empty()),
            reason: unwrapped(reason),
            holder: None,
        }
    }

    /// The resource, by all its names.
    pub fn resource(&self) -> String {
        let name = self.name.as_deref().filter(|name| *name != self.logical_id);
        let name = name.map(|name| format!(" `{name}`")).unwrap_or_default();
        format!("{} ({}{name})", self.logical_id, self.kind)
    }
}

/// The resource's identifier, where the sentence has it: bare, or as an object of one property.
fn identifier(reason: &str) -> Option<String> {
    let (_, rest) = reason.split_once(IDENTIFIER)?;
    let (text, _) = rest.split_once('\'')?;
    let fields = serde_json::from_str::<BTreeMap<String, String>>(text);
    let inner = fields.ok().and_then(|fields| fields.into_values().next());
    Some(inner.unwrap_or_else(|| text.to_owned()))
}

/// The service's own words, without the tokens of the calls around them.
fn unwrapped(reason: &str) -> String {
    let inner = reason
        .split_once(WRAPPED.0)
        .and_then(|(_, rest)| rest.rsplit_once(WRAPPED.1))
        .map_or(reason, |(inner, _)| inner);
    let ends = ["(Service: ", "(SDK Attempt Count"];
    let end = ends.iter().filter_map(|mark| inner.find(mark)).min();
    inner[..end.unwrap_or(inner.len())].trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_s_own_words_are_what_is_left() {
        for (reason, words, name) in [
            ("Resource creation cancelled", "Resource creation cancelled", None),
            (
                "Resource handler returned message: \"Resource of type 'AWS::Logs::LogGroup' with identifier \
                 '{\"/properties/LogGroupName\":\"x\"}' already exists.\" (RequestToken: 5f6b, HandlerErrorCode: AlreadyExists)",
                "Resource of type 'AWS::Logs::LogGroup' with identifier '{\"/properties/LogGroupName\":\"x\"}' already exists.",
                Some("x"),
            ),
            (
                "Resource handler returned message: \"User: arn:aws:iam::1:user/a is not authorized to perform: \
                 lambda:CreateFunction (Service: Lambda, Status Code: 403, Request ID: 1-2) (SDK Attempt Count: 1)\" \
                 (RequestToken: a, HandlerErrorCode: AccessDenied)",
                "User: arn:aws:iam::1:user/a is not authorized to perform: lambda:CreateFunction",
                None,
            ),
            (
                "sitefence-demo-eu-west-1 already exists in stack arn:aws:cloudformation:eu-west-1:1:stack/other/1",
                "sitefence-demo-eu-west-1 already exists in stack arn:aws:cloudformation:eu-west-1:1:stack/other/1",
                None,
            ),
        ] {
            let cause = StackCause::new("It", "AWS::X::Y", None, reason);
            assert_eq!((cause.reason.as_str(), cause.name.as_deref()), (words, name));
        }
        let cause = StackCause::new("Role", "AWS::IAM::Role", Some("sitefence-x"), "no");
        assert_eq!(cause.resource(), "Role (AWS::IAM::Role `sitefence-x`)");
    }
}
