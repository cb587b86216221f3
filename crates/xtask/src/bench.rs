//! `cargo xtask bench`: how many tokens a second the command computes on this machine.

use std::process::Command;
use std::thread;

use anyhow::{Context, bail};

use crate::fetch::fetch;
use crate::place::Place;
use crate::process::{cargo, output, run, step};
use crate::registry;

/// What is run: task, examples before each question, documents. Short and long prompts, Latin letters and Hangul.
const WORKLOADS: [(&str, u32, u32); 3] = [
    ("jeoul_science", 0, 10),
    ("jeoul_commonsense", 5, 5),
    ("jeoul_boolq_ko", 2, 5),
];

/// Arguments of `bench`.
#[derive(clap::Args)]
pub(crate) struct Bench {
    /// Lane to measure; `gpu` compiles the GPU crates optimised (more than 15 minutes the first time).
    #[arg(long, default_value = "cpu", value_parser = ["cpu", "gpu", "reference"])]
    lane: String,
    /// Runs per workload; the best one counts.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    repeats: u32,
}

impl Bench {
    /// Runs the verb; prints a table on stdout.
    pub(crate) fn run(&self, place: &Place) -> anyhow::Result<()> {
        let model = fetch(place, registry::DEFAULT)?;
        step("the command, optimised", || {
            let mut build = cargo(place, "build", &place.target);
            build.args(["--release", "--package", "jeoul"]);
            if self.lane != "gpu" {
                build.arg("--no-default-features");
            }
            run(&mut build)
        })?;
        let jeoul =
            place
                .target
                .join("release")
                .join(if cfg!(windows) { "jeoul.exe" } else { "jeoul" });
        println!(
            "{}, lane {}, {}",
            registry::DEFAULT,
            self.lane,
            machine(place)
        );
        println!(
            "{:<20}{:>6}{:>11}{:>16}{:>8}",
            "task", "shots", "documents", "tokens/s, best", "worst"
        );
        for (task, shots, limit) in WORKLOADS {
            let mut speeds = Vec::new();
            for _ in 0..self.repeats {
                let mut eval = Command::new(&jeoul);
                eval.arg("eval")
                    .arg("--model")
                    .arg(&model)
                    .args(["--lane", &self.lane, "--tasks", task]);
                eval.args([
                    "--num_fewshot",
                    &shots.to_string(),
                    "--limit",
                    &limit.to_string(),
                ]);
                speeds.push(speed(&mut eval)?);
            }
            let best = speeds.iter().copied().fold(0.0, f64::max);
            let worst = speeds.iter().copied().fold(f64::INFINITY, f64::min);
            println!("{task:<20}{shots:>6}{limit:>11}{best:>16.1}{worst:>8.1}");
        }
        Ok(())
    }
}

/// Runs an evaluation; its closing line says how fast it was.
fn speed(eval: &mut Command) -> anyhow::Result<f64> {
    let output = eval.output().context("`jeoul` could not be started")?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("`jeoul eval` failed ({}): {}", output.status, said.trim());
    }
    tokens_per_second(&said).context("`jeoul eval` did not say how fast it was")
}

/// The number before `tokens/s`.
fn tokens_per_second(said: &str) -> Option<f64> {
    let line = said.lines().rev().find(|line| line.contains(" tokens/s"))?;
    line.split(" tokens/s")
        .next()?
        .rsplit(' ')
        .next()?
        .parse()
        .ok()
}

/// What a number depends on: processor, cores, commit.
fn machine(place: &Place) -> String {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or(std::env::consts::ARCH);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let commit = output(
        Command::new("git")
            .args(["describe", "--always", "--dirty"])
            .current_dir(&place.root),
    );
    format!(
        "{}, {cores} cores, commit {}",
        name.trim_start_matches(['\t', ' ', ':']),
        commit.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_speed_is_read_from_the_closing_line() {
        let said = "loading\n1234 tokens in 10.0 s, 123.4 tokens/s on the cpu lane\nwrote a.json\n";
        assert_eq!(tokens_per_second(said), Some(123.4));
        assert_eq!(tokens_per_second("loading\n"), None);
    }
}
