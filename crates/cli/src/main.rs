//! `jeoul`: weigh small language models from a terminal. One file per verb.
//!
//! Data goes to stdout, text for people to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage, 130 stopped by Ctrl-C.
//! A reader that closes the pipe early is no failure.

mod bench;
mod board;
mod checkpoint;
mod compare;
mod documents;
mod eval;
mod failure;
mod generate;
mod input;
mod inspect;
mod output;
mod progress;
mod record;
#[cfg(feature = "board")]
mod rerun;
mod score;
#[cfg(feature = "board")]
mod serve;
mod task_files;
mod tasks;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Weigh small language models: the scores of lm-evaluation-harness, computed on this machine.
#[derive(Parser)]
#[command(name = "jeoul", version, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Score a checkpoint on tasks.
    Eval(eval::Eval),
    /// Print the log-likelihoods of continuations, token by token.
    Score(score::Score),
    /// Continue texts.
    Generate(generate::Generate),
    /// Tell whether two runs on the same documents differ.
    Compare(compare::Compare),
    /// Measure how many tokens a second a checkpoint computes here.
    Bench(bench::Bench),
    /// Post runs to a shared board, take them back, or look after a board of your own.
    Board(board::Board),
    /// Show what a checkpoint file holds.
    Inspect(inspect::Inspect),
    /// List the bundled tasks.
    Tasks(tasks::Tasks),
    /// Serve the page and a board from one address.
    #[cfg(feature = "board")]
    Serve(serve::Serve),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().verb {
        Verb::Eval(verb) => verb.run(),
        Verb::Score(verb) => verb.run(),
        Verb::Generate(verb) => verb.run(),
        Verb::Compare(verb) => verb.run(),
        Verb::Bench(verb) => verb.run(),
        Verb::Board(verb) => verb.run(),
        Verb::Inspect(verb) => verb.run(),
        Verb::Tasks(verb) => verb.run(),
        #[cfg(feature = "board")]
        Verb::Serve(verb) => verb.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
