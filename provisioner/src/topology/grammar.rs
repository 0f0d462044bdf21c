//! The newtypes of the topology: texts with a closed grammar.
//!
//! Whatever the topology says ends up in a stack's name, an ARN, a PromQL string, a label or a path. A text
//! that got into one of these types consists only of characters that mean nothing special in any of those
//! places. Each grammar is one regular expression, used for the check and printed into the JSON Schema, so
//! that an editor and `provision validate` refuse the same texts.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::{LazyLock, Mutex, PoisonError};

use regex::Regex;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::regions;
use super::withheld::looks_like_a_name;
use crate::yaml::shortened;

/// What a [`SecretReference`] is.
const SECRET: &str = "a secret's name or ARN";

/// A text that does not keep to the grammar of the thing it should name.
///
/// `{}` says what is wrong with it, `{:#}` what to do about it: serde hands an error on as something that can be
/// printed and as nothing else, and the decoder prints it both ways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrammarError {
    /// What was wanted, with its article.
    pub what: &'static str,
    pub text: String,
    /// How a right one looks.
    pub hint: Cow<'static, str>,
}

impl fmt::Display for GrammarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            f.write_str(&self.hint)
        } else if self.what == SECRET && !looks_like_a_name(&self.text) {
            // It may be the secret itself.
            write!(f, "this is not {}", self.what)
        } else {
            write!(f, "`{}` is not {}", shortened(&self.text, 80), self.what)
        }
    }
}

impl std::error::Error for GrammarError {}

/// Whether all of `text` matches `pattern`; each pattern is compiled once.
pub(super) fn matches(pattern: &'static str, text: &str) -> bool {
    static COMPILED: LazyLock<Mutex<HashMap<&'static str, Option<Regex>>>> =
        LazyLock::new(|| Mutex::new(HashMap::new()));
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    compiled
        .entry(pattern)
        // A pattern that does not compile accepts nothing; the test below compiles them all.
        .or_insert_with(|| Regex::new(pattern).ok())
        .as_ref()
        .is_some_and(|regex| regex.is_match(text))
}

/// What is wrong with a text that is right but for blanks around it, or but for its capitals.
fn nearly(text: &str, fits: impl Fn(&str) -> bool) -> Option<Cow<'static, str>> {
    let trimmed = text.trim();
    if trimmed != text && fits(trimmed) {
        return Some(Cow::Owned(format!(
            "there is a blank before or after it: write `{}`",
            shortened(trimmed, 80)
        )));
    }
    let lower = trimmed.to_ascii_lowercase();
    (lower != trimmed && fits(&lower))
        .then(|| Cow::Owned(format!("did you mean `{}`?", shortened(&lower, 80))))
}

macro_rules! text {
    ($(#[$doc:meta])* $type:ident, $what:expr, max $max:literal, $pattern:literal, $hint:literal
     $(, tidied $tidied:path)? $(, also $also:path)? $(, explained $explained:path)?) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// The grammar, in the part of regular expressions that Rust and JSON Schema share.
            pub const PATTERN: &'static str = $pattern;
            /// The most characters it may have.
            pub const MAX_LENGTH: usize = $max;

            /// Accepts `text` if it keeps to the grammar.
            pub fn new(text: impl Into<String>) -> Result<Self, GrammarError> {
                let text = text.into();
                $(let text = $tidied(text);)?
                let refused = |hint: Cow<'static, str>, text: String| GrammarError { what: $what, text, hint };
                if text.chars().count() > $max || !matches($pattern, &text) {
                    $(if let Some(hint) = $explained(&text) {
                        return Err(refused(hint, text));
                    })?
                    if let Some(hint) = nearly(&text, |text| Self::new(text).is_ok()) {
                        return Err(refused(hint, text));
                    }
                    return Err(refused(Cow::Borrowed($hint), text));
                }
                $(if let Err(hint) = $also(&text) {
                    return Err(refused(hint, text));
                })?
                Ok(Self(text))
            }

            /// A text of this program's own. The test `defaults_keep_to_their_grammars` proves them.
            #[allow(dead_code, reason = "not every kind of text has a default")]
            pub(super) fn literal(text: &'static str) -> Self {
                Self(text.to_owned())
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $type {
            type Error = GrammarError;
            fn try_from(text: String) -> Result<Self, GrammarError> {
                Self::new(text)
            }
        }

        impl From<$type> for String {
            fn from(text: $type) -> String {
                text.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "pattern": $pattern, "maxLength": $max})
            }
        }
    };
}

text!(
    /// An AWS Region that this version knows.
    Region, "an AWS Region", max 20, "^[a-z]{2}-[a-z]+-[0-9]{1,2}$",
    "Regions look like eu-west-1",
    also known_region,
    explained no_region
);
impl Region {
    /// A Region as AWS names it, or as an existing stack or function names it. Whether this version knows it
    /// is not asked: it was used.
    pub fn seen(text: &str) -> Option<Self> {
        matches(Self::PATTERN, text).then(|| Self(text.to_owned()))
    }
}

/// A Region is read as its name wherever one is wanted, and never written as another.
impl std::ops::Deref for Region {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for Region {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
impl From<&str> for Region {
    #[allow(clippy::expect_used)]
    fn from(text: &str) -> Self {
        Self::new(text).expect("a Region")
    }
}

text!(
    /// The accelerator, by DNS name (either form) or by ARN.
    Accelerator, "an accelerator", max 150,
    "^([a-z0-9]{8,40}(\\.dualstack)?\\.awsglobalaccelerator\\.com|arn:aws:globalaccelerator::[0-9]{12}:accelerator/[0-9a-z-]{8,64})$",
    "give its DNS name (a….awsglobalaccelerator.com or a….dualstack.awsglobalaccelerator.com) or its ARN; `aws globalaccelerator list-accelerators --region us-west-2` shows both",
    tidied host_in_canonical_form,
    explained other_partition
);
text!(
    /// A user name for HTTP authentication.
    Username, "a user name", max 64, "^[A-Za-z0-9][A-Za-z0-9._@-]*$",
    "use letters, digits and . _ @ -, a letter or digit first; a colon is not allowed in HTTP Basic authentication",
    also no_access_key
);
text!(
    /// A secret of Secrets Manager, by name or by ARN.
    SecretReference, SECRET, max 600,
    "^([A-Za-z0-9/_+=.@!-]{1,512}|arn:aws:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@!-]{1,520})$",
    "give the secret's name or ARN in AWS Secrets Manager, never its value",
    explained other_partition
);
text!(
    /// A context of the kubeconfig. It is only looked up and shown, so anything goes that a terminal can show.
    ContextName, "a kubeconfig context", max 253, "^[^\\u0000-\\u001f\\u007f-\\u009f]+$",
    "`kubectl config get-contexts -o name` lists the contexts"
);
text!(
    Namespace, "a Kubernetes namespace", max 63, "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
    "lower-case letters, digits and inner hyphens, at most 63"
);
text!(
    /// The name of a Kubernetes object.
    ObjectName, "the name of a Kubernetes object", max 63, "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
    "lower-case letters, digits and inner hyphens, at most 63"
);
text!(
    /// A host, with a port if it is not 443.
    Endpoint, "a host name", max 253,
    "^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*(:[0-9]{1,5})?$",
    "give the host alone, as in infinispan.site-a.example.com or host:11222; HTTPS is implied and there is no path",
    also reachable_from_lambda,
    explained no_host
);
text!(
    /// The name that a server's certificate is made out to.
    ServerName, "a server's name", max 253,
    "^(\\*\\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$",
    "a DNS name from the certificate, such as infinispan.keycloak.svc, without a port",
    tidied host_in_canonical_form,
    also no_wildcard
);
text!(
    /// A file, relative to the topology file.
    FilePath, "a path", max 500, "^[A-Za-z0-9._/~+@-][A-Za-z0-9._/~+@ -]*$",
    "give a path relative to the topology file, with / between folders",
    explained certificate_itself
);
text!(
    RoleArn, "the ARN of an IAM role", max 620, "^arn:aws:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$",
    "it looks like arn:aws:iam::123456789012:role/NAME"
);
text!(
    PolicyArn, "the ARN of an IAM policy", max 620,
    "^arn:aws:iam::([0-9]{12}|aws):policy/[A-Za-z0-9+=,.@_/-]+$",
    "it looks like arn:aws:iam::123456789012:policy/NAME"
);
text!(
    KeyArn, "the ARN of a KMS key", max 200, "^arn:aws:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$",
    "it looks like arn:aws:kms:eu-west-1:123456789012:key/ID; an alias is not allowed in a policy"
);
text!(
    TopicArn, "the ARN of an SNS topic", max 320, "^arn:aws:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}$",
    "it looks like arn:aws:sns:eu-west-1:123456789012:NAME; FIFO topics cannot take alarms"
);
text!(
    SubnetId, "a subnet", max 30, "^subnet-[0-9a-f]{8,17}$", "it looks like subnet-0123456789abcdef0"
);
text!(
    SecurityGroupId, "a security group", max 30, "^sg-[0-9a-f]{8,17}$", "it looks like sg-0123456789abcdef0"
);
text!(
    TableName, "the name of a DynamoDB table", max 255, "^[A-Za-z0-9_.-]{3,}$",
    "3 to 255 letters, digits, and _ . -"
);
text!(
    Email, "an e-mail address", max 254,
    "^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+$",
    "it looks like oncall@example.com, one address per list entry"
);
text!(
    /// A proxy, or the word for where to find one or none.
    Proxy, "a proxy", max 300,
    "^(environment|none|https?://[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*(:[0-9]{1,5})?)$",
    "`environment`, `none`, or a URL as in http://proxy.example.com:3128",
    tidied without_last_slash,
    explained secret_in_url
);
text!(
    /// A key of a ConfigMap.
    DataKey, "a key of a ConfigMap", max 253, "^[A-Za-z0-9._-]+$", "letters, digits, and - _ ."
);
text!(
    LabelKey, "a label's key", max 317,
    "^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$",
    "as Kubernetes requires: an optional domain and /, then at most 63 letters, digits, and _ . -"
);
text!(
    LabelValue, "a label's value", max 63, "^([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?$",
    "at most 63 letters, digits, and _ . - inside"
);
text!(
    /// The key of an AWS tag.
    TagKey, "the key of an AWS tag", max 128, "^[A-Za-z0-9+=._:/@-][A-Za-z0-9 +=._:/@-]*$",
    "at most 128 letters, digits, spaces, and + = . _ : / @ -; keys that begin with aws: or sitefence: are reserved",
    also free_tag_key
);
text!(
    /// The value of an AWS tag.
    TagValue, "the value of an AWS tag", max 256, "^[A-Za-z0-9 +=._:/@-]*$",
    "at most 256 letters, digits, spaces, and + = . _ : / @ -"
);
text!(
    /// A rejoin clears the caches, so Infinispan's own are none of them.
    CacheName, "the name of a cache", max 64, "^_{0,2}[A-Za-z0-9][A-Za-z0-9_.-]*$",
    "letters, digits, and _ . -; names that begin with ___ are Infinispan's own"
);

fn known_region(text: &str) -> Result<(), Cow<'static, str>> {
    match regions::services(text) {
        Some(_) => Ok(()),
        None => Err(regions::hint(text)),
    }
}

fn no_region(text: &str) -> Option<Cow<'static, str>> {
    // A block that has one entry per Region, written without them.
    if matches!(text, "subnetIds" | "securityGroupIds") {
        return Some(Cow::Borrowed(
            "subnets go under their Region: vpc: { eu-west-1: { subnetIds: […], securityGroupIds: […] } }",
        ));
    }
    Some(regions::hint(text))
}

/// A DNS name is the same in capitals and with the root's dot; an ARN is taken as it is.
fn host_in_canonical_form(text: String) -> String {
    if text.starts_with("arn:") {
        return text;
    }
    text.strip_suffix('.').unwrap_or(&text).to_ascii_lowercase()
}

fn other_partition(text: &str) -> Option<Cow<'static, str>> {
    let partition = text.strip_prefix("arn:")?.split(':').next()?;
    (partition != "aws" && partition.starts_with("aws-")).then(|| {
        Cow::Owned(format!(
            "the partition {partition} has no Global Accelerator: only the commercial one, arn:aws:…, is supported"
        ))
    })
}

/// The id of an AWS access key is public, but a person who pastes it here has the wrong pair of credentials at hand.
fn no_access_key(text: &str) -> Result<(), Cow<'static, str>> {
    let looks_like_one = text.len() == 20
        && ["AKIA", "ASIA"].iter().any(|prefix| text.starts_with(prefix))
        && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    if looks_like_one {
        return Err(Cow::Borrowed(
            "this is the id of an AWS access key: give the name of the user; never put AWS credentials into this \
             file",
        ));
    }
    Ok(())
}

fn certificate_itself(text: &str) -> Option<Cow<'static, str>> {
    text.contains("-----BEGIN ").then_some(Cow::Borrowed(
        "save the certificate in a file beside the topology, and give the file's path",
    ))
}

fn no_host(text: &str) -> Option<Cow<'static, str>> {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))?;
    let host = rest
        .split(['/', '?', '#'])
        .next()
        .filter(|host| Endpoint::new(*host).is_ok())?;
    Some(Cow::Owned(if text.starts_with("http:") {
        format!("write `{host}`; the function uses HTTPS only, because each request carries the password")
    } else {
        format!("write `{host}`; HTTPS is implied and there is no path")
    }))
}

/// A certificate may be made out to a wildcard; who is asked for is one server.
fn no_wildcard(text: &str) -> Result<(), Cow<'static, str>> {
    match text.strip_prefix("*.") {
        Some(domain) => Err(Cow::Owned(format!(
            "write one of its names, such as infinispan.{domain}: a certificate for `{text}` covers it"
        ))),
        None => Ok(()),
    }
}

fn without_last_slash(text: String) -> String {
    text.strip_suffix('/').map(str::to_owned).unwrap_or(text)
}

fn secret_in_url(text: &str) -> Option<Cow<'static, str>> {
    (text.contains("://") && text.contains('@')).then_some(Cow::Borrowed(
        "no user and no password are allowed here, because many people can read this file and the object in the \
         cluster: let the proxy recognise Alertmanager by its address, or give Alertmanager the proxy in its \
         environment and write `environment`",
    ))
}

/// What a name means inside a cluster, or on the machine itself, it does not mean to a Lambda function.
fn reachable_from_lambda(text: &str) -> Result<(), Cow<'static, str>> {
    port_in_range(text)?;
    let host = text.split(':').next().unwrap_or(text).to_ascii_lowercase();
    let is_in_cluster = host.ends_with(".svc") || host.ends_with(".cluster.local") || host.contains(".svc.");
    if is_in_cluster {
        return Err(Cow::Borrowed(
            "this name exists only inside the cluster, where the function does not run: expose Infinispan by a Route, an Ingress or a load balancer and give that host",
        ));
    }
    Ok(())
}

fn port_in_range(text: &str) -> Result<(), Cow<'static, str>> {
    match text.rsplit_once(':') {
        Some((_, port)) if !port.parse::<u16>().is_ok_and(|port| port > 0) => {
            Err(Cow::Borrowed("a port is a number from 1 to 65535"))
        }
        _ => Ok(()),
    }
}

fn free_tag_key(text: &str) -> Result<(), Cow<'static, str>> {
    let lower = text.to_ascii_lowercase();
    if lower.starts_with("aws:") || lower.starts_with("sitefence:") {
        return Err(Cow::Borrowed(
            "keys that begin with aws: or sitefence: are reserved",
        ));
    }
    Ok(())
}

impl Proxy {
    /// Whether Alertmanager's own environment says.
    pub fn is_of_environment(&self) -> bool {
        self.0 == "environment"
    }

    /// The URL, if it is one.
    pub fn url(&self) -> Option<&str> {
        self.0.contains("://").then_some(&self.0)
    }
}

impl Endpoint {
    /// The Infinispan at this endpoint, as the function addresses it.
    pub fn url(&self) -> String {
        format!("https://{}", self.0)
    }
}

impl KeyArn {
    /// The same multi-Region key in another Region; a key of one Region is the same everywhere.
    #[must_use]
    pub fn in_region(&self, region: &Region) -> Self {
        if self.is_multi_region() {
            Self(
                self.0
                    .replacen(&format!(":{}:", self.region()), &format!(":{region}:"), 1),
            )
        } else {
            self.clone()
        }
    }

    /// The Region that the key's ARN names.
    pub fn region(&self) -> &str {
        self.0.split(':').nth(3).unwrap_or_default()
    }

    /// Whether the key can have replicas of the same id in other Regions.
    pub fn is_multi_region(&self) -> bool {
        self.0.contains(":key/mrk-")
    }
}

impl TopicArn {
    /// The Region that the topic's ARN names.
    pub fn region(&self) -> &str {
        self.0.split(':').nth(3).unwrap_or_default()
    }
}

impl SecretReference {
    /// The Region of the secret if it is given by ARN.
    pub fn region(&self) -> Option<&str> {
        self.0
            .starts_with("arn:")
            .then(|| self.0.split(':').nth(3))
            .flatten()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    macro_rules! grammars {
        ($($type:ident: [$($good:literal),* $(,)?] not [$($bad:literal),* $(,)?];)*) => {
            #[test]
            fn each_grammar_takes_its_own_and_nothing_else() {
                $(
                    Regex::new($type::PATTERN).unwrap();
                    for good in [$($good),*] {
                        assert!($type::new(good).is_ok(), "{} refuses {good:?}", stringify!($type));
                    }
                    // What is special somewhere on the way is refused everywhere.
                    let hostile = ["${AWS::AccountId}", "{{resolve:ssm:x}}", "a\"b", "a\nb", "a\\b", "a'b", "a\u{0}", "é", "<a>", "a`b", "a\r", "x\n"];
                    for bad in [$($bad),*].into_iter().chain(hostile) {
                        assert!($type::new(bad).is_err(), "{} takes {bad:?}", stringify!($type));
                    }
                )*
            }
        };
    }

    grammars! {
        Region: ["eu-west-1", "ap-southeast-3", "us-east-1"] not ["eu-west-9", "EU-WEST-1", "", "eu-west", "narnia-east-1", "eu-west-1a", "cn-north-1", "us-gov-west-1"];
        Accelerator: [
            "a3da6a6cbd4e27b02.awsglobalaccelerator.com",
            "a3da6a6cbd4e27b02.dualstack.awsglobalaccelerator.com",
            "A3DA6A6CBD4E27B02.AwsGlobalAccelerator.com.",
            "arn:aws:globalaccelerator::123456789012:accelerator/1234abcd-abcd-1234-abcd-1234abcdefgh",
        ] not ["", "example.com", "https://a3da6a6cbd4e27b02.awsglobalaccelerator.com"];
        Username: ["keycloak", "a.b@c-d_e", "AKIA"] not ["", "a:b", "-a", "a b", "AKIAIOSFODNN7EXAMPLE"];
        SecretReference: ["keycloak-prod/infinispan", "/prod/ispn_a+b=c.d@e", "rds!db-1", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:a/b-AbCdEf"] not ["", "a b", "arn:aws:s3:::x"];
                Namespace: ["keycloak", "a1"] not ["", "Keycloak", "a.b", "-a", "a-"];
        ObjectName: ["infinispan"] not ["", "Infinispan", "a_b"];
        Endpoint: ["infinispan.site-a.example.com", "h:11222", "10.0.0.1:8443"] not ["", "infinispan.keycloak.svc", "infinispan.keycloak.svc.cluster.local:11222", "https://h", "h/path", "h:0", "h:70000", "h:", "-h", "a..b"];
        ServerName: ["infinispan.keycloak.svc", "Infinispan.Keycloak.SVC.", "h"] not ["", "h:11222", "https://h", "a..b", "*.keycloak.svc", "-h"];
        FilePath: ["certs/site-a.pem", "/etc/ssl/a b.pem", "../ca.pem"] not ["", " a", "a\tb"];
        RoleArn: ["arn:aws:iam::123456789012:role/path/register"] not ["", "arn:aws:iam::1:role/x", "arn:aws:iam::123456789012:user/x"];
        PolicyArn: ["arn:aws:iam::123456789012:policy/b", "arn:aws:iam::aws:policy/b"] not ["", "arn:aws:iam::123456789012:role/b"];
        KeyArn: ["arn:aws:kms:eu-west-1:123456789012:key/mrk-1234"] not ["", "alias/a", "arn:aws:kms:eu-west-1:123456789012:alias/a"];
        TopicArn: ["arn:aws:sns:eu-west-1:123456789012:oncall"] not ["", "arn:aws:sns:eu-west-1:123456789012:oncall.fifo"];
        SubnetId: ["subnet-0123456789abcdef0"] not ["", "subnet-x", "sg-0123456789abcdef0"];
        SecurityGroupId: ["sg-0123456789abcdef0"] not ["", "sg-"];
        TableName: ["sitefence-register"] not ["", "ab", "a/b", "a b"];
        Email: ["oncall@example.com", "a.b+c@x-y.example.org"] not ["", "oncall", "a@b", "a@@b.c", "a b@c.d", "a@b.c, d@e.f"];
        Proxy: ["environment", "none", "http://proxy.example.com:3128", "https://p", "http://p/"] not ["", "direct", "proxy:3128", "http://u:p@proxy:3128", "socks5://p:1", "http://p/path", "http://p:"];
        DataKey: ["ca-bundle.crt", "a_b"] not ["", "a/b", "a b"];
        LabelKey: ["release", "app.kubernetes.io/name"] not ["", "a b", "a/b/c", "-a"];
        LabelValue: ["", "kube-prometheus-stack", "a_b.c"] not ["a b", "-a", "a/b"];
        TagKey: ["Cost Center", "team"] not ["", "aws:x", "AWS:x", "sitefence:topology", " a"];
        TagValue: ["", "a b@c"] not ["a;b"];
        CacheName: ["actionTokens", "__x", "1.a-b_"] not ["", "___x", "___protobuf_metadata", "_", "a/b", "a,b", "a b"];
    }

    /// It is looked up in the kubeconfig and shown, nothing else, so only what a terminal obeys is refused.
    #[test]
    fn a_context_is_any_name_that_can_be_shown() {
        for good in [
            "rosa-site-a",
            "default/api-x:6443/kube:admin",
            "a b",
            "\u{fc}ber (alt) $1",
            "[x]",
        ] {
            assert!(ContextName::new(good).is_ok(), "{good:?}");
        }
        for bad in ["", "a\nb", "a\u{1b}[31m", "a\u{9b}b", "a\u{0}"] {
            assert!(ContextName::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_accelerator_s_host_is_kept_in_its_canonical_form() {
        let host = Accelerator::new("A3DA6A6CBD4E27B02.awsglobalaccelerator.com.").unwrap();
        assert_eq!(host.as_str(), "a3da6a6cbd4e27b02.awsglobalaccelerator.com");
    }

    #[test]
    fn a_hint_says_what_was_meant() {
        let hint = |error: GrammarError| error.hint.into_owned();
        let endpoint = |text: &str| hint(Endpoint::new(text).unwrap_err());
        assert!(endpoint("https://h.example.com/rest").starts_with("write `h.example.com`"));
        assert!(endpoint("http://h:11222").contains("HTTPS only"));
        assert!(endpoint("infinispan.keycloak.svc").contains("only inside the cluster"));
        let china = "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:a";
        assert!(hint(SecretReference::new(china).unwrap_err()).contains("aws-cn"));
        assert!(hint(Username::new("AKIAIOSFODNN7EXAMPLE").unwrap_err()).contains("access key"));
    }
}
