//! `cargo xtask tiny`: makes the tiny checkpoint for tests anew, or checks that the committed one is what would be made.

use anyhow::Context;

use crate::place::Place;
use crate::process::{cargo, run, step};

/// Arguments of `tiny`.
#[derive(clap::Args)]
pub(crate) struct Tiny {
    /// Only compare; exit with 1 if they differ.
    #[arg(long)]
    check: bool,
}

impl Tiny {
    /// Runs the verb.
    pub(crate) fn run(&self, place: &Place) -> anyhow::Result<()> {
        step("tiny checkpoint", || {
            if self.check {
                check(place)
            } else {
                example(place, &[])
            }
        })
    }
}

/// Whether the committed file is the one its program makes.
pub(crate) fn check(place: &Place) -> anyhow::Result<()> {
    example(place, &["--check"]).context(
        "models/tiny.gguf is not what its program makes\n\n\
         hint: `cargo xtask tiny` makes it anew; its size and sha256 are in models/registry.json too",
    )
}

fn example(place: &Place, arguments: &[&str]) -> anyhow::Result<()> {
    let mut example = cargo(place, "run", &place.target);
    example.args([
        "--quiet",
        "--package",
        "jeoul-checkpoint",
        "--example",
        "make_tiny",
        "--",
    ]);
    run(example
        .arg(place.models().join("tiny.gguf"))
        .args(arguments))
}
