//! A topology in the making: what is known of each field and from where, written as a file that people go on with.
//!
//! ```text
//!   flags ─┐
//!   found ─┼─▶ Draft ─▶ topology.yaml: each field with what it is for, its value, and where that came from;
//!   asked ─┘                           FILL-IN where nobody knew, which `validate` explains
//! ```
//!
//! What a field is for is read from the schema, as `explain` does, so that the file cannot say anything else.

pub mod found;

use crate::topology::explain::explain;
use crate::topology::{MARK, harmless};

/// How wide a comment is.
const WIDTH: usize = 100;

/// A field's value, and where it came from or how to find it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// Each value; several for a list, none where nobody knew.
    pub values: Vec<String>,
    pub remark: String,
}

impl Entry {
    /// A value that is known.
    pub fn known(value: impl Into<String>, remark: impl Into<String>) -> Self {
        Self {
            values: vec![value.into()],
            remark: remark.into(),
        }
    }

    /// One that somebody has to fill in, and how it is found.
    pub fn unknown(remark: impl Into<String>) -> Self {
        Self {
            values: Vec::new(),
            remark: remark.into(),
        }
    }

    pub fn is_known(&self) -> bool {
        !self.values.is_empty()
    }

    /// Its value, where it has one.
    pub fn value(&self) -> Option<&str> {
        self.values.first().map(String::as_str)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SiteDraft {
    pub name: Entry,
    pub region: Entry,
    pub platform: Entry,
    pub context: Entry,
    pub namespace: Entry,
    /// The Infinispan resource, where it is not called as usual.
    pub cluster: Option<Entry>,
    /// The host of its Infinispan, for the record: `apply` reads it again.
    pub endpoint: Option<Entry>,
    pub authority: Option<AuthorityDraft>,
    /// The Keycloak resource, where it is not called as usual or lies elsewhere.
    pub keycloak: Option<(Entry, Option<Entry>)>,
    /// What has to be done or known about it, each as a sentence.
    pub notes: Vec<String>,
}

/// A file with an authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorityDraft {
    /// Where it is written, beside the topology.
    pub file: String,
    pub pem: String,
    pub name: String,
    pub fingerprint: String,
    /// Whether somebody said that it is the right one.
    pub is_trusted: bool,
    /// Whether its file is written: it is not beside a topology that goes to stdout.
    pub is_written: bool,
}

/// The whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Draft {
    pub name: Entry,
    pub regions: Entry,
    pub accelerator: Entry,
    pub username: Entry,
    pub password_secret: Entry,
    /// The webhook's user, where it is not the usual one.
    pub webhook_username: Option<Entry>,
    pub sites: [SiteDraft; 2],
    /// The register's Region, where the sites are in two.
    pub register_region: Option<Entry>,
    /// Labels by which the clusters' Prometheus finds rules.
    pub labels: Vec<(String, String)>,
    /// What has to be done or known, each as a sentence.
    pub notes: Vec<String>,
}

/// A field that nobody knew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Its place, as `sites[0].region`.
    pub path: String,
    pub remark: String,
}

impl Draft {
    /// The fields that are left.
    pub fn missing(&self) -> Vec<Missing> {
        let mut missing = Vec::new();
        let mut look = |path: String, entry: &Entry| {
            if !entry.is_known() {
                let remark = entry.remark.clone();
                missing.push(Missing { path, remark });
            }
        };
        look("name".to_owned(), &self.name);
        look("regions".to_owned(), &self.regions);
        look("accelerator".to_owned(), &self.accelerator);
        look("infinispan.username".to_owned(), &self.username);
        look("infinispan.passwordSecret".to_owned(), &self.password_secret);
        for (index, site) in self.sites.iter().enumerate() {
            for (field, entry) in site.required() {
                look(format!("sites[{index}].{field}"), entry);
            }
        }
        if let Some(region) = &self.register_region {
            look("register.regions".to_owned(), region);
        }
        missing
    }

    pub fn text(&self) -> String {
        let mut page = DraftText::default();
        page.comment(
            0,
            "Written by `provision init`. What is not here has a default: `provision explain` lists every field.",
        );
        if !self.missing().is_empty() {
            page.comment(
                0,
                &format!("{MARK} marks what could not be found; `provision validate` lists each one."),
            );
        }
        for note in &self.notes {
            page.comment(0, note);
        }
        page.blank();
        page.field(0, "name", "name", &self.name);
        page.list("regions", &self.regions);
        page.field(0, "accelerator", "accelerator", &self.accelerator);
        page.block("infinispan", "infinispan");
        page.field(2, "username", "infinispan.username", &self.username);
        page.field(
            2,
            "passwordSecret",
            "infinispan.passwordSecret",
            &self.password_secret,
        );
        if let Some(username) = &self.webhook_username {
            page.block("webhook", "webhook");
            page.field(2, "username", "webhook.username", username);
        }
        if let Some(region) = &self.register_region {
            page.block("register", "register");
            page.line(2, "kind: table", "");
            page.line(2, &format!("regions: [{}]", shown(region)), &region.remark);
        }
        if !self.labels.is_empty() {
            page.block("monitoring", "monitoring.labels");
            let labels: Vec<String> = self
                .labels
                .iter()
                .map(|(name, value)| format!("{}: {}", scalar(name), scalar(value)))
                .collect();
            page.line(
                2,
                &format!("labels: {{ {} }}", labels.join(", ")),
                "the labels by which its Prometheus selects rules",
            );
        }
        page.block("sites", "sites");
        for site in &self.sites {
            site.write(&mut page);
        }
        page.text
    }
}

impl SiteDraft {
    fn required(&self) -> [(&'static str, &Entry); 5] {
        [
            ("name", &self.name),
            ("region", &self.region),
            ("platform", &self.platform),
            ("context", &self.context),
            ("namespace", &self.namespace),
        ]
    }

    fn write(&self, page: &mut DraftText) {
        for note in &self.notes {
            page.comment(2, note);
        }
        for (index, (field, entry)) in self.required().into_iter().enumerate() {
            let (indentation, dash) = if index == 0 { (2, "- ") } else { (4, "") };
            page.line(
                indentation,
                &format!("{dash}{field}: {}", shown(entry)),
                &entry.remark,
            );
        }
        let trusted = self
            .authority
            .as_ref()
            .filter(|it| it.is_trusted && it.is_written);
        if self.cluster.is_some() || trusted.is_some() {
            page.line(4, "infinispan:", "");
        }
        if let Some(cluster) = &self.cluster {
            page.line(6, &format!("cluster: {}", shown(cluster)), &cluster.remark);
        }
        if let Some(it) = trusted {
            let remark = format!("{}, SHA-256 {}", it.name, it.fingerprint);
            page.line(6, &format!("caBundle: {}", scalar(&it.file)), &remark);
        }
        if let Some(endpoint) = &self.endpoint {
            page.comment(
                4,
                &format!("Infinispan answers at {}: {}", shown(endpoint), endpoint.remark),
            );
        }
        if let Some(it) = self.authority.as_ref().filter(|_| trusted.is_none()) {
            let sentence = match (it.is_trusted, it.is_written) {
                (true, _) => format!(
                    "It shows the certificate of the authority `{}`. Write that certificate to the file below, and \
                     remove the #",
                    it.name
                ),
                (false, true) => format!(
                    "It shows the certificate of the authority `{}`, which nobody has confirmed yet. Compare the \
                     fingerprint with your authority's: if they match, remove the #",
                    it.name
                ),
                (false, false) => format!(
                    "It shows the certificate of the authority `{}`, which nobody has confirmed yet. Compare the \
                     fingerprint with your authority's: if they match, write the certificate to the file below, and \
                     remove the #",
                    it.name
                ),
            };
            page.comment(4, &sentence);
            page.comment(4, &format!("SHA-256 {}", it.fingerprint));
            // Without the # it belongs to the block that is there.
            if self.cluster.is_some() {
                page.line(6, &format!("# caBundle: {}", scalar(&it.file)), "");
            } else {
                page.line(
                    4,
                    &format!("# infinispan: {{ caBundle: {} }}", scalar(&it.file)),
                    "",
                );
            }
        }
        if let Some((name, namespace)) = &self.keycloak {
            page.line(4, "keycloak:", "");
            page.line(6, &format!("name: {}", shown(name)), &name.remark);
            if let Some(namespace) = namespace {
                page.line(6, &format!("namespace: {}", shown(namespace)), &namespace.remark);
            }
        }
    }
}

/// What stands in the file for a value.
fn shown(entry: &Entry) -> String {
    entry.value().map_or_else(|| MARK.to_owned(), scalar)
}

/// A text as YAML takes it back.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._/:@-".contains(c);
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let reads_as_something_else = ["true", "false", "yes", "no", "on", "off", "null"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word));
    if begins && !text.ends_with(':') && text.chars().all(plain) && !reads_as_something_else {
        return text.to_owned();
    }
    serde_json::Value::from(text).to_string()
}

#[derive(Default)]
struct DraftText {
    text: String,
}

impl DraftText {
    fn blank(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    fn comment(&mut self, indentation: usize, words: &str) {
        let blank = " ".repeat(indentation);
        let mut line = String::new();
        for word in words.split_whitespace() {
            let word = harmless(word, usize::MAX);
            if !line.is_empty() && indentation + 3 + line.chars().count() + word.chars().count() > WIDTH {
                self.text.push_str(&format!("{blank}#{line}\n"));
                line.clear();
            }
            line.push(' ');
            line.push_str(&word);
        }
        if !line.is_empty() {
            self.text.push_str(&format!("{blank}#{line}\n"));
        }
    }

    fn line(&mut self, indentation: usize, code: &str, remark: &str) {
        let remark = if remark.is_empty() {
            String::new()
        } else {
            format!("  # {}", harmless(remark, usize::MAX))
        };
        self.text
            .push_str(&format!("{}{code}{remark}\n", " ".repeat(indentation)));
    }

    fn field(&mut self, indentation: usize, key: &str, path: &str, entry: &Entry) {
        if indentation == 0 {
            self.blank();
        }
        self.explained(indentation, path);
        self.line(indentation, &format!("{key}: {}", shown(entry)), &entry.remark);
    }

    fn list(&mut self, key: &str, entry: &Entry) {
        self.blank();
        self.explained(0, key);
        let items: Vec<String> = entry.values.iter().map(|value| scalar(value)).collect();
        let items = if items.is_empty() {
            MARK.to_owned()
        } else {
            items.join(", ")
        };
        self.line(0, &format!("{key}: [{items}]"), &entry.remark);
    }

    fn block(&mut self, key: &str, path: &str) {
        self.blank();
        self.explained(0, path);
        self.line(0, &format!("{key}:"), "");
    }

    fn explained(&mut self, indentation: usize, path: &str) {
        if let Ok(explained) = explain(path) {
            self.comment(indentation, &explained.description);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_back_as_the_text_that_it_is() {
        for (text, written) in [
            ("keycloak-prod", "keycloak-prod"),
            ("keycloak/infinispan", "keycloak/infinispan"),
            ("default/api-ocp:6443/admin", "default/api-ocp:6443/admin"),
            ("yes", "\"yes\""),
            ("10", "\"10\""),
            ("a b", "\"a b\""),
            ("a: b", "\"a: b\""),
            ("end:", "\"end:\""),
            ("", "\"\""),
        ] {
            assert_eq!(scalar(text), written);
        }
    }

    #[test]
    fn an_authority_counts_only_once_somebody_vouched_for_it() {
        let mut draft = Draft::default();
        draft.sites[0].authority = Some(AuthorityDraft {
            file: "certs/site-a.pem".to_owned(),
            pem: String::new(),
            name: "an authority".to_owned(),
            fingerprint: "AB:CD".to_owned(),
            is_trusted: false,
            is_written: true,
        });
        let text = draft.text();
        assert!(
            text.contains("    # infinispan: { caBundle: certs/site-a.pem }\n"),
            "{text}"
        );
        assert!(text.contains("    # SHA-256 AB:CD\n"), "{text}");
        if let Some(authority) = &mut draft.sites[0].authority {
            authority.is_trusted = true;
        }
        let text = draft.text();
        let trusted = "    infinispan:\n      caBundle: certs/site-a.pem  # an authority, SHA-256 AB:CD\n";
        assert!(text.contains(trusted), "{text}");
        // A file that is not written is not referred to.
        if let Some(authority) = &mut draft.sites[0].authority {
            authority.is_written = false;
        }
        let text = draft.text();
        assert!(
            text.contains("    # infinispan: { caBundle: certs/site-a.pem }\n") && !text.contains(trusted),
            "{text}"
        );
        draft.sites[0].cluster = Some(Entry::known("mine", ""));
        let text = draft.text();
        let in_its_block = "    infinispan:\n      cluster: mine\n";
        assert!(text.contains(in_its_block), "{text}");
        assert!(text.contains("\n      # caBundle: certs/site-a.pem\n"), "{text}");
    }

    #[test]
    fn a_remark_stays_on_its_line() {
        let draft = Draft {
            name: Entry::known("keycloak", "one\nname: other\u{202e}"),
            notes: vec!["a\u{1b}[2J\nnote".to_owned()],
            ..Draft::default()
        };
        let text = draft.text();
        assert!(
            text.contains("name: keycloak  # one\u{fffd}name: other\u{fffd}\n"),
            "{text}"
        );
        assert!(text.contains("# a\u{fffd}[2J note\n"), "{text}");
    }

    #[test]
    fn what_nobody_knew_is_marked_and_listed() {
        let draft = Draft {
            name: Entry::known("keycloak", ""),
            accelerator: Entry::unknown("no accelerator holds both sites"),
            ..Draft::default()
        };
        let text = draft.text();
        assert!(
            text.contains("accelerator: FILL-IN  # no accelerator holds both sites\n"),
            "{text}"
        );
        assert!(text.contains("name: keycloak\n"), "{text}");
        let missing: Vec<String> = draft.missing().into_iter().map(|it| it.path).collect();
        assert_eq!(missing[..3], ["regions", "accelerator", "infinispan.username"]);
        assert!(missing.contains(&"sites[1].namespace".to_owned()));
    }
}
