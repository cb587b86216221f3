//! `cargo xtask test`: everything CI checks, cheap things first; stops at the first that fails.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use clap::ValueEnum;

use crate::build::{self, Module};
use crate::fetch::fetch;
use crate::needs::{self, Need};
use crate::place::Place;
use crate::process::{cargo, npm, readable, run, step};
use crate::{parity, registry, server, setup, tiny, types};

/// Arguments of `test`.
#[derive(clap::Args)]
pub(crate) struct Test {
    /// `tidy`, `rust`, `page`, `parity`, `browser`, or a crate such as `eval`; everything if left out.
    place: Option<String>,
}

/// A part of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// What is written where: module docs, left marks, links, arrows between crates.
    Tidy,
    /// Formatting, lints and tests of all crates, GPU included.
    Rust,
    /// Types, tests and build of the page.
    Page,
    /// Scores on real documents against lm-evaluation-harness itself, where there are such documents.
    Parity,
    /// All wasm modules and the journeys through the page in Chromium.
    Browser,
}

/// Counts the checks, for the closing line.
#[derive(Default)]
struct Checks {
    passed: usize,
}

impl Checks {
    fn check(
        &mut self,
        name: &str,
        work: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.pass(step(name, work))
    }

    /// For work that says its name itself.
    fn pass(&mut self, result: anyhow::Result<()>) -> anyhow::Result<()> {
        self.passed += usize::from(result.is_ok());
        result
    }
}

impl Test {
    /// Runs the verb.
    pub(crate) fn run(&self, place: &Place) -> anyhow::Result<()> {
        let start = Instant::now();
        let mut checks = Checks::default();
        let result = self.checks(place, &mut checks);
        let failed = usize::from(result.is_err());
        eprintln!("\nchecks took {}", readable(start.elapsed()));
        println!("{} passed, {failed} failed", checks.passed);
        result
    }

    fn checks(&self, place: &Place, checks: &mut Checks) -> anyhow::Result<()> {
        let parts = match self.place.as_deref() {
            None => Part::value_variants().to_vec(),
            Some(name) => match Part::from_str(name, true) {
                Ok(part) => vec![part],
                Err(_) => return package(place, checks, name),
            },
        };
        setup::ensure(place, &needs(&parts))?;
        for part in parts {
            match part {
                Part::Tidy => tidy(place, checks)?,
                Part::Rust => rust(place, checks, real_checkpoint(place).as_deref())?,
                Part::Page => page(place, checks)?,
                Part::Parity => match parity::data(place) {
                    Some(data) => checks.check("parity with lm-evaluation-harness", || {
                        parity::compare(place, &parity::harness(place)?, &data, false)
                    })?,
                    None => eprintln!(
                        "  skipped: no real documents to compare with lm-evaluation-harness"
                    ),
                },
                Part::Browser => browser(place, checks, real_checkpoint(place).as_deref())?,
            }
        }
        Ok(())
    }
}

/// SmolLM2, which tests weigh where it can be had; without a network they say that they skip it.
fn real_checkpoint(place: &Place) -> Option<PathBuf> {
    fetch(place, registry::DEFAULT)
        .inspect_err(|error| eprintln!("  without the real checkpoint: {error:#}"))
        .ok()
}

fn needs(parts: &[Part]) -> Vec<Need> {
    let of = |part: &Part| match part {
        Part::Tidy => Vec::new(),
        Part::Parity => Vec::new(),
        Part::Rust => vec![Need::Vulkan, Need::Postgres],
        Part::Page => vec![Need::Node, Need::PagePackages],
        Part::Browser => {
            let browser = &[Need::BrowserPackages, Need::Chromium];
            [Need::BUILD, Need::THREADS, browser].concat()
        }
    };
    let mut needs = Vec::new();
    for need in parts.iter().flat_map(of) {
        if !needs.contains(&need) {
            needs.push(need);
        }
    }
    needs
}

/// Tests of one package.
fn package(place: &Place, checks: &mut Checks, name: &str) -> anyhow::Result<()> {
    let name = if place.root.join("crates").join(name).is_dir() {
        format!("jeoul-{name}")
    } else {
        name.to_owned()
    };
    // Two packages are named otherwise than their folders.
    let name = match name.as_str() {
        "jeoul-cli" => "jeoul",
        "jeoul-xtask" => "xtask",
        name => name,
    };
    checks.check(&format!("tests of {name}"), || {
        run(cargo(place, "test", &place.target).args(["--package", name, "--all-features"]))
    })
}

fn tidy(place: &Place, checks: &mut Checks) -> anyhow::Result<()> {
    checks.check("formatting", || {
        run(cargo(place, "fmt", &place.target).args(["--all", "--check"]))
    })?;
    checks.check("tidiness", || {
        run(cargo(place, "test", &place.target).args(["--quiet", "--package", "xtask"]))
    })
}

/// All crates but this one in one build: per-package feature sets would build Burn several times.
pub(crate) const CRATES: [&str; 5] = [
    "--workspace",
    "--exclude",
    "xtask",
    "--features",
    "jeoul-web/typescript",
];

fn rust(place: &Place, checks: &mut Checks, smollm2: Option<&Path>) -> anyhow::Result<()> {
    checks.check("lints", || {
        let mut clippy = cargo(place, "clippy", &place.target);
        run(clippy.args([
            "--workspace",
            "--all-targets",
            "--features",
            "jeoul-web/typescript",
            "--",
            "--deny",
            "warnings",
        ]))
    })?;
    checks.check("build of the tests", || {
        run(cargo(place, "test", &place.target)
            .args(CRATES)
            .arg("--no-run"))
    })?;
    checks.check("tests of the crates", || {
        let mut test = cargo(place, "test", &place.target);
        if env::var_os("XDG_RUNTIME_DIR").is_none() {
            // Vulkan loaders want one; without it they complain on every start.
            test.env("XDG_RUNTIME_DIR", env::temp_dir());
        }
        if let Some(file) = smollm2 {
            test.env("JEOUL_SMOLLM2", file);
        }
        run(test
            .args(CRATES)
            .env(types::EXPORT_DIR, types::export_dir(place)))
    })?;
    checks.check("types of the worker's messages", || types::compare(place))?;
    checks.check("tiny checkpoint", || tiny::check(place))
}

fn page(place: &Place, checks: &mut Checks) -> anyhow::Result<()> {
    let www = place.www();
    checks.check("types of the page", || {
        run(npm(&www).args(["run", "--silent", "check"]))
    })?;
    checks.check("tests of the page", || {
        run(npm(&www).args(["run", "--silent", "test"]))
    })?;
    checks.pass(build::page(place))
}

/// Journeys in Chromium against the built page, with all modules.
fn browser(place: &Place, checks: &mut Checks, smollm2: Option<&Path>) -> anyhow::Result<()> {
    checks.pass(build::engine(place, Module::Cpu, false))?;
    checks.pass(build::engine(place, Module::CpuThreads, false))?;
    checks.pass(build::engine(place, Module::Gpu, false))?;
    checks.pass(build::page(place))?;
    checks.check("the command", || {
        // As the tests of the crates have it: by itself it would be built of other features, and half of the dependencies anew.
        run(cargo(place, "test", &place.target)
            .args(CRATES)
            .args(["--test", "command", "--no-run"]))
    })?;
    checks.check("journeys in the browser", || {
        let address = server::start(place, server::listen(0)?)?;
        let chromium = needs::chromium().context("no Chromium")?;
        let mut command = npm(&place.browser_tests());
        command
            .args(["test"])
            .env("JEOUL_URL", format!("http://{address}"))
            .env("JEOUL_CHROMIUM", chromium)
            .env("JEOUL_BIN", place.command("debug"))
            .env("JEOUL_MODEL", place.models().join("tiny.gguf"));
        if let Some(file) = smollm2 {
            command.env("JEOUL_SMOLLM2", file);
        }
        run(&mut command)
    })
}
