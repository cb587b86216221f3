//! Drawn documents of somebody else's run, computed again with the loaded checkpoint.

use jeoul_model::Lane;
use jeoul_record::envelope::LaneKind;
use jeoul_record::spot::{Drawn, rerun};
use jeoul_record::{Envelope, SignedEnvelope};

use super::{Session, blob, file_sha256, not_loaded, protocol};
use crate::checking::{answers, lack};
use crate::desk::desk;
use crate::fault::Stop;
use crate::protocol::{CheckLack, Event};

impl Session {
    /// What is sent to the board about the `drawn` documents of `record`, a signed envelope as a board stores it.
    pub(super) async fn check(&mut self, record: &str, drawn: &[Drawn]) -> Result<Event, Stop> {
        let run: SignedEnvelope = serde_json::from_str(record)
            .map_err(|error| protocol(&format!("this is no record of a run: {error}")))?;
        let run = run.envelope;
        if !self.is_loaded(&run).await? {
            let detail = run.model.sha256;
            return Ok(Event::Uncheckable {
                lack: CheckLack::Checkpoint,
                detail,
            });
        }
        let names = run.tasks.iter().map(|task| task.name.as_str());
        let tasks = self.shelf()?.known(names);
        let model = self.model.as_mut().ok_or_else(not_loaded)?;
        let lane = model.lane();
        if let Some(first) = run.tasks.first() {
            desk().start_task(&first.name, model.tokens_computed());
        }
        let again = rerun(model, &run, &tasks, drawn, env!("CARGO_PKG_VERSION")).await;
        let kind = match lane {
            Lane::Gpu => LaneKind::Gpu,
            _ => LaneKind::Cpu,
        };
        match again {
            Ok(documents) => Ok(Event::Checked {
                text: answers(kind, &documents),
            }),
            Err(error) => lack(error, lane),
        }
    }

    /// Whether the loaded file is the run's. Sizes are compared first: hashing gigabytes takes a while.
    async fn is_loaded(&mut self, run: &Envelope) -> Result<bool, Stop> {
        let card = self.card.as_ref().ok_or_else(not_loaded)?;
        if card.size as u64 != run.model.size_bytes {
            return Ok(false);
        }
        let identity = self.identity.as_mut().ok_or_else(not_loaded)?;
        if identity.sha256.is_none() {
            let file = self.file.as_ref().ok_or_else(not_loaded)?;
            identity.sha256 = Some(file_sha256(&blob(file)?).await?);
        }
        Ok(identity.sha256.as_ref() == Some(&run.model.sha256))
    }
}
