//! `jeoul eval`: a checkpoint, some tasks, a table. Flags are those of lm-evaluation-harness.

use std::path::PathBuf;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::anyhow;
use jeoul_eval::group::Group;
use jeoul_eval::metrics::compare::minimum_detectable_difference;
use jeoul_eval::model::LanguageModel;
use jeoul_eval::plan::{Plan, plan};
use jeoul_eval::report::{self, RunInfo};
use jeoul_eval::results::{DocumentResult, TaskScore};
use jeoul_eval::{RunError, RunOptions, Runs, Task, TaskError, TaskRun, run_task, table};
use jeoul_model::{LocalModel, ModelError};
use serde_json::{Map, Value};

use crate::checkpoint::{Facts, ModelArguments};
use crate::documents::DocumentArguments;
use crate::failure::Failure;
use crate::output::{print, save};
use crate::progress::Progress;
use crate::record;
use crate::task_files;

/// Arguments of `eval`.
#[derive(clap::Args)]
pub(crate) struct Eval {
    #[command(flatten)]
    model: ModelArguments,
    /// Tasks, groups and tags (see `jeoul tasks`), or paths of task files.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', required = true)]
    tasks: Vec<String>,
    /// Folder with task files of your own; theirs hold against bundled ones of the same name.
    #[arg(long = "include_path", alias = "include-path", value_name = "DIR")]
    include_path: Option<PathBuf>,
    #[command(flatten)]
    documents: DocumentArguments,
    /// Examples before each question; what the task says if left out.
    #[arg(long = "num_fewshot", alias = "num-fewshot", value_name = "COUNT")]
    num_fewshot: Option<u32>,
    /// Documents per task, from the first; all of them if left out.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Seed of the few-shot sampler.
    #[arg(long, value_name = "NUMBER", default_value_t = 1234)]
    seed: u64,
    /// Write prompts as conversations, in the checkpoint's own chat template.
    #[arg(long = "apply_chat_template", alias = "apply-chat-template")]
    apply_chat_template: bool,
    /// Whether examples are turns of their own in the conversation, and not part of one message.
    #[arg(long = "fewshot_as_multiturn", alias = "fewshot-as-multiturn", value_name = "TRUE|FALSE", num_args = 0..=1,
          require_equals = true, default_missing_value = "true", requires = "apply_chat_template")]
    fewshot_as_multiturn: Option<bool>,
    /// Text before everything else: the system's message in a conversation.
    #[arg(
        long = "system_instruction",
        alias = "system-instruction",
        value_name = "TEXT"
    )]
    system_instruction: Option<String>,
    /// Settings of generations that win over those of the tasks, such as temperature=0.7,max_gen_toks=64.
    #[arg(long = "gen_kwargs", alias = "gen-kwargs", value_name = "KEY=VALUE,…", value_parser = gen_kwargs,
          default_value = "", hide_default_value = true)]
    gen_kwargs: Map<String, Value>,
    /// Resamples for standard errors that are found by bootstrap; 0 leaves all standard errors out.
    #[arg(
        long = "bootstrap_iters",
        alias = "bootstrap-iters",
        value_name = "COUNT",
        default_value_t = 100_000
    )]
    bootstrap_iters: u32,
    /// Folder (or .json file) for result files.
    #[arg(long = "output_path", alias = "output-path", value_name = "DIR")]
    output_path: Option<PathBuf>,
    /// Write every prompt and answer too.
    #[arg(long = "log_samples", alias = "log-samples", requires = "output_path")]
    log_samples: bool,
    /// Write the run to a file that `jeoul board post` posts; it holds what the model wrote, and nothing is sent.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Print the results as JSON instead of a table.
    #[arg(long)]
    json: bool,
}

impl Eval {
    /// Runs the verb.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let include = self.include_path.as_deref();
        let selection = task_files::select(&self.tasks, include, &self.gen_kwargs)?;
        let tasks = self.documents.read(selection.tasks, self.num_fewshot)?;
        let options = self.options();
        for task in &tasks {
            self.check_shots(task, &options)?;
        }
        // Known before hours of computing.
        let recorded_kwargs = match self.record {
            Some(_) => record::gen_kwargs(&self.gen_kwargs)?,
            None => None,
        };
        let progress = Progress::loading()?;
        let (mut model, facts) = self.model.load(&progress)?;
        if self.apply_chat_template && model.chat_template().is_none() {
            let path = self.model.path().display();
            return Err(Failure::usage(anyhow!("`{path}` has no chat template"))
                .hint("without `--apply_chat_template` prompts are plain text"));
        }
        let started_s = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs_f64();
        let start = Instant::now();
        let Ran {
            runs,
            elapsed_ms,
            stopped,
        } = run_all(&mut model, &tasks, &options, &progress)?;
        let elapsed_s = start.elapsed().as_secs_f64();

        let chat_template = model.chat_template().filter(|_| self.apply_chat_template);
        let info = self.info(&facts, &options, chat_template, (started_s, elapsed_s));
        let done: Vec<(&Task, &TaskRun)> = tasks.iter().zip(&runs).collect();
        let scored = done.iter().any(|(_, run)| !run.documents.is_empty());
        let groups = whole(&selection.groups, &done);
        let runs = Runs {
            tasks: &done,
            groups: &groups,
        };
        if scored {
            print(&if self.json {
                report::results(&info, runs)
            } else {
                table::table(runs)
            })?;
            if let Some(note) = resolution(&done) {
                eprintln!("{note}");
            }
            let speed = model.tokens_computed() as f64 / elapsed_s;
            let tokens = model.tokens_computed();
            let documents = done.iter().flat_map(|(_, run)| &run.documents);
            let asked: u64 = documents.map(|one| u64::from(one.tokens_asked)).sum();
            eprintln!(
                "{tokens} tokens in {elapsed_s:.2} s, {speed:.1} tokens/s on the {} lane; {asked} were asked for",
                model.lane()
            );
        }
        if let (Some(path), true) = (&self.output_path, scored) {
            for file in save(path, &info, runs, self.log_samples)? {
                eprintln!("wrote {}", file.display());
            }
        }
        if let Some(error) = stopped {
            return Err(Failure::stopped(error));
        }
        if let Some(path) = &self.record {
            let tasks: Vec<(&Task, &TaskRun, u64)> = done
                .iter()
                .zip(elapsed_ms)
                .map(|(&(task, run), elapsed_ms)| (task, run, elapsed_ms))
                .collect();
            let max_length = facts.context_length;
            record::save(
                path,
                self.model.path(),
                model.lane(),
                &options,
                recorded_kwargs,
                max_length,
                &tasks,
            )?;
            eprintln!("wrote {}", path.display());
        }
        Ok(())
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
        match task.prompts(options) {
            Err(error @ TaskError::FewshotCount { .. }) => Err(Failure::usage(error)),
            Err(error) => Err(error.into()),
            Ok(_) => Ok(()),
        }
    }

    fn options(&self) -> RunOptions {
        RunOptions {
            num_fewshot: self.num_fewshot,
            limit: self.limit,
            seed: self.seed,
            apply_chat_template: self.apply_chat_template,
            // As the harness: a conversation has its examples as turns unless told otherwise.
            fewshot_as_multiturn: self
                .fewshot_as_multiturn
                .unwrap_or(self.apply_chat_template),
            system_instruction: self.system_instruction.clone(),
            bootstrap_iters: self.bootstrap_iters,
        }
    }

    fn info(
        &self,
        facts: &Facts,
        options: &RunOptions,
        chat_template: Option<&str>,
        (started_s, elapsed_s): (f64, f64),
    ) -> RunInfo {
        let model_name = self.model.path().display().to_string();
        RunInfo {
            model_args: format!("pretrained={model_name},lane={}", self.model.lane()),
            model_name,
            parameters: facts.parameters,
            dtype: facts.quantization.into(),
            device: self.model.lane().to_string(),
            max_length: facts.context_length,
            options: options.clone(),
            chat_template: chat_template.map(String::from),
            gen_kwargs: self.gen_kwargs.clone(),
            started_s,
            elapsed_s,
            version: env!("CARGO_PKG_VERSION").into(),
        }
    }
}

/// What the smallest of the tasks can show: two models that are right as often as this one, independently of each other, differ on
/// 2 p (1 - p) of the documents.
fn resolution(done: &[(&Task, &TaskRun)]) -> Option<String> {
    let share = |run: &TaskRun| {
        let metric = run
            .score
            .metrics
            .iter()
            .find(|metric| metric.name == "acc" || metric.name == "exact_match")?;
        (0.0..=1.0).contains(&metric.value).then_some(metric.value)
    };
    let shares = done
        .iter()
        .filter_map(|(task, run)| Some((task.name(), run.documents.len(), share(run)?)));
    let (task, documents, share) = shares.min_by_key(|(_, documents, _)| *documents)?;
    // All or nothing right says little of a model of the same kind: as if two more had been asked, and it knew one (Laplace).
    let share = (share * documents as f64 + 1.0) / (documents as f64 + 2.0);
    let difference = minimum_detectable_difference(documents as u32, 2.0 * share * (1.0 - share));
    Some(match difference {
        Some(difference) => format!(
            "{documents} documents of {task} tell two models apart whose scores differ by {:.0} points or more (80 % power, 5 % level)",
            (difference * 100.0).ceil()
        ),
        None => format!("{documents} documents of {task} are too few to tell two models apart"),
    })
}

/// The groups all of whose tasks were run: half a benchmark has no score.
fn whole(groups: &[Group], done: &[(&Task, &TaskRun)]) -> Vec<Group> {
    let finished = |name: &String| {
        let run = done.iter().find(|(task, _)| task.name() == name);
        run.is_some_and(|(_, run)| run.score.documents == run.score.documents_total)
    };
    let all = |group: &&Group| group.tasks.iter().all(finished);
    groups.iter().filter(all).cloned().collect()
}

/// `key=value,key=value`, the values as JSON where they are, else as text.
fn gen_kwargs(text: &str) -> Result<Map<String, Value>, String> {
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|error| error.to_string());
    }
    let parts = text.split(',').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (key, value) = part
                .split_once('=')
                .ok_or_else(|| format!("`{part}` is no `key=value`"))?;
            let value = match value {
                // As the harness reads them.
                "True" => true.into(),
                "False" => false.into(),
                value => serde_json::from_str(value).unwrap_or_else(|_| value.into()),
            };
            Ok((key.trim().to_string(), value))
        })
        .collect()
}

/// What was run.
struct Ran {
    runs: Vec<TaskRun>,
    /// Of each that was finished.
    elapsed_ms: Vec<u64>,
    /// Why the last one was cut short.
    stopped: Option<RunError<ModelError>>,
}

/// Runs the tasks in order; when stopped, those so far.
fn run_all(
    model: &mut LocalModel,
    tasks: &[Task],
    options: &RunOptions,
    progress: &Progress,
) -> Result<Ran, Failure> {
    let mut whole = Plan::default();
    for task in tasks {
        let part = plan(model, task, options)?;
        whole.tokens_asked += part.tokens_asked;
        whole.tokens_computed += part.tokens_computed;
        whole.tokens_generated += part.tokens_generated;
    }
    progress.begin(whole, tasks.first().map_or("", Task::name))?;
    let (mut runs, mut elapsed_ms) = (Vec::new(), Vec::new());
    let mut stopped = None;
    for task in tasks {
        let start = Instant::now();
        let mut show = |_: &DocumentResult, score: &TaskScore| progress.document(score);
        match pollster::block_on(run_task(model, task, options, &mut show)) {
            Ok(run) => {
                runs.push(run);
                elapsed_ms.push(start.elapsed().as_millis() as u64);
            }
            Err(error @ RunError::Cancelled { .. }) => {
                if let RunError::Cancelled { run } = &error {
                    runs.push(run.as_ref().clone());
                }
                stopped = Some(error);
                break;
            }
            Err(error) => {
                progress.end();
                return Err(error.into());
            }
        }
    }
    progress.end();
    Ok(Ran {
        runs,
        elapsed_ms,
        stopped,
    })
}
