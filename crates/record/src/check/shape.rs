//! What can be judged without a task: texts, hashes, times, ranges, settings that contradict each other.

use jiff::Timestamp;

use super::{
    Context, DOCUMENTS_MAX, INTEGER_MAX, METRICS_MAX, OPERATIONS_PER_SECOND_MAX, TASKS_MAX,
    TIME_WINDOW_S,
};
use crate::canonical::from_hex;
use crate::envelope::{
    Envelope, Lane, LaneKind, Model, PrivacyLevel, SCHEMA, Settings, TaskRecord,
};
use crate::from_run::two_digits;
use crate::refusal::{Pointer, Refusal, RefusalCode};
use crate::text::{self, Kind};

/// Most texts that end a generation; the harness's tasks have up to ten.
const UNTIL_MAX: usize = 64;

/// Checks all but the documents and gives the time at which the envelope was made, in seconds since 1970.
pub(super) fn check(envelope: &Envelope, context: &Context<'_>) -> Result<i64, Refusal> {
    let at = Pointer::default().field("envelope");
    if envelope.schema != SCHEMA {
        let detail = format!("expected {SCHEMA}");
        return Err(at
            .field("schema")
            .refuse(RefusalCode::UnknownSchema, detail));
    }
    word(&envelope.board, &at, "board")?;
    if envelope.board != context.board {
        let detail = "it is meant for another board";
        return Err(at.field("board").refuse(RefusalCode::WrongBoard, detail));
    }
    hex::<16>(&envelope.author, &at, "author")?;
    hex::<16>(&envelope.nonce, &at, "nonce")?;
    let created = created(&envelope.created, context.now, &at)?;
    model(&envelope.model, &at.field("model"))?;
    let engine = at.field("engine");
    word(&envelope.engine.version, &engine, "version")?;
    optional_sha256(&envelope.engine.module_sha256, &engine, "module_sha256")?;
    lane(&envelope.lane, &at.field("lane"))?;
    settings(envelope, &at.field("settings"))?;
    tasks(envelope, &at.field("tasks"))?;
    Ok(created)
}

fn created(text: &str, now: i64, at: &Pointer) -> Result<i64, Refusal> {
    let at = at.field("created");
    let time: Option<Timestamp> = text.parse().ok();
    // One time has one form: to the second, in UTC.
    let Some(time) = time.filter(|time| time.to_string() == text && time.subsec_nanosecond() == 0)
    else {
        let detail = "expected a time such as 2026-11-25T22:59:07Z";
        return Err(at.refuse(RefusalCode::BadTime, detail));
    };
    let created = time.as_second();
    let age = now.saturating_sub(created);
    if age > TIME_WINDOW_S {
        let detail = format!("made {age} s ago; at most {TIME_WINDOW_S} are taken");
        return Err(at.refuse(RefusalCode::StaleTime, detail));
    }
    if age < -TIME_WINDOW_S {
        let detail = format!(
            "made {} s from now; at most {TIME_WINDOW_S} are taken",
            -age
        );
        return Err(at.refuse(RefusalCode::FutureTime, detail));
    }
    Ok(created)
}

fn model(model: &Model, at: &Pointer) -> Result<(), Refusal> {
    text(&model.name, Kind::Name, at, "name")?;
    hex::<32>(&model.sha256, at, "sha256")?;
    word(&model.quantization, at, "quantization")?;
    word(&model.architecture, at, "architecture")?;
    if let Some(licence) = &model.licence {
        text(licence, Kind::Name, at, "licence")?;
    }
    hex::<32>(&model.tokenizer_sha256, at, "tokenizer_sha256")?;
    optional_sha256(&model.chat_template_sha256, at, "chat_template_sha256")?;
    range(model.size_bytes, 1, at, "size_bytes")?;
    range(model.parameters, 1, at, "parameters")
}

fn lane(lane: &Lane, at: &Pointer) -> Result<(), Refusal> {
    match (lane.kind, &lane.adapter) {
        (LaneKind::Gpu, Some(adapter)) => {
            let at = at.field("adapter");
            word(&adapter.vendor, &at, "vendor")?;
            word(&adapter.architecture, &at, "architecture")
        }
        (LaneKind::Cpu | LaneKind::Reference, None) => Ok(()),
        _ => Err(at.field("adapter").refuse(
            RefusalCode::ContradictorySettings,
            "the lane `gpu` has an adapter, the others have none",
        )),
    }
}

fn settings(envelope: &Envelope, at: &Pointer) -> Result<(), Refusal> {
    let Settings {
        limit,
        fewshot_seed,
        apply_chat_template,
        fewshot_as_multiturn,
        system_instruction_sha256,
        max_length,
        gen_kwargs,
    } = &envelope.settings;
    if *limit == Some(0) {
        let detail = "a limit is at least 1, and left out where all documents are meant";
        return Err(at.field("limit").refuse(RefusalCode::WrongLimit, detail));
    }
    range(*fewshot_seed, 0, at, "fewshot_seed")?;
    range(u64::from(*max_length), 1, at, "max_length")?;
    optional_sha256(system_instruction_sha256, at, "system_instruction_sha256")?;
    if *fewshot_as_multiturn && !apply_chat_template {
        let detail = "examples are turns only where prompts are conversations";
        let at = at.field("fewshot_as_multiturn");
        return Err(at.refuse(RefusalCode::ContradictorySettings, detail));
    }
    if *apply_chat_template && envelope.model.chat_template_sha256.is_none() {
        let detail = "prompts are conversations only where the model has a chat template";
        let at = at.field("apply_chat_template");
        return Err(at.refuse(RefusalCode::ContradictorySettings, detail));
    }
    let Some(asked) = gen_kwargs else {
        return Ok(());
    };
    let at = at.field("gen_kwargs");
    if let Some(until) = &asked.until {
        let at = at.field("until");
        if until.len() > UNTIL_MAX {
            let detail = format!("{} texts; at most {UNTIL_MAX} are taken", until.len());
            return Err(at.refuse(RefusalCode::OutOfRange, detail));
        }
        for (index, end) in until.iter().enumerate() {
            text::check(end, Kind::Output).map_err(|error| refused(error, &at.item(index)))?;
        }
    }
    range(asked.seed.unwrap_or(0), 0, &at, "seed")?;
    let wrong =
        |field: &str, detail: &str| Err(at.field(field).refuse(RefusalCode::OutOfRange, detail));
    if asked
        .temperature
        .is_some_and(|temperature| temperature < 0.0)
    {
        return wrong("temperature", "a temperature is at least 0");
    }
    if asked.top_p.is_some_and(|share| share <= 0.0 || share > 1.0) {
        return wrong("top_p", "a share is above 0 and at most 1");
    }
    Ok(())
}

fn tasks(envelope: &Envelope, at: &Pointer) -> Result<(), Refusal> {
    let tasks = &envelope.tasks;
    if tasks.is_empty() {
        return Err(at.refuse(RefusalCode::NoTasks, "a run has at least one task"));
    }
    if tasks.len() > TASKS_MAX {
        let detail = format!("{} tasks; at most {TASKS_MAX} are taken", tasks.len());
        return Err(at.refuse(RefusalCode::TooManyTasks, detail));
    }
    let mut documents = 0;
    for (index, task) in tasks.iter().enumerate() {
        let at = at.item(index);
        if tasks[..index].iter().any(|other| other.name == task.name) {
            let detail = "a run has each task once";
            return Err(at.field("name").refuse(RefusalCode::DuplicateTask, detail));
        }
        documents += task.documents.len();
        if documents > DOCUMENTS_MAX {
            let detail = format!("more than {DOCUMENTS_MAX} documents");
            let at = at.field("documents");
            return Err(at.refuse(RefusalCode::TooManyDocuments, detail));
        }
        record(task, envelope, &at)?;
    }
    Ok(())
}

fn record(task: &TaskRecord, envelope: &Envelope, at: &Pointer) -> Result<(), Refusal> {
    text(&task.name, Kind::Name, at, "name")?;
    text(&task.version, Kind::Name, at, "version")?;
    hex::<32>(&task.hash, at, "hash")?;
    range(u64::from(task.document_count), 1, at, "document_count")?;
    range(task.elapsed_ms, 1, at, "elapsed_ms")?;
    range(task.tokens, 1, at, "tokens")?;
    if task.elapsed_ms != two_digits(task.elapsed_ms) {
        let detail = "expected two significant digits";
        let at = at.field("elapsed_ms");
        return Err(at.refuse(RefusalCode::TimeTooPrecise, detail));
    }
    if task.tokens < u64::from(task.document_count) {
        let detail = "fewer tokens than documents";
        return Err(at
            .field("tokens")
            .refuse(RefusalCode::ImpossibleTokens, detail));
    }
    let operations = 2.0 * envelope.model.parameters as f64 * task.tokens as f64;
    if operations * 1e3 / task.elapsed_ms as f64 > OPERATIONS_PER_SECOND_MAX {
        let detail = format!("more than {OPERATIONS_PER_SECOND_MAX:e} operations in a second");
        let at = at.field("elapsed_ms");
        return Err(at.refuse(RefusalCode::ImpossibleSpeed, detail));
    }
    let metrics = at.field("metrics");
    if task.metrics.len() > METRICS_MAX {
        let detail = format!(
            "{} metrics; at most {METRICS_MAX} are taken",
            task.metrics.len()
        );
        return Err(metrics.refuse(RefusalCode::TooManyMetrics, detail));
    }
    for (index, metric) in task.metrics.iter().enumerate() {
        let at = metrics.item(index);
        text(&metric.name, Kind::Name, &at, "name")?;
        text(&metric.filter, Kind::Name, &at, "filter")?;
        let same = |other: &&_| {
            let other: &crate::envelope::ClaimedMetric = other;
            (&other.name, &other.filter) == (&metric.name, &metric.filter)
        };
        if task.metrics[..index].iter().any(|other| same(&other)) {
            let detail = "each metric stands there once under each filter";
            return Err(at.refuse(RefusalCode::DuplicateMetric, detail));
        }
        if metric.stderr.is_some_and(|stderr| stderr < 0.0) {
            let detail = "a standard error is at least 0";
            return Err(at
                .field("stderr")
                .refuse(RefusalCode::ImpossibleValue, detail));
        }
    }
    let documents = at.field("documents");
    match task.level {
        PrivacyLevel::Scores if !task.documents.is_empty() => Err(documents.refuse(
            RefusalCode::AboveLevel,
            "the level `scores` sends no documents",
        )),
        PrivacyLevel::Outcomes => {
            let mut texts = task.documents.iter().map(|document| &document.texts);
            match texts.position(|texts| !texts.is_empty()) {
                None => Ok(()),
                Some(index) => Err(documents.item(index).field("texts").refuse(
                    RefusalCode::AboveLevel,
                    "the level `outcomes` sends no texts",
                )),
            }
        }
        _ => Ok(()),
    }
}

/// NaN and infinities, which a program can hold but JSON cannot.
pub(crate) fn finite(envelope: &Envelope) -> Result<(), Refusal> {
    let at = Pointer::default().field("envelope");
    let refuse = |at: Pointer| Err(at.refuse(RefusalCode::NotFinite, "expected a number"));
    let wrong = |value: &Option<f64>| value.is_some_and(|value| !value.is_finite());
    if let Some(asked) = &envelope.settings.gen_kwargs {
        let at = at.field("settings").field("gen_kwargs");
        if wrong(&asked.temperature) {
            return refuse(at.field("temperature"));
        }
        if wrong(&asked.top_p) {
            return refuse(at.field("top_p"));
        }
    }
    for (index, task) in envelope.tasks.iter().enumerate() {
        let at = at.field("tasks").item(index);
        for (index, metric) in task.metrics.iter().enumerate() {
            let at = at.field("metrics").item(index);
            if wrong(&metric.value) {
                return refuse(at.field("value"));
            }
            if wrong(&metric.stderr) {
                return refuse(at.field("stderr"));
            }
        }
        for (index, document) in task.documents.iter().enumerate() {
            let at = || at.field("documents").item(index);
            let mut sums = document.loglikelihoods.iter();
            if let Some(place) = sums.position(|sum| !sum.is_finite()) {
                return refuse(at().field("loglikelihoods").item(place));
            }
            if let Some(place) = document.values.iter().position(wrong) {
                return refuse(at().field("values").item(place));
            }
        }
    }
    Ok(())
}

fn refused(error: text::TextError, at: &Pointer) -> Refusal {
    at.refuse(RefusalCode::Text(error.reason), error.to_string())
}

fn text(value: &str, kind: Kind, at: &Pointer, field: &str) -> Result<(), Refusal> {
    text::check(value, kind).map_err(|error| refused(error, &at.field(field)))
}

fn word(value: &str, at: &Pointer, field: &str) -> Result<(), Refusal> {
    text(value, Kind::Word, at, field)
}

fn hex<const BYTES: usize>(value: &str, at: &Pointer, field: &str) -> Result<(), Refusal> {
    match from_hex::<BYTES>(value) {
        Some(_) => Ok(()),
        None => {
            let detail = format!("expected {} lowercase hexadecimal digits", 2 * BYTES);
            Err(at.field(field).refuse(RefusalCode::BadHex, detail))
        }
    }
}

fn optional_sha256(value: &Option<String>, at: &Pointer, field: &str) -> Result<(), Refusal> {
    value
        .as_deref()
        .map_or(Ok(()), |value| hex::<32>(value, at, field))
}

fn range(value: u64, least: u64, at: &Pointer, field: &str) -> Result<(), Refusal> {
    match (least..=INTEGER_MAX).contains(&value) {
        true => Ok(()),
        false => {
            let detail = format!("{value}; expected {least} to {INTEGER_MAX}");
            Err(at.field(field).refuse(RefusalCode::OutOfRange, detail))
        }
    }
}
