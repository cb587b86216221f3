//! Where things lie: the checkout, and the target folders, which may be outside it.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// The folders of one checkout.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Root of the checkout.
    pub(crate) root: PathBuf,
    /// Parent of every build product; native builds lie in it directly.
    pub(crate) target: PathBuf,
}

impl Place {
    /// The checkout this xtask belongs to. Build products go to `JEOUL_TARGET_DIR`, else to `CARGO_TARGET_DIR`,
    /// else to `target/`.
    pub(crate) fn find() -> anyhow::Result<Self> {
        // Cargo says at run time where it runs; checkouts that share a target folder share this program.
        let manifest =
            env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let manifest = Path::new(&manifest);
        let root = manifest
            .ancestors()
            .nth(2)
            .context("the xtask crate is not at crates/xtask")?
            .to_path_buf();
        let target =
            match env::var_os("JEOUL_TARGET_DIR").or_else(|| env::var_os("CARGO_TARGET_DIR")) {
                Some(folder) => root.join(folder),
                None => root.join("target"),
            };
        Ok(Self { root, target })
    }

    /// The `jeoul` command as a profile's folder (`debug`, `release`) has it.
    pub(crate) fn command(&self, profile: &str) -> PathBuf {
        self.target
            .join(profile)
            .join(if cfg!(windows) { "jeoul.exe" } else { "jeoul" })
    }

    /// Where programs are installed that only this repository uses.
    pub(crate) fn tools(&self) -> PathBuf {
        self.target.join("tools")
    }

    /// The page's sources.
    pub(crate) fn www(&self) -> PathBuf {
        self.root.join("www")
    }

    /// The built page.
    pub(crate) fn dist(&self) -> PathBuf {
        self.www().join("dist")
    }

    /// The built engine modules, one folder each.
    pub(crate) fn engine(&self) -> PathBuf {
        self.www().join("public/engine")
    }

    /// The registry and the checkpoints made for tests.
    pub(crate) fn models(&self) -> PathBuf {
        self.root.join("models")
    }

    /// Checkpoints that were fetched.
    pub(crate) fn cache(&self) -> PathBuf {
        self.models().join("cache")
    }

    /// The journeys through the page in a real browser.
    pub(crate) fn browser_tests(&self) -> PathBuf {
        self.root.join("tests/browser")
    }

    /// What benchmarks need of other engines.
    pub(crate) fn bench(&self) -> PathBuf {
        self.root.join("tests/bench")
    }
}
