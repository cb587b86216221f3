//! `--record`: a run as a file from which `jeoul board post` makes a post, today or another day. Nothing is sent here.

use std::fs;
use std::path::Path;

use anyhow::Context;
use jeoul_checkpoint::{FileSource, identity};
use jeoul_eval::{RunOptions, Task, TaskRun};
use jeoul_model::{Lane, gpu_vendor};
use jeoul_record::Draft;
use jeoul_record::draft::Checkpoint;
use jeoul_record::envelope::{self, Adapter, Engine, GenKwargs, LaneKind};
use serde_json::{Map, Value};

use crate::checkpoint::open;
use crate::failure::Failure;

/// Writes a run of the checkpoint at `model`; each task with the milliseconds it took.
pub(crate) fn save(
    path: &Path,
    model: &Path,
    lane: Lane,
    options: &RunOptions,
    gen_kwargs: Option<GenKwargs>,
    max_length: u32,
    tasks: &[(&Task, &TaskRun, u64)],
) -> Result<(), Failure> {
    let engine = Engine {
        // Programs are built by whoever runs them: their hash would tell machines apart, and nothing else.
        module_sha256: None,
        version: env!("CARGO_PKG_VERSION").into(),
    };
    let (checkpoint, lane) = (checkpoint(model)?, envelope_lane(lane)?);
    let mut draft = Draft::new(checkpoint, engine, lane, options, max_length, tasks)?;
    draft.settings.gen_kwargs = gen_kwargs;
    let bytes = draft.bytes()?;
    fs::write(path, bytes).with_context(|| format!("cannot write `{}`", path.display()))?;
    Ok(())
}

/// `--gen_kwargs` as a record has them: it takes less than generations do.
pub(crate) fn gen_kwargs(asked: &Map<String, Value>) -> Result<Option<GenKwargs>, Failure> {
    if asked.is_empty() {
        return Ok(None);
    }
    let mut asked = asked.clone();
    if let Some(until @ Value::String(_)) = asked.get_mut("until") {
        *until = Value::Array(vec![until.take()]);
    }
    for other in ["max_new_tokens", "max_tokens", "max_completion_tokens"] {
        if let Some(most) = asked.remove(other) {
            asked.insert("max_gen_toks".into(), most);
        }
    }
    let kwargs = serde_json::from_value(Value::Object(asked))
        .context("`--record` cannot keep these `--gen_kwargs`")
        .map_err(Failure::usage)?;
    Ok(Some(kwargs))
}

/// Reads what [`save`] wrote.
pub(crate) fn read(path: &Path) -> Result<Draft, Failure> {
    let name = path.display();
    let bytes = fs::read(path).with_context(|| format!("cannot read `{name}`"))?;
    Draft::read(&bytes)
        .with_context(|| format!("`{name}` cannot be posted"))
        .map_err(|error| {
            let failure = Failure::from(error);
            failure.hint("`jeoul eval … --record FILE` writes what can be posted")
        })
}

/// What the file says, and its hash: read anew, since a loaded model keeps neither.
fn checkpoint(path: &Path) -> Result<Checkpoint, Failure> {
    let checkpoint = open(path)?;
    let source = FileSource::open(path)?;
    let mut hash = identity::FileHash::new(&source);
    while hash.step()? {}
    Ok(Checkpoint {
        architecture: checkpoint.config().architecture.clone(),
        chat_template_sha256: checkpoint.chat_template().map(identity::text_sha256),
        parameters: checkpoint.parameters(),
        quantization: checkpoint.quantization().into(),
        sha256: hash.finish(),
        size_bytes: checkpoint.size_bytes(),
        tokenizer_sha256: identity::tokenizer_sha256(checkpoint.gguf()),
    })
}

fn envelope_lane(lane: Lane) -> Result<envelope::Lane, Failure> {
    let kind = match lane {
        Lane::Cpu => LaneKind::Cpu,
        Lane::Gpu => LaneKind::Gpu,
        Lane::Reference => LaneKind::Reference,
    };
    // The maker alone: a page is told no more of most GPUs.
    let adapter = pollster::block_on(gpu_vendor(lane))?.map(|vendor| Adapter {
        architecture: "unknown".into(),
        vendor: vendor.into(),
    });
    Ok(envelope::Lane { adapter, kind })
}
