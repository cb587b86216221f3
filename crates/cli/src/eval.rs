//! `jeoul eval`: a checkpoint, some tasks, a table. Flags are those of lm-evaluation-harness.

use std::path::PathBuf;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use jeoul_eval::plan::{Plan, plan};
use jeoul_eval::report::{self, RunInfo};
use jeoul_eval::results::{DocumentResult, TaskScore};
use jeoul_eval::table::table;
use jeoul_eval::{RunError, RunOptions, Task, TaskError, TaskRun, run_task};
use jeoul_model::{LocalModel, ModelError};

use crate::checkpoint::{Facts, ModelArguments};
use crate::failure::Failure;
use crate::output::{print, save};
use crate::progress::Progress;
use crate::task_files;

/// Arguments of `eval`.
#[derive(clap::Args)]
pub(crate) struct Eval {
    #[command(flatten)]
    model: ModelArguments,
    /// Bundled tasks (see `jeoul tasks`) or paths of task files.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', required = true)]
    tasks: Vec<String>,
    /// Examples before each question; what the task says if left out.
    #[arg(long = "num_fewshot", alias = "num-fewshot", value_name = "COUNT")]
    num_fewshot: Option<u32>,
    /// Documents per task, from the first; all of them if left out.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Seed of the few-shot sampler.
    #[arg(long, value_name = "NUMBER", default_value_t = 1234)]
    seed: u64,
    /// Folder (or .json file) for result files.
    #[arg(long = "output_path", alias = "output-path", value_name = "DIR")]
    output_path: Option<PathBuf>,
    /// Write every prompt and answer too.
    #[arg(long = "log_samples", alias = "log-samples", requires = "output_path")]
    log_samples: bool,
    /// Print the results as JSON instead of a table.
    #[arg(long)]
    json: bool,
}

impl Eval {
    /// Runs the verb.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let tasks = task_files::tasks(&self.tasks)?;
        let options = RunOptions {
            num_fewshot: self.num_fewshot,
            limit: self.limit,
            seed: self.seed,
        };
        for task in &tasks {
            self.check_shots(task, &options)?;
        }
        let progress = Progress::loading()?;
        let (mut model, facts) = self.model.load(&progress)?;
        let started_s = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs_f64();
        let start = Instant::now();
        let (runs, stopped) = run_all(&mut model, &tasks, &options, &progress)?;
        let elapsed_s = start.elapsed().as_secs_f64();

        let info = self.info(&facts, started_s, elapsed_s);
        let runs: Vec<(&Task, &TaskRun)> = tasks.iter().zip(&runs).collect();
        let scored = runs.iter().any(|(_, run)| !run.documents.is_empty());
        if scored {
            print(&if self.json {
                report::results(&info, &runs)
            } else {
                table(&runs)
            })?;
            let speed = model.tokens_computed() as f64 / elapsed_s;
            let tokens = model.tokens_computed();
            eprintln!(
                "{tokens} tokens in {elapsed_s:.1} s, {speed:.1} tokens/s on the {} lane",
                model.lane()
            );
        }
        if let (Some(path), true) = (&self.output_path, scored) {
            for file in save(path, &info, &runs, self.log_samples)? {
                eprintln!("wrote {}", file.display());
            }
        }
        stopped.map_or(Ok(()), |error| Err(Failure::stopped(error)))
    }

    /// Too many examples are known before a model is read.
    fn check_shots(&self, task: &Task, options: &RunOptions) -> Result<(), Failure> {
        let shots = task.shots(options.num_fewshot);
        if let Some(asked) = self.num_fewshot.filter(|&asked| asked != shots) {
            eprintln!(
                "note: `{}` says `num_fewshot: {shots}`, which holds against {asked}, as in the harness",
                task.name()
            );
        }
        match task.prompts(shots, options.limit, options.seed).next() {
            Some(Err(error @ TaskError::FewshotCount { .. })) => Err(Failure::usage(error)),
            Some(Err(error)) => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn info(&self, facts: &Facts, started_s: f64, elapsed_s: f64) -> RunInfo {
        let model_name = self.model.path().display().to_string();
        RunInfo {
            model_args: format!("pretrained={model_name},lane={}", self.model.lane()),
            model_name,
            parameters: facts.parameters,
            dtype: facts.quantization.into(),
            device: self.model.lane().to_string(),
            max_length: facts.context_length,
            limit: self.limit,
            seed: self.seed,
            started_s,
            elapsed_s,
            version: env!("CARGO_PKG_VERSION").into(),
        }
    }
}

/// Runs the tasks in order. When stopped: the runs so far, the last one cut short, and the error that says so.
fn run_all(
    model: &mut LocalModel,
    tasks: &[Task],
    options: &RunOptions,
    progress: &Progress,
) -> Result<(Vec<TaskRun>, Option<RunError<ModelError>>), Failure> {
    let mut whole = Plan::default();
    for task in tasks {
        let part = plan(model, task, options)?;
        whole.tokens_asked += part.tokens_asked;
        whole.tokens_computed += part.tokens_computed;
    }
    progress.begin(whole, tasks.first().map_or("", Task::name))?;
    let mut runs = Vec::new();
    for task in tasks {
        let mut show = |_: &DocumentResult, score: &TaskScore| progress.document(score);
        match pollster::block_on(run_task(model, task, options, &mut show)) {
            Ok(run) => runs.push(run),
            Err(error @ RunError::Cancelled { .. }) => {
                if let RunError::Cancelled { run } = &error {
                    runs.push(run.as_ref().clone());
                }
                progress.end();
                return Ok((runs, Some(error)));
            }
            Err(error) => {
                progress.end();
                return Err(error.into());
            }
        }
    }
    progress.end();
    Ok((runs, None))
}
