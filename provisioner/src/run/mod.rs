//! Carries out what was planned: the one place where a [`Step`](crate::plan::Step) becomes a call.
//!
//! ```text
//!   observe ─▶ plan (pure) ─▶ consent ─▶ lock ─▶ walk, step by step ─▶ observe again
//! ```
//!
//! Nothing here chooses what to do. Between any two calls the process may die or be stopped; running the
//! verb again continues, because a plan is made from what stands, not from what was done.

pub mod apply;
pub mod console;
pub mod destroy;
pub mod failure;
pub mod interrupt;
pub mod lock;
pub mod observe;
pub mod operate;
pub mod preview;
pub mod stacks;
pub mod walk;

pub use self::failure::Failure;

use self::console::Console;
use self::interrupt::Interrupt;
use crate::plan::{StackDocument, elf, package, package::PackedFunction};
use crate::topology::{CaBundle, Topology};
use crate::world::aws::Aws;

/// What every verb that talks to AWS needs.
#[derive(Debug, Clone)]
pub struct Session {
    /// The clients.
    pub aws: Aws,
    /// The person at the other end.
    pub console: Console,
    /// Whether that person wants to stop.
    pub interrupt: Interrupt,
}

impl Session {
    /// Signs in, and says on stderr when calls go elsewhere than to AWS.
    pub async fn begin(topology: &Topology, console: Console) -> Result<Self, Failure> {
        let aws = Aws::sign_in(topology.first_region().as_str()).await?;
        for (name, url) in aws.endpoints() {
            console.say(&format!("{name} is set: calls go to {url}"));
        }
        Ok(Self {
            aws,
            interrupt: Interrupt::listen(console.clone()),
            console,
        })
    }
}

/// Packs a binary, after a look at whether Lambda can start it.
pub fn pack(
    topology: &Topology,
    bootstrap: &[u8],
    bundles: &[CaBundle],
) -> Result<(PackedFunction, elf::Binary), Failure> {
    let binary = elf::judge(bootstrap, topology.function.architecture)?;
    let bundles = bundles
        .iter()
        .map(|bundle| (bundle.site.clone(), bundle.pem.clone()))
        .collect();
    Ok((package::pack(bootstrap, &bundles)?, binary))
}

/// What the topology asks to be deployed: everything that does not depend on the world.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// The topology.
    pub topology: &'a Topology,
    /// The rendered templates.
    pub documents: Vec<StackDocument>,
    /// The function.
    pub function: PackedFunction,
}
