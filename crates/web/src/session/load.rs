//! Opening a checkpoint on a lane: what the file says of itself, whether a GPU may be trusted, and room for the weights.

use jeoul_checkpoint::{ByteSource, Checkpoint, identity};
use jeoul_model::{Lane, LocalModel, threads};
use web_sys::File;

use super::{Session, blob, entry, protocol};
use crate::desk::pace;
use crate::fault::{Stop, model_stop};
use crate::posting::Identity;
use crate::protocol::{CheckpointCard, Event, Fault, FaultKind, LaneCard, LaneName};

impl Session {
    pub(super) async fn load(
        &mut self,
        model: Option<String>,
        lane: LaneName,
        file: Option<File>,
    ) -> Result<Event, Stop> {
        // What is loaded now makes room.
        self.model = None;
        let mut sha256 = None;
        let source: Box<dyn ByteSource> = match (model, &file) {
            (Some(model), None) => {
                let entry = entry(&model)?;
                sha256 = Some(entry.sha256.clone());
                self.store().await.source(&entry).await?
            }
            (None, Some(file)) => Box::new(blob(file)?),
            _ => return Err(protocol("load takes either a model or a file").into()),
        };
        let checkpoint = Checkpoint::open(source)?;
        let card = card(&checkpoint);
        let identity = Identity {
            sha256,
            tokenizer_sha256: identity::tokenizer_sha256(checkpoint.gguf()),
            chat_template_sha256: checkpoint.chat_template().map(identity::text_sha256),
        };
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
        self.card = Some(card.clone());
        self.identity = Some(identity);
        self.file = file;
        Ok(Event::Loaded {
            checkpoint: card,
            lane: lane_card,
        })
    }

    /// Describes a lane, and has a GPU prove itself first.
    #[cfg(feature = "gpu")]
    async fn verify(&mut self, lane: Lane) -> Result<LaneCard, Stop> {
        if lane != Lane::Gpu {
            return Ok(self.cpu());
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
            thread_lack: None,
        })
    }

    /// Describes a lane. Loading says that there is no other than the CPU's.
    #[cfg(not(feature = "gpu"))]
    async fn verify(&mut self, _lane: Lane) -> Result<LaneCard, Stop> {
        Ok(self.cpu())
    }

    fn cpu(&self) -> LaneCard {
        LaneCard {
            lane: LaneName::Cpu,
            adapter: None,
            agreement: None,
            threads: u32::try_from(threads::count()).unwrap_or(u32::MAX),
            thread_lack: self.thread_lack,
        }
    }
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
        chat: checkpoint.chat_template().is_some(),
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
