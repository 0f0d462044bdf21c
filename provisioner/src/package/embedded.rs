//! The functions that this program carries, one for each processor, if it was built to carry them.
//!
//! Each is a zip with the binary alone: a deployment's package has its sites' authorities beside it, and is packed when
//! these are known.

use crate::topology::Architecture;

// The build script's: `ARM64` and `X86_64`.
include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// The function's zip for a processor; `None` where this program does not carry it.
pub fn zip(architecture: Architecture) -> Option<&'static [u8]> {
    match architecture {
        Architecture::Arm64 => ARM64,
        Architecture::X86_64 => X86_64,
    }
}

/// The commit that this program was built from, if its builder said so.
pub fn commit() -> Option<&'static str> {
    Some(env!("SITEFENCE_COMMIT")).filter(|commit| !commit.is_empty())
}
