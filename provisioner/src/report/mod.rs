//! Plans, progress and outcomes as text and JSON. Pure: a value in, a string out.

mod changelog;
mod cost;
pub mod draft;
mod drill;
mod failure;
mod history;
mod incident;
mod json;
mod losses;
mod near_misses;
mod objects;
mod operate;
mod outcome;
mod package;
mod plan;
mod properties;
mod rehearsal;
mod spelling;
mod status;
mod version;

pub use self::changelog::changelog;
pub use self::cost::{Cost, cost_text, monthly};
pub use self::drill::{split_brain_json, split_brain_text};
pub use self::failure::{causes_json, failure_text, problems_text};
pub use self::history::{Chapter, chapter_json, chapter_text, chapters, history_json, history_text};
pub use self::incident::{Around, incident_html};
pub use self::json::{applied_json, destroyed_json, package_json, plan_json};
pub use self::losses::losses_text;
pub use self::near_misses::{ReportedMiss, ReportedMisses, near_misses, near_misses_json, near_misses_text};
pub use self::objects::{left_out, unknown_kinds};
pub use self::operate::{drilled_json, drilled_text, operated_json, operated_text};
pub use self::outcome::{Applied, Destroyed, Operated, Preview, Rehearsed};
pub use self::package::package_text;
pub use self::plan::{
    applied_text, changes, destroyed_text, destruction_text, latency_text, plan_text, step,
};
pub use self::rehearsal::{rehearsed_json, rehearsed_text, would_all_be_fenced};
pub use self::status::{
    Complaint, Condition, Summary, changes_between, herald, sign_of_life, status_json, status_text, verdict,
};
pub use self::version::{Carried, OfTopology, Versions, version_json, version_text};

/// A number of bytes as people read it.
pub fn bytes(count: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];
    for (unit, size) in UNITS {
        if count >= size {
            // One decimal, rounded to the nearest.
            let tenths = (count * 10 + size / 2) / size;
            return format!("{}.{} {unit}", tenths / 10, tenths % 10);
        }
    }
    format!("{count} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_to_one_decimal() {
        for (count, text) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1_000, "1.0 kB"),
            (1_949, "1.9 kB"),
            (1_950, "2.0 kB"),
            (2_031_616, "2.0 MB"),
            (80_530_636_800, "80.5 GB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }
}
