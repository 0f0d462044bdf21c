//! Reads the function's binary before it is packed: will Lambda's machine be able to start it?
//!
//! The runtime `provided.al2023` has glibc 2.34. A binary that asks for a newer symbol, or that was built for
//! the other processor, fails at its first invocation, which is the worst moment to learn it.

use object::elf::{self, FileHeader64};
use object::read::elf::{Dyn as _, FileHeader as _, ProgramHeader as _};
use object::{Endianness, FileKind};

use crate::topology::Architecture;

/// The glibc of `provided.al2023`.
pub const GLIBC_LIMIT: (u32, u32) = (2, 34);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binary {
    /// The processor it is for.
    pub architecture: Architecture,
    /// How it finds its libraries.
    pub linkage: Linkage,
}

/// How a binary finds its libraries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Linkage {
    Static,
    /// It needs a glibc of this version at least.
    Dynamic {
        /// The newest version of a symbol it asks for.
        glibc: (u32, u32),
    },
}

/// Why a file is no binary for Lambda.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ElfError {
    #[error("the function's binary is not a 64-bit Linux executable: it is {found}")]
    NotElf { found: String },
    #[error("the function's binary is damaged: {reason}")]
    Damaged { reason: String },
    #[error("the function's binary is for a processor that Lambda does not have (ELF machine {machine})")]
    UnknownProcessor { machine: u16 },
    #[error("the function's binary is for {found}, but the topology needs {wanted}")]
    WrongArchitecture {
        found: Architecture,
        wanted: Architecture,
    },
    #[error(
        "the function's binary needs glibc {}.{}, and Lambda's provided.al2023 has {}.{}",
        needed.0, needed.1, GLIBC_LIMIT.0, GLIBC_LIMIT.1
    )]
    GlibcTooNew { needed: (u32, u32) },
    #[error("the function's binary asks for the loader {loader}, which Lambda does not have")]
    ForeignLoader { loader: String },
}

impl ElfError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::WrongArchitecture { found, .. } => {
                format!("build it with `provision build`, or set function.architecture: {found}")
            }
            _ => "build it with `provision build`, which links statically with musl".into(),
        }
    }
}

/// Reads what a binary is, and refuses one that `wanted` machines cannot start.
pub fn judge(bytes: &[u8], wanted: Architecture) -> Result<Binary, ElfError> {
    let binary = read(bytes)?;
    if binary.architecture != wanted {
        return Err(ElfError::WrongArchitecture {
            found: binary.architecture,
            wanted,
        });
    }
    match binary.linkage {
        Linkage::Dynamic { glibc } if glibc > GLIBC_LIMIT => Err(ElfError::GlibcTooNew { needed: glibc }),
        _ => Ok(binary),
    }
}

fn damaged(error: object::read::Error) -> ElfError {
    ElfError::Damaged {
        reason: error.to_string(),
    }
}

fn read(bytes: &[u8]) -> Result<Binary, ElfError> {
    let found = match FileKind::parse(bytes) {
        Ok(FileKind::Elf64) => None,
        Ok(other) => Some(format!("{other:?}")),
        Err(_) => Some("something else".to_owned()),
    };
    if let Some(found) = found {
        return Err(ElfError::NotElf { found });
    }
    let header = FileHeader64::<Endianness>::parse(bytes).map_err(damaged)?;
    let endian = header.endian().map_err(damaged)?;
    let architecture = match header.e_machine(endian) {
        elf::EM_AARCH64 => Architecture::Arm64,
        elf::EM_X86_64 => Architecture::X86_64,
        machine => return Err(ElfError::UnknownProcessor { machine: machine.0 }),
    };
    let mut needs_libraries = false;
    let mut loader = None;
    for segment in header.program_headers(endian, bytes).map_err(damaged)? {
        if let Some(path) = segment.interpreter(endian, bytes).map_err(damaged)? {
            loader = Some(String::from_utf8_lossy(path).into_owned());
        }
        // A position-independent static binary has a dynamic section too, but names no library in it.
        if let Some(entries) = segment.dynamic(endian, bytes).map_err(damaged)? {
            needs_libraries |= entries.iter().any(|entry| entry.tag(endian) == elf::DT_NEEDED);
        }
    }
    let linkage = match loader {
        None if !needs_libraries => Linkage::Static,
        Some(loader) if !loader.contains("ld-linux") => return Err(ElfError::ForeignLoader { loader }),
        _ => Linkage::Dynamic {
            glibc: newest_glibc(header, endian, bytes)?,
        },
    };
    Ok(Binary {
        architecture,
        linkage,
    })
}

/// The newest `GLIBC_x.y` among the symbol versions that the binary asks for.
fn newest_glibc(
    header: &FileHeader64<Endianness>,
    endian: Endianness,
    bytes: &[u8],
) -> Result<(u32, u32), ElfError> {
    let sections = header.sections(endian, bytes).map_err(damaged)?;
    let mut newest = (0, 0);
    let Some((mut needs, strings)) = sections.gnu_verneed(endian, bytes).map_err(damaged)? else {
        return Ok(newest);
    };
    let strings = sections.strings(endian, bytes, strings).map_err(damaged)?;
    while let Some((_, mut versions)) = needs.next().map_err(damaged)? {
        while let Some(version) = versions.next().map_err(damaged)? {
            let name = version.name(endian, strings).map_err(damaged)?;
            if let Some(version) = std::str::from_utf8(name).ok().and_then(glibc_version) {
                newest = newest.max(version);
            }
        }
    }
    Ok(newest)
}

fn glibc_version(name: &str) -> Option<(u32, u32)> {
    let mut numbers = name.strip_prefix("GLIBC_")?.split('.');
    let major = numbers.next()?.parse().ok()?;
    let minor = numbers.next()?.parse().ok()?;
    Some((major, minor))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The smallest ELF header that parses: 64-bit, little endian, no segments, no sections.
    fn header(machine: u8) -> Vec<u8> {
        let mut bytes = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        bytes.extend([2, 0, machine, 0, 1, 0, 0, 0]);
        bytes.extend([0; 8 + 8 + 8 + 4]);
        bytes.extend([64, 0, 56, 0, 0, 0, 64, 0, 0, 0, 0, 0]);
        bytes
    }

    #[test]
    fn the_processor_must_be_the_topology_s() {
        assert_eq!(
            judge(&header(62), Architecture::X86_64).map(|it| it.linkage),
            Ok(Linkage::Static)
        );
        assert_eq!(
            judge(&header(183), Architecture::Arm64).map(|it| it.linkage),
            Ok(Linkage::Static)
        );
        assert_eq!(
            judge(&header(62), Architecture::Arm64),
            Err(ElfError::WrongArchitecture {
                found: Architecture::X86_64,
                wanted: Architecture::Arm64
            })
        );
        assert_eq!(
            judge(&header(243), Architecture::Arm64),
            Err(ElfError::UnknownProcessor { machine: 243 })
        );
    }

    #[test]
    fn what_is_no_executable_is_refused() {
        for bytes in [b"#!/bin/sh\n".as_slice(), b"", b"MZ", &header(62)[..40]] {
            assert!(judge(bytes, Architecture::X86_64).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(glibc_version("GLIBC_2.34"), Some((2, 34)));
        assert!(glibc_version("GLIBC_2.4") < glibc_version("GLIBC_2.34"));
        assert_eq!(glibc_version("GLIBC_PRIVATE"), None);
        assert_eq!(glibc_version("GCC_3.0"), None);
    }

    /// This very test is a dynamic executable of this machine.
    #[test]
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn a_dynamic_binary_tells_the_glibc_it_needs() {
        let bytes = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let binary = read(&bytes).unwrap();
        let Linkage::Dynamic { glibc } = binary.linkage else {
            unreachable!("{binary:?}")
        };
        assert!(glibc >= (2, 17), "{glibc:?}");
    }
}
