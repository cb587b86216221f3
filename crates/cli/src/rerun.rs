//! Documents of a posted run, computed again: what the label `verified` rests on.
//!
//! The board draws the documents and compares; this opens the checkpoint that the run names by its hash, asks about the drawn
//! documents as the run's settings say, on the CPU lane, and gives the answers in the form in which runs are posted. What cannot be
//! asked in the same way is refused with a reason: a run must never count as forged because it was asked otherwise.

use std::fs;
use std::future::ready;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, anyhow, bail, ensure};
use futures_util::future::BoxFuture;
use jeoul_board::Rerun;
use jeoul_checkpoint::identity::FileHash;
use jeoul_checkpoint::{ByteSource, Checkpoint, FileSource};
use jeoul_eval::model::LanguageModel;
use jeoul_eval::{RunOptions, run_documents};
use jeoul_model::{Lane, LocalModel, Pace, threads};
use jeoul_record::check::{KnownTasks, TaskSet};
use jeoul_record::envelope::{DocumentOutcome, Settings, TaskRecord};
use jeoul_record::spot::Drawn;
use jeoul_record::{Envelope, from_run};

/// What a template calls that puts today's date into prompts.
const TODAY: &str = "strftime_now";

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
        check_engine(&run.engine.version)?;
        let options = options(&run.settings)?;
        let source = self.find(&run.model.sha256, run.model.size_bytes)?;
        let mut model = self.load(source)?;
        check_model(&model, &run.settings)?;
        let mut outcomes = Vec::with_capacity(drawn.len());
        for documents in drawn.chunk_by(|one, next| one.task == next.task) {
            let record = run.tasks.get(documents[0].task as usize);
            let record = record.ok_or_else(|| anyhow!("a task was drawn that it has not"))?;
            let ids: Vec<u32> = documents.iter().map(|one| one.doc_id).collect();
            outcomes.extend(self.task(&mut model, record, &options, &ids)?);
        }
        ensure!(
            outcomes.len() == drawn.len(),
            "documents were drawn that its settings leave out"
        );
        Ok(outcomes)
    }

    fn task(
        &self,
        model: &mut LocalModel,
        record: &TaskRecord,
        options: &RunOptions,
        doc_ids: &[u32],
    ) -> anyhow::Result<Vec<DocumentOutcome>> {
        let (name, shots) = (&record.name, record.num_fewshot);
        let task = self.tasks.task(name, &record.hash);
        let task = task.ok_or_else(|| anyhow!("its task `{name}` is not the one known here"))?;
        let options = RunOptions {
            num_fewshot: Some(shots),
            ..options.clone()
        };
        let given = task.shots(options.num_fewshot);
        ensure!(
            given == shots,
            "its task `{name}` has {given} examples, not {shots}"
        );
        let run = pollster::block_on(run_documents(model, task, &options, doc_ids))?;
        let outcome = |document| from_run::outcome(document, &run.score.metrics);
        Ok(run.documents.iter().map(outcome).collect())
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

/// The CPU lane gives the same bits on every machine, but not in every version.
fn check_engine(version: &str) -> anyhow::Result<()> {
    let here = env!("CARGO_PKG_VERSION");
    ensure!(
        version == here,
        "it was computed by version {version}, and this is {here}"
    );
    Ok(())
}

/// The settings of a run, as far as they say what was asked.
fn options(settings: &Settings) -> anyhow::Result<RunOptions> {
    ensure!(
        settings.system_instruction_sha256.is_none(),
        "it had a system instruction, which is not sent"
    );
    ensure!(
        settings.gen_kwargs.is_none(),
        "its generations had settings beside those of the task"
    );
    Ok(RunOptions {
        num_fewshot: None,
        limit: settings.limit,
        seed: settings.fewshot_seed,
        apply_chat_template: settings.apply_chat_template,
        fewshot_as_multiturn: settings.fewshot_as_multiturn,
        system_instruction: None,
        bootstrap_iters: 0,
    })
}

fn check_model(model: &LocalModel, settings: &Settings) -> anyhow::Result<()> {
    let longest = model.max_length();
    ensure!(
        longest == settings.max_length as usize,
        "it read {} tokens at most, and the checkpoint reads {longest}",
        settings.max_length
    );
    if settings.apply_chat_template {
        let template = model
            .chat_template()
            .context("its checkpoint has no chat template")?;
        ensure!(
            !template.contains(TODAY),
            "its chat template puts the day's date into prompts"
        );
    }
    Ok(())
}
