//! `cargo xtask bench`: Jeoul beside its peers, on one machine and one checkpoint.
//!
//! Engines are measured in turns (A B A B), because a machine's speed drifts. What counts is the ratio of medians.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::Context;
use serde::Deserialize;

use crate::build::{Module, engine};
use crate::fetch::fetch;
use crate::needs::{self, Need};
use crate::place::Place;
use crate::process::{cargo, output, run, step};
use crate::{python, registry, setup};

/// Tokens of the prompt, and generated after it.
const PROMPT: &str = "256";
const GENERATE: &str = "32";

/// Arguments of `bench`.
#[derive(clap::Args)]
pub(crate) struct Bench {
    /// Measurements of each engine; the median counts.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    repeats: u32,
}

/// What an engine gave: tokens a second, or why nothing.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
struct Speeds {
    prefill: Vec<f64>,
    decode: Vec<f64>,
    error: Option<String>,
}

/// What was measured on one file in one place, Jeoul first.
type Measured = Vec<(String, Speeds)>;

impl Bench {
    /// Runs the verb; writes BENCHMARKS.md.
    pub(crate) fn run(&self, place: &Place) -> anyhow::Result<()> {
        let bench = &[Need::Chromium, Need::BenchPackages];
        let needs = [Need::BUILD, Need::THREADS, bench].concat();
        setup::ensure(place, &needs)?;
        let source = fetch(place, registry::DEFAULT)?;
        engine(place, Module::Cpu, true)?;
        engine(place, Module::CpuThreads, true)?;
        step("the command, optimised", || {
            let mut build = cargo(place, "build", &place.target);
            run(build.args(["--release", "--package", "jeoul", "--no-default-features"]))
        })?;
        let files = [
            ("Q4_1", source.clone()),
            ("Q4_0", requantized(place, &source, "Q4_0")?),
            ("Q8_0", requantized(place, &source, "Q8_0")?),
        ];
        let mut text = head(place, self.repeats);
        type Measure<'a> = &'a dyn Fn(&Path) -> anyhow::Result<Measured>;
        let parts: [(&str, Measure<'_>); 3] = [
            (BROWSER, &|file| self.browser(place, file)),
            (NATIVE, &|file| self.native(place, file, "1")),
            ("Natively (CPU, two threads)", &|file| {
                self.native(place, file, "2")
            }),
        ];
        for (title, measure) in parts {
            _ = write!(text, "\n## {title}\n\n{HEADER}");
            for (name, file) in &files {
                let measured = step(&format!("{title}: {name}"), || measure(file))?;
                text += &rows(title, name, &measured);
            }
        }
        print!("{text}");
        let path = place.root.join("BENCHMARKS.md");
        fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))
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
        let mut engines = [("Jeoul", jeoul), ("llama.cpp", llama)];
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

    fn browser(&self, place: &Place, model: &Path) -> anyhow::Result<Measured> {
        let mut command = Command::new("node");
        command
            .arg(place.bench().join("browser.mjs"))
            .arg(needs::chromium().context("no Chromium")?)
            .arg(place.engine())
            .arg(model)
            .args([PROMPT, GENERATE, &self.repeats.to_string()]);
        let measured: serde_json::Map<String, serde_json::Value> = said(&mut command)?;
        let speeds = measured
            .into_iter()
            .map(|(name, speeds)| Ok((name, serde_json::from_value(speeds)?)));
        speeds.collect()
    }
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

const HEADER: &str = "\
| file | engine | prefill, tokens/s | decode, tokens/s | Jeoul's prefill | Jeoul's decode |
| --- | --- | ---: | ---: | ---: | ---: |
";

const BROWSER: &str = "In the browser (headless Chromium, CPU)";
const NATIVE: &str = "Natively (CPU, one thread)";

/// How many times as fast as another engine Jeoul wants to be: where, on which file, which engine, in prefill and in decode.
const GOALS: [(&str, &str, &str, [f64; 2]); 6] = [
    (BROWSER, "Q4_1", "wllama-1", [14.0, 8.0]),
    (BROWSER, "Q8_0", "wllama-1", [8.0, 6.0]),
    (BROWSER, "Q8_0", "flare", [4.0, 4.0]),
    (NATIVE, "Q4_1", "llama.cpp", [2.5, 2.5]),
    (NATIVE, "Q4_0", "llama.cpp", [1.0, 1.0]),
    (NATIVE, "Q8_0", "llama.cpp", [1.0, 1.0]),
];

/// Lines of the table: medians, how many times as fast Jeoul is, and where a goal is missed, the goal.
fn rows(title: &str, file: &str, measured: &Measured) -> String {
    let (ours, mut lines) = (measured.first().map(|(_, ours)| ours), String::new());
    for (name, speeds) in measured {
        if let Some(error) = &speeds.error {
            let error = error.replace('|', "\\|");
            _ = writeln!(lines, "| {file} | {name} | not measured: {error} | | | |");
            continue;
        }
        let [prefill, decode] = [&speeds.prefill, &speeds.decode].map(|speeds| median(speeds));
        let goal = GOALS
            .iter()
            .find(|goal| (goal.0, goal.1, goal.2) == (title, file, name))
            .map_or([0.0; 2], |goal| goal.3);
        let ratio = |ours: Option<&Vec<f64>>, theirs: f64, goal: f64| match ours
            .map(|ours| median(ours) / theirs)
        {
            Some(ratio) if ratio < goal => format!("{ratio:.2} × (goal {goal})"),
            Some(ratio) if ratio.is_finite() => format!("{ratio:.2} ×"),
            _ => "–".to_owned(),
        };
        let ratios = [
            ratio(ours.map(|ours| &ours.prefill), prefill, goal[0]),
            ratio(ours.map(|ours| &ours.decode), decode, goal[1]),
        ];
        _ = writeln!(
            lines,
            "| {file} | {name} | {prefill:.1} | {decode:.1} | {} | {} |",
            ratios[0], ratios[1]
        );
    }
    lines
}

/// The middle value, of an even count the mean of the two; 0 of none.
fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        count if count % 2 == 0 => (values[middle - 1] + values[middle]) / 2.0,
        _ => values[middle],
    }
}

/// What the numbers depend on: machine, versions, commit, day.
fn head(place: &Place, repeats: u32) -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or(std::env::consts::ARCH);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let told = |command: &mut Command| output(command).unwrap_or_default();
    let commit = told(
        Command::new("git")
            .args(["describe", "--always", "--dirty"])
            .current_dir(&place.root),
    );
    let day = told(
        Command::new("git")
            .args(["log", "-1", "--format=%cs"])
            .current_dir(&place.root),
    );
    let chromium = needs::chromium().map(|path| told(Command::new(path).arg("--version")));
    let packages = fs::read_to_string(place.bench().join("package.json")).unwrap_or_default();
    format!(
        "# Benchmarks\n\n\
         Written by `cargo xtask bench`: {}, a prompt of {PROMPT} tokens, then {GENERATE} generated. Engines run in turns; \
         medians of {repeats}. The last two columns say how many times as fast Jeoul is, \
         and what it wants to be where it is not.\n\n\
         {}, {cores} cores; {}; commit {commit} of {day}; {}.\n",
        registry::DEFAULT,
        processor.trim_start_matches(['\t', ' ', ':']),
        chromium.unwrap_or_default(),
        versions(&packages).join(", ")
    )
}

/// `name version` of the dependencies in a package.json.
fn versions(packages: &str) -> Vec<String> {
    let parsed: serde_json::Value = serde_json::from_str(packages).unwrap_or_default();
    let dependencies = parsed["dependencies"].as_object().into_iter().flatten();
    dependencies
        .map(|(name, version)| format!("{name} {}", version.as_str().unwrap_or_default()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_how_many_times_as_fast_jeoul_is() {
        let speeds = |prefill: &[f64], decode: &[f64]| Speeds {
            prefill: prefill.to_vec(),
            decode: decode.to_vec(),
            error: None,
        };
        let broken = Speeds {
            error: Some("no | memory".into()),
            ..Speeds::default()
        };
        let measured = vec![
            ("Jeoul".to_owned(), speeds(&[90.0, 110.0, 100.0], &[40.0])),
            ("wllama-1".to_owned(), speeds(&[25.0, 75.0], &[5.0])),
            ("broken".to_owned(), broken),
        ];
        assert_eq!(
            rows(BROWSER, "Q8_0", &measured),
            "| Q8_0 | Jeoul | 100.0 | 40.0 | 1.00 × | 1.00 × |\n\
             | Q8_0 | wllama-1 | 50.0 | 5.0 | 2.00 × (goal 8) | 8.00 × |\n\
             | Q8_0 | broken | not measured: no \\| memory | | | |\n"
        );
    }

    #[test]
    fn versions_stand_in_package_json() {
        let packages = r#"{"dependencies": {"a": "1.2.3", "@b/c": "4.0.0"}}"#;
        assert_eq!(versions(packages), ["a 1.2.3", "@b/c 4.0.0"]);
    }
}
