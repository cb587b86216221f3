//! A run of the tiny checkpoint on bundled documents, computed here and made ready to post.

use std::fs;

use jeoul_checkpoint::{Checkpoint, FileSource, identity};
use jeoul_eval::model::LanguageModel;
use jeoul_eval::{RunOptions, bundled, run_task};
use jeoul_model::{Lane, LocalModel, Pace};
use jeoul_record::canonical::sha256;
use jeoul_record::envelope::{Engine, Lane as Where, LaneKind, Model, ModelType, SCHEMA};
use jeoul_record::reduce::preview;
use jeoul_record::signature::{Key, payload};
use jeoul_record::{Envelope, PrivacyLevel, from_run};

use crate::support::{TINY, root};

/// A run before it is signed.
#[derive(Clone)]
pub(crate) struct Posted {
    pub(crate) envelope: Envelope,
}

impl Posted {
    /// Computes a task for the board `open`; `number` tells runs apart.
    pub(crate) fn new(name: &str, options: &RunOptions, number: u8) -> Self {
        let path = root().join(TINY);
        let task = bundled::task(bundled::catalog().unwrap().task(name).unwrap()).unwrap();
        let checkpoint = Checkpoint::open(FileSource::open(&path).unwrap()).unwrap();
        let (parameters, quantization) = (checkpoint.parameters(), checkpoint.quantization());
        let tokenizer_sha256 = identity::tokenizer_sha256(checkpoint.gguf());
        let load = LocalModel::load(checkpoint, Lane::Cpu, Pace::free());
        let mut model = pollster::block_on(load).unwrap();
        let mut show = |_: &_, _: &_| {};
        let run = run_task(&mut model, &task, options, &mut show);
        let run = pollster::block_on(run).unwrap();
        let limit = from_run::limit(&[(&task, &run)]).unwrap();
        let file = fs::read(path).unwrap();
        let template = model.chat_template().map(identity::text_sha256);
        let record = from_run::task_record(&task, &run, PrivacyLevel::Outcomes, 500);
        let envelope = Envelope {
            author: String::new(),
            board: "open".into(),
            created: jiff::Timestamp::now()
                .strftime("%Y-%m-%dT%H:%M:%SZ")
                .to_string(),
            engine: Engine {
                module_sha256: None,
                version: env!("CARGO_PKG_VERSION").into(),
            },
            lane: Where {
                adapter: None,
                kind: LaneKind::Cpu,
            },
            model: Model {
                architecture: "llama".into(),
                chat_template_sha256: template,
                kind: ModelType::Pretrained,
                licence: None,
                merged: false,
                name: "Tiny".into(),
                on_hub: false,
                parameters,
                precision: from_run::precision(quantization),
                quantization: quantization.into(),
                sha256: sha256(&file),
                size_bytes: file.len() as u64,
                tokenizer_sha256,
            },
            nonce: String::new(),
            schema: SCHEMA.into(),
            settings: from_run::settings(options, limit, model.max_length() as u32),
            tasks: vec![record],
        };
        Self { envelope }.again(number)
    }

    /// The same answers as another run.
    pub(crate) fn again(mut self, number: u8) -> Self {
        self.envelope.nonce = format!("{number:032x}");
        self
    }

    /// For another board.
    pub(crate) fn on(mut self, board: &str) -> Self {
        self.envelope.board = board.into();
        self
    }

    /// Its id, and the bytes to post.
    pub(crate) fn sealed(mut self) -> (String, Vec<u8>) {
        let key = Key::from_secret(&[7; 32]);
        self.envelope.author = key.author();
        let signed = key.seal(self.envelope).unwrap();
        let id = sha256(&payload(&signed.envelope).unwrap());
        (id, preview(&signed).unwrap())
    }
}
