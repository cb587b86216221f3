//! `cargo xtask`: everything this repository does to itself, one file per verb.
//!
//! What is for people goes to stderr, as one line per step with its duration.

mod bench;
mod build;
mod fetch;
mod needs;
mod parity;
mod place;
mod process;
mod python;
mod registry;
mod serve;
mod server;
mod setup;
mod test;
mod tiny;
mod toolchain;
mod types;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Set up, build, serve and test Jeoul.
#[derive(Parser)]
#[command(bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Find or install what building and testing need; quick when all is there.
    Setup(setup::Setup),
    /// Build the engine modules and the page.
    Build(build::Build),
    /// Build what is needed for a first score and serve the page; the GPU module follows behind.
    Serve(serve::Serve),
    /// Bring a checkpoint of models/registry.json into models/cache/.
    Fetch(fetch::Fetch),
    /// Check everything, or one place of it.
    Test(test::Test),
    /// Compare scores with lm-evaluation-harness itself.
    Parity(parity::Parity),
    /// Measure tokens a second of the command on this machine.
    Bench(bench::Bench),
    /// Write the page's half of the worker's messages from the Rust types.
    Types(types::Types),
    /// Make the tiny checkpoint for tests.
    Tiny(tiny::Tiny),
}

fn main() -> ExitCode {
    match run(Arguments::parse().verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", explain(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> anyhow::Result<()> {
    let place = place::Place::find()?;
    match verb {
        Verb::Setup(verb) => verb.run(&place),
        Verb::Build(verb) => verb.run(&place),
        Verb::Serve(verb) => verb.run(&place),
        Verb::Fetch(verb) => verb.run(&place),
        Verb::Test(verb) => verb.run(&place),
        Verb::Parity(verb) => verb.run(&place),
        Verb::Bench(verb) => verb.run(&place),
        Verb::Types(verb) => verb.run(&place),
        Verb::Tiny(verb) => verb.run(&place),
    }
}

/// What went wrong, outermost first, then the hints of all causes.
fn explain(error: &anyhow::Error) -> String {
    let (mut causes, mut hints) = (Vec::new(), String::new());
    for cause in error.chain() {
        let text = cause.to_string();
        match text.split_once("\n\nhint: ") {
            Some((cause, hint)) => {
                causes.push(cause.to_owned());
                hints += &format!("\n\nhint: {hint}");
            }
            None => causes.push(text),
        }
    }
    format!("error: {}{hints}", causes.join(": "))
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn hints_come_after_all_causes() {
        let error = anyhow!("no apt-get").context("no Chromium\n\nhint: install one");
        assert_eq!(
            explain(&error),
            "error: no Chromium: no apt-get\n\nhint: install one"
        );
    }
}
