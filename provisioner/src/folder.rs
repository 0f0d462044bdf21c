//! The folder that `render` writes to: only what it wrote itself is overwritten or removed.
//!
//! `.sitefence-render` lists each file with the hash of what was written. A file that is not listed, or that
//! is not as it was written, is somebody's work and is left alone, together with everything else: either the
//! folder becomes what the topology says, or nothing changes. The list is written before the first file, with
//! the old hashes and the new, and again at the end: after an interruption each file is either as before or
//! as it should be, and both count as ours.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

pub const LIST: &str = ".sitefence-render";

const LIST_HEADER: &str = "# Written by `provision render`: what it wrote, so that it overwrites nothing else. Commit it beside the files.";

/// Before the topology's name, in the list.
const LIST_TOPOLOGY: &str = "# Topology: ";

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FolderChanges {
    /// Files that are new or changed.
    pub written: Vec<String>,
    /// Files that the topology no longer has.
    pub removed: Vec<String>,
    /// How many were already as they should be.
    pub unchanged: usize,
}

impl fmt::Display for FolderChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            written,
            removed,
            unchanged,
        } = self;
        write!(
            f,
            "{} written, {} removed, {unchanged} unchanged",
            written.len(),
            removed.len()
        )
    }
}

/// Why the folder was not written.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Files are in the way.
    #[error("nothing was written to `{}`: these files are not as `render` left them\n{}", .folder.display(), listed(.files))]
    NotOurs {
        folder: PathBuf,
        /// The files, each with what is the matter with it.
        files: Vec<(String, Matter)>,
    },
    /// A folder within is a link.
    #[error("nothing was written: `{}` is a link, and leads out of the folder", .link.display())]
    Linked { link: PathBuf },
    /// Another topology was rendered there.
    #[error("nothing was written: `{}` holds the documents of the topology `{theirs}`", .folder.display())]
    AnotherTopology { folder: PathBuf, theirs: String },
    /// The file system said no.
    #[error("cannot {action} `{}`", .path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
}

/// What is the matter with a file in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matter {
    /// It was there before us.
    Foreign,
    /// It was changed since.
    Edited,
    /// It is a folder, a link or something else that is not a file.
    NoFile,
}

impl fmt::Display for Matter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Foreign => "was not written by it",
            Self::Edited => "was edited since",
            Self::NoFile => "is not a plain file",
        })
    }
}

fn listed(files: &[(String, Matter)]) -> String {
    files
        .iter()
        .map(|(path, matter)| format!("  {path} {matter}"))
        .collect::<Vec<_>>()
        .join("\n")
}

impl FolderError {
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotOurs { .. } => {
                "change the topology instead, or copy your version elsewhere; `--force` overwrites them"
            }
            Self::Linked { .. } => "put a folder there, or render into the folder that it leads to",
            Self::AnotherTopology { .. } => "render each topology into a folder of its own, as `-o out/NAME`",
            Self::Io { .. } => "",
        }
    }
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    let path = path.to_owned();
    move |source| FolderError::Io { action, path, source }
}

fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// For each path, the hashes that count as ours.
type Hashes = BTreeMap<String, BTreeSet<String>>;

#[derive(Default)]
struct List {
    /// Whose documents these are; unknown where an older `render` wrote the list.
    topology: Option<String>,
    hashes: Hashes,
}

fn read_list(folder: &Path) -> Result<List, FolderError> {
    let path = folder.join(LIST);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(List::default()),
        Err(error) => return Err(io_error("read", &path)(error)),
    };
    let topology = text.lines().find_map(|line| line.strip_prefix(LIST_TOPOLOGY));
    let mut hashes = Hashes::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some((hash, path)) = line.split_once("  ")
            && is_inside(path)
        {
            hashes.entry(path.to_owned()).or_default().insert(hash.to_owned());
        }
    }
    Ok(List {
        topology: topology.map(str::to_owned),
        hashes,
    })
}

/// Whether a listed path leads to a place below the folder; a list that somebody changed removes nothing
/// elsewhere.
fn is_inside(path: &str) -> bool {
    !path.is_empty()
        && Path::new(path)
            .components()
            .all(|part| matches!(part, std::path::Component::Normal(_)))
}

fn list_text(topology: &str, hashes: &Hashes) -> String {
    let mut text = format!("{LIST_HEADER}\n{LIST_TOPOLOGY}{topology}\n");
    for (path, of_path) in hashes {
        for hash in of_path {
            text.push_str(&format!("{hash}  {path}\n"));
        }
    }
    text
}

/// A file's content; `None` where there is none.
enum Present {
    Absent,
    File(Vec<u8>),
    Other,
    /// Below a folder that is a link.
    Linked(PathBuf),
}

fn present(root: &Path, relative: &str) -> Result<Present, FolderError> {
    let path = root.join(relative);
    // A link in place of a folder would lead out of ours, to be written to and removed from.
    let between = path.ancestors().skip(1).take_while(|above| *above != root);
    for above in between {
        if std::fs::symlink_metadata(above).is_ok_and(|metadata| metadata.is_symlink()) {
            return Ok(Present::Linked(above.to_owned()));
        }
    }
    let path = &path;
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => std::fs::read(path)
            .map(Present::File)
            .map_err(io_error("read", path)),
        Ok(_) => Ok(Present::Other),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(Present::Absent)
        }
        Err(error) => Err(io_error("look at", path)(error)),
    }
}

/// Makes the folder hold `files` (path below it, text), and nothing else of ours.
pub fn write(
    folder: &Path,
    topology: &str,
    files: &[(&str, &str)],
    force: bool,
) -> Result<FolderChanges, FolderError> {
    let list = read_list(folder)?;
    // Removing another topology's documents is never what was meant, not by force either.
    if let Some(theirs) = list.topology.filter(|theirs| theirs != topology) {
        return Err(FolderError::AnotherTopology {
            folder: folder.to_owned(),
            theirs,
        });
    }
    let ours = list.hashes;
    let mut in_the_way = Vec::new();
    let mut written = FolderChanges::default();

    for (path, text) in files {
        match present(folder, path)? {
            Present::Linked(link) => return Err(FolderError::Linked { link }),
            Present::Absent => written.written.push((*path).to_owned()),
            Present::File(bytes) if bytes == text.as_bytes() => written.unchanged += 1,
            Present::File(bytes) => {
                match ours.get(*path) {
                    Some(hashes) if hashes.contains(&hash(&bytes)) => {}
                    Some(_) => in_the_way.push(((*path).to_owned(), Matter::Edited)),
                    None => in_the_way.push(((*path).to_owned(), Matter::Foreign)),
                }
                written.written.push((*path).to_owned());
            }
            Present::Other => {
                in_the_way.push(((*path).to_owned(), Matter::NoFile));
                written.written.push((*path).to_owned());
            }
        }
    }
    for (path, hashes) in ours
        .iter()
        .filter(|(path, _)| !files.iter().any(|(wanted, _)| wanted == path))
    {
        match present(folder, path)? {
            Present::Linked(link) => return Err(FolderError::Linked { link }),
            Present::Absent => continue,
            Present::File(bytes) if hashes.contains(&hash(&bytes)) => {}
            Present::File(_) => in_the_way.push((path.clone(), Matter::Edited)),
            Present::Other => in_the_way.push((path.clone(), Matter::NoFile)),
        }
        written.removed.push(path.clone());
    }
    if !in_the_way.is_empty() && !force {
        return Err(FolderError::NotOurs {
            folder: folder.to_owned(),
            files: in_the_way,
        });
    }

    let new: Hashes = files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), BTreeSet::from([hash(text.as_bytes())])))
        .collect();
    let mut both = ours;
    for (path, hashes) in &new {
        both.entry(path.clone())
            .or_default()
            .extend(hashes.iter().cloned());
    }
    let list = folder.join(LIST);
    if !written.written.is_empty() || !written.removed.is_empty() {
        replace(&list, list_text(topology, &both).as_bytes())?;
    }
    for (path, text) in files
        .iter()
        .filter(|(path, _)| written.written.iter().any(|written| written == path))
    {
        replace(&folder.join(path), text.as_bytes())?;
    }
    for path in &written.removed {
        let path = folder.join(path);
        std::fs::remove_file(&path).map_err(io_error("remove", &path))?;
        remove_empty_folders(folder, &path);
    }
    replace(&list, list_text(topology, &new).as_bytes())?;
    Ok(written)
}

/// Puts a file in place as a whole, or not at all.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), FolderError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(io_error("make the folder", folder))?;
    if std::fs::read(path).is_ok_and(|present| present == bytes)
        && std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file())
    {
        return Ok(());
    }
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(io_error("write in", folder))?;
    file.write_all(bytes).map_err(io_error("write", path))?;
    readable_by_others(file.as_file()).map_err(io_error("write", path))?;
    file.persist(path)
        .map_err(|error| io_error("write", path)(error.error))?;
    Ok(())
}

/// Temporary files are private; documents are to be committed.
#[cfg(unix)]
fn readable_by_others(file: &std::fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable_by_others(_: &std::fs::File) -> io::Result<()> {
    Ok(())
}

/// Removes the folders that a removed file leaves empty. One that is not empty stays, which is no failure.
fn remove_empty_folders(root: &Path, file: &Path) {
    let mut folder = file.parent();
    while let Some(path) = folder.filter(|path| *path != root && path.starts_with(root)) {
        if std::fs::remove_dir(path).is_err() {
            break;
        }
        folder = path.parent();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    const A: (&str, &str) = ("aws/a.yaml", "a: 1\n");
    const B: (&str, &str) = ("clusters/site-a/b.yaml", "b: 1\n");

    fn tree(folder: &Path) -> Vec<String> {
        let mut found = Vec::new();
        let mut open = vec![folder.to_owned()];
        while let Some(next) = open.pop() {
            for entry in std::fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    let text = std::fs::read_to_string(&path).unwrap();
                    found.push(format!("{}={text}", path.strip_prefix(folder).unwrap().display()));
                }
            }
        }
        found.sort();
        found
    }

    fn not_ours(result: Result<FolderChanges, FolderError>) -> Vec<(String, Matter)> {
        match result {
            Err(FolderError::NotOurs { files, .. }) => files,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_second_render_changes_nothing_and_a_smaller_one_removes_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let first = write(&out, "keycloak", &[A, B], false).unwrap();
        assert_eq!((first.written.len(), first.unchanged), (2, 0));
        let before = tree(&out);
        let second = write(&out, "keycloak", &[A, B], false).unwrap();
        assert_eq!(
            (second.written.len(), second.removed.len(), second.unchanged),
            (0, 0, 2)
        );
        assert_eq!(tree(&out), before);
        let third = write(&out, "keycloak", &[(A.0, "a: 2\n")], false).unwrap();
        assert_eq!(
            (third.written.as_slice(), third.removed.as_slice()),
            (&[A.0.to_owned()][..], &[B.0.to_owned()][..])
        );
        assert!(!out.join("clusters").exists(), "empty folders go too");
        assert_eq!(tree(&out).len(), 2);
    }

    #[test]
    fn what_others_wrote_stays_and_nothing_else_changes_either() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path();
        std::fs::create_dir(out.join("aws")).unwrap();
        std::fs::write(out.join(A.0), "mine").unwrap();
        std::fs::write(out.join("README"), "mine too").unwrap();
        let before = tree(out);
        assert_eq!(
            not_ours(write(out, "keycloak", &[A, B], false)),
            [(A.0.to_owned(), Matter::Foreign)]
        );
        assert_eq!(tree(out), before);
        write(out, "keycloak", &[A, B], true).unwrap();
        assert!(tree(out).contains(&"README=mine too".to_owned()));
    }

    #[test]
    fn what_was_edited_by_hand_is_neither_overwritten_nor_removed() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path();
        write(out, "keycloak", &[A, B], false).unwrap();
        std::fs::write(out.join(B.0), "b: edited\n").unwrap();
        let before = tree(out);
        assert_eq!(
            not_ours(write(out, "keycloak", &[A, (B.0, "b: 2\n")], false)),
            [(B.0.to_owned(), Matter::Edited)]
        );
        assert_eq!(
            not_ours(write(out, "keycloak", &[A], false)),
            [(B.0.to_owned(), Matter::Edited)]
        );
        assert_eq!(tree(out), before);
        // An edit that says what the topology says now is no conflict.
        write(out, "keycloak", &[A, (B.0, "b: edited\n")], false).unwrap();
    }

    #[test]
    fn an_interrupted_render_is_continued() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path();
        write(out, "keycloak", &[A, B], false).unwrap();
        let old_list = std::fs::read_to_string(out.join(LIST)).unwrap();
        write(out, "keycloak", &[(A.0, "a: 2\n"), (B.0, "b: 2\n")], false).unwrap();
        // As if the second had stopped after its first file: both hashes are listed, B is still the old one.
        let new_list = std::fs::read_to_string(out.join(LIST)).unwrap();
        std::fs::write(out.join(LIST), format!("{old_list}{new_list}")).unwrap();
        std::fs::write(out.join(B.0), B.1).unwrap();
        let third = write(out, "keycloak", &[(A.0, "a: 3\n"), (B.0, "b: 3\n")], false).unwrap();
        assert_eq!(third.written.len(), 2);
    }

    #[test]
    fn a_forged_list_reaches_nothing_outside() {
        let folder = tempfile::tempdir().unwrap();
        let outside = folder.path().join("precious");
        std::fs::write(&outside, "x").unwrap();
        let out = folder.path().join("out");
        std::fs::create_dir(&out).unwrap();
        std::fs::write(
            out.join(LIST),
            format!(
                "{}  ../precious\n{}  {}\n",
                hash(b"x"),
                hash(b"x"),
                outside.display()
            ),
        )
        .unwrap();
        write(&out, "keycloak", &[A], false).unwrap();
        assert!(outside.exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let outside = folder.path().join("precious");
        std::fs::write(&outside, "x").unwrap();
        let out = folder.path().join("out");
        std::fs::create_dir_all(out.join("aws")).unwrap();
        std::os::unix::fs::symlink(&outside, out.join(A.0)).unwrap();
        assert_eq!(
            not_ours(write(&out, "keycloak", &[A], false)),
            [(A.0.to_owned(), Matter::NoFile)]
        );
        write(&out, "keycloak", &[A], true).unwrap();
        assert_eq!(std::fs::read_to_string(&outside).unwrap(), "x");
        assert_eq!(std::fs::read_to_string(out.join(A.0)).unwrap(), A.1);
    }
}
