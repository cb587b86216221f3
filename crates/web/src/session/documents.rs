//! Tasks and documents of the person's own, and documents of the hub.

use jeoul_dataset::hub::{self, HUB, Split};
use jeoul_dataset::{read, sha256};
use jeoul_eval::origin::{OriginFile, OriginKind};
use js_sys::Uint8Array;
use wasm_bindgen_futures::JsFuture;
use web_sys::File;

use super::{Session, protocol};
use crate::desk::desk;
use crate::fault::Stop;
use crate::hub::Browser;
use crate::protocol::{DocumentsRole, Event, Fault, FaultKind};
use crate::shelf::Own;
use crate::source::reason;

impl Session {
    pub(super) async fn add_task(&mut self, file: Option<File>) -> Result<Event, Stop> {
        let (name, bytes) = contents(file).await?;
        let text = String::from_utf8(bytes).map_err(|_| {
            Fault::new(
                FaultKind::Task,
                format!("`{name}` is not UTF-8; a task file is"),
            )
        })?;
        let task = self.shelf()?.add(&name, &text)?;
        self.changed(task)
    }

    pub(super) async fn use_file(
        &mut self,
        task: String,
        role: DocumentsRole,
        file: Option<File>,
    ) -> Result<Event, Stop> {
        let (name, bytes) = contents(file).await?;
        let origin = OriginFile {
            name: name.clone(),
            sha256: sha256(&bytes),
            commit: None,
        };
        let documents = read(&name, bytes)?;
        let shelf = self.shelf()?;
        let mut own = match (shelf.own(&task), role) {
            (own, _) if own.origin.kind == OriginKind::Local => own,
            (_, DocumentsRole::Documents) => Own::default(),
            (_, DocumentsRole::Examples) => {
                return Err(
                    protocol("examples of one's own go with documents of one's own").into(),
                );
            }
        };
        own.origin.kind = OriginKind::Local;
        // The documents' file comes first, the examples' after it.
        let files = &mut own.origin.files;
        match role {
            DocumentsRole::Documents => {
                own.documents = Some(documents);
                files.splice(..files.len().min(1), [origin]);
            }
            DocumentsRole::Examples => {
                own.examples = Some(documents);
                files.truncate(1);
                files.push(origin);
            }
        }
        shelf.set_own(&task, Some(own))?;
        self.changed(task)
    }

    pub(super) async fn use_hub(&mut self, task: String, examples: bool) -> Result<Event, Stop> {
        let config = self.shelf()?.config(&task)?;
        let missing = |what| protocol(&format!("task `{task}` names no {what}"));
        let dataset = config.dataset_path().ok_or_else(|| missing("dataset"))?;
        let own_split = config.documents_split().ok_or_else(|| missing("split"))?;
        let split = |name: &str| Split {
            dataset: dataset.into(),
            configuration: config.dataset_name().map(String::from),
            split: name.into(),
        };
        let mut browser = Browser::new().await;
        let (documents, mut files) = hub::documents(&mut browser, HUB, &split(own_split)).await?;
        desk().check()?;
        let examples = match config.examples_split().filter(|other| *other != own_split) {
            Some(other) if examples => {
                let (examples, more) = hub::documents(&mut browser, HUB, &split(other)).await?;
                files.extend(more);
                Some(examples)
            }
            _ => None,
        };
        desk().check()?;
        let own = Own {
            documents: Some(documents),
            examples,
            origin: hub::origin(files),
        };
        self.shelf()?.set_own(&task, Some(own))?;
        self.changed(task)
    }
}

/// Name and bytes of the envelope's file.
async fn contents(file: Option<File>) -> Result<(String, Vec<u8>), Fault> {
    let file = file.ok_or_else(|| protocol("this command takes a file"))?;
    let bytes = JsFuture::from(file.array_buffer()).await;
    let bytes = bytes.map_err(|thrown| Fault::new(FaultKind::Storage, reason(&thrown)))?;
    Ok((file.name(), Uint8Array::new(&bytes).to_vec()))
}
