//! `cargo xtask`: everything this repository does to itself, one file per verb.
//!
//! What is for people goes to stderr, as one line per step with its duration.

mod build;
mod fetch;
mod needs;
mod place;
mod process;
mod registry;
mod serve;
mod server;
mod setup;
mod test;
mod toolchain;

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
}

fn main() -> anyhow::Result<()> {
    let place = place::Place::find()?;
    match Arguments::parse().verb {
        Verb::Setup(verb) => verb.run(&place),
        Verb::Build(verb) => verb.run(&place),
        Verb::Serve(verb) => verb.run(&place),
        Verb::Fetch(verb) => verb.run(&place),
        Verb::Test(verb) => verb.run(&place),
    }
}
