//! `cargo xtask types`: writes the page's half of the worker's messages from the Rust types.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::place::Place;
use crate::process::{cargo, run, step};

/// Variable that tells ts-rs where to write; its tests, named `export…`, do the writing.
pub(crate) const EXPORT_DIR: &str = "TS_RS_EXPORT_DIR";

/// Arguments of `types`.
#[derive(clap::Args)]
pub(crate) struct Types {
    /// Only compare; exit with 1 if they differ.
    #[arg(long)]
    check: bool,
}

impl Types {
    /// Runs the verb.
    pub(crate) fn run(&self, place: &Place) -> anyhow::Result<()> {
        step("types of the worker's messages", || {
            let mut test = cargo(place, "test", &place.target);
            test.args([
                "--quiet",
                "--package",
                "jeoul-web",
                "--features",
                "typescript",
                "export",
            ]);
            run(test.env(EXPORT_DIR, export_dir(place)))?;
            if self.check {
                compare(place)
            } else {
                copy(place)
            }
        })
    }
}

/// Folder that the tests write into.
pub(crate) fn export_dir(place: &Place) -> PathBuf {
    place.target.join("types")
}

fn exported(place: &Place) -> PathBuf {
    export_dir(place).join("generated.ts")
}

fn committed(place: &Place) -> PathBuf {
    place.www().join("src/engine/generated.ts")
}

fn copy(place: &Place) -> anyhow::Result<()> {
    fs::copy(exported(place), committed(place)).context("the tests wrote no generated.ts")?;
    Ok(())
}

/// Whether the committed types are those of the Rust types, as tests just wrote them.
pub(crate) fn compare(place: &Place) -> anyhow::Result<()> {
    let read = |path: &Path| {
        fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
    };
    if read(&exported(place))? != read(&committed(place))? {
        bail!(
            "www/src/engine/generated.ts is not what the Rust types say\n\nhint: `cargo xtask types` writes it anew"
        );
    }
    Ok(())
}
