//! Every bundled task against lm-evaluation-harness 0.4.13 itself: prompts, token splits, examples, filtered answers, metrics.
//!
//! `tests/parity/golden.py` ran the harness with [`HashModel`] as its model and wrote down a hash of every line of
//! `samples_*.jsonl`. Equal lines mean equal prompts to the byte (they are in the line), equal token splits (the answers are
//! hashes of the tokens), equal examples in equal order, equal filtered answers and metrics.
//!
//! `JEOUL_GOLDEN` names another folder of golden files, and `JEOUL_GOLDEN_DATA` the documents (`<task>.<split>.jsonl`) they were
//! made from; `cargo xtask parity` makes them from real datasets where those are there.

use std::collections::BTreeMap;
use std::fs;
use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use jeoul_checkpoint::{Checkpoint, FileSource, Tokenizer};
use jeoul_eval::model::{
    Finish, GenerateRequest, Generation, LanguageModel, Loglikelihood, Message, ModelFailure,
    TokenPair,
};
use jeoul_eval::{
    Catalog, Documents, Files, RunOptions, Runs, Task, TaskConfig, TaskRun, bundled, json_lines,
    report, run_task, table,
};
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// Largest difference of a metric or a standard error, relative to 1 or to its size.
const TOLERANCE: f64 = 1e-9;

/// As `WORDS` of `tests/parity/hash_model.py`.
const WORDS: [&str; 30] = [
    "42",
    "#### 7",
    "$1,234.50",
    "-3",
    "yes",
    "no",
    "(B)",
    "B",
    "\n",
    "Question:",
    "예",
    "아니오",
    "긍정",
    "부정",
    "참",
    "거짓",
    "중립",
    "함의",
    "모순",
    "1",
    "3.5",
    "4점",
    ".",
    "the",
    "Answer:",
    "A. ",
    "답은",
    "'x'",
    "\n\n",
    "스포츠",
];

/// A language model without weights, as `tests/parity/hash_model.py`: its answers are hashes of the tokens it reads.
struct HashModel {
    tokenizer: Tokenizer,
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Failed(String);

impl ModelFailure for Failed {
    fn is_cancelled(&self) -> bool {
        false
    }
}

fn digest(tokens: &[u32]) -> [u8; 32] {
    let bytes: Vec<u8> = tokens
        .iter()
        .flat_map(|token| token.to_le_bytes())
        .collect();
    Sha256::digest(bytes).into()
}

impl LanguageModel for HashModel {
    type Error = Failed;

    fn max_length(&self) -> usize {
        1 << 20
    }

    fn prefix_token(&self) -> u32 {
        self.tokenizer.bos().or(self.tokenizer.eos()).unwrap_or(0)
    }

    fn encode(&self, text: &str) -> Result<Vec<u32>, Failed> {
        self.tokenizer
            .encode(text)
            .map_err(|error| Failed(error.to_string()))
    }

    async fn loglikelihood(
        &mut self,
        requests: &[TokenPair],
    ) -> Result<Vec<Loglikelihood>, Failed> {
        let answer = |pair: &TokenPair| {
            let mut tokens = pair.context.clone();
            let mut is_greedy = true;
            let mut score = |&token: &u32| {
                tokens.push(token);
                let [a, b, c, d, ..] = digest(&tokens);
                let number = u32::from_le_bytes([a, b, c, d]);
                is_greedy &= !number.is_multiple_of(3);
                -((number % 4096) as f32) / 256.0
            };
            let token_logprobs = pair.continuation.iter().map(&mut score).collect();
            Loglikelihood {
                token_logprobs,
                is_greedy,
            }
        };
        Ok(requests.iter().map(answer).collect())
    }

    async fn generate(
        &mut self,
        request: &GenerateRequest,
        _: &mut dyn FnMut(&str),
    ) -> Result<Generation, Failed> {
        let hashed = digest(&request.context);
        let context = self
            .tokenizer
            .decode(&request.context)
            .map_err(|error| Failed(error.to_string()))?;
        // `str.split()` of Python.
        let space = |c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c);
        let own: Vec<&str> = context
            .split(space)
            .filter(|word| !word.is_empty())
            .collect();
        let word = |&byte: &u8| {
            let from_context = byte % 4 == 0 && !own.is_empty();
            let pool = if from_context {
                own.as_slice()
            } else {
                &WORDS[..]
            };
            pool[usize::from(byte) % pool.len()]
        };
        let count = 1 + usize::from(hashed[0] % 12);
        let words: Vec<&str> = hashed[1..=count].iter().map(word).collect();
        let mut text = words.join(" ");
        for stop in request.until.iter().filter(|stop| !stop.is_empty()) {
            text.truncate(text.find(stop).unwrap_or(text.len()));
        }
        Ok(Generation {
            text,
            tokens: Vec::new(),
            finish: Finish::Stop,
        })
    }

    fn chat_template(&self) -> Option<&str> {
        Some("parity")
    }

    fn apply_chat_template(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
    ) -> Result<String, Failed> {
        let line = |message: &Message| format!("<|{}|>{}", message.role.name(), message.content);
        let lines: Vec<String> = messages.iter().map(line).collect();
        let end = if add_generation_prompt {
            "\n<|assistant|>"
        } else {
            ""
        };
        Ok(lines.join("\n") + end)
    }
}

/// What the harness says of one family of tasks.
#[derive(Deserialize)]
struct Golden {
    tasks: BTreeMap<String, BTreeMap<String, GoldenRun>>,
    groups: BTreeMap<String, GoldenGroup>,
}

#[derive(Deserialize)]
struct GoldenRun {
    /// The harness refuses: too few examples.
    #[serde(default)]
    refused: Option<String>,
    /// Documents that the harness shows as an example of themselves. Ours are replaced, so that their lines differ.
    #[serde(default)]
    shown_itself: Vec<usize>,
    /// Hashes of the lines, a space apart.
    #[serde(default)]
    samples: String,
    #[serde(default)]
    results: Map<String, Value>,
}

#[derive(Deserialize)]
struct GoldenGroup {
    results: BTreeMap<String, Map<String, Value>>,
    group_subtasks: Value,
    #[serde(rename = "n-shot")]
    n_shot: Value,
    versions: Value,
    higher_is_better: Value,
    table: String,
}

fn root() -> PathBuf {
    PathBuf::from("../..")
}

fn golden() -> Vec<(String, Golden)> {
    let folder = std::env::var_os("JEOUL_GOLDEN")
        .map_or_else(|| root().join("tests/parity/golden"), PathBuf::from);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("there are golden files")
        .map(|entry| entry.expect("readable").path())
        .collect();
    files.sort();
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).expect("readable");
        let golden = serde_json::from_str(&text).expect("as golden.py writes it");
        (path.display().to_string(), golden)
    };
    files.iter().map(read).collect()
}

/// The bundled tasks and those that try features; and those of a folder, since the harness's own task files are read too.
fn catalog() -> Catalog {
    let mut catalog = bundled::catalog().expect("sound");
    let other = std::env::var_os("JEOUL_GOLDEN_TASKS").map(PathBuf::from);
    let mut files = Files::new();
    let mut folders: Vec<PathBuf> = other.into_iter().chain([features()]).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                files.insert(path.display().to_string(), text);
            }
        }
    }
    catalog.add(files).expect("sound");
    catalog
}

/// Tasks that try what bundled ones do not use.
fn features() -> PathBuf {
    root().join("tests/parity/features")
}

fn model() -> HashModel {
    let source = FileSource::open(root().join("models/tiny.gguf")).expect("the tiny checkpoint");
    let checkpoint = Checkpoint::open(source).expect("sound");
    HashModel {
        tokenizer: checkpoint.into_tokenizer(),
    }
}

/// The task with its samples, or with the documents the golden files were made from.
fn task(config: TaskConfig) -> Task {
    let of_features = config.dataset_path() == Some("parity");
    let real = std::env::var_os("JEOUL_GOLDEN_DATA").map(PathBuf::from);
    let (folder, stem) = match (real, of_features) {
        (Some(folder), _) => (folder, config.name()),
        (None, true) => (
            features().join("samples"),
            config.dataset_name().unwrap_or_default(),
        ),
        (None, false) => return bundled::task(config).expect("samples fit"),
    };
    let read = |split: Option<&str>| -> Option<Documents> {
        let path = folder.join(format!("{stem}.{}.jsonl", split?));
        let text = fs::read_to_string(&path).ok()?;
        Some(json_lines(&path.display().to_string(), &text).expect("sound"))
    };
    let documents = read(config.documents_split()).expect("there are documents");
    let examples = match config.examples_split() == config.documents_split() {
        true => None,
        false => read(config.examples_split()),
    };
    Task::new(config, documents, examples).expect("documents fit")
}

/// Runs a future that never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the model never waits"),
    }
}

/// From the name of a setting in a golden file to options.
fn options(setting: &str) -> RunOptions {
    let number = |key: &str| {
        let mut words = setting.split(' ');
        words.find_map(|word| word.strip_prefix(key)?.parse::<u64>().ok())
    };
    let multiturn = setting.contains("multiturn");
    RunOptions {
        num_fewshot: number("shots=").map(|shots| shots as u32),
        seed: number("seed=").unwrap_or(1234),
        limit: std::env::var("JEOUL_GOLDEN_LIMIT")
            .ok()
            .and_then(|limit| limit.parse().ok()),
        apply_chat_template: setting.starts_with("chat"),
        fewshot_as_multiturn: multiturn,
        system_instruction: multiturn.then(|| "Answer briefly.".into()),
        bootstrap_iters: 1000,
    }
}

fn run(model: &mut HashModel, task: &Task, options: &RunOptions) -> TaskRun {
    now(run_task(model, task, options, &mut |_, _| {})).expect("a run")
}

/// As `fingerprint` of `golden.py`: a line with its figures to nine places.
fn hash(line: &str) -> String {
    let hashed = "\"target_hash\": \"";
    let end = line.find(hashed).expect("a line of samples") + hashed.len() + 64 + 1;
    let figures: Value =
        serde_json::from_str(&format!("{{\"\": 0{}", &line[end..])).expect("figures");
    let mut text = format!("{}}}", &line[..end]);
    let figures = figures.as_object().expect("a mapping").values().skip(1);
    figures.for_each(|value| places(value, &mut text));
    let hash = Sha256::digest(text.as_bytes());
    hash.iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn places(value: &Value, text: &mut String) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| places(item, text)),
        Value::String(one) => *text += &format!(" {one}"),
        Value::Bool(truth) => *text += &format!(" {:.9}", f64::from(u8::from(*truth))),
        number => *text += &format!(" {:.9}", number.as_f64().expect("a number")),
    }
}

/// What differs between our figures and the harness's.
fn differences(place: &str, ours: &Map<String, Value>, theirs: &Map<String, Value>) -> Vec<String> {
    let mut differences = Vec::new();
    let ours: BTreeMap<&String, &Value> = ours
        .iter()
        .filter(|(key, _)| key.contains(',') && !key.starts_with("average,"))
        .collect();
    for key in ours.keys().copied().chain(theirs.keys()) {
        let (our, their) = (ours.get(key).copied(), theirs.get(key));
        let close = match (our.and_then(Value::as_f64), their.and_then(Value::as_f64)) {
            (Some(our), Some(their)) => (our - their).abs() <= TOLERANCE * their.abs().max(1.0),
            _ => our == their,
        };
        if !close {
            differences.push(format!(
                "{place}, {key}: {our:?}, the harness says {their:?}"
            ));
        }
    }
    differences.sort();
    differences.dedup();
    differences
}

fn figures(run: &TaskRun) -> Map<String, Value> {
    let mut figures = Map::new();
    for metric in &run.score.metrics {
        let (name, filter) = (&metric.name, &metric.filter);
        figures.insert(format!("{name},{filter}"), metric.value.into());
        let stderr = metric.stderr.map_or("N/A".into(), Value::from);
        figures.insert(format!("{name}_stderr,{filter}"), stderr);
    }
    figures
}

/// Samples compared, and what differs in them.
#[derive(Default)]
struct Comparison {
    compared: usize,
    differing: Vec<String>,
}

impl Comparison {
    fn task(
        &mut self,
        model: &mut HashModel,
        task: &Task,
        place: &str,
        golden: &BTreeMap<String, GoldenRun>,
    ) {
        for (setting, theirs) in golden {
            let options = options(setting);
            let place = format!("{place}, {setting}");
            if theirs.refused.is_none() {
                self.run(&run(model, task, &options), task, &place, theirs);
            } else if task.prompts(&options).is_ok() {
                self.differing.push(format!("{place}: the harness refuses"));
            }
        }
    }

    fn run(&mut self, run: &TaskRun, task: &Task, place: &str, theirs: &GoldenRun) {
        let samples = report::samples(task, run);
        let ours: Vec<&str> = samples.lines().collect();
        let hashes: Vec<&str> = theirs.samples.split_whitespace().collect();
        if ours.len() != hashes.len() {
            let (ours, theirs) = (ours.len(), hashes.len());
            self.differing
                .push(format!("{place}: {ours} lines, the harness has {theirs}"));
        }
        let documents = run.documents.len();
        let shown_itself = |at: usize| theirs.shown_itself.contains(&(at % documents));
        let mut pairs = ours.iter().zip(&hashes).enumerate();
        if let Some((at, (line, _))) =
            pairs.find(|(at, (line, their))| hash(line) != **their && !shown_itself(*at))
        {
            self.differing.push(format!("{place}, line {at}: {line}"));
        }
        if theirs.shown_itself.is_empty() {
            self.differing
                .extend(differences(place, &figures(run), &theirs.results));
        }
        self.compared += ours.len() - theirs.shown_itself.len();
    }
}

#[test]
fn every_task_agrees_with_the_harness() {
    let catalog = catalog();
    let tasks: Vec<_> = golden()
        .into_iter()
        .flat_map(|(file, golden)| {
            golden
                .tasks
                .into_iter()
                .map(move |(name, runs)| (file.clone(), name, runs))
        })
        .collect();
    let tasks = Mutex::new(tasks.into_iter());
    let worker = || {
        let (mut comparison, mut model) = (Comparison::default(), model());
        while let Some((file, name, runs)) = next(&tasks) {
            let task = task(catalog.task(&name).expect("a bundled task"));
            comparison.task(&mut model, &task, &format!("{file}: {name}"), &runs);
        }
        comparison
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let comparisons: Vec<Comparison> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(worker)).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().expect("no panic"))
            .collect()
    });
    let differing: Vec<String> = comparisons
        .iter()
        .flat_map(|one| one.differing.clone())
        .collect();
    assert!(
        differing.is_empty(),
        "{} differences\n{}",
        differing.len(),
        differing.join("\n")
    );
    let compared: usize = comparisons.iter().map(|one| one.compared).sum();
    assert!(compared > 0, "golden files hold no samples");
    println!("{compared} samples agree");
}

/// The lock is held only to take the next one.
fn next<T>(iterator: &Mutex<impl Iterator<Item = T>>) -> Option<T> {
    iterator.lock().expect("not poisoned").next()
}

#[test]
fn every_group_agrees_with_the_harness() {
    let catalog = catalog();
    let mut model = model();
    let mut differing = Vec::new();
    for (file, golden) in golden() {
        for (name, theirs) in golden.groups {
            let names = [name.clone()];
            let selection = catalog
                .select(&names, &Map::new())
                .expect("a bundled group");
            let tasks: Vec<Task> = selection.tasks.into_iter().map(task).collect();
            let options = options("");
            let mut done = Vec::new();
            for task in &tasks {
                done.push(run(&mut model, task, &options));
            }
            let pairs: Vec<(&Task, &TaskRun)> = tasks.iter().zip(&done).collect();
            let runs = Runs {
                tasks: &pairs,
                groups: &selection.groups,
            };
            let ours = report::results(&info(&options), runs);
            let ours: Value = serde_json::from_str(&ours).expect("JSON");
            for (part, theirs) in &theirs.results {
                let place = format!("{file}: {name}, {part}");
                let nothing = Map::new();
                let ours = ours["results"][part].as_object().unwrap_or(&nothing);
                differing.extend(differences(&place, ours, theirs));
            }
            for (key, theirs) in [
                ("group_subtasks", &theirs.group_subtasks),
                ("n-shot", &theirs.n_shot),
                ("versions", &theirs.versions),
                ("higher_is_better", &theirs.higher_is_better),
            ] {
                if ours[key] != *theirs {
                    let ours = &ours[key];
                    differing.push(format!("{name}, {key}: {ours}, the harness says {theirs}"));
                }
            }
            // A leaderboard's average is ours alone.
            let has_average = selection
                .groups
                .iter()
                .any(|group| !group.average.is_empty());
            let table = table::table(runs);
            if !has_average && table != theirs.table {
                let theirs = &theirs.table;
                differing.push(format!("{name}:\n{table}\nthe harness prints\n{theirs}"));
            }
        }
    }
    assert!(
        differing.is_empty(),
        "{} differences\n{}",
        differing.len(),
        differing.join("\n")
    );
}

fn info(options: &RunOptions) -> report::RunInfo {
    report::RunInfo {
        model_name: "hash".into(),
        model_args: String::new(),
        parameters: 0,
        dtype: String::new(),
        device: String::new(),
        max_length: 1 << 20,
        options: options.clone(),
        chat_template: None,
        gen_kwargs: Map::new(),
        started_s: 0.0,
        elapsed_s: 0.0,
        version: String::new(),
    }
}
