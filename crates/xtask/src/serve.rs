//! `cargo xtask serve`: from a fresh checkout to a first score in one command.

use std::process::{Child, Command};
use std::thread;

use anyhow::Context;

use crate::build::{self, Module};
use crate::fetch::fetch;
use crate::needs::Need;
use crate::place::Place;
use crate::process::npm;
use crate::{registry, server, setup};

/// Arguments of `serve`.
#[derive(clap::Args)]
pub(crate) struct Serve {
    /// Port at 127.0.0.1; 0 for any free one.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Rebuild the page when its sources change; reload the tab to see it.
    #[arg(long)]
    watch: bool,
    /// Optimise everything as for users.
    #[arg(long)]
    release: bool,
    /// Do not build the GPU module; the page then offers the CPU lane alone.
    #[arg(long)]
    no_gpu: bool,
}

impl Serve {
    /// Runs the verb until it is interrupted.
    pub(crate) fn run(&self, place: &Place) -> anyhow::Result<()> {
        // First, so that a port in use is known before minutes of building.
        let listener = server::listen(self.port)?;
        setup::ensure(place, Need::BUILD)?;
        // Modules of older sources would not understand this page; unchanged, they are back in seconds.
        build::forget(place, Module::CpuThreads)?;
        build::forget(place, Module::Gpu)?;
        build::engine(place, Module::Cpu, self.release)?;
        build::page(place)?;
        if let Err(error) = fetch(place, registry::DEFAULT) {
            eprintln!("  {error:#}; the page will try by itself, and takes a dropped file");
        }
        let address = server::start(place, listener)?;
        eprintln!("\n  Jeoul is at http://{address}/ (Ctrl-C ends it)\n");
        let watcher = if self.watch {
            Some(watch(place)?)
        } else {
            None
        };
        let threads = setup::ensure(place, Need::THREADS)
            .and_then(|()| build::engine(place, Module::CpuThreads, self.release));
        match threads {
            Ok(()) => eprintln!("\n  Threads are ready: reload http://{address}/ to use them\n"),
            Err(error) => eprintln!("\n  {error:#}\n  The page goes on with one thread.\n"),
        }
        if !self.no_gpu {
            match build::engine(place, Module::Gpu, self.release) {
                Ok(()) => eprintln!("\n  The GPU lane is ready: http://{address}/ offers it\n"),
                Err(error) => eprintln!("\n  {error:#}\n  The page goes on with the CPU lane.\n"),
            }
        }
        if let Some(mut watcher) = watcher {
            watcher.wait().context("the page's watcher is lost")?;
        }
        loop {
            thread::park();
        }
    }
}

/// Vite, building into `www/dist/` after every change.
fn watch(place: &Place) -> anyhow::Result<Child> {
    let mut command: Command = npm(&place.www());
    command
        .args(["run", "--silent", "build", "--", "--watch"])
        .spawn()
        .context("npm could not be started")
}
