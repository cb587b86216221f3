//! From `--model` and `--lane` to a loaded model.

use std::num::{NonZeroU16, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::Context;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use jeoul_checkpoint::{Checkpoint, FileSource};
use jeoul_model::{Lane, LocalModel, ModelError, threads};

use crate::failure::Failure;
use crate::progress::Progress;

/// Which checkpoint, computed how.
#[derive(clap::Args)]
pub(crate) struct ModelArguments {
    /// GGUF file.
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// Where to compute: `cpu` is equal to the bit on every machine, `reference` is slow and exact.
    #[arg(long, default_value = "cpu", value_parser = lanes())]
    lane: Lane,
    /// Threads of the `cpu` lane, which change no result; as many as there are cores if left out.
    #[arg(long, value_name = "COUNT", value_parser = thread_count)]
    threads: Option<NonZeroUsize>,
    /// Tokens computed at once, which change no result of the `cpu` lane; 128 if left out.
    #[arg(long = "batch_size", alias = "batch-size", value_name = "COUNT")]
    batch_size: Option<NonZeroU16>,
}

/// Most threads that can be asked for; no machine has more cores.
const THREADS_MAX: usize = 1024;

fn thread_count(text: &str) -> Result<NonZeroUsize, String> {
    match text.parse::<NonZeroUsize>() {
        Ok(count) if count.get() <= THREADS_MAX => Ok(count),
        _ => Err(format!("a number from 1 to {THREADS_MAX} is needed")),
    }
}

fn lanes() -> impl TypedValueParser<Value = Lane> {
    PossibleValuesParser::new(Lane::ALL.map(Lane::name)).try_map(|name| name.parse::<Lane>())
}

impl ModelArguments {
    pub(crate) fn path(&self) -> &Path {
        &self.model
    }

    pub(crate) fn lane(&self) -> Lane {
        self.lane
    }

    /// Opens the file and reads its weights into the lane's layout.
    pub(crate) fn load(&self, progress: &Progress) -> Result<(LocalModel, Facts), Failure> {
        let checkpoint = open(&self.model)?;
        if self.lane == Lane::Cpu {
            let cores = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
            threads::start(self.threads.unwrap_or_else(cores))
                .context("the threads could not be started")
                .map_err(|error| Failure::from(error).hint("`--threads 1` needs none"))?;
        }
        let facts = Facts::of(&checkpoint);
        let loaded = pollster::block_on(LocalModel::load(checkpoint, self.lane, progress.pace()));
        progress.end();
        let mut model = loaded.map_err(|error| match error {
            ModelError::Cancelled => Failure::stopped(error),
            ModelError::NoGpu { .. } => Failure::from(error).hint("`--lane cpu` needs no GPU"),
            ModelError::GpuNotBuilt => {
                Failure::from(error).hint("build with `--features gpu`, or use `--lane cpu`")
            }
            error => error.into(),
        })?;
        if let Some(rows) = self.batch_size {
            model.set_batch_rows(rows.get().into());
        }
        Ok((model, facts))
    }
}

/// Opens a checkpoint file; the weights are not read yet.
pub(crate) fn open(path: &Path) -> Result<Checkpoint<FileSource>, Failure> {
    let source = FileSource::open(path)
        .with_context(|| format!("cannot read `{}`", path.display()))
        .map_err(|error| {
            Failure::from(error)
                .hint("`cargo xtask fetch` brings the default checkpoint to models/cache/")
        })?;
    Ok(Checkpoint::open(source)?)
}

/// What result files say of a checkpoint.
pub(crate) struct Facts {
    pub(crate) parameters: u64,
    pub(crate) quantization: &'static str,
    pub(crate) context_length: u32,
}

impl Facts {
    fn of(checkpoint: &Checkpoint<FileSource>) -> Self {
        Self {
            parameters: checkpoint.parameters(),
            quantization: checkpoint.quantization(),
            context_length: checkpoint
                .config()
                .context_length
                .try_into()
                .unwrap_or(u32::MAX),
        }
    }
}
