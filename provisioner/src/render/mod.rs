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
//! parameters. No document comes out of here that [`crate::check`] finds to break a promise.

mod alarms;
mod aws;
mod dashboard;
mod engine;
mod health;
mod kubernetes;
pub mod user_workload;

use serde_json::Value;

pub use aws::{parameters, schedule_input};
pub use engine::RenderError;
pub use health::health_host_parameter;
pub use kubernetes::{ObjectKind, api_version, pending};

use crate::check;
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

/// Renders every document of `topology`, in a fixed order, and proves the promises about them.
pub fn render(topology: &Topology) -> Result<Vec<Document>, RenderError> {
    let mut documents = Vec::new();
    for region in aws::regions(topology) {
        for kind in StackKind::ALL {
            if let Some(filled) = aws::stack(topology, kind, &region)? {
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
    let breaches = check::breaches(topology, &documents);
    if breaches.is_empty() {
        Ok(documents)
    } else {
        Err(RenderError::Promises(breaches))
    }
}
