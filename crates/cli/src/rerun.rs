//! Documents of a posted run, computed again: what the label `verified` rests on.
//!
//! The board draws the documents and compares; this finds the checkpoint that the run names by its hash, and has it asked again on the
//! CPU lane.

use std::fs;
use std::future::ready;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, bail, ensure};
use futures_util::future::BoxFuture;
use jeoul_board::Rerun;
use jeoul_checkpoint::identity::FileHash;
use jeoul_checkpoint::{ByteSource, Checkpoint, FileSource};
use jeoul_model::{Lane, LocalModel, Pace, threads};
use jeoul_record::Envelope;
use jeoul_record::check::TaskSet;
use jeoul_record::envelope::DocumentOutcome;
use jeoul_record::spot::{Drawn, rerun};

/// Computes with the checkpoints of a folder.
pub(crate) struct Checkpoints {
    folder: PathBuf,
    tasks: Arc<TaskSet>,
    stop: Arc<AtomicBool>,
}

impl Checkpoints {
    /// `tasks` are those that the board knows; once `stop` is set, what is being computed ends.
    pub(crate) fn new(
        folder: PathBuf,
        tasks: Arc<TaskSet>,
        stop: Arc<AtomicBool>,
    ) -> anyhow::Result<Self> {
        ensure!(folder.is_dir(), "`{}` is no folder", folder.display());
        let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        threads::start(cores).context("the threads could not be started")?;
        Ok(Self {
            folder,
            tasks,
            stop,
        })
    }

    /// Whether nothing more is to be computed.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn compute(&self, run: &Envelope, drawn: &[Drawn]) -> anyhow::Result<Vec<DocumentOutcome>> {
        let source = self.find(&run.model.sha256, run.model.size_bytes)?;
        let mut model = self.load(source)?;
        let version = env!("CARGO_PKG_VERSION");
        Ok(pollster::block_on(rerun(
            &mut model,
            run,
            &*self.tasks,
            drawn,
            version,
        ))?)
    }

    /// The file with this hash; sizes are compared first, since gigabytes take a while to hash.
    fn find(&self, sha256: &str, size: u64) -> anyhow::Result<FileSource> {
        let folder = self.folder.display();
        let entries = fs::read_dir(&self.folder);
        for entry in entries.with_context(|| format!("cannot read the folder `{folder}`"))? {
            let path = entry?.path();
            if !fs::metadata(&path).is_ok_and(|file| file.is_file() && file.len() == size) {
                continue;
            }
            let reading = || format!("cannot read `{}`", path.display());
            let source = FileSource::open(&path).with_context(reading)?;
            let mut hash = FileHash::new(&source);
            while hash.step().with_context(reading)? {
                ensure!(!self.is_stopped(), "stopped");
            }
            if hash.finish() == sha256 {
                return Ok(source);
            }
        }
        bail!("`{folder}` has no checkpoint whose SHA-256 is {sha256}")
    }

    fn load(&self, source: impl ByteSource) -> anyhow::Result<LocalModel> {
        let stop = Arc::clone(&self.stop);
        let pace = Pace::new(move |_| {
            ready(match stop.load(Ordering::Relaxed) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            })
        });
        let checkpoint = Checkpoint::open(source)?;
        Ok(pollster::block_on(LocalModel::load(
            checkpoint,
            Lane::Cpu,
            pace,
        ))?)
    }
}

impl Rerun for Checkpoints {
    fn rerun<'a>(
        &'a self,
        envelope: &'a Envelope,
        drawn: &'a [Drawn],
    ) -> BoxFuture<'a, Result<Vec<DocumentOutcome>, String>> {
        Box::pin(async move {
            // Minutes of computing: others' requests go on meanwhile.
            let computed = tokio::task::block_in_place(|| self.compute(envelope, drawn));
            computed.map_err(|error| format!("{error:#}"))
        })
    }
}
