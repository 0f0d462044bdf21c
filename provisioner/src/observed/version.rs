//! Which function is deployed in a Region.

use serde::Serialize;

use crate::topology::Region;

/// A Region, and what is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeployedFunction {
    /// Where.
    pub region: Region,
    /// What.
    #[serde(flatten)]
    pub what: Deployed,
}

/// The function of a topology in a Region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Deployed {
    /// It is there.
    #[serde(rename_all = "camelCase")]
    Function {
        /// Its version, if its stack noted one.
        version: Option<String>,
        /// SHA-256 of the package that it runs from, in hexadecimal.
        code_sha256: Option<String>,
    },
    /// It did not answer.
    Unknown {
        /// The call that failed.
        #[serde(rename = "outOfReach")]
        why: String,
    },
    /// There is none.
    Nothing,
}
