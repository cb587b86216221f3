//! How much time a run saves because what requests begin with is computed once: 25-shot questions with four choices, with the
//! same examples before all of them and with others before each.

use std::path::Path;
use std::process::Command;

use anyhow::Context;

use super::text::{median, section};
use super::{Speeds, said};
use crate::place::Place;
use crate::process::step;

/// A task, which examples it puts before a document, and how many times fewer tokens are computed than asked for, at least.
const TASKS: [(&str, &str, f64); 2] = [
    ("tests/bench/arc_fixed.yaml", "the same for all", 20.0),
    ("arc_challenge", "others for each", 3.5),
];
/// Documents.
const LIMIT: u32 = 16;
/// Choices of each of them.
const CHOICES: u32 = 4;
/// How far the saving of time may stay behind that of tokens.
const BEHIND: f64 = 0.2;

const HEAD: &str = "\
| examples | tokens asked | computed | fewer tokens | time, s | time of all asked, s | less time |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |
";

/// What one run took.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Run {
    computed: f64,
    seconds: f64,
    asked: f64,
}

/// The section.
pub(super) fn measure(place: &Place, model: &Path, repeats: u32) -> anyhow::Result<String> {
    let lines = TASKS
        .iter()
        .map(|(task, name, goal)| {
            step(&format!("25 examples, {name}"), || {
                let (mut runs, mut speeds) = (Vec::new(), Vec::new());
                for _ in 0..repeats {
                    let run = eval(place, model, task)?;
                    // A prompt as long as these requests are.
                    let length = run.asked as u32 / (LIMIT * CHOICES);
                    speeds.extend(speed(place, model, length)?);
                    runs.push(run);
                }
                let seconds = median(&runs.iter().map(|run| run.seconds).collect::<Vec<_>>());
                let run = *runs.first().context("nothing was measured")?;
                Ok(line(name, *goal, Run { seconds, ..run }, median(&speeds)))
            })
        })
        .collect::<anyhow::Result<Vec<String>>>()?;
    let about = format!(
        "\nAll asked would take so long at the speed at which a prompt as long as a request is read. Time may stay {:.0} % behind \
         tokens.\n",
        BEHIND * 100.0
    );
    let title =
        "Tokens that are asked for and computed (natively, CPU, one thread, 25-shot, 4 choices)";
    Ok(section(title, HEAD, &lines) + &about)
}

/// Line of the table; `speed` is in tokens a second.
fn line(name: &str, goal: f64, run: Run, speed: f64) -> String {
    let Run {
        computed,
        seconds,
        asked,
    } = run;
    let (all, tokens) = (asked / speed, asked / computed);
    let time = all / seconds;
    let missed = |is_missed: bool, goal: f64| match is_missed {
        true => format!(" (goal {goal:.1})"),
        false => String::new(),
    };
    format!(
        "| {name} | {asked} | {computed} | {tokens:.1} ×{} | {seconds:.1} | {all:.1} | {time:.1} ×{} |\n",
        missed(tokens < goal, goal),
        missed(time < tokens * (1.0 - BEHIND), tokens * (1.0 - BEHIND)),
    )
}

fn eval(place: &Place, model: &Path, task: &str) -> anyhow::Result<Run> {
    let mut eval = Command::new(place.command("release"));
    eval.args(["eval", "--sample_documents", "--bootstrap_iters", "0"]);
    eval.args(["--tasks", task, "--num_fewshot", "25"]);
    eval.args(["--limit", &LIMIT.to_string(), "--threads", "1", "--model"]);
    let output = eval.arg(model).current_dir(&place.root).output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    let last = errors.trim().lines().last().unwrap_or_default();
    read(last).with_context(|| format!("`jeoul eval` says no tokens: {last}"))
}

/// What `jeoul eval` says last: `9 tokens in 1.00 s, 9.0 tokens/s on the cpu lane; 12 were asked for`.
fn read(line: &str) -> Option<Run> {
    let (computed, rest) = line.split_once(" tokens in ")?;
    let (seconds, rest) = rest.split_once(" s, ")?;
    let asked = rest.split_once("; ")?.1.strip_suffix(" were asked for")?;
    Some(Run {
        computed: computed.parse().ok()?,
        seconds: seconds.parse().ok()?,
        asked: asked.parse().ok()?,
    })
}

/// Tokens a second of reading a prompt of `length` tokens.
fn speed(place: &Place, model: &Path, length: u32) -> anyhow::Result<Vec<f64>> {
    let mut bench = Command::new(place.command("release"));
    bench.args(["bench", "--json", "--repeats", "1", "--generate", "1"]);
    bench.args(["--threads", "1", "--prompt", &length.to_string(), "--model"]);
    Ok(said::<Speeds>(bench.arg(model))?.prefill)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn savings_of_time_stand_beside_those_of_tokens() {
        let run =
            read("1000 tokens in 4.00 s, 250.0 tokens/s on the cpu lane; 10000 were asked for");
        let run = run.unwrap();
        assert_eq!(
            line("none", 5.0, run, 500.0),
            "| none | 10000 | 1000 | 10.0 × | 4.0 | 20.0 | 5.0 × (goal 8.0) |\n"
        );
        assert_eq!(
            line("none", 20.0, run, 250.0),
            "| none | 10000 | 1000 | 10.0 × (goal 20.0) | 4.0 | 40.0 | 10.0 × |\n"
        );
        assert_eq!(read("error: no such file"), None);
    }
}
