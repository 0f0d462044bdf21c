//! Paths and queries of the API, taken apart.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

/// What a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// `/version`, `/healthz` and their like.
    Server(String),
    /// `/api` or `/apis`.
    Groups {
        core: bool,
    },
    /// `/apis/GROUP`.
    Group(String),
    /// `/api/v1` or `/apis/GROUP/VERSION`.
    Version {
        group: String,
        version: String,
    },
    Resource(ResourcePath),
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct ResourcePath {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) plural: String,
    pub(super) namespace: Option<String>,
    pub(super) name: Option<String>,
    pub(super) subresource: Option<String>,
}

impl Place {
    pub(super) fn of(path: &str) -> Self {
        let segments: Vec<String> = path.split('/').skip(1).map(decoded).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match segments.as_slice() {
            ["api"] | ["api", ""] => Self::Groups { core: true },
            ["apis"] | ["apis", ""] => Self::Groups { core: false },
            ["api", version] => Self::Version {
                group: String::new(),
                version: (*version).to_owned(),
            },
            ["apis", group] => Self::Group((*group).to_owned()),
            ["apis", group, version] => Self::Version {
                group: (*group).to_owned(),
                version: (*version).to_owned(),
            },
            ["api", version, rest @ ..] => Self::resource("", version, rest),
            ["apis", group, version, rest @ ..] => Self::resource(group, version, rest),
            ["version" | "healthz" | "livez" | "readyz", ..] => Self::Server(segments.join("/")),
            _ => Self::Unknown,
        }
    }

    fn resource(group: &str, version: &str, rest: &[&str]) -> Self {
        let owned = |text: &&str| Some((*text).to_owned());
        // A namespace's own subresources; everything else below a namespace is a resource in it.
        let is_own = |segment: &str| segment == "status" || segment == "finalize";
        let (namespace, rest) = match rest {
            ["namespaces", namespace, inner @ ..]
                if inner.first().is_some_and(|it| !group.is_empty() || !is_own(it)) =>
            {
                (owned(namespace), inner)
            }
            rest => (None, rest),
        };
        let (plural, name, subresource) = match rest {
            [plural] => (plural, None, None),
            [plural, name] => (plural, owned(name), None),
            [plural, name, subresource] => (plural, owned(name), owned(subresource)),
            [plural, name, proxy @ "proxy", _] => (plural, owned(name), owned(proxy)),
            _ => return Self::Unknown,
        };
        Self::Resource(ResourcePath {
            group: group.to_owned(),
            version: version.to_owned(),
            plural: (*plural).to_owned(),
            namespace,
            name,
            subresource,
        })
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Query(BTreeMap<String, String>);

impl Query {
    pub(super) fn of(query: Option<&str>) -> Self {
        let pairs = query
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    let read = |text: &str| decoded(&text.replace('+', " "));
                    (read(name), read(value))
                })
                .collect(),
        )
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    pub(super) fn is_true(&self, name: &str) -> bool {
        matches!(self.get(name), Some("true" | "1"))
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
