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
    ENVIRONMENT_PROXY, ObjectKind, WATCHDOG_REPEAT_INTERVAL, api_version, pending, without_environment_proxy,
};

use crate::topology::names::StackKind;
use crate::topology::{Region, SiteName, Topology};

/// What a document is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DocumentKind {
    /// A CloudFormation template.
    Stack {
        /// Of which stack.
        kind: StackKind,
        /// For which Region.
        region: Region,
    },
    /// A document of a site's cluster.
    Object {
        /// For which site.
        site: SiteName,
        /// Which one.
        kind: ObjectKind,
    },
}

/// A rendered document.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// What it is.
    pub kind: DocumentKind,
    /// Where `render` puts it, with `/` between folders.
    pub path: String,
    /// Its text.
    pub text: String,
    /// What the text says.
    pub value: Value,
}

/// A rendered object and where it goes.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectDocument {
    /// The site.
    pub site: SiteName,
    /// Which one.
    pub kind: ObjectKind,
    /// What it says.
    pub value: Value,
}

/// A rendered template and where it goes.
#[derive(Debug, Clone, PartialEq)]
pub struct StackDocument {
    /// Which stack.
    pub kind: StackKind,
    /// In which Region.
    pub region: Region,
    /// The template.
    pub template: String,
    /// What the template says.
    pub value: Value,
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
