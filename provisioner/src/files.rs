//! Files that somebody names on the command line, in a variable or in the topology: read whole, from plain files
//! only, up to a size.
//!
//! A named pipe would wait for somebody to write, a device may never end, and a file of gigabytes is not what was
//! meant: all three are reported instead.

use std::fs::{self, File, FileType};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

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

/// The files of a folder that hold the topology of this name, in the order of their names. An empty path is the
/// current folder.
///
/// They are known by their lines, not parsed: a topology with a mistake in it is meant as well, and its mistakes are
/// reported once it is read. `sites` keeps the many other files away that begin with a `name`.
pub fn topologies_named(name: &str, folder: &Path) -> Vec<PathBuf> {
    let here = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let entries = fs::read_dir(here).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .map(|entry| folder.join(entry.file_name()))
        .filter(|path| {
            let ending = path.extension().and_then(|ending| ending.to_str());
            matches!(ending, Some("yaml" | "yml"))
        })
        .filter(|path| {
            read(path, TOPOLOGY_BYTES).is_ok_and(|bytes| is_topology(&String::from_utf8_lossy(&bytes), name))
        })
        .collect();
    found.sort();
    found
}

fn is_topology(text: &str, name: &str) -> bool {
    let value_of = |line: &str, key: &str| -> Option<String> {
        let value = line.strip_prefix(key)?.trim_start().strip_prefix(':')?;
        let value = value.split(" #").next().unwrap_or_default().trim();
        Some(value.trim_matches(['"', '\'']).to_owned())
    };
    let lines = || text.trim_start_matches('\u{feff}').lines();
    lines().any(|line| value_of(line, "name").is_some_and(|value| value == name))
        && lines().any(|line| value_of(line, "sites").is_some())
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
    fn a_topology_is_found_by_its_name_whatever_its_file_is_called() {
        let folder = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| fs::write(folder.path().join(file), text).unwrap();
        write("a.yaml", "# prod\nname: prod\nsites:\n  - name: other\n");
        write("b.yml", "\u{feff}name: \"other\"  # the second\r\nsites: [\r\n");
        write("chart.yaml", "name: prod\nversion: 1.0.0\n");
        write("prod.txt", "name: prod\nsites: []\n");
        write("inner.yaml", "  name: prod\nsites: []\n");
        fs::create_dir(folder.path().join("prod.yaml")).unwrap();
        let found = |name: &str| -> Vec<String> {
            let paths = topologies_named(name, folder.path()).into_iter();
            paths
                .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
                .collect()
        };
        assert_eq!(found("prod"), ["a.yaml"]);
        assert_eq!(found("other"), ["b.yml"]);
        assert_eq!(found("pro"), [""; 0]);
        write("copy of a.yaml", "name: prod\nsites: []\n");
        assert_eq!(found("prod"), ["a.yaml", "copy of a.yaml"]);
        assert_eq!(
            topologies_named("prod", &folder.path().join("no")),
            Vec::<PathBuf>::new()
        );
    }

    #[test]
    fn what_never_ends_is_reported() {
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
