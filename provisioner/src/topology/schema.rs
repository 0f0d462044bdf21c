//! The JSON Schema of the topology, for editors, made from the same types.

use fencing::words::{SiteName, TopologyName};
use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator, json_schema};

use super::Topology;

pub(super) fn topology_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "pattern": TopologyName::PATTERN, "maxLength": TopologyName::MAX_LENGTH})
}

pub(super) fn site_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "pattern": SiteName::PATTERN, "maxLength": SiteName::MAX_LENGTH})
}

pub(super) fn optional_site_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": ["string", "null"], "pattern": SiteName::PATTERN, "maxLength": SiteName::MAX_LENGTH
    })
}

/// The schema of a topology file, draft 2020-12.
pub fn json_schema() -> serde_json::Value {
    let generator: SchemaGenerator = SchemaSettings::draft2020_12().into_generator();
    generator.into_root_schema_for::<Topology>().to_value()
}
