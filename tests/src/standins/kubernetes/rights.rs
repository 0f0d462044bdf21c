//! Who may do what: RBAC's rules, read from the manifests that a cluster's administrator would apply.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// One rule of a Role or ClusterRole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    groups: Vec<String>,
    resources: Vec<String>,
    verbs: Vec<String>,
    names: Vec<String>,
    paths: Vec<String>,
}

/// Rules, and where they hold: in one namespace, or everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Grant {
    namespace: Option<String>,
    rules: Vec<Rule>,
}

/// What one user may do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Rights {
    grants: Vec<Grant>,
}

/// A request, as the authorizer sees it.
#[derive(Debug, Clone, Default)]
pub(super) struct Attempt<'a> {
    pub(super) verb: &'a str,
    pub(super) group: &'a str,
    /// With its subresource behind a slash.
    pub(super) resource: &'a str,
    pub(super) namespace: Option<&'a str>,
    pub(super) name: Option<&'a str>,
}

fn strings(value: &Value) -> Vec<String> {
    let entries = value.as_array().into_iter().flatten();
    entries.filter_map(Value::as_str).map(str::to_owned).collect()
}

impl Rule {
    fn of(rule: &Value) -> Self {
        Self {
            groups: strings(&rule["apiGroups"]),
            resources: strings(&rule["resources"]),
            verbs: strings(&rule["verbs"]),
            names: strings(&rule["resourceNames"]),
            paths: strings(&rule["nonResourceURLs"]),
        }
    }

    fn allows(&self, attempt: &Attempt<'_>) -> bool {
        let has = |list: &[String], wanted: &str| list.iter().any(|it| it == "*" || it == wanted);
        let is_named = self.names.is_empty()
            || attempt
                .name
                .is_some_and(|name| self.names.iter().any(|it| it == name));
        has(&self.verbs, attempt.verb)
            && has(&self.groups, attempt.group)
            && has(&self.resources, attempt.resource)
            && is_named
    }

    fn document(&self) -> Value {
        let mut rule = json!({"verbs": self.verbs});
        for (name, values) in [
            ("apiGroups", &self.groups),
            ("resources", &self.resources),
            ("resourceNames", &self.names),
            ("nonResourceURLs", &self.paths),
        ] {
            if !values.is_empty() {
                rule[name] = json!(values);
            }
        }
        rule
    }
}

impl Rights {
    /// As `cluster-admin`.
    pub(super) fn all() -> Self {
        let every = || vec!["*".to_owned()];
        let rule = Rule {
            groups: every(),
            resources: every(),
            verbs: every(),
            names: Vec::new(),
            paths: every(),
        };
        Self {
            grants: vec![Grant {
                namespace: None,
                rules: vec![rule],
            }],
        }
    }

    /// What Roles, ClusterRoles and their bindings among `manifests` grant the user. What they refer to and do not
    /// hold grants nothing, as in a cluster.
    pub(super) fn of_manifests(user: &str, manifests: &[Value]) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut roles: BTreeMap<(String, String, String), Vec<Rule>> = BTreeMap::new();
        for role in manifests {
            if role["kind"] == "Role" || role["kind"] == "ClusterRole" {
                let rules = role["rules"].as_array().into_iter().flatten().map(Rule::of);
                let key = (
                    text(&role["kind"]),
                    text(&role["metadata"]["namespace"]),
                    text(&role["metadata"]["name"]),
                );
                roles.insert(key, rules.collect());
            }
        }
        let mut grants = Vec::new();
        for binding in manifests {
            let in_namespace = match binding["kind"].as_str() {
                Some("RoleBinding") => Some(text(&binding["metadata"]["namespace"])),
                Some("ClusterRoleBinding") => None,
                _ => continue,
            };
            let subjects = binding["subjects"].as_array().into_iter().flatten();
            if !subjects.into_iter().any(|subject| is_subject(subject, user)) {
                continue;
            }
            let referred = &binding["roleRef"];
            let role_namespace = if referred["kind"] == "Role" {
                in_namespace.clone().unwrap_or_default()
            } else {
                String::new()
            };
            let key = (text(&referred["kind"]), role_namespace, text(&referred["name"]));
            if let Some(rules) = roles.get(&key) {
                grants.push(Grant {
                    namespace: in_namespace,
                    rules: rules.clone(),
                });
            }
        }
        Self { grants }
    }

    pub(super) fn allow(&self, attempt: &Attempt<'_>) -> bool {
        self.grants.iter().any(|grant| {
            let holds_here = match &grant.namespace {
                None => true,
                Some(namespace) => attempt.namespace == Some(namespace.as_str()),
            };
            holds_here && grant.rules.iter().any(|rule| rule.allows(attempt))
        })
    }

    /// The rules that hold in a namespace, as a SelfSubjectRulesReview lists them.
    pub(super) fn rules_in(&self, namespace: &str) -> Vec<Value> {
        self.grants
            .iter()
            .filter(|grant| grant.namespace.as_deref().is_none_or(|it| it == namespace))
            .flat_map(|grant| grant.rules.iter().map(Rule::document))
            .collect()
    }
}

/// Users by name, service accounts by the name they sign in with.
fn is_subject(subject: &Value, user: &str) -> bool {
    let part = |name: &str| subject[name].as_str().unwrap_or_default();
    match part("kind") {
        "User" => part("name") == user,
        "Group" => part("name") == "system:authenticated",
        "ServiceAccount" => user == format!("system:serviceaccount:{}:{}", part("namespace"), part("name")),
        _ => false,
    }
}

/// One thing that nobody may do, whatever the rules grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Denial {
    pub(super) verb: String,
    pub(super) resource: String,
    pub(super) namespace: Option<String>,
}

impl Denial {
    pub(super) fn covers(&self, attempt: &Attempt<'_>) -> bool {
        (self.verb == "*" || self.verb == attempt.verb)
            && (self.resource == "*" || self.resource == attempt.resource)
            && self
                .namespace
                .as_deref()
                .is_none_or(|it| Some(it) == attempt.namespace)
    }
}
