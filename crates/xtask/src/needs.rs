//! What building and testing need: how to see whether it is there, and how to get it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::place::Place;
use crate::process::{npm, output, run, which};
use crate::toolchain::{self, WasmRust, apt_install};

/// Node.js as Vite needs it.
const NODE_MIN: (u32, u32) = (20, 19);

/// One thing that must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// A compiler for wasm.
    WasmRust,
    /// Rust's standard library as sources, for the module with threads.
    StdSources,
    /// The wasm-bindgen command of the locked version.
    WasmBindgen,
    /// Node.js with npm.
    Node,
    /// The page's npm packages.
    PagePackages,
    /// The browser tests' npm packages.
    BrowserPackages,
    /// The benchmarks' npm packages: other engines.
    BenchPackages,
    /// A Chromium that tests can drive.
    Chromium,
    /// A Vulkan driver, so that the GPU lane is tested natively; Mesa's lavapipe needs no GPU.
    Vulkan,
    /// PostgreSQL's programs, so that the board is tested on it too; tests start a server of their own.
    Postgres,
}

impl Need {
    /// What building and serving take.
    pub(crate) const BUILD: &[Self] = &[
        Self::WasmRust,
        Self::WasmBindgen,
        Self::Node,
        Self::PagePackages,
    ];
    /// What tests take on top.
    pub(crate) const TEST: &[Self] = &[
        Self::BrowserPackages,
        Self::Chromium,
        Self::Vulkan,
        Self::Postgres,
    ];
    /// What several threads in the page take on top of [`Self::BUILD`]; without it there is one.
    pub(crate) const THREADS: &[Self] = &[Self::StdSources];

    /// Name for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::WasmRust => "Rust for wasm",
            Self::StdSources => "sources of Rust's library",
            Self::WasmBindgen => "wasm-bindgen",
            Self::Node => "Node.js",
            Self::PagePackages => "npm packages of www/",
            Self::BrowserPackages => "npm packages of tests/browser/",
            Self::BenchPackages => "npm packages of tests/bench/",
            Self::Chromium => "Chromium",
            Self::Vulkan => "Vulkan driver",
            Self::Postgres => "PostgreSQL",
        }
    }

    /// What is there, in one line; `None` if it is missing.
    pub(crate) fn find(self, place: &Place) -> anyhow::Result<Option<String>> {
        Ok(match self {
            Self::WasmRust => WasmRust::find().map(|rust| rust.describe()),
            Self::StdSources => WasmRust::find_sources().map(|rust| match rust {
                WasmRust::Installed => "the active toolchain's".to_owned(),
                WasmRust::Debian { .. } => "Debian's rust-web-src".to_owned(),
            }),
            Self::WasmBindgen => {
                toolchain::wasm_bindgen(place)?.map(|path| path.display().to_string())
            }
            Self::Node => node(),
            Self::PagePackages => packages(&place.www()),
            Self::BrowserPackages => packages(&place.browser_tests()),
            Self::BenchPackages => packages(&place.bench()),
            Self::Chromium => chromium().map(|path| path.display().to_string()),
            Self::Vulkan => vulkan(),
            Self::Postgres => postgres(),
        })
    }

    /// Brings it here, or says what a person has to do.
    pub(crate) fn install(self, place: &Place) -> anyhow::Result<()> {
        match self {
            Self::WasmRust => toolchain::install().context(
                "no Rust for wasm\n\nhint: `rustup target add wasm32-unknown-unknown`, \
                 or on Debian `apt-get install rustc-web rust-web-src lld-22`",
            ),
            Self::StdSources => toolchain::install_sources().context(
                "no sources of Rust's standard library\n\nhint: `rustup component add rust-src`, \
                 or on Debian `apt-get install rustc-web rust-web-src lld-22`",
            ),
            Self::WasmBindgen => toolchain::install_wasm_bindgen(place),
            Self::Node => bail!(
                "Node.js {}.{} or newer with npm is needed to build the page\n\n\
                 hint: https://nodejs.org, or your system's packages `nodejs` and `npm`",
                NODE_MIN.0,
                NODE_MIN.1
            ),
            Self::PagePackages => install_packages(&place.www()),
            Self::BrowserPackages => install_packages(&place.browser_tests()),
            Self::BenchPackages => install_packages(&place.bench()),
            // The page shows Korean, so screenshots need its letters.
            Self::Chromium => apt_install(&["chromium", "fonts-noto-cjk"])
                .context("no Chromium for tests\n\nhint: install Chromium or Chrome, or set JEOUL_CHROMIUM to its path"),
            Self::Vulkan => apt_install(&["libvulkan1", "mesa-vulkan-drivers"])
                .context("no Vulkan driver\n\nhint: install your GPU's driver, or Mesa's lavapipe"),
            Self::Postgres => apt_install(&["postgresql"])
                .context("no PostgreSQL\n\nhint: install it so that `initdb` is on the path"),
        }
    }
}

/// The browser that tests drive: `JEOUL_CHROMIUM`, else what the system has.
pub(crate) fn chromium() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("JEOUL_CHROMIUM") {
        return Some(path.into());
    }
    let on_mac = PathBuf::from("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome");
    which(&[
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
    ])
    .or_else(|| on_mac.is_file().then_some(on_mac))
}

fn node() -> Option<String> {
    let version = output(Command::new("node").arg("--version"))?;
    which(&["npm", "npm.cmd"])?;
    (node_version(&version)? >= NODE_MIN).then_some(version)
}

/// Major and minor version of `v20.19.1`.
fn node_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text
        .strip_prefix('v')?
        .split('.')
        .map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

/// Only Linux has drivers as packages; elsewhere the system brings its own.
fn vulkan() -> Option<String> {
    if !cfg!(target_os = "linux") {
        return Some("the system's own graphics".to_owned());
    }
    let folders = [
        "/usr/share/vulkan/icd.d",
        "/etc/vulkan/icd.d",
        "/usr/local/share/vulkan/icd.d",
    ];
    let mut drivers = folders
        .iter()
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flatten()
        .filter_map(Result::ok);
    drivers
        .find(|file| file.path().extension().is_some_and(|kind| kind == "json"))
        .map(|file| file.path().display().to_string())
}

/// Elsewhere than on Linux the board is tested on SQLite alone, unless there is a PostgreSQL.
fn postgres() -> Option<String> {
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut programs = debian
        .filter_map(Result::ok)
        .map(|version| version.path().join("bin/initdb"));
    programs
        .find(|initdb| initdb.is_file())
        .or_else(|| which(&["initdb"]))
        .map(|initdb| initdb.display().to_string())
        .or_else(|| (!cfg!(target_os = "linux")).then(|| "not there: SQLite alone".to_owned()))
}

/// npm packages are up to date if the lock file is the one they were installed from.
fn packages(folder: &Path) -> Option<String> {
    let (_, wanted) = wanted_packages(folder)?;
    let installed = fs::read(installed_packages(folder)).ok()?;
    (installed == wanted).then(|| "as they are pinned".to_owned())
}

/// How npm shall install, and the file that pins what. Without a lock file, package.json does: other engines come in parts for
/// each platform, and a lock file would name only those that the registry had when it was written.
fn wanted_packages(folder: &Path) -> Option<(&'static [&'static str], Vec<u8>)> {
    let pinned = |name: &str| fs::read(folder.join(name)).ok();
    match pinned("package-lock.json") {
        Some(lock) => Some((&["ci"], lock)),
        None => Some((&["install", "--no-package-lock"], pinned("package.json")?)),
    }
}

fn install_packages(folder: &Path) -> anyhow::Result<()> {
    let (how, wanted) = wanted_packages(folder)
        .with_context(|| format!("no package.json in {}", folder.display()))?;
    run(npm(folder).args(how).args(["--no-audit", "--no-fund"]))?;
    fs::write(installed_packages(folder), wanted).context("node_modules cannot be written to")
}

fn installed_packages(folder: &Path) -> PathBuf {
    folder.join("node_modules/.installed-packages.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_versions_compare_by_number() {
        assert_eq!(node_version("v20.9.0"), Some((20, 9)));
        assert!(
            node_version("v20.9.0").unwrap() < NODE_MIN
                && node_version("v22.1.0").unwrap() > NODE_MIN
        );
        assert_eq!(node_version("20"), None);
    }
}
