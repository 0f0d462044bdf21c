//! The servers' programs, fetched from Maven Central on first use and kept beside the other tools.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::ServersError;
use crate::tools::{TOOLS_VARIABLE, target_directory};

const POM: &str = include_str!("../../infinispan/pom.xml");
const OLDEST_JAVA: u32 = 17;
/// A network without Maven Central is to be noticed, not to be waited for.
const NETWORK_LIMITS: [&str; 2] = [
    "-Daether.connector.connectTimeout=10000",
    "-Daether.connector.requestTimeout=60000",
];
/// Written last, so that half of a distribution is fetched anew.
const STAMP: &str = "fetched";
/// Infinispan 15 refers to two classes that are nowhere to be had.
const STUBS: [(&str, &str); 2] = [
    (
        "LogManager.java",
        include_str!("../../infinispan/java/org/infinispan/server/loader/LogManager.java"),
    ),
    (
        "ServerLoginModule.java",
        include_str!("../../infinispan/java/org/infinispan/server/loader/ServerLoginModule.java"),
    ),
];

/// The versions that are tried: those that Keycloak's guides name, as far as they run with Java 17.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    Fifteen,
    Sixteen,
}

impl Version {
    pub const ALL: [Self; 2] = [Self::Sixteen, Self::Fifteen];

    pub fn name(self) -> &'static str {
        match self {
            Self::Fifteen => "15.0.13.Final",
            Self::Sixteen => "16.0.5",
        }
    }

    pub(super) fn schema(self) -> &'static str {
        match self {
            Self::Fifteen => "15.0",
            Self::Sixteen => "16.0",
        }
    }

    pub(super) fn class_path(self) -> Result<String, ServersError> {
        let compiler = [("javac", "openjdk-17-jdk-headless")];
        let compiler = match self {
            Self::Fifteen => compiler.as_slice(),
            Self::Sixteen => &[],
        };
        for (program, package) in [("java", "openjdk-17-jre-headless"), ("mvn", "maven")]
            .iter()
            .chain(compiler)
        {
            if !is_installed(program) {
                return Err(ServersError::Missing(format!(
                    "`{program}` is not installed; on Debian and Ubuntu it is in the package {package}"
                )));
            }
        }
        java_is_new_enough()?;
        let place = match std::env::var_os(TOOLS_VARIABLE).filter(|named| !named.is_empty()) {
            Some(named) => PathBuf::from(named),
            None => target_directory()
                .map_err(|error| ServersError::Missing(error.to_string()))?
                .join("tools"),
        };
        let place = std::path::absolute(place.join(format!("infinispan-{}", self.name())))
            .map_err(ServersError::files("the place for Infinispan's programs"))?;
        self.fetch(&place)?;
        Ok(format!("{0}/lib/*:{0}/stubs", place.display()))
    }

    fn fetch(self, place: &Path) -> Result<(), ServersError> {
        let failed = ServersError::files("Infinispan's programs");
        fs::create_dir_all(place).map_err(&failed)?;
        // Test programs run side by side, and the first fetches. The lock is the kernel's and dies with us.
        let lock = File::create(place.join("lock")).map_err(&failed)?;
        lock.lock().map_err(&failed)?;
        if fs::read_to_string(place.join(STAMP)).is_ok_and(|stamp| stamp == POM) {
            return Ok(());
        }
        let (lib, sources, stubs) = (place.join("lib"), place.join("sources"), place.join("stubs"));
        for folder in [&lib, &sources, &stubs] {
            match fs::remove_dir_all(folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
                _ => fs::create_dir_all(folder).map_err(&failed)?,
            }
        }
        fs::write(place.join("pom.xml"), POM).map_err(&failed)?;
        let mut maven = Command::new("mvn");
        maven
            .args(["--batch-mode", "--quiet", "--file"])
            .arg(place.join("pom.xml"))
            .arg(format!("-Dinfinispan.version={}", self.name()))
            .arg(format!("-DoutputDirectory={}", lib.display()))
            .arg("dependency:copy-dependencies");
        for limit in NETWORK_LIMITS {
            maven.arg(limit);
        }
        // Without Maven Central there are no servers to judge by, which is this machine's business.
        run(&mut maven, "fetching Infinispan with Maven")
            .map_err(|error| ServersError::Missing(error.to_string()))?;
        if self == Self::Fifteen {
            let mut compiler = Command::new("javac");
            compiler.arg("-d").arg(&stubs);
            for (name, text) in STUBS {
                fs::write(sources.join(name), text).map_err(&failed)?;
                compiler.arg(sources.join(name));
            }
            run(&mut compiler, "compiling the classes that Infinispan 15 lacks")?;
        }
        fs::write(place.join(STAMP), POM).map_err(&failed)
    }
}

fn java_is_new_enough() -> Result<(), ServersError> {
    let output = Command::new("java")
        .arg("-version")
        .output()
        .map_err(ServersError::files("`java`"))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let major = said.split_once("version \"").and_then(|(_, version)| {
        let digits = version
            .split(|character: char| !character.is_ascii_digit())
            .next()?;
        digits.parse::<u32>().ok()
    });
    match major {
        Some(major) if major >= OLDEST_JAVA => Ok(()),
        _ => Err(ServersError::Missing(format!(
            "Infinispan needs Java {OLDEST_JAVA} or newer, and `java -version` says: {}",
            said.lines().next().unwrap_or("nothing")
        ))),
    }
}

pub(super) fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|place| place.join(program).is_file())
}

/// Runs a command to its end, which must be a good one.
pub(super) fn run(command: &mut Command, what: &str) -> Result<(), ServersError> {
    let output = command.output().map_err(ServersError::files(what))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(ServersError::Step {
        what: what.to_owned(),
        said: String::from_utf8_lossy(&said).trim().to_owned(),
    })
}
