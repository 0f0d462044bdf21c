//! A register that moves while an apply stops between two functions: one knows the new register, one the old.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use super::{Step, destroy};
use crate::observed::cluster::Looks;
use crate::observed::{Observed, RegionStanding, RegisterPlace, StackReading, Standing};
use crate::preflight::problem::Problem;
use crate::preflight::warning::Warning;
use crate::preflight::{former_registers, judge, judge_destruction, judge_history};
use crate::sample::*;
use crate::topology::Topology;
use crate::topology::names::StackKind;

const OTHER: &str = "eu-central-1";
const FORMER: &str = "sitefence-prod-register in eu-west-1";
const WANTED: &str = "elsewhere in eu-west-1";

fn in_two_regions(extra: &str) -> Topology {
    let mut topology = topology_from(extra);
    topology.regions.push(OTHER.into());
    topology
}

fn moved() -> Topology {
    in_two_regions("register: { table: elsewhere }")
}

fn fencing_stack() -> StackReading {
    let function = topology().function_name();
    stack("CREATE_COMPLETE", &[("AWS::Lambda::Function", function.as_str())])
}

/// A world with functions in two Regions. The one in `updated` knows the register that is moved to.
fn half_moved(updated: &str) -> Standing {
    let mut standing = standing();
    let before = in_two_regions("function: { timeout: 18s }");
    for region in [REGION, OTHER] {
        let topology = if region == updated { &moved() } else { &before };
        let mut made = RegionStanding {
            function: Some(function(topology, &findings())),
            ..RegionStanding::default()
        };
        made.stacks.insert(StackKind::Fencing, fencing_stack());
        standing.regions.insert(region.into(), made);
    }
    standing.register = Some(table("open"));
    let mut former = table("open");
    hold(&mut former, true);
    for place in former_registers(&moved(), &standing) {
        standing.former_registers.insert(place, former.clone());
    }
    standing
}

fn observed_with(standing: Standing) -> Observed {
    let mut observed = observed();
    observed.standing = standing;
    let secret = observed.infinispan_secrets[REGION].clone();
    observed.infinispan_secrets.insert(OTHER.into(), secret);
    observed
}

fn set(standing: &mut Standing, former: &str, wanted: &str) {
    for register in standing.former_registers.values_mut() {
        register.item = table(former).item;
        hold(register, true);
    }
    standing.register = Some(table(wanted));
}

#[test]
fn each_register_that_a_function_uses_is_known_whichever_function_comes_first() {
    for updated in [REGION, OTHER] {
        let places: Vec<String> = half_moved(updated)
            .former_registers
            .keys()
            .map(ToString::to_string)
            .collect();
        assert_eq!(places, [FORMER], "{updated}");
    }
}

#[test]
fn a_decision_in_either_register_keeps_everything() {
    for updated in [REGION, OTHER] {
        for (former, wanted, refused) in [
            ("open", "open", false),
            ("complete", "open", true),
            ("open", "complete", true),
        ] {
            let mut standing = half_moved(updated);
            set(&mut standing, former, wanted);
            let case = format!("{updated} {former} {wanted}");
            let problems = judge_destruction(&moved(), &standing, &Looks::new(), false);
            let is_refused = matches!(
                problems.as_ref().map_err(Vec::as_slice),
                Err([Problem::NotOpen { .. }])
            );
            assert_eq!(
                (is_refused, problems.is_err()),
                (refused, refused),
                "{case}: {problems:?}"
            );
            let problems = judge(&moved(), &observed_with(standing), 0)
                .err()
                .unwrap_or_default();
            let in_force = |problem: &Problem| matches!(problem, Problem::DecisionInForce { .. });
            assert_eq!(problems.iter().any(in_force), refused, "{case}: {problems:?}");
        }
    }
}

#[test]
fn every_register_is_looked_at_again_when_the_slowest_function_has_ended() {
    for updated in [REGION, OTHER] {
        let mut standing = half_moved(updated);
        set(&mut standing, "open", "open");
        let plan = destroy::plan(&moved(), &standing, &Looks::new(), true);
        let confirmed = plan.steps.iter().find_map(|step| match step {
            Step::ConfirmEpoch {
                registers,
                timeout_seconds,
            } => Some((registers, *timeout_seconds)),
            _ => None,
        });
        let (registers, seconds) = confirmed.unwrap();
        let places: Vec<String> = registers.iter().map(|(place, _)| place.to_string()).collect();
        assert_eq!(
            (places, seconds),
            (vec![FORMER.to_owned(), WANTED.to_owned()], 18),
            "{updated}"
        );
    }
}

#[test]
fn the_move_is_finished_only_while_the_register_of_the_function_that_is_behind_is_held() {
    for updated in [REGION, OTHER] {
        let mut standing = half_moved(updated);
        let findings = judge(&moved(), &observed_with(standing.clone()), 0).unwrap();
        let differ = |warning: &Warning| {
            let text = warning.to_string();
            matches!(warning, Warning::RegistersDiffer { .. })
                && text.contains(FORMER)
                && text.contains(WANTED)
        };
        assert!(findings.warnings.iter().any(differ), "{:?}", findings.warnings);
        for register in standing.former_registers.values_mut() {
            hold(register, false);
        }
        let problems = judge(&moved(), &observed_with(standing), 0).unwrap_err();
        assert!(
            matches!(&problems[..], [Problem::MovesUnheld { from, to }] if from == FORMER && to == WANTED),
            "{problems:?}"
        );
    }
}

/// It was confirmed when the move began, and the function that moved may have written to it since.
#[test]
fn a_history_that_a_function_continues_need_not_be_confirmed_again() {
    for updated in [REGION, OTHER] {
        let mut standing = half_moved(updated);
        standing.register.as_mut().unwrap().holds_item = true;
        assert_eq!(judge_history(&moved(), &standing, None), Ok(()), "{updated}");
    }
}

/// Its functions went, and what the last of them decided stands in the table that is left.
#[test]
fn a_register_that_a_move_has_left_behind_is_asked_too() {
    let topology = in_two_regions("register: { regions: [eu-west-3] }");
    let mut standing = standing();
    let table_name = topology.table_name();
    let left = stack("CREATE_COMPLETE", &[("AWS::DynamoDB::Table", &table_name)]);
    let region = standing.regions.get_mut(REGION).unwrap();
    region.stacks.insert(StackKind::Register, left);
    let places = former_registers(&topology, &standing);
    let expected = RegisterPlace {
        region: REGION.into(),
        table: table_name,
        role_arn: None,
    };
    assert!(places.len() == 1 && places.contains(&expected), "{places:?}");
    standing.former_registers = BTreeMap::from([(expected, table("complete"))]);
    let refused = judge_destruction(&topology, &standing, &Looks::new(), false).unwrap_err();
    assert!(matches!(&refused[..], [Problem::NotOpen { .. }]), "{refused:?}");
    let refused = judge(&topology, &observed_with(standing.clone()), 0).unwrap_err();
    assert!(
        matches!(&refused[..], [Problem::DecisionInForce { .. }]),
        "{refused:?}"
    );
    // Open, it goes without further ado: nobody is left who could decide in it.
    for register in standing.former_registers.values_mut() {
        register.item = table("open").item;
    }
    assert!(judge(&topology, &observed_with(standing), 0).is_ok());
}

/// A hold that was put on to move the register is no obstacle any more afterwards.
#[test]
fn a_move_tells_what_stays_behind() {
    let epochs = |holds_item: bool| {
        let mut standing = half_moved(OTHER);
        let mut wanted = table("open");
        wanted.holds_item = holds_item;
        record(&mut wanted).epoch = fencing::words::Epoch(4);
        standing.register = Some(wanted);
        let findings = judge(&moved(), &observed_with(standing), 0).unwrap();
        let moves = findings.warnings.iter().map(ToString::to_string);
        moves
            .into_iter()
            .find(|text| text.starts_with("the register moves"))
            .unwrap()
    };
    for (holds_item, told) in [(false, "epochs start over;"), (true, "epochs continue from 4;")] {
        let text = epochs(holds_item);
        assert!(text.contains(told), "{text}");
        assert!(
            text.ends_with("a hold stays behind, too: hold again after the move if you still need it"),
            "{text}"
        );
    }
}
