//! What `build` made.

use std::fmt::Write as _;
use std::path::Path;

use super::bytes;
use crate::package::PackedFunction;
use crate::package::elf::{Binary, Linkage};

/// A package in a few lines.
pub fn package_text(function: &PackedFunction, binary: &Binary, file: &Path) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}", file.display());
    let _ = writeln!(text, "sha256     {}", function.package.sha256);
    let version = function.package.version.as_deref();
    let _ = writeln!(text, "version    {}", version.unwrap_or("unknown"));
    let _ = writeln!(
        text,
        "size       {} ({} unpacked)",
        bytes(function.package.bytes),
        bytes(function.bootstrap_bytes)
    );
    let linkage = match binary.linkage {
        Linkage::Static => "static".to_owned(),
        Linkage::Dynamic {
            glibc: (major, minor),
        } => format!("needs glibc {major}.{minor}"),
    };
    let _ = writeln!(text, "binary     {}, {linkage}", binary.architecture);
    text
}
