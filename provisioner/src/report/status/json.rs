//! The same for programs; `docs/status.md` describes it. Fields are added, never renamed.

use fencing::health::Checkup;
use fencing::words::SiteName;
use serde_json::{Value, json};

use super::screen::{drill_is_due, infinispan, latest};
use super::{at, forced, observes, verdict};
use crate::observed::status::{Source, StatusReading};
use crate::report::spelling::camel_case;
use crate::topology::Region;

pub fn status_json(seen: &StatusReading) -> Value {
    let verdict = verdict(seen);
    let names: Vec<&str> = seen.sites.iter().map(SiteName::as_str).collect();
    let sites: Vec<Value> = seen.sites.iter().map(|site| site_json(seen, site)).collect();
    let of_checkup = |region: &Region, part: &dyn Fn(&Checkup) -> Value| {
        let items = seen.register.as_ref().ok();
        items
            .and_then(|items| items.checkups.get(region))
            .map_or(Value::Null, part)
    };
    let functions: serde_json::Map<String, Value> = seen
        .functions
        .iter()
        .map(|(region, function)| {
            let value = known(function, |function| {
                json!(function.as_ref().map(|function| json!({
                    "state": function.state, "update": function.update, "reason": function.reason,
                    "codeSha256": function.code, "version": of_checkup(region, &|it| json!(it.version)),
                    "lastError": of_checkup(region, &|it| json!(it.last_failure)),
                })))
            });
            (region.to_string(), value)
        })
        .collect();
    let complaints = verdict.complaints.iter().map(
        |complaint| json!({"what": complaint.what, "hint": complaint.hint, "degrades": complaint.degrades}),
    );
    json!({
        "topology": seen.topology,
        "at": seen.at.to_string(),
        "condition": verdict.condition.word(),
        "sentence": verdict.sentence,
        "next": verdict.next,
        "complaints": complaints.collect::<Vec<_>>(),
        "mode": if observes(seen) { "observe" } else { "act" },
        "sites": sites,
        "register": known(&seen.register, |items| camel_case(json!(items.record), &names)),
        "checkups": known(&seen.register, |items| camel_case(json!(items.checkups), &names)),
        "lastDrill": known(&seen.register, |items| json!(items.drill)),
        "drillIsDue": known(&seen.register, |items| json!(drill_is_due(seen, items))),
        "accelerator": known(&seen.accelerator, |state| json!({
            "enabled": state.enabled, "deployed": state.deployed,
        })),
        "functions": functions,
        "forcedFence": forced(seen).map(|left| json!({
            "fenced": left.fenced, "step": left.step.word(), "at": left.at, "by": left.by,
        })),
    })
}

fn site_json(seen: &StatusReading, site: &SiteName) -> Value {
    let endpoints = known(&seen.accelerator, |accelerator| {
        let here = at(&accelerator.endpoints, site);
        let endpoints = here.map(|endpoint| {
            json!({
                "id": endpoint.id, "health": endpoint.health, "weight": endpoint.weight, "dial": endpoint.dial,
            })
        });
        json!(endpoints.collect::<Vec<_>>())
    });
    let keycloak = seen.keycloaks.get(site).map(|keycloak| {
        known(
            keycloak,
            |state| json!({"wanted": state.wanted, "pods": state.pods, "ready": state.ready}),
        )
    });
    let infinispan = infinispan(seen, site).map(
        |(check, checkup)| json!({"level": check.level, "found": check.found, "at": checkup.at.to_string()}),
    );
    json!({
        "name": site,
        "endpoints": endpoints,
        "keycloak": keycloak,
        "infinispan": infinispan,
        "sees": latest(seen).and_then(|checkup| checkup.sights.get(site)),
        "watchdogLastSeen": known(&seen.register, |items| json!(items.watchdogs.get(site).map(ToString::to_string))),
    })
}

/// What is known, or `{"unknown": why}`.
fn known<T>(source: &Source<T>, value: impl FnOnce(&T) -> Value) -> Value {
    match source {
        Ok(seen) => value(seen),
        Err(reason) => json!({"unknown": reason}),
    }
}
