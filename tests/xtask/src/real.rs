//! The lanes against real programs: what the stand-ins claim, judged by what they stand in for.
//!
//! A lane builds or fetches its programs once, keeps them among the tools, starts them on loopback and runs the tests
//! that speak to them. Each takes minutes, so they are chosen by name.

use std::fmt::Write as _;

use crate::failure::Failure;
use crate::infinispan;
use crate::kubernetes;
use crate::workspace::Workspace;

/// One real program and the tests that it judges.
struct Lane {
    name: &'static str,
    about: &'static str,
    /// With what followed the name.
    run: fn(&Workspace, &[String]) -> Result<(), Failure>,
}

const LANES: &[Lane] = &[
    Lane {
        name: "kubernetes",
        about: "the real kube-apiserver under the suites of its stand-in and of the clusters",
        run: kubernetes::run,
    },
    Lane {
        name: "infinispan",
        about: "two sites of real Infinispan servers, the function between them, and every way to lose a link",
        run: infinispan::run,
    },
];

/// Runs the lane that is named first.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let lanes = || {
        LANES.iter().fold(String::new(), |mut text, lane| {
            // Writing to a String cannot fail.
            let _ = write!(text, "\n  {:12} {}", lane.name, lane.about);
            text
        })
    };
    let Some((name, rest)) = arguments.split_first() else {
        return Err(Failure::Usage {
            what: "`real` wants to know which program".to_owned(),
            hint: format!("the lanes are{}", lanes()),
        });
    };
    let lane = LANES.iter().find(|lane| lane.name == name);
    let lane = lane.ok_or_else(|| Failure::Usage {
        what: format!("there is no lane `{name}`"),
        hint: format!("the lanes are{}", lanes()),
    })?;
    (lane.run)(workspace, rest)
}
