//! `cargo xtask tiny`: makes the tiny checkpoint for tests anew, or checks that the committed one is what would be made.

use std::fs;

use anyhow::{Context, bail};

use crate::place::Place;
use crate::process::{cargo, run, step};

/// Arguments of `tiny`.
#[derive(clap::Args)]
pub(crate) struct Tiny {
    /// Only compare; exit with 1 if they differ.
    #[arg(long)]
    pub(crate) check: bool,
}

impl Tiny {
    /// Runs the verb.
    pub(crate) fn run(&self, place: &Place) -> anyhow::Result<()> {
        step("tiny checkpoint", || self.make(place))
    }

    /// The verb without its heading.
    pub(crate) fn make(&self, place: &Place) -> anyhow::Result<()> {
        let made = place.target.join("tiny.gguf");
        let mut example = cargo(place, "run", &place.target);
        example.args([
            "--quiet",
            "--package",
            "jeoul-checkpoint",
            "--example",
            "make_tiny",
            "--",
        ]);
        run(example.arg(&made))?;
        let committed = place.models().join("tiny.gguf");
        if !self.check {
            fs::copy(&made, &committed)?;
        } else if fs::read(&made)?
            != fs::read(&committed).context("there is no models/tiny.gguf")?
        {
            bail!(
                "models/tiny.gguf is not what its program makes\n\nhint: `cargo xtask tiny` makes it anew"
            );
        }
        Ok(())
    }
}
