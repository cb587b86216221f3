//! Whether answers have the same bits everywhere, and how near they are to the checkpoint's own weights.
//!
//! What is asked are tasks on their sample documents, so that this needs no other data; compared are the sample files of
//! lm-evaluation-harness, which hold each log-likelihood to the last digit.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::text::section;
use super::{in_chromium, said};
use crate::place::Place;
use crate::process::step;

/// Four choices each: 200 requests.
const TASKS: [&str; 2] = ["arc_easy", "hellaswag"];
/// Documents of each task.
const LIMIT: &str = "25";
/// Requests that the slow reference lane answers too.
const NEAR: usize = 20;

/// The section; fails where a log-likelihood is another with two threads, in other batches or in the browser.
pub(super) fn same_bits(place: &Place, model: &Path) -> anyhow::Result<String> {
    step("the same bits", || {
        let mut answers = Vec::new();
        for (threads, batch) in [
            ("1", "128"),
            ("2", "128"),
            ("1", "1"),
            ("1", "7"),
            ("1", "64"),
        ] {
            let name = format!("natively, threads {threads}, batches of {batch}");
            answers.push((name, natively(place, model, threads, batch)?));
        }
        let mut browser = in_chromium(place, "samples.mjs")?;
        browser
            .arg(place.engine())
            .arg(model)
            .arg(LIMIT)
            .args(TASKS);
        let texts: [String; 2] = said(&mut browser)?;
        let names = [1, 2].map(|threads| format!("in Chromium, threads {threads}"));
        answers.extend(names.into_iter().zip(texts));
        Ok(section("The same bits", "", &[hash(&answers)?]))
    })
}

/// The line with the hash that all texts of samples have.
fn hash(answers: &[(String, String)]) -> anyhow::Result<String> {
    let (name, first) = answers.first().context("nothing was asked")?;
    let mut line = format!("same bits: {} requests, sha256 ", pairs(first)?.len());
    for byte in Sha256::digest(first) {
        _ = write!(line, "{byte:02x}");
    }
    for (other, text) in answers {
        anyhow::ensure!(text == first, "log-likelihoods differ: {name}; {other}");
        _ = write!(line, "; {other}");
    }
    Ok(line + ".\n")
}

/// What the command writes of the tasks.
fn natively(place: &Place, model: &Path, threads: &str, batch: &str) -> anyhow::Result<String> {
    let folder = place.target.join("bench/samples");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let mut eval = Command::new(place.command("release"));
    eval.args(["eval", "--sample_documents", "--bootstrap_iters", "0"]);
    eval.args(["--tasks", &TASKS.join(","), "--limit", LIMIT]);
    eval.args(["--threads", threads, "--batch_size", batch]);
    eval.args(["--json", "--log_samples", "--output_path"]);
    eval.arg(folder.join("results.json"));
    said::<Value>(eval.arg("--model").arg(model))?;
    let mut files: Vec<_> = fs::read_dir(&folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<anyhow::Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|kind| kind == "jsonl"));
    files.sort();
    files
        .iter()
        .map(|file| Ok(fs::read_to_string(file)?))
        .collect()
}

/// What `jeoul score` is asked.
#[derive(Debug, PartialEq, Serialize)]
struct Pair {
    context: String,
    continuation: String,
}

/// What it answers.
#[derive(Deserialize)]
struct Scored {
    token_logprobs: Vec<f64>,
}

/// The requests of some lines of samples.
fn pairs(samples: &str) -> anyhow::Result<Vec<Pair>> {
    let mut pairs = Vec::new();
    for line in samples.lines() {
        let sample: Value = serde_json::from_str(line)?;
        let arguments = sample["arguments"].as_object();
        for request in arguments.into_iter().flatten().map(|(_, request)| request) {
            let text = |name: &str| request[name].as_str().map(str::to_owned);
            let (context, continuation) = text("arg_0")
                .zip(text("arg_1"))
                .context("samples without requests")?;
            pairs.push(Pair {
                context,
                continuation,
            });
        }
    }
    Ok(pairs)
}

/// Mean |Δ log-likelihood| a token of Jeoul's CPU lane, and of llama.cpp, from the reference lane: plain f32 on the same weights.
pub(super) fn errors(place: &Place, model: &Path) -> anyhow::Result<[f64; 2]> {
    let mut asked = pairs(&natively(place, model, "1", "128")?)?;
    asked.truncate(NEAR);
    let file = place.target.join("bench/pairs.json");
    fs::write(&file, serde_json::to_string(&asked)?)?;
    let scores = |lane: &str| -> anyhow::Result<Value> {
        let mut score = Command::new(place.command("release"));
        score.args(["score", "--lane", lane, "--model"]).arg(model);
        said(score.arg("--pairs").arg(&file))
    };
    let reference = scores("reference")?;
    let scored = place.target.join("bench/scored.json");
    fs::write(&scored, reference.to_string())?;
    let mut llama = Command::new("node");
    llama.arg(place.bench().join("llama-scores.mjs"));
    let theirs: Vec<Vec<f64>> = said(llama.arg(model).arg(&scored))?;
    let logprobs = |scores: Value| -> anyhow::Result<Vec<Vec<f64>>> {
        let scored: Vec<Scored> = serde_json::from_value(scores)?;
        Ok(scored.into_iter().map(|one| one.token_logprobs).collect())
    };
    let (ours, reference) = (logprobs(scores("cpu")?)?, logprobs(reference)?);
    Ok([distance(&ours, &reference)?, distance(&theirs, &reference)?])
}

/// Mean distance of the values of two lists of lists.
fn distance(a: &[Vec<f64>], b: &[Vec<f64>]) -> anyhow::Result<f64> {
    let lengths = |lists: &[Vec<f64>]| lists.iter().map(Vec::len).collect::<Vec<_>>();
    anyhow::ensure!(lengths(a) == lengths(b), "not the same tokens");
    let both = a.iter().flatten().zip(b.iter().flatten());
    let distances: Vec<f64> = both.map(|(a, b)| (a - b).abs()).collect();
    Ok(distances.iter().sum::<f64>() / distances.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r#"{"doc_id": 0, "arguments": {"gen_args_0": {"arg_0": "a", "arg_1": " b"}, "gen_args_1": {"arg_0": "a", "arg_1": " c"}}}"#;

    #[test]
    fn answers_of_other_bits_are_named() {
        let answers = |second: &str| {
            [("one", SAMPLE), ("two", second)]
                .map(|(name, text)| (name.to_owned(), text.to_owned()))
        };
        assert_eq!(
            hash(&answers(SAMPLE)).unwrap(),
            "same bits: 2 requests, sha256 c667763978f108fb2f0a1b58e5b043c31eb7830c2261b543aa581f1eb4bb452f; one; two.\n"
        );
        assert_eq!(
            hash(&answers("")).unwrap_err().to_string(),
            "log-likelihoods differ: one; two"
        );
    }

    #[test]
    fn requests_stand_in_samples() {
        let pair = |continuation: &str| Pair {
            context: "a".into(),
            continuation: continuation.into(),
        };
        assert_eq!(pairs(SAMPLE).unwrap(), [pair(" b"), pair(" c")]);
    }

    #[test]
    fn errors_are_means_over_tokens() {
        let (ours, reference) = (
            [vec![-1.0], vec![-2.0, -3.0]],
            [vec![-1.3], vec![-2.0, -3.3]],
        );
        let error = distance(&ours, &reference).unwrap();
        assert!((error - 0.2).abs() < 1e-12, "{error}");
        assert!(distance(&ours, &reference[..1]).is_err());
    }
}
