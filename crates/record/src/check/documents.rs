//! The documents of a submission beside those of the task: each there once, in order, with answers that the task could have got.

use jeoul_eval::metrics::{Item, pick};
use jeoul_eval::request::request_count;
use jeoul_eval::rescore::rescore;
use jeoul_eval::results::{Answer, DocumentMetric, DocumentResult};
use jeoul_eval::{OutputType, Task};

use super::TOLERANCE;
use crate::envelope::{DocumentOutcome, Envelope, PrivacyLevel, TaskRecord};
use crate::from_run::own_value;
use crate::refusal::{Pointer, Refusal, RefusalCode};

/// Checks the documents of a task, and scores them where the task is known.
///
/// The result is empty for an unknown task and at the level `scores`.
pub(super) fn check(
    envelope: &Envelope,
    record: &TaskRecord,
    task: Option<&Task>,
    at: &Pointer,
) -> Result<Vec<DocumentResult>, Refusal> {
    count(envelope, record, task, at)?;
    if record.level == PrivacyLevel::Scores {
        return Ok(Vec::new());
    }
    let documents = at.field("documents");
    order(record, &documents)?;
    let mut results = Vec::new();
    let mut tokens = 0;
    for (index, outcome) in record.documents.iter().enumerate() {
        let place = Place {
            envelope,
            record,
            outcome,
            documents: &documents,
            index,
        };
        tokens += u64::from(outcome.tokens);
        match task {
            Some(task) => results.push(place.known(task)?),
            None => place.unknown()?,
        }
    }
    if tokens != record.tokens {
        let detail = format!("{}; the documents have {tokens}", record.tokens);
        return Err(at
            .field("tokens")
            .refuse(RefusalCode::ImpossibleTokens, detail));
    }
    Ok(results)
}

/// Whether a task of that kind has as many documents and shots.
fn count(
    envelope: &Envelope,
    record: &TaskRecord,
    task: Option<&Task>,
    at: &Pointer,
) -> Result<(), Refusal> {
    let found = record.document_count;
    let limit = envelope.settings.limit;
    let wrong_limit = |expected: String| {
        let detail = format!("{found} documents; expected {expected}");
        Err(at
            .field("document_count")
            .refuse(RefusalCode::WrongLimit, detail))
    };
    let Some(task) = task else {
        return match limit {
            Some(limit) if found > limit => wrong_limit(format!("at most {limit}")),
            _ => Ok(()),
        };
    };
    if record.version != task.version() {
        let detail = "the task with this hash has another version";
        return Err(at
            .field("version")
            .refuse(RefusalCode::WrongVersion, detail));
    }
    let shots = record.num_fewshot;
    let most = task.max_fewshot();
    if shots > most || task.shots(Some(shots)) != shots {
        let detail = format!("{shots} examples; the task can have {most} at most");
        return Err(at
            .field("num_fewshot")
            .refuse(RefusalCode::WrongShots, detail));
    }
    let expected = task.count(limit);
    if found as usize != expected {
        return wrong_limit(expected.to_string());
    }
    Ok(())
}

/// Whether each document is there once, in order.
fn order(record: &TaskRecord, at: &Pointer) -> Result<(), Refusal> {
    let expected = record.document_count as usize;
    let ids = || {
        record
            .documents
            .iter()
            .map(|document| document.doc_id as usize)
    };
    // Not more than the documents that were posted, whatever their count says.
    let mut seen = vec![false; expected.min(record.documents.len() + 1)];
    for (index, id) in ids().enumerate() {
        let at = || at.item(index).field("doc_id");
        if id >= expected {
            let detail = format!("the run ends before document {expected}");
            return Err(at().refuse(RefusalCode::ExtraDocument, detail));
        }
        // Beyond it lie gaps, which are found below.
        if let Some(seen) = seen.get_mut(id)
            && std::mem::replace(seen, true)
        {
            let detail = format!("document {id} stands there already");
            return Err(at().refuse(RefusalCode::DuplicateDocument, detail));
        }
    }
    if let Some(missing) = seen.iter().position(|seen| !seen) {
        let detail = format!("document {missing} of {expected} is missing");
        return Err(at.refuse(RefusalCode::MissingDocuments, detail));
    }
    match ids().enumerate().find(|(index, id)| index != id) {
        None => Ok(()),
        Some((index, id)) => {
            let detail = format!("document {id} stands where {index} belongs");
            let at = at.item(index).field("doc_id");
            Err(at.refuse(RefusalCode::DocumentOrder, detail))
        }
    }
}

/// A document of a submission.
struct Place<'a> {
    envelope: &'a Envelope,
    record: &'a TaskRecord,
    outcome: &'a DocumentOutcome,
    documents: &'a Pointer,
    index: usize,
}

impl Place<'_> {
    fn at(&self) -> Pointer {
        self.documents.item(self.index)
    }

    fn refuse<T>(
        &self,
        field: &str,
        code: RefusalCode,
        detail: impl Into<String>,
    ) -> Result<T, Refusal> {
        Err(self.at().field(field).refuse(code, detail))
    }

    /// The result of a document of a known task.
    fn known(&self, task: &Task) -> Result<DocumentResult, Refusal> {
        let document = &task.documents()[self.outcome.doc_id as usize];
        if task.config().output_type() == OutputType::GenerateUntil {
            return self.generation(task);
        }
        self.absent("values", self.outcome.values.is_empty())?;
        self.absent("texts", self.outcome.texts.is_empty())?;
        let requests = request_count(task, document);
        self.loglikelihoods(Some(requests))?;
        let sequence = u64::from(self.envelope.settings.max_length) + 1;
        // A whole text is read in as many windows as it needs.
        let most = match task.config().output_type() {
            OutputType::LoglikelihoodRolling => u64::from(u32::MAX),
            _ => requests as u64 * sequence,
        };
        self.tokens(requests as u64, most)?;
        let answers = self
            .outcome
            .loglikelihoods
            .iter()
            .zip(&self.outcome.is_greedy);
        let answers = answers.map(|(&sum, &is_greedy)| Answer::Loglikelihood {
            sum,
            token_logprobs: Vec::new(),
            is_greedy,
        });
        let result = self.score(task, answers.collect())?;
        for (field, found, right) in [
            ("pick", self.outcome.pick, result.pick),
            ("pick_norm", self.outcome.pick_norm, result.pick_norm),
        ] {
            if found != right {
                let detail = match right {
                    Some(right) => format!("the log-likelihoods pick choice {right}"),
                    None => "the task has no choices to pick".into(),
                };
                return self.refuse(field, RefusalCode::ChoiceNotArgmax, detail);
            }
        }
        Ok(result)
    }

    /// Answers that some task could have got.
    fn unknown(&self) -> Result<(), Refusal> {
        let outcome = self.outcome;
        if !outcome.loglikelihoods.is_empty() {
            self.absent("values", outcome.values.is_empty())?;
            self.absent("texts", outcome.texts.is_empty())?;
            self.loglikelihoods(None)?;
            // With `acc_mutual_info` the choices are only half of the requests.
            let sums = &outcome.loglikelihoods;
            let picks = [pick(sums), pick(&sums[..sums.len() / 2])];
            let picks = picks.map(|pick| pick.map(|pick| pick as u32));
            if outcome.pick.is_some() && !picks.contains(&outcome.pick) {
                let detail = "not the choice with the highest log-likelihood";
                return self.refuse("pick", RefusalCode::ChoiceNotArgmax, detail);
            }
            if outcome
                .pick_norm
                .is_some_and(|pick| pick as usize >= sums.len())
            {
                let detail = format!("there are {} choices", sums.len());
                return self.refuse("pick_norm", RefusalCode::ChoiceNotArgmax, detail);
            }
            return self.tokens(sums.len() as u64, u64::from(u32::MAX));
        }
        self.without_loglikelihoods()?;
        if outcome.texts.is_empty() && outcome.values.is_empty() {
            let detail = "a document has log-likelihoods, texts or values";
            return Err(self.at().refuse(RefusalCode::WrongAnswerKind, detail));
        }
        self.texts(None)?;
        self.values()?;
        self.tokens(1, u64::from(u32::MAX))
    }

    /// The result of a generation: from its texts, or where these are kept back from what it is said to count.
    fn generation(&self, task: &Task) -> Result<DocumentResult, Refusal> {
        self.without_loglikelihoods()?;
        self.values()?;
        let repeats = task.config().repeats();
        let most = u64::from(repeats.max(1)) * u64::from(self.envelope.settings.max_length);
        self.tokens(1, most)?;
        if self.record.level == PrivacyLevel::Outcomes {
            return Ok(self.result_of_values());
        }
        self.texts(Some(repeats as usize))?;
        let texts = self.outcome.texts.clone();
        let result = self.score(task, vec![Answer::Texts { texts }])?;
        let values = self.outcome.values.iter().zip(&self.record.metrics);
        for (index, (&found, metric)) in values.enumerate() {
            let right = own_value(&result, &metric.name, &metric.filter);
            if !close(found, right) {
                let detail = "the document's texts do not have this value";
                let at = self.at().field("values").item(index);
                return Err(at.refuse(RefusalCode::ValueDiffers, detail));
            }
        }
        Ok(result)
    }

    /// A result that holds what the author says the document counts.
    fn result_of_values(&self) -> DocumentResult {
        let values = self.record.metrics.iter().zip(&self.outcome.values);
        let metric = |(metric, value): (&crate::envelope::ClaimedMetric, &Option<f64>)| {
            value.map(|value| DocumentMetric {
                name: metric.name.clone(),
                filter: metric.filter.clone(),
                value: Some(value),
                item: Item::Number(value),
            })
        };
        DocumentResult {
            doc_id: self.outcome.doc_id,
            fewshot_context: String::new(),
            prompt: String::new(),
            requests: Vec::new(),
            choices: Vec::new(),
            gold: Vec::new(),
            pick: None,
            pick_norm: None,
            target: String::new(),
            filtered: Vec::new(),
            metrics: values.filter_map(metric).collect(),
            tokens_asked: self.outcome.tokens,
        }
    }

    fn score(&self, task: &Task, answers: Vec<Answer>) -> Result<DocumentResult, Refusal> {
        rescore(task, self.outcome.doc_id, answers).map_err(|_| {
            let detail = "the task's own functions cannot score these answers";
            self.at().refuse(RefusalCode::Unscorable, detail)
        })
    }

    fn absent(&self, field: &str, is_absent: bool) -> Result<(), Refusal> {
        if is_absent {
            return Ok(());
        }
        let detail = "a task of this kind has none";
        self.refuse(field, RefusalCode::WrongAnswerKind, detail)
    }

    fn without_loglikelihoods(&self) -> Result<(), Refusal> {
        let outcome = self.outcome;
        self.absent("loglikelihoods", outcome.loglikelihoods.is_empty())?;
        self.absent("is_greedy", outcome.is_greedy.is_empty())?;
        self.absent("pick", outcome.pick.is_none())?;
        self.absent("pick_norm", outcome.pick_norm.is_none())
    }

    /// Log-likelihoods, as many as `expected` where that is known, none above 0.
    fn loglikelihoods(&self, expected: Option<usize>) -> Result<(), Refusal> {
        let (sums, greedy) = (&self.outcome.loglikelihoods, &self.outcome.is_greedy);
        let expected = expected.unwrap_or(sums.len());
        for (field, found) in [("loglikelihoods", sums.len()), ("is_greedy", greedy.len())] {
            if found != expected {
                let detail = format!("{found}; the document has {expected} requests");
                return self.refuse(field, RefusalCode::WrongChoiceCount, detail);
            }
        }
        match sums.iter().position(|sum| *sum > 0.0) {
            None => Ok(()),
            Some(place) => {
                let at = self.at().field("loglikelihoods").item(place);
                let detail = format!("{}; a log-likelihood is at most 0", sums[place]);
                Err(at.refuse(RefusalCode::PositiveLogProbability, detail))
            }
        }
    }

    fn texts(&self, expected: Option<usize>) -> Result<(), Refusal> {
        let texts = &self.outcome.texts;
        if expected.is_some_and(|expected| texts.len() != expected) {
            let expected = expected.unwrap_or_default();
            let detail = format!("{} texts; the task has {expected}", texts.len());
            return self.refuse("texts", RefusalCode::WrongTextCount, detail);
        }
        for (index, text) in texts.iter().enumerate() {
            crate::text::check(text, crate::text::Kind::Output).map_err(|error| {
                let at = self.at().field("texts").item(index);
                at.refuse(RefusalCode::Text(error.reason), error.to_string())
            })?;
        }
        Ok(())
    }

    /// One value for each metric of the task, and those that count what is right 0 or 1.
    fn values(&self) -> Result<(), Refusal> {
        let (values, metrics) = (&self.outcome.values, &self.record.metrics);
        if values.len() != metrics.len() {
            let detail = format!("{} values for {} metrics", values.len(), metrics.len());
            return self.refuse("values", RefusalCode::WrongValueCount, detail);
        }
        // A metric has a value for every document or for none.
        let first = &self.record.documents[0].values;
        for (index, (value, metric)) in values.iter().zip(metrics).enumerate() {
            let truth = metric.name == "exact_match" || metric.name.starts_with("acc");
            let detail = match value {
                Some(value) if truth && *value != 0.0 && *value != 1.0 => "expected 0 or 1",
                _ if first
                    .get(index)
                    .is_some_and(|first| first.is_some() != value.is_some()) =>
                {
                    "a metric has a value for every document or for none"
                }
                _ => continue,
            };
            let at = self.at().field("values").item(index);
            return Err(at.refuse(RefusalCode::ImpossibleValue, detail));
        }
        Ok(())
    }

    fn tokens(&self, least: u64, most: u64) -> Result<(), Refusal> {
        let found = u64::from(self.outcome.tokens);
        if (least..=most).contains(&found) {
            return Ok(());
        }
        let detail = format!("{found}; the document has {least} to {most}");
        self.refuse("tokens", RefusalCode::ImpossibleTokens, detail)
    }
}

/// Whether two figures are the same but for rounding. What is not finite is no figure.
pub(super) fn close(found: Option<f64>, right: Option<f64>) -> bool {
    match (found, right) {
        (Some(found), Some(right)) => (found - right).abs() <= TOLERANCE * right.abs().max(1.0),
        (found, right) => found.is_none() && right.is_none(),
    }
}
