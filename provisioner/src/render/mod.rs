//! Every document of a topology: what `render` prints and `apply` puts in place.
//!
//! ```text
//!   aws/<region>/artifacts.yaml  register.yaml  fencing.yaml  health.yaml
//!   clusters/<site>/kustomization.yaml  alertmanagerconfig.yaml  prometheusrule.yaml  podmonitor.yaml
//!   by-hand/<site>/secret.yaml  user-workload-monitoring-config.yaml
//! ```
//!
//! Pure and deterministic: a topology gives the same bytes everywhere, without credentials and without a
//! network. What is only known by looking at the two clouds enters the templates as CloudFormation
//! parameters. `check` renders and proves what it got; everybody else asks it, not this module.

mod alarms;
mod aws;
mod dashboard;
mod engine;
mod health;
mod kubernetes;
mod stacks;
pub mod user_workload;

use serde_json::Value;

pub use aws::{parameters, schedule_input};
pub use engine::RenderError;
pub use health::health_host_parameter;
pub use kubernetes::{
    ENVIRONMENT_PROXY, ObjectKind, WATCHDOG_REPEAT_INTERVAL, api_version, pending, preference,
    without_environment_proxy,
};

use crate::topology::names::StackKind;
use crate::topology::{Region, SiteName, Topology};

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DocumentKind {
    Stack {
        kind: StackKind,
        region: Region,
    },
    /// A document of a site's cluster.
    Object {
        site: SiteName,
        kind: ObjectKind,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    pub kind: DocumentKind,
    /// Where `render` puts it, with `/` between folders.
    pub path: String,
    pub text: String,
    pub value: Value,
}

/// A rendered object and where it goes.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectDocument {
    pub site: SiteName,
    pub kind: ObjectKind,
    pub value: Value,
}

/// A CloudFormation template: the text that is sent and compared, and what it says, read once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Template {
    pub text: String,
    /// Null where the text, which somebody else deployed, is no YAML.
    pub value: Value,
}

impl Template {
    pub fn read(text: impl Into<String>) -> Self {
        let text = text.into();
        let value = serde_yaml::from_str(&text).unwrap_or_default();
        Self { text, value }
    }

    /// The resources' names in the template, and what is said of each.
    pub fn resources(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.value["Resources"].as_object().into_iter().flatten()
    }
}

/// A rendered template and where it goes.
#[derive(Debug, Clone, PartialEq)]
pub struct StackDocument {
    pub kind: StackKind,
    pub region: Region,
    pub template: Template,
}

/// Renders every document of `topology`, in a fixed order. Whether they keep their promises is not looked at here.
pub fn render(topology: &Topology) -> Result<Vec<Document>, RenderError> {
    let mut documents = Vec::new();
    for region in stacks::regions(topology) {
        for kind in StackKind::ALL {
            if let Some(filled) = stacks::stack(topology, kind, &region)? {
                documents.push(Document {
                    path: format!("aws/{region}/{}.yaml", kind.word()),
                    kind: DocumentKind::Stack {
                        kind,
                        region: region.clone(),
                    },
                    text: filled.text,
                    value: filled.value,
                });
            }
        }
    }
    for site in &topology.sites {
        for kind in kubernetes::kinds(topology, site) {
            let filled = kubernetes::document(topology, site, kind)?;
            let folder = if kind.is_by_hand() { "by-hand" } else { "clusters" };
            documents.push(Document {
                path: format!("{folder}/{}/{}", site.name, kind.file()),
                kind: DocumentKind::Object {
                    site: site.name.clone(),
                    kind,
                },
                text: filled.text,
                value: filled.value,
            });
        }
    }
    Ok(documents)
}
