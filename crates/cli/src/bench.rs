//! `jeoul bench`: tokens a second of a checkpoint on this machine.

use std::num::NonZeroU16;
use std::time::Instant;

use jeoul_model::{Lane, Speeds, threads};
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
    #[arg(long)]
    json: bool,
}

impl Bench {
    /// Runs the verb.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let progress = Progress::loading()?;
        let (mut model, _) = self.model.load(&progress)?;
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
    use super::median;

    #[test]
    fn the_median_of_an_even_count_lies_between_the_middle_two() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 9.0]), 3.0);
    }
}
