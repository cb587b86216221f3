//! `cargo xtask bench`: Jeoul beside its peers, on one machine and one checkpoint.
//!
//! Engines are measured in turns (A B A B), because a machine's speed drifts. What counts is the ratio of medians.

mod answers;
mod products;
mod saving;
mod text;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use clap::ValueEnum;
use serde::Deserialize;

use crate::build::{self, Module, engine};
use crate::fetch::fetch;
use crate::needs::{self, Need};
use crate::place::Place;
use crate::process::{cargo, output, run, step};
use crate::{python, registry, setup};

/// Tokens of the prompt, and generated after it.
const PROMPT: &str = "256";
const GENERATE: &str = "32";
/// The same on the GPU lane: Burn's modules take seconds a token without a GPU.
const GENERATE_GPU: &str = "8";

/// Arguments of `bench`.
#[derive(clap::Args)]
pub(crate) struct Bench {
    /// Measurements of each engine; the median counts.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    repeats: u32,
    /// Also the GPU lane beside Burn's own modules: in Chromium on SwiftShader, and natively, without a GPU on Mesa's lavapipe. Its
    /// builds take 20 minutes.
    #[arg(long)]
    gpu: bool,
    /// Only these parts, which are printed; BENCHMARKS.md stays as it is.
    #[arg(long, value_enum, value_delimiter = ',', conflicts_with = "gpu")]
    only: Vec<Part>,
}

/// The same in Chromium on SwiftShader, and how often: Burn's modules take 3 seconds a token there.
const SWIFTSHADER: [&str; 3] = ["32", "2", "2"];

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Whether answers have the same bits everywhere.
    Bits,
    /// Engines in the browser and natively, and how far llama.cpp and Jeoul are from the checkpoint's own weights.
    Engines,
    /// Products of activations with weights alone.
    Products,
    /// What shared beginnings save.
    Saving,
    /// The GPU lane.
    Gpu,
}

impl Part {
    /// All but the GPU lane.
    const CPU: [Self; 4] = [Self::Bits, Self::Engines, Self::Products, Self::Saving];
}

/// What an engine gave: tokens a second, or why nothing.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
struct Speeds {
    prefill: Vec<f64>,
    decode: Vec<f64>,
    error: Option<String>,
    /// Of Jeoul in the browser.
    loads: Vec<Load>,
    /// Mean |Δ log-likelihood| a token from the reference lane, where it is measured.
    error_nats: Option<f64>,
}

/// How a checkpoint was loaded: seconds in which its file is read, seconds to the first probability, bytes of wasm memory after
/// it, and of the file.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
struct Load {
    read: f64,
    first: f64,
    memory: f64,
    size: f64,
}

/// What was measured on one file in one place, Jeoul first.
type Measured = Vec<(String, Speeds)>;

impl Bench {
    /// Runs the verb; writes this machine's part of BENCHMARKS.md.
    pub(crate) fn run(&self, place: &Place) -> anyhow::Result<()> {
        let bench = &[Need::Chromium, Need::BenchPackages];
        let has_gpu = self.gpu || self.only.contains(&Part::Gpu);
        let gpu: &[Need] = if has_gpu { &[Need::Vulkan] } else { &[] };
        let needs = [Need::BUILD, Need::THREADS, bench, gpu].concat();
        setup::ensure(place, &needs)?;
        let source = fetch(place, registry::DEFAULT)?;
        let parts = match self.only.as_slice() {
            [] => &Part::CPU,
            only => only,
        };
        if parts.contains(&Part::Engines) || parts.contains(&Part::Bits) {
            engine(place, Module::Cpu, true)?;
            engine(place, Module::CpuThreads, true)?;
        }
        if parts != [Part::Gpu] {
            command(place, &["--no-default-features"])?;
        }
        fs::create_dir_all(place.target.join("bench"))?;
        let mut text = text::head(place, self.repeats);
        for part in parts {
            text += &match part {
                Part::Bits => answers::same_bits(place, &source)?,
                Part::Engines => self.engines(place, &source)?,
                Part::Products => products::measure(place, self.repeats)?,
                Part::Saving => saving::measure(place, &source, self.repeats)?,
                Part::Gpu => self.gpu(place, &source)?,
            };
        }
        if self.gpu {
            // What takes an hour is not lost with what comes after it.
            write(place, &text)?;
            text += &self.gpu(place, &source)?;
        }
        print!("{text}");
        match self.only.is_empty() {
            true => write(place, &text),
            false => Ok(()),
        }
    }

    /// The sections of whole engines.
    fn engines(&self, place: &Place, source: &Path) -> anyhow::Result<String> {
        let files = [
            ("Q4_1", source.to_owned()),
            ("Q4_0", requantized(place, source, "Q4_0")?),
            ("Q8_0", requantized(place, source, "Q8_0")?),
        ];
        let browser = measure(text::BROWSER, &files, |file| {
            let id = (file == source).then_some(registry::DEFAULT);
            self.browser(place, file, id)
        })?;
        let native = measure(text::NATIVE, &files, |file| {
            let mut measured = self.native(place, file, "1")?;
            match answers::errors(place, file) {
                Ok(errors) => {
                    for ((_, speeds), error) in measured.iter_mut().zip(errors) {
                        speeds.error_nats = Some(error);
                    }
                }
                Err(error) => eprintln!("  log-likelihoods are not compared: {error:#}"),
            }
            Ok(measured)
        })?;
        let native_2 = measure(text::NATIVE_2, &files, |file| self.native(place, file, "2"))?;

        let one = rows(text::BROWSER, &browser, &["jeoul", "wllama-1", "flare"]);
        let two = rows(text::BROWSER_2, &browser, &["jeoul-2", "jeoul", "wllama-2"]);
        let loads: Vec<String> = browser
            .iter()
            .filter_map(|(file, measured)| Some(text::loads(file, &measured.first()?.1.loads)))
            .collect();
        let mut native_1 = rows(text::NATIVE, &native, &["Jeoul", "llama.cpp"]);
        for ((file, browser), (_, native)) in browser.iter().zip(&native) {
            native_1.extend(text::across(file, browser, native));
        }
        let native_2 = rows(text::NATIVE_2, &native_2, &["Jeoul", "llama.cpp"]);
        let profile = [profile(place, source, "cpu")?];
        let section = text::section;
        Ok([
            section(text::BROWSER, text::SPEEDS, &one),
            section(text::BROWSER_2, text::SPEEDS, &two),
            section(text::LOADING, text::LOADS, &loads),
            section(text::NATIVE, text::SPEEDS_AND_ERRORS, &native_1),
            section(text::NATIVE_2, text::SPEEDS, &native_2),
            section(
                "Where the time goes (natively, CPU, one thread, Q4_1)",
                "",
                &profile,
            ),
        ]
        .concat())
    }

    fn native(&self, place: &Place, model: &Path, threads: &str) -> anyhow::Result<Measured> {
        let mut jeoul = Command::new(place.command("release"));
        jeoul.args(["bench", "--json", "--repeats", "1", "--model"]);
        jeoul.arg(model);
        jeoul.args(["--prompt", PROMPT, "--generate", GENERATE]);
        jeoul.args(["--threads", threads]);
        let mut llama = Command::new("node");
        llama.arg(place.bench().join("llama.mjs")).arg(model);
        llama.args([PROMPT, GENERATE, threads]);
        self.in_turns([("Jeoul", jeoul), ("llama.cpp", llama)])
    }

    /// The sections of the GPU lane, beside the same network out of Burn's modules.
    fn gpu(&self, place: &Place, source: &Path) -> anyhow::Result<String> {
        let file = [("Q4_1", source.to_owned())];
        // A shader is what takes the time, so the modules need not be optimised.
        engine(place, Module::Gpu, false)?;
        let stock = build::example(place, &build::STOCK, false)?;
        let browser = measure(text::GPU_BROWSER, &file, |file| {
            self.gpu_browser(place, &stock, file)
        })?;
        command(place, &[])?;
        let native = measure(text::GPU, &file, |file| self.gpu_native(place, file))?;

        let engines = ["Jeoul", STOCK];
        let mut lines = rows(text::GPU_BROWSER, &browser, &engines);
        let [prompt, generate, repeats] = SWIFTSHADER;
        lines.push(format!(
            "\nA prompt of {prompt} tokens, then {generate} generated; medians of {repeats}.\n"
        ));
        lines.push(text::gpu_memory(&browser[0].1[0].1.loads));
        let section = text::section;
        Ok([
            section(text::GPU_BROWSER, text::SPEEDS, &lines),
            section(text::GPU, text::SPEEDS, &rows(text::GPU, &native, &engines)),
            section(
                "Where the time goes (natively, GPU, Q4_1)",
                "",
                &[profile(place, source, "gpu")?],
            ),
        ]
        .concat())
    }

    fn gpu_native(&self, place: &Place, model: &Path) -> anyhow::Result<Measured> {
        let mut jeoul = Command::new(place.command("release"));
        jeoul.args(["bench", "--json", "--repeats", "1", "--lane", "gpu"]);
        jeoul.args(["--prompt", PROMPT, "--generate", GENERATE_GPU, "--model"]);
        jeoul.arg(model);
        let mut stock = cargo(place, "bench", &place.target);
        // With the command's package beside it, it shares what the command is built of.
        stock.args(["--package", "jeoul", "--package", "jeoul-model"]);
        stock.args(["--bench", "stock", "--", PROMPT, GENERATE_GPU, "1"]);
        self.in_turns([("Jeoul", jeoul), (STOCK, stock)])
    }

    fn gpu_browser(&self, place: &Place, stock: &Path, model: &Path) -> anyhow::Result<Measured> {
        let mut command = in_chromium(place, "gpu.mjs")?;
        command
            .arg(place.engine())
            .arg(stock)
            .arg(model)
            .args(SWIFTSHADER);
        #[derive(Deserialize)]
        #[serde(rename_all = "kebab-case")]
        struct Both {
            jeoul_gpu: Speeds,
            stock: Speeds,
        }
        let Both { jeoul_gpu, stock } = said(&mut command)?;
        Ok(vec![
            ("Jeoul".to_owned(), jeoul_gpu),
            (STOCK.to_owned(), stock),
        ])
    }

    /// Calls commands that print speeds one after the other, as often as it is asked for.
    fn in_turns(&self, mut engines: [(&str, Command); 2]) -> anyhow::Result<Measured> {
        let mut measured: Measured = Vec::new();
        for _ in 0..self.repeats {
            for (index, (name, command)) in engines.iter_mut().enumerate() {
                if measured.len() == index {
                    measured.push((name.to_string(), Speeds::default()));
                }
                let all = &mut measured[index].1;
                match said::<Speeds>(command) {
                    Ok(speeds) => {
                        all.prefill.extend(speeds.prefill);
                        all.decode.extend(speeds.decode);
                    }
                    Err(error) => all.error = Some(format!("{error:#}")),
                }
            }
        }
        Ok(measured)
    }

    /// `id` is the file's name in the registry, if it is there.
    fn browser(&self, place: &Place, model: &Path, id: Option<&str>) -> anyhow::Result<Measured> {
        let mut command = in_chromium(place, "browser.mjs")?;
        command
            .arg(place.engine())
            .arg(model)
            .args([PROMPT, GENERATE, &self.repeats.to_string()])
            .args(id);
        let measured: serde_json::Map<String, serde_json::Value> = said(&mut command)?;
        let speeds = measured
            .into_iter()
            .map(|(name, speeds)| Ok((name, serde_json::from_value(speeds)?)));
        speeds.collect()
    }
}

/// Puts this machine's part into BENCHMARKS.md.
fn write(place: &Place, part: &str) -> anyhow::Result<()> {
    let path = place.root.join("BENCHMARKS.md");
    let page = fs::read_to_string(&path).unwrap_or_default();
    fs::write(&path, text::with_part(&page, part))
        .with_context(|| format!("{} cannot be written", path.display()))
}

/// The baseline of the GPU lane.
const STOCK: &str = "Burn's modules in f32";

/// Builds the command, optimised.
fn command(place: &Place, features: &[&str]) -> anyhow::Result<()> {
    step("the command, optimised", || {
        let mut build = cargo(place, "build", &place.target);
        run(build
            .args(["--release", "--package", "jeoul"])
            .args(features))
    })
}

/// Measures all files.
fn measure<'a>(
    title: &str,
    files: &[(&'a str, PathBuf)],
    on: impl Fn(&Path) -> anyhow::Result<Measured>,
) -> anyhow::Result<Vec<(&'a str, Measured)>> {
    let one = |(name, file): &(&'a str, PathBuf)| {
        let measured = step(&format!("{title}: {name}"), || on(file))?;
        Ok((*name, measured))
    };
    files.iter().map(one).collect()
}

/// Lines of a table of speeds.
fn rows(title: &str, all: &[(&str, Measured)], engines: &[&str]) -> Vec<String> {
    all.iter()
        .map(|(file, measured)| text::rows(title, file, &pick(measured, engines)))
        .collect()
}

/// Some of the engines, in this order.
fn pick(measured: &Measured, engines: &[&str]) -> Measured {
    let find = |name: &&str| measured.iter().find(|(other, _)| other == name).cloned();
    engines.iter().filter_map(find).collect()
}

/// Where the time goes, as the command says it.
fn profile(place: &Place, model: &Path, lane: &str) -> anyhow::Result<String> {
    let mut command = Command::new(place.command("release"));
    command.args(["bench", "--profile", "--prompt", PROMPT]);
    command.args(["--threads", "1", "--lane", lane, "--model"]);
    output(command.arg(model))
        .map(|table| table + "\n")
        .context("`jeoul bench --profile` failed")
}

/// A script of `tests/bench/` that drives Chromium.
fn in_chromium(place: &Place, script: &str) -> anyhow::Result<Command> {
    let mut command = Command::new("node");
    command
        .arg(place.bench().join(script))
        .arg(needs::chromium().context("no Chromium")?);
    Ok(command)
}

/// The JSON that a command prints.
fn said<T: for<'a> Deserialize<'a>>(command: &mut Command) -> anyhow::Result<T> {
    let output = command
        .output()
        .with_context(|| format!("{:?} could not be started", command.get_program()))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    let last = errors.trim().lines().last().unwrap_or_default();
    anyhow::ensure!(output.status.success(), "{}: {last}", output.status);
    serde_json::from_slice(&output.stdout).with_context(|| format!("no figures came: {last}"))
}

/// The checkpoint with its matrices in another type, in the target folder.
fn requantized(place: &Place, source: &Path, ty: &str) -> anyhow::Result<PathBuf> {
    let target = place.target.join("bench").join(format!("{ty}.gguf"));
    if target.is_file() {
        return Ok(target);
    }
    let requirements = place.bench().join("requirements.txt");
    let python = python::environment(place, "bench/python", &requirements)?;
    step(&format!("the checkpoint in {ty}"), || {
        let unfinished = target.with_extension("part");
        run(Command::new(python)
            .arg(place.bench().join("requantize.py"))
            .arg(source)
            .arg(&unfinished)
            .arg(ty))?;
        fs::rename(&unfinished, &target).context("the target folder cannot be written to")
    })?;
    Ok(target)
}
