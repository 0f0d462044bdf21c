//! Where things are: the sources, what cargo made of them, and what tasks keep for next time.

use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Where tools are kept between clones, where somebody set this aside; else they live in the target directory
/// and go with `cargo clean`.
pub(crate) const CACHE_VARIABLE: &str = "SITEFENCE_CI_CACHE";

/// The places a task works in. All paths are absolute.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// The directory of the root Cargo.toml; commands run here.
    pub(crate) root: PathBuf,
    /// Where cargo puts the programs of the dev profile.
    pub(crate) binaries: PathBuf,
    /// Where tools that tasks installed are kept.
    pub(crate) tools: PathBuf,
    /// Whether that is somewhere else than in the target directory.
    pub(crate) tools_outlive_target: bool,
}

impl Workspace {
    /// Finds the places from where this program itself is.
    ///
    /// `CARGO_TARGET_DIR`, `build.target-dir` and `build.target` all move what cargo makes; the program that cargo
    /// just made and started stands where they say, so nothing needs to be guessed.
    pub(crate) fn locate() -> Result<Self, Failure> {
        let file = |path: &Path| {
            let path = path.to_owned();
            move |source| Failure::File { path, source }
        };
        let own_manifest = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = own_manifest.join("../..");
        let root = root.canonicalize().map_err(file(&root))?;
        let program = std::env::current_exe().map_err(file(Path::new("this program's own path")))?;
        let binaries = program.parent().unwrap_or(&root).to_owned();
        let cache = std::env::var_os(CACHE_VARIABLE)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from);
        let tools = match &cache {
            Some(cache) => {
                std::fs::create_dir_all(cache).map_err(file(cache))?;
                cache.canonicalize().map_err(file(cache))?.join("tools")
            }
            None => binaries.parent().unwrap_or(&root).join("tools"),
        };
        Ok(Self {
            root,
            binaries,
            tools,
            tools_outlive_target: cache.is_some(),
        })
    }

    /// A program of the dev profile.
    pub(crate) fn binary(&self, name: &str) -> PathBuf {
        self.binaries
            .join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
    }

    /// A program of another profile, which cargo puts beside the dev profile's.
    pub(crate) fn binary_of(&self, profile: &str, name: &str) -> PathBuf {
        self.binaries
            .with_file_name(profile)
            .join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
    }
}
