//! `cargo xtask parity`: our scores against lm-evaluation-harness itself, run from a Python environment of its own.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::fetch::fetch;
use crate::place::Place;
use crate::process::{cargo, output, run, step};
use crate::python;
use crate::registry;
use crate::test::CRATES;

/// Documents of each task that are compared with hashes for log-likelihoods.
const LIMIT: &str = "12";
/// Tasks and shots that run end to end with the real checkpoint in CI; all of them take half an hour on two cores.
const SHORT: &str = "arc_challenge:1,gsm8k:0,lambada_openai:0,kobest_copa:1,klue_nli:0";

/// Arguments of `parity`.
#[derive(clap::Args)]
pub(crate) struct Parity {
    /// Write the golden files of tests/parity/golden anew.
    #[arg(long)]
    golden: bool,
    /// Compare end to end with the real checkpoint, at zero shots and at those people use, 20 documents each.
    #[arg(long, conflicts_with = "golden")]
    full: bool,
}

impl Parity {
    /// Runs the verb.
    pub(crate) fn run(&self, place: &Place) -> anyhow::Result<()> {
        let python = harness(place)?;
        if self.golden {
            return step("golden files", || {
                run(script(place, &python, "golden.py")
                    .arg("--output")
                    .arg(golden(place)))
            });
        }
        let Some(data) = data(place) else {
            bail!(
                "there are no datasets\n\nhint: JEOUL_DATA names a folder with `datasets/`; tests/parity/README.md says what it holds"
            );
        };
        compare(place, &python, &data, self.full)
    }
}

/// Real documents beside the checkout, or where `JEOUL_DATA` says; they are not part of the repository.
pub(crate) fn data(place: &Place) -> Option<PathBuf> {
    let folder =
        env::var_os("JEOUL_DATA").map_or_else(|| place.root.join("../shared/data"), PathBuf::from);
    Some(folder.join("datasets")).filter(|folder| folder.is_dir())
}

/// Compares prompts, token splits, filters and metrics on real documents, then whole runs.
pub(crate) fn compare(place: &Place, python: &Path, data: &Path, full: bool) -> anyhow::Result<()> {
    let work = place.target.join("parity");
    let (rows, found) = (work.join("rows"), work.join("golden"));
    _ = fs::remove_dir_all(&work);
    fs::create_dir_all(&work).context("the target folder cannot be written to")?;
    step("real documents, as the harness asks them", || {
        let tasks = output(script(place, python, "real.py").arg(data).arg(&rows))
            .context("tests/parity/real.py failed")?;
        run(script(place, python, "golden.py")
            .args(["--tasks", tasks.trim(), "--data_dir"])
            .arg(&rows)
            .args(["--limit", LIMIT, "--output"])
            .arg(&found))?;
        run(cargo(place, "test", &place.target)
            .args(CRATES)
            .args(["--test", "parity"])
            .env("JEOUL_GOLDEN", &found)
            .env("JEOUL_GOLDEN_DATA", &rows)
            .env("JEOUL_GOLDEN_LIMIT", LIMIT))
    })?;
    step("the harness with the command as its model", || {
        run(cargo(place, "build", &place.target)
            .args(CRATES)
            .args(["--bin", "jeoul"]))?;
        let whole = |model: &Path, rest: &[&str]| {
            run(script(place, python, "end_to_end.py")
                .arg("--jeoul")
                .arg(place.command("debug"))
                .arg("--model")
                .arg(model)
                .arg("--data_dir")
                .arg(&rows)
                .args(rest))
        };
        if !full {
            whole(&place.models().join("tiny.gguf"), &["--limit", "3"])?;
        }
        match (fetch(place, registry::DEFAULT), full) {
            (Ok(file), true) => whole(&file, &[]),
            (Ok(file), false) => whole(&file, &["--tasks", SHORT, "--limit", "2"]),
            (Err(error), true) => Err(error),
            (Err(error), false) => {
                eprintln!("  without the real checkpoint: {error:#}");
                Ok(())
            }
        }
    })
}

/// Python with the harness in it, installed on first use.
pub(crate) fn harness(place: &Place) -> anyhow::Result<PathBuf> {
    python::environment(place, "harness", &tests(place).join("requirements.txt"))
}

fn tests(place: &Place) -> PathBuf {
    place.root.join("tests/parity")
}

fn golden(place: &Place) -> PathBuf {
    tests(place).join("golden")
}

fn script(place: &Place, python: &Path, name: &str) -> Command {
    let mut command = Command::new(python);
    // The harness tells its progress at length; what goes wrong it says all the same.
    command
        .arg(tests(place).join(name))
        .env("LMEVAL_LOG_LEVEL", "ERROR")
        .env("TQDM_DISABLE", "1")
        .env("PYTHONWARNINGS", "ignore")
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command
}
