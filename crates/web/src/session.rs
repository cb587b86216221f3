//! What a worker holds between commands, and how it does each of them.

mod check;
mod documents;
mod load;

use jeoul_checkpoint::identity;
use jeoul_eval::group::{Group, group_scores};
use jeoul_eval::metrics::compare::{compare, minimum_detectable_difference};
use jeoul_eval::model::LanguageModel;
use jeoul_eval::plan::plan;
use jeoul_eval::report::RunInfo;
use jeoul_eval::results::{DocumentResult, TaskScore};
use jeoul_eval::{RunError, RunOptions, Runs, Task, TaskRun, report, run_task, table};
use jeoul_model::{Lane, LocalModel, Speeds};
use web_sys::File;

use crate::desk::{desk, now_ms};
use crate::download;
use crate::fault::{Stop, model_stop, run_stop};
use crate::posting::{self, Identity, Posted};
use crate::protocol::{
    CheckpointCard, Command, Event, ExportFile, Fault, FaultKind, Posting, RunSettings,
    TaskRequest, ThreadLack,
};
use crate::registry::{self, Entry};
use crate::shelf::{Chosen, Shelf};
use crate::source::{BlobSource, reason};
use crate::store::{State, Store};

/// A worker's state.
#[derive(Default)]
pub(crate) struct Session {
    store: Option<Store>,
    shelf: Option<Shelf>,
    model: Option<LocalModel>,
    /// What the loaded checkpoint says of itself.
    card: Option<CheckpointCard>,
    /// What it is.
    identity: Option<Identity>,
    /// The loaded file, if it is the person's own.
    file: Option<File>,
    /// The last run.
    last: Option<LastRun>,
    /// Why there is one thread only.
    thread_lack: Option<ThreadLack>,
    /// Hash of the module, if it is known.
    module_sha256: Option<String>,
    #[cfg(feature = "gpu")]
    proof: Option<jeoul_model::self_test::SelfTest>,
}

/// A run that can be written to files.
struct LastRun {
    info: RunInfo,
    tasks: Vec<(Task, TaskRun)>,
    /// Milliseconds of each of them.
    elapsed_ms: Vec<u64>,
    groups: Vec<Group>,
    card: CheckpointCard,
    identity: Identity,
    /// The checkpoint's file where its hash is not known beforehand.
    file: Option<File>,
    lane: Lane,
}

impl Session {
    /// Nothing is loaded.
    pub(crate) fn new(thread_lack: Option<ThreadLack>, module_sha256: Option<String>) -> Self {
        Self {
            thread_lack,
            module_sha256,
            ..Self::default()
        }
    }

    /// Does a command; the answer is its last event.
    pub(crate) async fn answer(
        &mut self,
        command: Command,
        file: Option<File>,
    ) -> Result<Event, Stop> {
        match command {
            Command::Hello => self.hello().await,
            Command::Fetch { model } => {
                download::fetch(&desk(), self.store().await, &entry(&model)?).await?;
                Ok(Event::Fetched)
            }
            Command::Forget { model } => {
                self.store().await.forget(&entry(&model)?).await?;
                Ok(Event::Forgotten)
            }
            Command::Load { model, lane } => self.load(model, lane, file).await,
            Command::AddTask => self.add_task(file).await,
            Command::UseFile { task, role } => self.use_file(task, role, file).await,
            Command::UseHub { task, examples } => self.use_hub(task, examples).await,
            Command::UseSamples { task } => {
                self.shelf()?.set_own(&task, None)?;
                self.changed(task)
            }
            Command::Plan { tasks, settings } => self.plan(&tasks, &settings).await,
            Command::Run { tasks, settings } => self.run(&tasks, &settings).await,
            Command::Export => self.export(),
            Command::Envelope { posting } => self.envelope(posting).await,
            Command::Seal {
                payload,
                public_key,
                signature,
            } => Ok(self.seal(&payload, public_key, signature)),
            Command::Check { record, drawn } => self.check(&record, &drawn).await,
            Command::Compare { first, second } => match compare(&first, &second) {
                Ok(comparison) => Ok(Event::Compared { comparison }),
                Err(error) => Err(protocol(&error.to_string()).into()),
            },
            Command::Measure {
                prompt,
                generate,
                repeats,
            } => self.measure(prompt, generate, repeats).await,
            // The worker's own; never reaches a session.
            Command::Cancel => Err(Stop::Cancelled),
        }
    }

    async fn measure(&mut self, prompt: u16, generate: u16, repeats: u16) -> Result<Event, Stop> {
        if prompt == 0 || generate == 0 {
            return Err(protocol("a measurement takes at least one token").into());
        }
        let model = self.model.as_mut().ok_or_else(not_loaded)?;
        let lane = model.lane();
        let speeds = model.speeds(prompt.into(), generate.into(), repeats.into(), now_ms);
        let Speeds { prefill, decode } = speeds.await.map_err(|error| model_stop(error, lane))?;
        Ok(Event::Measured { prefill, decode })
    }

    async fn store(&mut self) -> &Store {
        let store = match self.store.take() {
            Some(store) => store,
            None => Store::open().await,
        };
        self.store.insert(store)
    }

    async fn hello(&mut self) -> Result<Event, Stop> {
        let store = self.store().await;
        let mut models = Vec::new();
        for entry in entries()?.iter().filter(|entry| !entry.for_tests) {
            // A browser that cannot tell what is stored can still compute.
            let State { bytes, ready } = store.state(entry).await.unwrap_or_default();
            models.push(entry.card(bytes, ready));
        }
        let shelf = self.shelf()?;
        Ok(Event::Ready {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            models,
            tasks: shelf.task_cards()?,
            groups: shelf.group_cards()?,
        })
    }

    async fn plan(
        &mut self,
        requests: &[TaskRequest],
        settings: &RunSettings,
    ) -> Result<Event, Stop> {
        let chosen = self.choose(requests, settings)?;
        let model = self.model.as_ref().ok_or_else(not_loaded)?;
        let (mut asked, mut computed, mut generated) = (0, 0, 0);
        for (task, options) in &chosen.tasks {
            let plan = plan(model, task, options).map_err(|error| run_stop(error, model.lane()))?;
            asked += plan.tokens_asked;
            computed += plan.tokens_computed;
            generated += plan.tokens_generated;
            desk().breathe().await?;
        }
        let fewest = chosen
            .tasks
            .iter()
            .map(|(task, options)| task.count(options.limit))
            .min();
        let tokens = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        Ok(Event::Planned {
            tokens_asked: tokens(asked),
            tokens_computed: tokens(computed),
            tokens_generated: tokens(generated),
            detectable: fewest.and_then(|documents| {
                // Models that are right half the time, independently of each other, differ on half the documents.
                minimum_detectable_difference(documents as u32, 0.5)
            }),
        })
    }

    async fn run(
        &mut self,
        requests: &[TaskRequest],
        settings: &RunSettings,
    ) -> Result<Event, Stop> {
        let Chosen { tasks, groups } = self.choose(requests, settings)?;
        let card = self.card.clone().ok_or_else(not_loaded)?;
        let identity = self.identity.clone().ok_or_else(not_loaded)?;
        let model = self.model.as_mut().ok_or_else(not_loaded)?;
        let lane = model.lane();
        let options = tasks
            .first()
            .map_or_else(RunOptions::default, |(_, options)| options.clone());
        let chat = model
            .chat_template()
            .filter(|_| options.apply_chat_template);
        let mut last = LastRun {
            info: run_info(&card, lane, &options, chat),
            tasks: Vec::new(),
            elapsed_ms: Vec::new(),
            groups,
            card,
            identity,
            file: self.file.clone(),
            lane,
        };
        let started_ms = now_ms();
        let mut end = Ok(());
        for (task, options) in tasks {
            desk().start_task(task.name(), model.tokens_computed());
            let task_started_ms = now_ms();
            let mut on_document = |document: &DocumentResult, score: &TaskScore| {
                desk().say(&Event::Document {
                    document: Box::new(document.clone()),
                    score: score.clone(),
                });
            };
            match run_task(model, &task, &options, &mut on_document).await {
                Ok(run) => {
                    last.tasks.push((task, run));
                    last.elapsed_ms.push((now_ms() - task_started_ms) as u64);
                }
                Err(error) => {
                    // What was finished can still be kept.
                    if let RunError::Cancelled { run } = &error {
                        last.tasks.push((task, run.as_ref().clone()));
                    }
                    end = Err(run_stop(error, lane));
                    break;
                }
            }
        }
        last.info.elapsed_s = (now_ms() - started_ms) / 1000.0;
        let last = self.last.insert(last);
        end?;
        let model = self.model.as_ref().ok_or_else(not_loaded)?;
        let (tokens_computed, elapsed_ms) = desk().so_far(model.tokens_computed());
        let scores: Vec<&TaskScore> = last.tasks.iter().map(|(_, run)| &run.score).collect();
        let groups = group_scores(&last.groups, &scores);
        Ok(Event::Done {
            groups: groups.into_iter().map(|(_, score)| score).collect(),
            scores: scores.into_iter().cloned().collect(),
            tokens_computed,
            elapsed_ms,
        })
    }

    fn export(&self) -> Result<Event, Stop> {
        let last = self
            .last
            .as_ref()
            .ok_or_else(|| protocol("nothing was run"))?;
        let tasks: Vec<(&Task, &TaskRun)> =
            last.tasks.iter().map(|(task, run)| (task, run)).collect();
        let runs = Runs {
            tasks: &tasks,
            groups: &last.groups,
        };
        // As the harness writes it, but in UTC: a worker has no time zone to tell.
        let date = js_sys::Date::new(&(last.info.started_s * 1000.0).into()).to_iso_string();
        let date = String::from(date)
            .replace(':', "-")
            .trim_end_matches('Z')
            .to_owned();
        let file = |name: String, text: String| ExportFile { name, text };
        let mut files = vec![
            file(
                format!("results_{date}.json"),
                report::results(&last.info, runs),
            ),
            file(format!("table_{date}.md"), table::table(runs)),
            file(format!("scores_{date}.csv"), table::csv(runs)),
        ];
        for (task, run) in &last.tasks {
            let name = format!("samples_{}_{date}.jsonl", task.name());
            files.push(file(name, report::samples(task, run)));
        }
        Ok(Event::Exported { files })
    }

    /// The last run as bytes to sign. The hash of a file of the person's own is found on the way, once.
    async fn envelope(&mut self, posting: Posting) -> Result<Event, Stop> {
        let last = self
            .last
            .as_mut()
            .ok_or_else(|| protocol("nothing was run"))?;
        if last.identity.sha256.is_none() {
            let file = last
                .file
                .as_ref()
                .ok_or_else(|| protocol("the run has no file"))?;
            last.identity.sha256 = Some(file_sha256(&blob(file)?).await?);
        }
        let run = Posted {
            card: &last.card,
            identity: &last.identity,
            options: &last.info.options,
            tasks: &last.tasks,
            elapsed_ms: &last.elapsed_ms,
            is_gpu: last.lane == Lane::Gpu,
            module_sha256: self.module_sha256.as_deref(),
        };
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce).map_err(|error| Fault::new(FaultKind::Engine, error))?;
        let now = (js_sys::Date::now() / 1000.0) as i64;
        Ok(posting::envelope(&run, posting, &nonce, now)?)
    }

    fn seal(&self, payload: &str, public_key: String, signature: String) -> Event {
        let tasks = self.last.as_ref().map_or(&[][..], |last| &last.tasks);
        let now = (js_sys::Date::now() / 1000.0) as i64;
        posting::seal(payload, public_key, signature, tasks, now)
    }

    fn shelf(&mut self) -> Result<&mut Shelf, Stop> {
        let shelf = match self.shelf.take() {
            Some(shelf) => shelf,
            None => Shelf::new()?,
        };
        Ok(self.shelf.insert(shelf))
    }

    fn choose(&mut self, requests: &[TaskRequest], settings: &RunSettings) -> Result<Chosen, Stop> {
        Ok(self.shelf()?.choose(requests, settings)?)
    }

    fn changed(&mut self, changed: String) -> Result<Event, Stop> {
        let shelf = self.shelf()?;
        Ok(Event::Tasks {
            changed,
            tasks: shelf.task_cards()?,
            groups: shelf.group_cards()?,
        })
    }
}

/// A file of the person's own as a source of bytes.
fn blob(file: &File) -> Result<BlobSource, Fault> {
    let source = BlobSource::new(file.name(), file.clone().into());
    source.map_err(|thrown| Fault::new(FaultKind::Storage, reason(&thrown)))
}

/// Hex SHA-256 of a file; a cancel is heard in between.
async fn file_sha256(source: &BlobSource) -> Result<String, Stop> {
    let mut hash = identity::FileHash::new(source);
    while hash
        .step()
        .map_err(|error| Fault::new(FaultKind::Storage, error))?
    {
        desk().breathe().await?;
    }
    Ok(hash.finish())
}

fn entries() -> Result<Vec<Entry>, Fault> {
    registry::entries()
        .map_err(|error| Fault::new(FaultKind::Engine, format!("models/registry.json: {error}")))
}

fn entry(id: &str) -> Result<Entry, Fault> {
    let found = entries()?.into_iter().find(|entry| entry.id == id);
    found.ok_or_else(|| protocol(&format!("the registry has no checkpoint `{id}`")))
}

fn protocol(detail: &str) -> Fault {
    Fault::new(FaultKind::Protocol, detail)
}

fn not_loaded() -> Fault {
    protocol("no checkpoint is loaded")
}

/// What the result files say of a run beyond its scores.
fn run_info(
    card: &CheckpointCard,
    lane: Lane,
    options: &RunOptions,
    chat_template: Option<&str>,
) -> RunInfo {
    RunInfo {
        model_name: card.name.clone(),
        model_args: format!("pretrained={},lane={lane}", card.name),
        parameters: card.parameters as u64,
        dtype: card.quantization.clone(),
        device: lane.to_string(),
        max_length: card.context_length,
        options: options.clone(),
        chat_template: chat_template.map(String::from),
        gen_kwargs: Default::default(),
        started_s: js_sys::Date::now() / 1000.0,
        elapsed_s: 0.0,
        version: env!("CARGO_PKG_VERSION").into(),
    }
}
