//! A Rust compiler that makes wasm, and the wasm-bindgen command that fits the locked crate.
//!
//! Two kinds of compiler do: the active toolchain with rustup's wasm32 target, or Debian's `rustc-web`, for which
//! cargo builds the standard library from `rust-web-src`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::place::Place;
use crate::process::{self, cargo, output, which};

/// The target of every module for the page.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// A compiler for [`TARGET`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum WasmRust {
    /// The active toolchain has the target's standard library.
    Installed,
    /// Debian's compiler and standard library sources, with LLVM's linker.
    Debian {
        /// `wasm-ld`.
        linker: PathBuf,
    },
}

const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// The standard library's sources below a sysroot's `rustlib`.
const STD_SOURCES: &str = "src/rust/library/std/src/lib.rs";

/// Flags of a module whose memory threads share: what rustc may use, most memory in bytes (all that wasm can address; the browser
/// commits what is used), and what wasm-bindgen needs to start a thread.
const THREADS: [&str; 8] = [
    "-Ctarget-feature=+atomics,+bulk-memory,+mutable-globals",
    "-Clink-arg=--shared-memory",
    "-Clink-arg=--import-memory",
    "-Clink-arg=--max-memory=4294967296",
    "-Clink-arg=--export=__wasm_init_tls",
    "-Clink-arg=--export=__tls_size",
    "-Clink-arg=--export=__tls_align",
    "-Clink-arg=--export=__tls_base",
];

impl WasmRust {
    /// What this machine has, the active toolchain first.
    pub(crate) fn find() -> Option<Self> {
        match rustlib().is_some_and(|rustlib| rustlib.join(TARGET).join("lib").is_dir()) {
            true => Some(Self::Installed),
            false => Self::debian(),
        }
    }

    /// What this machine has with the standard library's sources: threads need one that is built for them.
    pub(crate) fn find_sources() -> Option<Self> {
        match rustlib().is_some_and(|rustlib| rustlib.join(STD_SOURCES).is_file()) {
            true => Some(Self::Installed),
            false => Self::debian(),
        }
    }

    fn debian() -> Option<Self> {
        let std_sources = Path::new("/usr/lib/rustlib").join(STD_SOURCES);
        let linker = wasm_ld()?;
        (Path::new(DEBIAN_RUSTC).is_file() && std_sources.is_file())
            .then_some(Self::Debian { linker })
    }

    /// One line for people.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Installed => format!("the active toolchain has {TARGET}"),
            Self::Debian { linker } => {
                format!("Debian's rustc-web, linked by {}", linker.display())
            }
        }
    }

    /// `cargo build` for [`TARGET`] into a folder of its own: one per module and compiler, so that none rebuilds another's.
    pub(crate) fn cargo_build(&self, place: &Place, module: &str) -> (Command, PathBuf) {
        let folder = match self {
            Self::Installed => place.target.join(format!("wasm-{module}")),
            Self::Debian { .. } => place.target.join(format!("wasm-{module}-debian")),
        };
        let mut command = cargo(place, "build", &folder);
        // .cargo/config.toml has the flags of this target; a RUSTFLAGS of the shell would replace them.
        command.args(["--target", TARGET]).env_remove("RUSTFLAGS");
        if let Self::Debian { linker } = self {
            build_std(&mut command)
                .env("RUSTC", DEBIAN_RUSTC)
                .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
        (command, folder.join(TARGET))
    }

    /// The same for a module with threads, whose standard library is built along.
    pub(crate) fn cargo_build_threads(&self, place: &Place, module: &str) -> (Command, PathBuf) {
        let (mut command, products) = self.cargo_build(place, module);
        if *self == Self::Installed {
            build_std(&mut command);
        }
        // Cargo adds them to those of .cargo/config.toml.
        let flags = THREADS.join(" ");
        command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", flags);
        (command, products)
    }
}

/// Has cargo build the standard library, which a stable compiler does only when told so.
fn build_std(command: &mut Command) -> &mut Command {
    command
        .arg("-Zbuild-std=std,panic_abort")
        .env("RUSTC_BOOTSTRAP", "1")
}

/// Where the active toolchain has its libraries.
fn rustlib() -> Option<PathBuf> {
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]))?;
    Some(Path::new(&sysroot).join("lib/rustlib"))
}

/// LLVM's wasm linker of the highest version that is installed.
fn wasm_ld() -> Option<PathBuf> {
    let version = |folder: &Path| -> Option<u32> {
        folder
            .file_name()?
            .to_str()?
            .strip_prefix("llvm-")?
            .parse()
            .ok()
    };
    let folders = fs::read_dir("/usr/lib")
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()));
    let linkers =
        folders.filter_map(|folder| Some((version(&folder)?, folder.join("bin/wasm-ld"))));
    linkers
        .filter(|(_, linker)| linker.is_file())
        .max()
        .map(|(_, linker)| linker)
}

/// Installs a compiler for wasm: rustup's target, else Debian's packages.
pub(crate) fn install() -> anyhow::Result<()> {
    rustup_or_debian(&["target", "add", TARGET])
}

/// Installs the standard library's sources: rustup's, else Debian's, with their compiler.
pub(crate) fn install_sources() -> anyhow::Result<()> {
    rustup_or_debian(&["component", "add", "rust-src"])
}

fn rustup_or_debian(rustup: &[&str]) -> anyhow::Result<()> {
    if which(&["rustup"]).is_some() {
        match process::run(Command::new("rustup").args(rustup)) {
            Ok(()) => return Ok(()),
            Err(error) => eprintln!("  {error}; trying Debian's packages"),
        }
    }
    apt_install(&["rustc-web", "rust-web-src"])?;
    let about =
        output(Command::new(DEBIAN_RUSTC).arg("-vV")).context("Debian's rustc does not run")?;
    let llvm = about
        .lines()
        .find_map(|line| line.strip_prefix("LLVM version: "));
    let major = llvm
        .and_then(|version| version.split('.').next())
        .context("Debian's rustc does not name its LLVM")?;
    // An older linker may not know what this compiler's objects hold.
    apt_install(&[&format!("lld-{major}")])
}

/// Installs Debian packages, as root or through sudo.
pub(crate) fn apt_install(packages: &[&str]) -> anyhow::Result<()> {
    if which(&["apt-get"]).is_none() {
        bail!(
            "there is no apt-get here to install {}",
            packages.join(", ")
        );
    }
    let apt = |arguments: &[&str]| {
        let root = output(Command::new("id").arg("-u")).is_some_and(|id| id == "0");
        let mut command = if root {
            Command::new("apt-get")
        } else {
            Command::new("sudo")
        };
        if !root {
            command.arg("apt-get");
        }
        process::run(
            command
                .args(arguments)
                .env("DEBIAN_FRONTEND", "noninteractive"),
        )
    };
    apt(&["update", "--quiet=2"])?;
    apt(&[
        &["install", "--yes", "--quiet=2", "--no-install-recommends"],
        packages,
    ]
    .concat())
}

/// The wasm-bindgen command, if there is one of the locked version: ours, else the one on `PATH`.
pub(crate) fn wasm_bindgen(place: &Place) -> anyhow::Result<Option<PathBuf>> {
    let wanted = format!("wasm-bindgen {}", locked_wasm_bindgen(place)?);
    let candidates = [
        place.tools().join("bin/wasm-bindgen"),
        PathBuf::from("wasm-bindgen"),
    ];
    Ok(candidates.into_iter().find(|path| {
        output(Command::new(path).arg("--version")).is_some_and(|found| found == wanted)
    }))
}

/// Installs the wasm-bindgen command of the locked version among our own tools.
pub(crate) fn install_wasm_bindgen(place: &Place) -> anyhow::Result<()> {
    let version = locked_wasm_bindgen(place)?;
    let install = |more: &[&str]| {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command
            .args([
                "install",
                "wasm-bindgen-cli",
                "--version",
                &version,
                "--root",
            ])
            .arg(place.tools());
        process::run(command.args(more).env_remove("CARGO_TARGET_DIR"))
    };
    // A mirror of crates.io may lack one of the locked versions.
    install(&["--locked"]).or_else(|_| install(&[]))
}

/// The version of the `wasm-bindgen` crate in Cargo.lock; the command must be of the very same one.
pub(crate) fn locked_wasm_bindgen(place: &Place) -> anyhow::Result<String> {
    let lock =
        fs::read_to_string(place.root.join("Cargo.lock")).context("Cargo.lock cannot be read")?;
    locked_version(&lock, "wasm-bindgen").context("Cargo.lock has no wasm-bindgen")
}

fn locked_version(lock: &str, package: &str) -> Option<String> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name);
    lines.next()?;
    Some(
        lines
            .next()?
            .strip_prefix("version = \"")?
            .strip_suffix('"')?
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "[[package]]\nname = \"wasm-bindgen-futures\"\nversion = \"0.4.50\"\n\n\
                        [[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.130\"\n";

    #[test]
    fn the_locked_version_is_that_of_the_very_crate() {
        assert_eq!(
            locked_version(LOCK, "wasm-bindgen").as_deref(),
            Some("0.2.130")
        );
        assert_eq!(locked_version(LOCK, "wasm"), None);
    }
}
