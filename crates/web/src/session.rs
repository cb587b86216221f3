//! What a worker holds between commands, and how it does each of them.

use jeoul_checkpoint::{ByteSource, Checkpoint};
use jeoul_eval::bundled;
use jeoul_eval::plan::plan;
use jeoul_eval::results::{DocumentResult, TaskScore};
use jeoul_eval::{RunOptions, Task, run_task};
use jeoul_model::{Lane, LocalModel};
use web_sys::File;

use crate::desk::{desk, pace};
use crate::download;
use crate::fault::{Stop, model_stop, run_stop};
use crate::protocol::{
    CheckpointCard, Command, Event, Fault, FaultKind, LaneCard, LaneName, TaskRequest,
};
use crate::registry::{self, Entry};
use crate::source::{BlobSource, reason};
use crate::store::{State, Store};

/// A worker's state.
#[derive(Default)]
pub(crate) struct Session {
    store: Option<Store>,
    tasks: Vec<Task>,
    model: Option<LocalModel>,
    #[cfg(feature = "gpu")]
    proof: Option<jeoul_model::self_test::SelfTest>,
}

impl Session {
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
            Command::Plan { tasks } => self.plan(&tasks).await,
            Command::Run { tasks } => self.run(&tasks).await,
            // The worker's own; never reaches a session.
            Command::Cancel => Err(Stop::Cancelled),
        }
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
        let tasks = self.tasks()?.iter().map(Task::card).collect();
        Ok(Event::Ready {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            models,
            tasks,
        })
    }

    async fn load(
        &mut self,
        model: Option<String>,
        lane: LaneName,
        file: Option<File>,
    ) -> Result<Event, Stop> {
        // What is loaded now makes room.
        self.model = None;
        let source: Box<dyn ByteSource> = match (model, file) {
            (Some(model), None) => self.store().await.source(&entry(&model)?).await?,
            (None, Some(file)) => {
                let source = BlobSource::new(file.name(), file.into());
                Box::new(source.map_err(|thrown| Fault::new(FaultKind::Storage, reason(&thrown)))?)
            }
            _ => return Err(protocol("load takes either a model or a file").into()),
        };
        let checkpoint = Checkpoint::open(source)?;
        let card = card(&checkpoint);
        let lane = match lane {
            LaneName::Cpu => {
                make_room(&checkpoint)?;
                Lane::Cpu
            }
            LaneName::Gpu => Lane::Gpu,
        };
        let lane_card = self.verify(lane).await?;
        let model = LocalModel::load(checkpoint, lane, pace())
            .await
            .map_err(|error| model_stop(error, lane))?;
        self.model = Some(model);
        Ok(Event::Loaded {
            checkpoint: card,
            lane: lane_card,
        })
    }

    async fn plan(&mut self, requests: &[TaskRequest]) -> Result<Event, Stop> {
        let tasks = self.chosen(requests)?;
        let model = self.model.as_ref().ok_or_else(not_loaded)?;
        let mut asked = 0;
        let mut computed = 0;
        for (task, options) in &tasks {
            let plan = plan(model, task, options).map_err(|error| run_stop(error, model.lane()))?;
            asked += plan.tokens_asked;
            computed += plan.tokens_computed;
            desk().breathe().await?;
        }
        let tokens = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        Ok(Event::Planned {
            tokens_asked: tokens(asked),
            tokens_computed: tokens(computed),
        })
    }

    async fn run(&mut self, requests: &[TaskRequest]) -> Result<Event, Stop> {
        let tasks = self.chosen(requests)?;
        let model = self.model.as_mut().ok_or_else(not_loaded)?;
        let mut scores = Vec::new();
        for (task, options) in &tasks {
            desk().start_task(task.name(), model.tokens_computed());
            let lane = model.lane();
            let mut on_document = |document: &DocumentResult, score: &TaskScore| {
                desk().say(&Event::Document {
                    document: Box::new(document.clone()),
                    score: score.clone(),
                });
            };
            let run = run_task(model, task, options, &mut on_document).await;
            scores.push(run.map_err(|error| run_stop(error, lane))?.score);
        }
        let (tokens_computed, elapsed_ms) = desk().so_far(model.tokens_computed());
        Ok(Event::Done {
            scores,
            tokens_computed,
            elapsed_ms,
        })
    }

    fn tasks(&mut self) -> Result<&[Task], Stop> {
        if self.tasks.is_empty() {
            self.tasks = bundled::tasks()?;
        }
        Ok(&self.tasks)
    }

    /// The tasks asked for, with their settings.
    fn chosen(&mut self, requests: &[TaskRequest]) -> Result<Vec<(Task, RunOptions)>, Stop> {
        let tasks = self.tasks()?;
        let choose = |request: &TaskRequest| {
            let task = tasks.iter().find(|task| task.name() == request.task);
            let task = task.ok_or_else(|| {
                Fault::new(
                    FaultKind::Task,
                    format!("there is no task `{}`", request.task),
                )
            })?;
            let num_fewshot = Some(request.num_fewshot);
            Ok((
                task.clone(),
                RunOptions {
                    num_fewshot,
                    limit: request.limit,
                    ..RunOptions::default()
                },
            ))
        };
        requests.iter().map(choose).collect()
    }

    /// Describes a lane, and has a GPU prove itself first.
    #[cfg(feature = "gpu")]
    async fn verify(&mut self, lane: Lane) -> Result<LaneCard, Stop> {
        if lane != Lane::Gpu {
            return Ok(CPU);
        }
        let proof = match self.proof.take() {
            Some(proof) => proof,
            None => jeoul_model::self_test::run()
                .await
                .map_err(|error| model_stop(error, lane))?,
        };
        let proof = self.proof.insert(proof);
        if !proof.passed() {
            let detail = format!(
                "`{}` agrees with the CPU at {:.1} % of positions and differs by up to {} nats",
                proof.adapter,
                proof.agreement * 100.0,
                proof.difference_max
            );
            return Err(Fault::new(FaultKind::GpuWrong, detail).into());
        }
        Ok(LaneCard {
            lane: LaneName::Gpu,
            adapter: Some(proof.adapter.clone()),
            agreement: Some(proof.agreement),
            threads: 1,
        })
    }

    /// Describes a lane. Loading says that there is no other than the CPU's.
    #[cfg(not(feature = "gpu"))]
    async fn verify(&mut self, _lane: Lane) -> Result<LaneCard, Stop> {
        Ok(CPU)
    }
}

const CPU: LaneCard = LaneCard {
    lane: LaneName::Cpu,
    adapter: None,
    agreement: None,
    threads: 1,
};

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

fn card<S: ByteSource>(checkpoint: &Checkpoint<S>) -> CheckpointCard {
    let config = checkpoint.config();
    let count = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    CheckpointCard {
        name: checkpoint.name().to_owned(),
        architecture: config.architecture.clone(),
        quantization: checkpoint.quantization().to_owned(),
        parameters: checkpoint.parameters() as f64,
        size: checkpoint.size_bytes() as f64,
        context_length: count(config.context_length),
        layers: count(config.layers),
    }
}

/// Asks for the memory of the weights at once: an allocation that fails later would end the worker without a word.
fn make_room<S: ByteSource>(checkpoint: &Checkpoint<S>) -> Result<(), Fault> {
    let size = checkpoint.size_bytes();
    let mut room: Vec<u8> = Vec::new();
    let result = usize::try_from(size)
        .map_err(|_| ())
        .and_then(|size| room.try_reserve_exact(size).map_err(|_| ()));
    // Seen from outside, or the compiler would leave both the request and its failure out.
    std::hint::black_box(&room);
    result.map_err(|()| {
        let detail = format!(
            "{}: {size} bytes of weights are more than this tab can hold",
            checkpoint.file_name()
        );
        Fault::new(FaultKind::Memory, detail)
    })
}
