//! `jeoul bench`: tokens a second of a checkpoint on this machine.

use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use jeoul_model::{Lane, OperationTime, Profile, Speeds, threads};
use serde_json::json;

use crate::checkpoint::ModelArguments;
use crate::failure::Failure;
use crate::output::print;
use crate::progress::Progress;

/// Arguments of `bench`.
#[derive(clap::Args)]
pub(crate) struct Bench {
    #[command(flatten)]
    model: ModelArguments,
    /// Tokens of the prompt.
    #[arg(long, default_value = "256", value_name = "COUNT")]
    prompt: NonZeroU16,
    /// Tokens generated after it.
    #[arg(long, default_value = "32", value_name = "COUNT")]
    generate: NonZeroU16,
    /// Measurements, each with another prompt; one more before them warms up.
    #[arg(long, default_value = "5", value_name = "COUNT")]
    repeats: NonZeroU16,
    /// Print JSON: {"prefill", "decode"}, tokens a second of each measurement, and "threads", null off the `cpu` lane.
    #[arg(long, conflicts_with = "profile")]
    json: bool,
    /// Print a Markdown table of the time that each operation takes, in the prompt and in one token after it. On the GPU each is
    /// waited for, so that all together take longer than without.
    #[arg(long)]
    profile: bool,
}

impl Bench {
    /// Runs the verb.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let progress = Progress::loading()?;
        let (mut model, _) = self.model.load(&progress)?;
        if self.profile {
            let profiles = pollster::block_on(model.profile(self.prompt.get().into()))?;
            return print(&table(&profiles));
        }
        let start = Instant::now();
        let now = || start.elapsed().as_secs_f64() * 1000.0;
        let [prompt, generate, repeats] =
            [self.prompt, self.generate, self.repeats].map(|count| count.get().into());
        let speeds = pollster::block_on(model.speeds(prompt, generate, repeats, now));
        let Speeds { prefill, decode } = speeds?;
        // The other lanes' threads are not ours to count.
        let threads = (self.model.lane() == Lane::Cpu).then(threads::count);
        if self.json {
            let speeds = json!({ "prefill": prefill, "decode": decode, "threads": threads });
            return print(&speeds.to_string());
        }
        let line = |name: &str, tokens: usize, speeds: &[f64]| {
            let lowest = speeds.iter().copied().fold(f64::INFINITY, f64::min);
            let highest = speeds.iter().copied().fold(0.0, f64::max);
            format!(
                "{name:<8}{tokens:>5} tokens{:>10.1} tokens/s, {lowest:.1} to {highest:.1}",
                median(speeds)
            )
        };
        let threads = threads.map_or(String::new(), |count| format!("\nthreads {count:>6}"));
        print(&format!(
            "{}\n{}{threads}",
            line("prefill", prompt, &prefill),
            line("decode", generate, &decode)
        ))
    }
}

/// Lines of operations, in the order of the time they take in decode; the last is what lies between them.
fn table([prefill, decode]: &[Profile; 2]) -> String {
    let of = |profile: &Profile, name: &str| {
        let mut operations = profile.operations.iter();
        let found = operations.find(|(other, _)| *other == name);
        found.map_or(OperationTime::default(), |(_, time)| *time)
    };
    let mut names: Vec<&str> = [prefill, decode]
        .iter()
        .flat_map(|profile| profile.operations.iter().map(|(name, _)| *name))
        .collect();
    names.sort_by_key(|name| (std::cmp::Reverse(of(decode, name).time), *name));
    names.dedup();
    let cell = |time: Duration, total: Duration| {
        let share = 100.0 * time.as_secs_f64() / total.as_secs_f64();
        format!("{:.2} ms | {share:.0} %", time.as_secs_f64() * 1000.0)
    };
    let mut lines = vec![
        "| operation | calls | prefill | | calls | decode | |".to_owned(),
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |".to_owned(),
    ];
    for name in names {
        let [first, second] = [prefill, decode].map(|profile| {
            let OperationTime { calls, time } = of(profile, name);
            format!("{calls} | {}", cell(time, profile.total))
        });
        lines.push(format!("| {name} | {first} | {second} |"));
    }
    let [first, second] = [prefill, decode].map(|profile| {
        let operations: Duration = profile.operations.iter().map(|(_, time)| time.time).sum();
        cell(profile.total.saturating_sub(operations), profile.total)
    });
    lines.push(format!("| between them | | {first} | | {second} |"));
    let [first, second] = [prefill, decode].map(|profile| cell(profile.total, profile.total));
    lines.push(format!("| all | | {first} | | {second} |"));
    lines.join("\n")
}

/// The middle value, of an even count the mean of the two.
fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        0 => (values[middle - 1] + values[middle]) / 2.0,
        _ => values[middle],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_says_what_lies_between_the_operations() {
        let time = |calls, ms| OperationTime {
            calls,
            time: Duration::from_millis(ms),
        };
        let profile = |operations: &[(&'static str, OperationTime)], ms| Profile {
            operations: operations.to_vec(),
            total: Duration::from_millis(ms),
        };
        let prefill = profile(&[("embed", time(1, 2)), ("project", time(30, 50))], 100);
        let decode = profile(&[("project", time(30, 8))], 10);
        assert_eq!(
            table(&[prefill, decode])
                .lines()
                .skip(2)
                .collect::<Vec<_>>(),
            [
                "| project | 30 | 50.00 ms | 50 % | 30 | 8.00 ms | 80 % |",
                "| embed | 1 | 2.00 ms | 2 % | 0 | 0.00 ms | 0 % |",
                "| between them | | 48.00 ms | 48 % | | 2.00 ms | 20 % |",
                "| all | | 100.00 ms | 100 % | | 10.00 ms | 100 % |",
            ]
        );
    }

    #[test]
    fn the_median_of_an_even_count_lies_between_the_middle_two() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 9.0]), 3.0);
    }
}
