//! Files that somebody names on the command line, in a variable or in the topology: read whole, from plain files
//! only, up to a size.
//!
//! A named pipe would wait for somebody to write, a device may never end, and a file of gigabytes is not what was
//! meant: all three are told instead.

use std::fs::{self, File, FileType};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// A topology; a hundred times the longest example.
pub const TOPOLOGY_BYTES: u64 = 1 << 20;
/// A bundle of authorities: some thousand certificates.
pub const CA_BUNDLE_BYTES: u64 = 4 << 20;
/// A function's zip; Lambda takes 50 MB of it.
pub const ZIP_BYTES: u64 = 64 << 20;
/// A kubeconfig with the certificates of a hundred clusters in it.
pub const KUBECONFIG_BYTES: u64 = 16 << 20;

/// Fails where reading `path` would wait, never end, or be far more than what is meant.
pub fn check(path: &Path, limit_bytes: u64) -> io::Result<()> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        let kind = if metadata.is_dir() {
            ErrorKind::IsADirectory
        } else {
            ErrorKind::InvalidInput
        };
        let what = format!("it is {}, not a file", kind_of(metadata.file_type()));
        return Err(io::Error::new(kind, what));
    }
    if metadata.len() > limit_bytes {
        Err(too_large(limit_bytes))
    } else {
        Ok(())
    }
}

/// The content of a plain file of at most so many bytes.
pub fn read(path: &Path, limit_bytes: u64) -> io::Result<Vec<u8>> {
    // Looked at before it is opened: opening a named pipe waits already.
    check(path, limit_bytes)?;
    read_from(File::open(path)?, limit_bytes)
}

/// What comes out of `source`, at most so many bytes: a file may grow while it is read.
pub fn read_from(source: impl Read, limit_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(limit_bytes + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit_bytes {
        Err(too_large(limit_bytes))
    } else {
        Ok(bytes)
    }
}

fn too_large(limit_bytes: u64) -> io::Error {
    let limit = limit_bytes >> 20;
    io::Error::new(
        ErrorKind::FileTooLarge,
        format!("it is larger than {limit} MiB, which such a file never is"),
    )
}

#[cfg(unix)]
fn kind_of(kind: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    match kind {
        kind if kind.is_dir() => "a folder",
        kind if kind.is_fifo() => "a named pipe",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    }
}

#[cfg(not(unix))]
fn kind_of(kind: FileType) -> &'static str {
    if kind.is_dir() {
        "a folder"
    } else {
        "something else"
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_plain_files_up_to_a_size_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("it");
        fs::write(&path, b"12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        assert_eq!(read(&path, 4).unwrap_err().kind(), ErrorKind::FileTooLarge);
        assert_eq!(
            read(folder.path(), 5).unwrap_err().to_string(),
            "it is a folder, not a file"
        );
        assert_eq!(
            read(&folder.path().join("no"), 5).unwrap_err().kind(),
            ErrorKind::NotFound
        );
    }

    #[test]
    fn what_never_ends_is_told() {
        assert_eq!(
            read_from(io::repeat(b'x'), 10).unwrap_err().kind(),
            ErrorKind::FileTooLarge
        );
        #[cfg(unix)]
        assert_eq!(
            read(Path::new("/dev/zero"), 10).unwrap_err().to_string(),
            "it is a device, not a file"
        );
    }
}
