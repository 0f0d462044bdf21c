//! `cargo xtask dist --check`: does an archive do what it promises where nothing else is?
//!
//! ```text
//!   local AWS, accelerator, Infinispans, clusters ◀── loopback ──▶ /provision in an empty root (empty-root.sh)
//! ```
//!
//! Three things are played, for each processor: from an empty folder to a plan for two clusters that `init` has read; an
//! older deployment is planned for, upgraded and taken away; and the demo, in which the function that `provision` carries
//! starts, fences, and brings the site back. Programs for another processor run under qemu, by the kernel's hand.

use std::path::Path;
use std::time::Instant;

use super::{Processor, make_folder, shell};
use crate::command::Command;
use crate::failure::Failure;
use crate::tasks::{programs, with_tools};
use crate::workspace::Workspace;

/// Where the kernel says what it starts foreign programs with.
const HANDLERS: &str = "/proc/sys/fs/binfmt_misc";
const SCRIPT: &str = "tests/xtask/empty-root.sh";

/// Checks archives in the folder `place`, which also holds what that leaves.
pub(super) fn run(
    workspace: &Workspace,
    place: &Path,
    archives: &[(&Processor, String)],
) -> Result<(), Failure> {
    for (processor, _) in archives {
        can_run(processor)?;
    }
    programs(workspace).run()?;
    // The demo comes with its own test, for the same reason.
    Command::cargo(workspace, &["test", "--workspace", "--no-run", "--test", "demo"]).run()?;
    for (processor, archive) in archives {
        let begun = Instant::now();
        let folder = place.join("check").join(processor.name);
        shell(workspace, "rm -rf \"$1\"", &[&folder])?;
        make_folder(&folder.join("archive"))?;
        let unpack = "tar -xzf \"$1\" -C \"$2/archive\" --strip-components=1 && cp \"$3\" \"$2/provision\"";
        shell(
            workspace,
            unpack,
            &[&place.join(archive), &folder, &workspace.root.join(SCRIPT)],
        )?;
        let provision = folder.join("provision");
        let played = |test: &str| {
            let test = ["test", "--workspace", "--test", "cloud", "--", test];
            with_tools(workspace, Command::cargo(workspace, &test))
                .environment("SITEFENCE_PROVISION", &provision)
                .environment("SITEFENCE_ARCHITECTURE", processor.name)
                .run_tests()
        };
        played("clusters::init::what_two_clusters_and_aws_have_is_a_topology_that_plans")?;
        let took = begun.elapsed();
        played("clusters::versions")?;
        let demo = Command::new(workspace, workspace.binary("demo"), "run this task again");
        let demo = demo
            .arguments(&[&provision])
            .arguments(&[format!("carried:{}", processor.name)])
            .arguments(&[workspace.root.join("examples")]);
        with_tools(workspace, demo).run()?;
        println!(
            "{archive}: from an empty folder to a plan in {} s, with all that the test does beside",
            took.as_secs()
        );
        println!("{archive}: deploys, upgrades, fences and goes, alone in an empty root");
    }
    Ok(())
}

/// Fails where this machine cannot start a processor's programs.
fn can_run(processor: &Processor) -> Result<(), Failure> {
    let arch = processor.target.split('-').next().unwrap_or_default();
    let handler = Path::new(HANDLERS).join(format!("qemu-{arch}"));
    if arch == std::env::consts::ARCH || handler.is_file() {
        return Ok(());
    }
    Err(Failure::Usage {
        what: format!("this machine starts no programs for {}", processor.name),
        hint: format!(
            "on Debian and Ubuntu: apt-get install qemu-user-static; where that does not register it: \
             mount -t binfmt_misc none {HANDLERS}; cat /usr/lib/binfmt.d/qemu-{arch}.conf > {HANDLERS}/register"
        ),
    })
}
