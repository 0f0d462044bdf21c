//! Takes the function into the program, for those who have no compiler.
//!
//! `cargo xtask dist` builds the function for both processors first and names the folder with the two zips, `arm64.zip`
//! and `x86_64.zip`, in `SITEFENCE_FUNCTIONS`. A program that is built without it builds the function when it is needed,
//! from the checkout that it was itself built from; one that has it does not know where that was, so that it is the same
//! wherever it was built.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// The folder with the two zips.
const FUNCTIONS: &str = "SITEFENCE_FUNCTIONS";
/// The commit that this is, where whoever builds it says so.
const COMMIT: &str = "SITEFENCE_COMMIT";

fn main() -> io::Result<()> {
    let functions = variable(FUNCTIONS).map(PathBuf::from);
    let embedded = |architecture: &str| -> io::Result<String> {
        let Some(folder) = &functions else {
            return Ok("None".to_owned());
        };
        let path = folder.join(format!("{architecture}.zip"));
        // The compiler looks from another folder, and its error would not name the file as well.
        let path = fs::canonicalize(&path)
            .map_err(|error| io::Error::other(format!("{}: {error}", path.display())))?;
        rerun_if_changed(&path);
        Ok(format!("Some(include_bytes!({:?}))", path.display().to_string()))
    };
    // Constants would be in the program as often as they are used.
    let text = format!(
        "static ARM64: Option<&[u8]> = {};\nstatic X86_64: Option<&[u8]> = {};\n",
        embedded("arm64")?,
        embedded("x86_64")?,
    );
    let out = variable("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(Path::new(&out).join("embedded.rs"), text)?;

    let source = match (&functions, variable("CARGO_MANIFEST_DIR")) {
        (None, Some(manifest)) => Path::new(&manifest)
            .parent()
            .map(|root| root.display().to_string())
            .unwrap_or_default(),
        _ => String::new(),
    };
    set("SITEFENCE_SOURCE", &source);
    set(COMMIT, &variable(COMMIT).unwrap_or_default());
    rerun_if_changed(Path::new("build.rs"));
    for name in [FUNCTIONS, COMMIT] {
        say(&format!("rerun-if-env-changed={name}"));
    }
    Ok(())
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn set(name: &str, value: &str) {
    say(&format!("rustc-env={name}={value}"));
}

fn rerun_if_changed(path: &Path) {
    say(&format!("rerun-if-changed={}", path.display()));
}

// A build script's output is what cargo reads.
#[allow(clippy::print_stdout)]
fn say(instruction: &str) {
    println!("cargo::{instruction}");
}
