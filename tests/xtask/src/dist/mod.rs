//! `cargo xtask dist`: what is released, made from this checkout.
//!
//! ```text
//!   bootstrap for arm64 ──┐
//!   bootstrap for x86_64 ─┼─▶ provision for x86_64 ─┬─▶ sitefence-VERSION-x86_64-linux.tar.gz ─┐
//!                         └─▶ provision for arm64 ──┴─▶ sitefence-VERSION-arm64-linux.tar.gz ──┴─▶ SHA256SUMS
//! ```
//!
//! Each `provision` is static and carries the function for both processors, so that whoever has it needs no compiler.
//! The same commit gives the same bytes in whatever directory it is built: directories are taken out of the paths in
//! the programs, times and owners out of the archives. `--only x86_64` or `--only arm64` makes one of the two. `--check`
//! then has each archive prove itself in an empty root ([`check`]).

mod check;
mod sbom;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::command::Command;
use crate::failure::Failure;
use crate::tools;
use crate::workspace::Workspace;

/// A processor: as people write it, and the Rust target.
#[derive(Debug, PartialEq)]
struct Processor {
    name: &'static str,
    target: &'static str,
}

impl Processor {
    fn is_this_machine(&self) -> bool {
        self.target.starts_with(std::env::consts::ARCH)
    }
}

const PROCESSORS: [Processor; 2] = [
    Processor {
        name: "x86_64",
        target: "x86_64-unknown-linux-musl",
    },
    Processor {
        name: "arm64",
        target: "aarch64-unknown-linux-musl",
    },
];

/// The profile of the function as it is shipped; `provision` has `dist`.
const FUNCTION_PROFILE: &str = "release";

/// What a function may weigh, packed, and `provision`: the first is read at each cold start.
const FUNCTION_BYTES: u64 = 2_600_000;
const PROVISION_BYTES: u64 = 25_000_000;

/// The first two in the versions that `provision build` installs, too. The third compresses as well as the format allows:
/// a function is fetched at each cold start, and packed once.
const PYTHON: [&str; 3] = ["ziglang==0.17.1", "cargo-zigbuild==0.24.0", "zopfli==0.4.3"];

/// Packs the function: one entry, of no time, which anybody may run. Python's own zip archive with zopfli as what
/// compresses it: of what that makes, a gzip stream, the ten bytes before and the eight after are not DEFLATE.
const PACK: &str = "import sys, zipfile, zopfli.gzip
class Whole:
    def __init__(self):
        self.all = b''
    def compress(self, part):
        self.all += part
        return b''
    def flush(self):
        return zopfli.gzip.compress(self.all)[10:-8]
zipfile._get_compressor = lambda *_: Whole()
entry = zipfile.ZipInfo('bootstrap', (1980, 1, 1, 0, 0, 0))
entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, 0o100755 << 16
with zipfile.ZipFile(sys.argv[2], 'w') as packed:
    packed.writestr(entry, open(sys.argv[1], 'rb').read())
with zipfile.ZipFile(sys.argv[2]) as packed:
    assert packed.testzip() is None, 'what was packed cannot be read'
";
const PACKED: &str = "run this task again; it installs what it needs itself";

const COREUTILS: &str = "install git, GNU tar, gzip and coreutils";

/// Makes the archives.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let Wanted { processors, checks } = wanted(arguments)?;
    let target_folder = workspace.binaries.parent().unwrap_or(&workspace.root).to_owned();
    let place = target_folder.join("dist-archives");
    let functions = place.join("functions");
    make_folder(&functions)?;
    let python = tools::python(workspace, "dist", &PYTHON)?;
    let build = Build {
        workspace,
        target_folder: &target_folder,
        path: tools::path_with(python.parent()),
    };
    let mut sizes = Vec::new();
    for processor in &PROCESSORS {
        let program = build.program(
            "function",
            "bootstrap",
            FUNCTION_PROFILE,
            processor,
            None,
            Some("shipped"),
        )?;
        let packed = functions.join(format!("{}.zip", processor.name));
        pack(workspace, &python, &program, &packed)?;
        sizes.push((
            format!("function for {}", processor.name),
            size(&packed)?,
            FUNCTION_BYTES,
        ));
    }
    let mut archives = Vec::new();
    // What runs here writes the manual pages of all.
    let mut own = workspace.binary("provision");
    for processor in processors {
        let functions = Some(functions.as_path());
        let program = build.program("provisioner", "provision", "dist", processor, functions, None)?;
        sizes.push((
            format!("provision for {}", processor.name),
            size(&program)?,
            PROVISION_BYTES,
        ));
        if processor.is_this_machine() {
            own.clone_from(&program);
        }
        let name = format!("sitefence-{}-{}-linux", env!("CARGO_PKG_VERSION"), processor.name);
        fill(workspace, &place.join(&name), &program, &own, processor)?;
        let archive = format!("{name}.tar.gz");
        // Sorted, of no time and nobody's: the same files give the same bytes.
        let tar = "LC_ALL=C tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX -C \"$1\" -c \"$2\" \
                   | gzip -9 -n > \"$3\"";
        shell(workspace, tar, &[&place, Path::new(&name), &place.join(&archive)])?;
        archives.push((processor, archive));
    }
    let sums = "cd \"$1\" && shift && sha256sum \"$@\" > SHA256SUMS && cat SHA256SUMS";
    let names = archives.iter().map(|(_, archive)| Path::new(archive));
    let words: Vec<&Path> = std::iter::once(place.as_path()).chain(names).collect();
    shell(workspace, sums, &words)?;
    if checks {
        check::run(workspace, &place, &archives)?;
    }
    for (what, bytes, limit) in sizes {
        println!("{what}: {} MB{}", megabytes(bytes), over(bytes, limit));
    }
    println!("in {}", place.display());
    Ok(())
}

/// What was asked for.
#[derive(Debug, PartialEq)]
struct Wanted {
    processors: Vec<&'static Processor>,
    checks: bool,
}

fn wanted(arguments: &[String]) -> Result<Wanted, Failure> {
    let (checks, rest): (Vec<&str>, Vec<&str>) = arguments
        .iter()
        .map(String::as_str)
        .partition(|argument| *argument == "--check");
    let processors: Vec<&Processor> = match rest.as_slice() {
        [] => PROCESSORS.iter().collect(),
        ["--only", name] => PROCESSORS.iter().filter(|it| it.name == *name).collect(),
        _ => Vec::new(),
    };
    if processors.is_empty() {
        return Err(Failure::Usage {
            what: format!("`dist` does not know `{}`", rest.join(" ")),
            hint: "it takes `--only x86_64` or `--only arm64`, and `--check`".to_owned(),
        });
    }
    Ok(Wanted {
        processors,
        checks: !checks.is_empty(),
    })
}

fn pack(workspace: &Workspace, python: &Path, program: &Path, packed: &Path) -> Result<(), Failure> {
    // Half a minute each time; the same again gives the same.
    if modified(packed) > modified(program) {
        return Ok(());
    }
    Command::new(workspace, python, PACKED)
        .arguments(&["-c", PACK])
        .arguments(&[program, packed])
        .run()
}

fn modified(path: &Path) -> Option<std::time::SystemTime> {
    path.metadata().and_then(|it| it.modified()).ok()
}

fn over(bytes: u64, limit: u64) -> String {
    if bytes > limit {
        format!(", MORE THAN THE {} MB IT MAY HAVE", megabytes(limit))
    } else {
        String::new()
    }
}

/// How programs are built.
struct Build<'a> {
    workspace: &'a Workspace,
    target_folder: &'a Path,
    /// With zig.
    path: OsString,
}

impl Build<'_> {
    fn program(
        &self,
        package: &str,
        binary: &str,
        profile: &str,
        processor: &Processor,
        functions: Option<&Path>,
        features: Option<&str>,
    ) -> Result<PathBuf, Failure> {
        let mut command = Command::cargo(self.workspace, &["zigbuild", "--locked", "--package", package])
            .arguments(&[
                "--bin",
                binary,
                "--target",
                processor.target,
                "--profile",
                profile,
            ])
            .environment("PATH", Path::new(&self.path))
            .environment("CARGO_TARGET_DIR", self.target_folder)
            .environment("CARGO_ENCODED_RUSTFLAGS", self.flags(profile));
        if let Some(features) = features {
            command = command.arguments(&["--features", features]);
        }
        if let Some(functions) = functions {
            command = command.environment("SITEFENCE_FUNCTIONS", functions);
            if let Some(commit) = commit(self.workspace) {
                command = command.environment("SITEFENCE_COMMIT", commit);
            }
        }
        command.run()?;
        Ok(self
            .target_folder
            .join(processor.target)
            .join(profile)
            .join(binary))
    }

    /// Takes this machine's directories out of the paths that panics name; and out of the function, in which nothing
    /// unwinds (Cargo.toml says why), the tables for that.
    fn flags(&self, profile: &str) -> String {
        let home = std::env::var_os("CARGO_HOME")
            .map(PathBuf::from)
            .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
        let places = [
            Some((self.workspace.root.clone(), "sitefence")),
            home.map(|home| (home, "cargo")),
            Some((self.target_folder.to_owned(), "target")),
        ];
        let tables = (profile == FUNCTION_PROFILE).then(|| "-Cforce-unwind-tables=no".to_owned());
        let flags: Vec<String> = places
            .into_iter()
            .flatten()
            .map(|(place, word)| format!("--remap-path-prefix={}={word}", place.display()))
            .chain(tables)
            .collect();
        flags.join("\u{1f}")
    }
}

/// The commit that is built; none where something is not committed, or git is not there.
fn commit(workspace: &Workspace) -> Option<String> {
    let git = |arguments: &[&str]| {
        Command::new(workspace, "git", "install git")
            .arguments(arguments)
            .answer()
    };
    git(&["status", "--porcelain"]).filter(String::is_empty)?;
    git(&["rev-parse", "--short=12", "HEAD"])
}

/// Puts into a folder what an archive holds.
fn fill(
    workspace: &Workspace,
    folder: &Path,
    program: &Path,
    own: &Path,
    processor: &Processor,
) -> Result<(), Failure> {
    shell(workspace, "rm -rf \"$1\"", &[folder])?;
    make_folder(folder)?;
    // Of folders what git knows: somebody may have tried something out in them.
    let copy = "cp \"$2\" \"$1/provision\" && cp README.md CHANGELOG.md LICENSE topology.schema.json \"$1/\" \
                && cp tests/xtask/Containerfile \"$1/\" \
                && git ls-files -z -- examples docs | tar --null --files-from=- -c | tar -x -C \"$1\"";
    shell(workspace, copy, &[folder, program])?;
    let sbom = sbom::of(workspace, processor.target)?;
    let path = folder.join("sbom.cdx.json");
    std::fs::write(&path, sbom).map_err(|source| Failure::File { path, source })?;
    // The words are the same for every processor.
    let words = "set -e; c=\"$1/completions\"; mkdir -p \"$c\"; \"$2\" man -o \"$1/man/man1\"; \
                 \"$2\" completions bash > \"$c/provision.bash\"; \"$2\" completions zsh > \"$c/_provision\"; \
                 \"$2\" completions fish > \"$c/provision.fish\"";
    shell(workspace, words, &[folder, own])
}

/// A line of shell whose words `$1`, `$2`, … are these.
fn shell(workspace: &Workspace, line: &str, words: &[&Path]) -> Result<(), Failure> {
    Command::new(workspace, "sh", COREUTILS)
        .arguments(&["-c", line, "sh"])
        .arguments(words)
        .run()
}

fn make_folder(path: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(path).map_err(|source| Failure::File {
        path: path.to_owned(),
        source,
    })
}

fn size(path: &Path) -> Result<u64, Failure> {
    let metadata = std::fs::metadata(path).map_err(|source| Failure::File {
        path: path.to_owned(),
        source,
    })?;
    Ok(metadata.len())
}

/// With one decimal, rounded to the nearest.
fn megabytes(bytes: u64) -> String {
    let tenths = (bytes + 50_000) / 100_000;
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_processor_or_both_are_wanted() {
        let names = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|it| (*it).to_owned()).collect();
            let wanted = wanted(&words).ok()?;
            let names: Vec<&str> = wanted.processors.into_iter().map(|it| it.name).collect();
            Some((names, wanted.checks))
        };
        assert_eq!(names(&[]), Some((vec!["x86_64", "arm64"], false)));
        assert_eq!(names(&["--only", "arm64"]), Some((vec!["arm64"], false)));
        assert_eq!(
            names(&["--check", "--only", "x86_64"]),
            Some((vec!["x86_64"], true))
        );
        assert_eq!(names(&["--only", "riscv"]), None);
        assert_eq!(names(&["arm64"]), None);
    }

    #[test]
    fn a_size_beyond_its_limit_is_said_loudly() {
        assert_eq!(over(FUNCTION_BYTES, FUNCTION_BYTES), "");
        assert_eq!(
            over(FUNCTION_BYTES + 1, FUNCTION_BYTES),
            ", MORE THAN THE 2.6 MB IT MAY HAVE"
        );
    }

    #[test]
    fn sizes_are_rounded() {
        assert_eq!(
            (megabytes(2_649_999), megabytes(25_000_000)),
            ("2.6".to_owned(), "25.0".to_owned())
        );
    }
}
