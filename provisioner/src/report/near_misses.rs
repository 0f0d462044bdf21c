//! Near misses: a site suspected the other one, and that was over before anybody was fenced.
//!
//! People choose their intervals by them. Near misses that last longer than they like to see, or that come every night,
//! say that a shorter failure detection would cost a site; none at all, for months, that there is room for one.

use std::fmt::Write as _;

use fencing::contract::{alert, label};
use fencing::register::near::NearMiss;
use serde_json::{Value, json};

use crate::observed::status::KeptMisses;
use crate::topology::{SiteName, Topology};

/// One of them, with the sites that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedMiss {
    /// Whose monitoring reported it.
    pub reporter: SiteName,
    pub suspect: SiteName,
    pub miss: NearMiss,
}

/// All that are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedMisses {
    /// The newest first.
    pub misses: Vec<ReportedMiss>,
    /// The sites whose near misses cannot be read. None of theirs above does not mean that there were none.
    pub unread: Vec<SiteName>,
}

impl ReportedMiss {
    /// Why nobody was fenced, in the function's words.
    fn why(&self) -> String {
        let Some(looked) = &self.miss.looked else {
            return "why nobody was fenced is not known".to_owned();
        };
        let left = looked.strip_prefix(alert::LEFT);
        let why = left.and_then(|rest| rest.strip_prefix(": ")).unwrap_or(looked);
        format!("not fenced: {why}")
    }
}

pub fn near_misses(topology: &Topology, kept: Vec<KeptMisses>) -> ReportedMisses {
    let [a, b] = topology.sites.each_ref().map(|site| &site.name);
    let mut misses = Vec::new();
    let mut unread = Vec::new();
    for KeptMisses { site, misses: kept } in kept {
        let suspect = if site == *a { b } else { a };
        match kept {
            Some(kept) => misses.extend(kept.into_iter().map(|miss| ReportedMiss {
                reporter: site.clone(),
                suspect: suspect.clone(),
                miss,
            })),
            None => unread.push(site),
        }
    }
    misses.sort_by(|one, other| {
        let key = |it: &ReportedMiss| (it.miss.from, it.miss.to);
        key(other)
            .cmp(&key(one))
            .then_with(|| one.reporter.as_str().cmp(other.reporter.as_str()))
    });
    ReportedMisses { misses, unread }
}

/// A line for each, and for each reporter how long they lasted.
pub fn near_misses_text(topology: &Topology, reported: &ReportedMisses) -> String {
    let ReportedMisses { misses, unread } = reported;
    if misses.is_empty() && unread.is_empty() {
        return match topology.alerting.suspicion.seconds() {
            0 => format!(
                "no near misses are kept: suspicions are off, by `alerting.suspicion: 0s` or by a `function.timeout` ({}) \
                 that is too short for one\n",
                topology.function.timeout
            ),
            _ => "no near misses: no suspicion has ended by itself\n".to_owned(),
        };
    }
    let mut text = String::new();
    for missed in misses {
        let ReportedMiss {
            reporter,
            suspect,
            miss,
        } = missed;
        let lasted = format!("{} s", miss.seconds());
        let why = missed.why();
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{}  {lasted:>6}  {reporter} lost sight of {suspect}; {why}",
            miss.from
        );
    }
    if !misses.is_empty() {
        text.push('\n');
    }
    for site in &topology.sites {
        if unread.contains(&site.name) {
            let _ = writeln!(
                text,
                "{}: its near misses cannot be read: a function of another version keeps them; use that version's \
                 provision",
                site.name
            );
            continue;
        }
        let mut lasted: Vec<u64> = misses
            .iter()
            .filter(|missed| missed.reporter == site.name)
            .map(|missed| missed.miss.seconds())
            .collect();
        lasted.sort_unstable();
        let _ = match (lasted.last(), lasted.get(lasted.len() / 2)) {
            (Some(longest), Some(median)) => writeln!(
                text,
                "{}: {} kept, median {median} s, longest {longest} s",
                site.name,
                lasted.len()
            ),
            _ => writeln!(text, "{}: none kept", site.name),
        };
    }
    text
}

pub fn near_misses_json(reported: &ReportedMisses) -> Value {
    let misses = reported.misses.iter().map(|missed| {
        json!({
            (label::REPORTER): missed.reporter,
            "suspect": missed.suspect,
            "from": missed.miss.from.to_string(),
            "to": missed.miss.to.to_string(),
            "seconds": missed.miss.seconds(),
            "looked": missed.miss.looked,
        })
    });
    json!({ "nearMisses": misses.collect::<Vec<_>>(), "unread": reported.unread })
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

    fn kept(topology: &Topology) -> Vec<KeptMisses> {
        let [a, b] = topology.sites.each_ref().map(|site| site.name.clone());
        let of_a = vec![
            miss(
                "03:00:00",
                "03:00:08",
                Some("left to SiteOffline: site-a sees site-b again"),
            ),
            miss("20:00:00", "20:00:25", None),
            miss(
                "12:00:00",
                "12:00:10",
                Some(
                    "left to SiteOffline: site-b has only one relay node, and its restart looks like a lost site",
                ),
            ),
        ];
        let of_b = vec![miss(
            "12:00:01",
            "12:00:09",
            Some("left to SiteOffline: the check took too long"),
        )];
        [(a, of_a), (b, of_b)]
            .map(|(site, misses)| KeptMisses {
                site,
                misses: Some(misses),
            })
            .into()
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
        let none = near_misses(&topology, Vec::new());
        assert!(near_misses_text(&topology, &none).starts_with("no near misses: "));
        // Whether the file says so, or its timeout leaves no time to look.
        for (extra, timeout) in [
            ("alerting: { suspicion: 0s }", "15s"),
            ("function: { timeout: 10s }", "10s"),
        ] {
            assert_eq!(
                near_misses_text(&topology_from(extra), &none),
                format!(
                    "no near misses are kept: suspicions are off, by `alerting.suspicion: 0s` or by a `function.timeout` \
                     ({timeout}) that is too short for one\n"
                )
            );
        }
    }

    /// People shorten their failure detection where there are none.
    #[test]
    fn what_cannot_be_read_is_not_none_at_all() {
        let topology = topology_from("");
        let mut kept = kept(&topology);
        kept[0].misses = None;
        let unread = "site-a: its near misses cannot be read: a function of another version keeps them; use that \
                      version's provision\n";
        let one = near_misses(&topology, kept.clone());
        let text = near_misses_text(&topology, &one);
        assert!(
            text.ends_with(&format!("\n\n{unread}site-b: 1 kept, median 8 s, longest 8 s\n")),
            "{text}"
        );
        assert_eq!(near_misses_json(&one)["unread"], json!(["site-a"]));
        kept[1].misses = Some(Vec::new());
        let none = near_misses(&topology, kept);
        assert_eq!(
            near_misses_text(&topology, &none),
            format!("{unread}site-b: none kept\n")
        );
    }
}
