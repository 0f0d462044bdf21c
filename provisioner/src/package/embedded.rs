//! The functions that this program carries, one for each processor, if it was built to carry them.
//!
//! They are the bare binaries: a deployment's zip has its sites' authorities beside it and is packed when these are
//! known.

use std::io::Read;

use flate2::read::GzDecoder;

use super::{PackageError, UNPACKED_LIMIT_BYTES};
use crate::topology::Architecture;

// The build script's: `ARM64` and `X86_64`, each compressed.
include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

const fn compressed(architecture: Architecture) -> Option<&'static [u8]> {
    match architecture {
        Architecture::Arm64 => ARM64,
        Architecture::X86_64 => X86_64,
    }
}

/// Whether this program carries the function for a processor.
pub const fn is_embedded(architecture: Architecture) -> bool {
    compressed(architecture).is_some()
}

/// The function's binary for a processor; `None` where this program does not carry it.
pub fn bootstrap(architecture: Architecture) -> Result<Option<Vec<u8>>, PackageError> {
    compressed(architecture).map(unpacked).transpose()
}

fn unpacked(compressed: &[u8]) -> Result<Vec<u8>, PackageError> {
    let mut binary = Vec::new();
    GzDecoder::new(compressed)
        .take(UNPACKED_LIMIT_BYTES)
        .read_to_end(&mut binary)
        .map_err(|source| PackageError::Damaged { source })?;
    Ok(binary)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn what_was_compressed_comes_back_and_damage_is_seen() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(b"the function").unwrap();
        let compressed = encoder.finish().unwrap();
        assert_eq!(unpacked(&compressed).unwrap(), b"the function");
        let half = &compressed[..compressed.len() / 2];
        assert!(matches!(unpacked(half), Err(PackageError::Damaged { .. })));
    }
}
