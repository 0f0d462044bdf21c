//! Near misses: a site suspected the other one, and that was over before anybody was fenced.
//!
//! People choose their intervals by them. Near misses that last longer than they like to see, or that come every night,
//! say that a shorter failure detection would cost a site; none at all, for months, that there is room for one.

use std::fmt::Write as _;

use fencing::contract::label;
use fencing::register::near::NearMiss;
use serde_json::{Value, json};

use crate::topology::{SiteName, Topology};

/// One of them, with the sites that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedMiss {
    /// Whose monitoring reported it.
    pub reporter: SiteName,
    pub suspect: SiteName,
    pub miss: NearMiss,
}

/// The newest first.
pub fn near_misses(topology: &Topology, kept: Vec<(SiteName, NearMiss)>) -> Vec<ReportedMiss> {
    let [a, b] = topology.sites.each_ref().map(|site| &site.name);
    let mut misses: Vec<ReportedMiss> = kept
        .into_iter()
        .map(|(reporter, miss)| ReportedMiss {
            suspect: if reporter == *a { b } else { a }.clone(),
            reporter,
            miss,
        })
        .collect();
    misses.sort_by(|one, other| {
        let key = |it: &ReportedMiss| (it.miss.from, it.miss.to);
        key(other)
            .cmp(&key(one))
            .then_with(|| one.reporter.as_str().cmp(other.reporter.as_str()))
    });
    misses
}

/// A line for each, and for each reporter how long they lasted.
pub fn near_misses_text(topology: &Topology, misses: &[ReportedMiss]) -> String {
    if misses.is_empty() {
        return match topology.alerting.suspicion.seconds() {
            0 => {
                "no near misses are noted: suspicions are switched off (alerting.suspicion: 0s)\n".to_owned()
            }
            _ => "no near misses: no suspicion has ended by itself\n".to_owned(),
        };
    }
    let mut text = String::new();
    for ReportedMiss {
        reporter,
        suspect,
        miss,
    } in misses
    {
        let lasted = format!("{} s", miss.seconds());
        let why = miss
            .looked
            .as_deref()
            .unwrap_or("why nobody was fenced is not known");
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{}  {lasted:>6}  {reporter} did not see {suspect}; {why}",
            miss.from
        );
    }
    text.push('\n');
    for site in &topology.sites {
        let mut lasted: Vec<u64> = misses
            .iter()
            .filter(|missed| missed.reporter == site.name)
            .map(|missed| missed.miss.seconds())
            .collect();
        lasted.sort_unstable();
        if let (Some(longest), Some(median)) = (lasted.last(), lasted.get(lasted.len() / 2)) {
            let _ = writeln!(
                text,
                "{}: {} kept, median {median} s, longest {longest} s",
                site.name,
                lasted.len()
            );
        }
    }
    text
}

pub fn near_misses_json(misses: &[ReportedMiss]) -> Value {
    let misses = misses.iter().map(|missed| {
        json!({
            (label::REPORTER): missed.reporter,
            "suspect": missed.suspect,
            "from": missed.miss.from.to_string(),
            "to": missed.miss.to.to_string(),
            "seconds": missed.miss.seconds(),
            "looked": missed.miss.looked,
        })
    });
    json!({ "nearMisses": misses.collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sample::topology_from;

    fn miss(from: &str, to: &str, looked: Option<&str>) -> NearMiss {
        NearMiss {
            from: format!("2026-11-21T{from}Z").parse().unwrap(),
            to: format!("2026-11-21T{to}Z").parse().unwrap(),
            looked: looked.map(str::to_owned),
        }
    }

    fn kept(topology: &Topology) -> Vec<(SiteName, NearMiss)> {
        let [a, b] = topology.sites.each_ref().map(|site| site.name.clone());
        vec![
            (
                a.clone(),
                miss("03:00:00", "03:00:08", Some("site-a sees site-b again")),
            ),
            (a.clone(), miss("20:00:00", "20:00:25", None)),
            (a, miss("12:00:00", "12:00:10", Some("the node has restarted"))),
            (b, miss("12:00:01", "12:00:09", Some("site-b sees site-a again"))),
        ]
    }

    #[test]
    fn the_newest_comes_first_with_how_long_and_why_nobody_was_fenced() {
        let topology = topology_from("");
        let misses = near_misses(&topology, kept(&topology));
        insta::assert_snapshot!("near_misses", near_misses_text(&topology, &misses));
        insta::assert_snapshot!("near_misses_json", format!("{:#}", near_misses_json(&misses)));
    }

    #[test]
    fn where_there_are_none_it_says_whether_any_could_be() {
        let topology = topology_from("");
        assert!(near_misses_text(&topology, &[]).starts_with("no near misses: "));
        let off = topology_from("alerting: { suspicion: 0s }");
        assert!(near_misses_text(&off, &[]).contains("suspicions are switched off"));
    }
}
