//! `jeoul board post`: what is sent, shown first; then signed bytes on the way, and the place where they are seen.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use jeoul_record::check::{Checked, TIME_WINDOW_S, TaskSet};
use jeoul_record::draft::sealed;
use jeoul_record::envelope::{ModelType, TaskRecord};
use jeoul_record::signature::{Key, payload};
use jeoul_record::{Context, Draft, Envelope, PrivacyLevel, SignedEnvelope, check_envelope};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::client::{Address, Client, With, now_ms, plain};
use super::key;
use crate::failure::Failure;
use crate::output::print;
use crate::record;

/// Arguments of `board post`.
#[derive(clap::Args)]
pub(crate) struct Post {
    /// Run, as `jeoul eval --record` wrote it.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Address of the board.
    #[arg(long, value_name = "URL", value_parser = Address::parse)]
    to: Address,
    /// Public board at this address; its usual one if left out.
    #[arg(long, value_name = "NAME", value_parser = board_name)]
    board: Option<String>,
    /// Code of a private room, which your key joins.
    #[arg(long, value_name = "CODE", conflicts_with = "board")]
    room: Option<String>,
    /// Tasks to post; all of the run if left out.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    tasks: Vec<String>,
    /// How much is sent: the scores alone, also log-likelihoods and what is right, or also what the model wrote.
    #[arg(long, default_value = "outcomes", value_parser = named::<PrivacyLevel>(&["scores", "outcomes", "outputs"]))]
    level: PrivacyLevel,
    /// Whether what the model wrote about documents of your own goes too, at the level `outputs`.
    #[arg(long = "local-texts")]
    local_texts: bool,
    /// Name of the model on the board.
    #[arg(long, value_name = "TEXT")]
    name: String,
    /// How it was trained.
    #[arg(long = "type", value_parser = named::<ModelType>(&["pretrained", "fine-tuned", "instruction-tuned", "rl-tuned"]))]
    kind: ModelType,
    /// Its licence, such as apache-2.0.
    #[arg(long, value_name = "TEXT")]
    licence: Option<String>,
    /// Whether it was merged from several models.
    #[arg(long)]
    merged: bool,
    /// Whether it can be had on the Hugging Face hub.
    #[arg(long = "on-hub")]
    on_hub: bool,
    /// Print the exact bytes too before asking.
    #[arg(long)]
    show: bool,
    /// Send without asking.
    #[arg(long)]
    yes: bool,
}

/// Values of an enum by the names that records give them.
fn named<T: DeserializeOwned + Clone + Send + Sync + 'static>(
    names: &'static [&'static str],
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(names).try_map(|name| serde_json::from_value(Value::String(name)))
}

/// What goes into the address as it is.
fn board_name(text: &str) -> Result<String, String> {
    let is_word = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    match !text.is_empty() && text.bytes().all(is_word) {
        true => Ok(text.into()),
        false => Err("a board's name has small letters, digits and `-`".into()),
    }
}

/// Where a run goes.
struct Target {
    /// The board, or the room's id.
    board: String,
    /// The room's token.
    token: Option<String>,
}

#[derive(Deserialize)]
struct Boards {
    boards: Vec<String>,
}

#[derive(Deserialize)]
struct Membership {
    room: String,
    token: String,
}

#[derive(Deserialize)]
struct Receipt {
    id: String,
    board: String,
    trust: String,
}

impl Post {
    /// Runs the verb.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let mut draft = record::read(&self.file)?;
        if !self.tasks.is_empty() {
            draft = draft.only(&self.tasks).map_err(Failure::usage)?;
        }
        let key = key::key()?;
        let client = Client::new(&self.to);
        let target = self.target(&client, &key)?;
        let (envelope, bytes, checked) = self.sealed(draft, &key, &target)?;

        eprint!("{}", summary(&envelope, &target, bytes.len()));
        if self.show {
            print(&String::from_utf8_lossy(&bytes))?;
        }
        if !self.agreed()? {
            eprintln!("nothing was sent");
            return Ok(());
        }
        // Before it is sent: if the answer is lost, the same bytes can go again.
        keep(&bytes)?;
        let path = match &target.token {
            Some(_) => "/api/submissions".to_owned(),
            None => format!("/api/submissions?board={}", target.board),
        };
        let with = With {
            body: &bytes,
            token: target.token.as_deref(),
            idempotency_key: Some(&checked.key),
            ..With::default()
        };
        let receipt: Receipt = client.json("POST", &path, &with)?;
        let (board, id) = (plain(&receipt.board), plain(&receipt.id));
        print(&self.to.permalink(&board, &id))?;
        eprintln!("posted; the board calls it {}", plain(&receipt.trust));
        Ok(())
    }

    /// Finds the board, or joins the room.
    fn target(&self, client: &Client<'_>, key: &Key) -> Result<Target, Failure> {
        let board = match (&self.room, &self.board) {
            (Some(code), _) => {
                let body = json!({ "code": code }).to_string();
                let with = With {
                    body: body.as_bytes(),
                    key: Some(key),
                    ..With::default()
                };
                let joined: Membership = client.json("POST", "/api/rooms/join", &with)?;
                return Ok(Target {
                    board: joined.room,
                    token: Some(joined.token),
                });
            }
            (None, Some(board)) => Some(board.clone()),
            (None, None) => {
                let open: Boards = client.json("GET", "/api/boards", &With::default())?;
                open.boards.into_iter().next()
            }
        };
        let board = board.ok_or_else(|| anyhow!("there is no public board"))?;
        Ok(Target { board, token: None })
    }

    /// What is signed, what is sent, and what the check says of it.
    fn sealed(
        &self,
        draft: Draft,
        key: &Key,
        target: &Target,
    ) -> Result<(Envelope, Vec<u8>, Checked), Failure> {
        let post = jeoul_record::Post {
            author: key.author(),
            board: target.board.clone(),
            level: self.level,
            local_texts: self.local_texts,
            name: self.name.trim().into(),
            licence: self.licence.clone(),
            kind: self.kind,
            merged: self.merged,
            on_hub: self.on_hub,
        };
        let now = now_ms().div_euclid(1000);
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce).context("the system gives no random bytes")?;
        let mut envelope = draft.envelope(post, &nonce, now);
        // The board has the tasks; here it is seen whether the form is right.
        let tasks = TaskSet::default();
        check_envelope(&envelope, &Context::author(&envelope.board, now, &tasks))
            .context("the board would refuse it")?;
        resume(&mut envelope, now);
        let payload = payload(&envelope)?;
        let signature = key.sign(&payload);
        let (bytes, checked) = sealed(&payload, key.public_key(), signature, &tasks, now)?;
        Ok((envelope, bytes, checked))
    }

    fn agreed(&self) -> Result<bool, Failure> {
        if self.yes {
            return Ok(true);
        }
        if !io::stdin().is_terminal() {
            let error = anyhow!("nothing was sent: there is nobody to ask");
            return Err(Failure::usage(error).hint("`--yes` sends without asking"));
        }
        eprint!("Send this? [y/N] ");
        io::stderr().flush()?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
    }
}

/// What is sent, for people.
fn summary(envelope: &Envelope, target: &Target, size_bytes: usize) -> String {
    let model = &envelope.model;
    let place = match target.token {
        Some(_) => format!("the room {}", plain(&target.board)),
        None => format!("the public board `{}`", plain(&target.board)),
    };
    let task = |task: &TaskRecord| {
        let level = level_text(task.level);
        format!(
            "  {}: {} documents, {level}\n",
            task.name, task.document_count
        )
    };
    let tasks: String = envelope.tasks.iter().map(task).collect();
    format!(
        "{}, {} of {} parameters, goes to {place} by the author {}\n{tasks}{size_bytes} bytes\n",
        model.name, model.quantization, model.parameters, envelope.author
    )
}

fn level_text(level: PrivacyLevel) -> &'static str {
    match level {
        PrivacyLevel::Scores => "the scores alone",
        PrivacyLevel::Outcomes => "scores and outcomes",
        PrivacyLevel::Outputs => "scores, outcomes and what the model wrote",
    }
}

fn kept() -> anyhow::Result<PathBuf> {
    Ok(key::folder()?.join("last-post.json"))
}

/// Keeps what is sent.
fn keep(bytes: &[u8]) -> anyhow::Result<()> {
    let path = kept()?;
    key::private(&path, false)
        .and_then(|mut file| file.write_all(bytes))
        .with_context(|| format!("cannot write `{}`", path.display()))
}

/// Gives an envelope the nonce and time of the last post if that said the same and is still taken: a board then stores both once.
fn resume(envelope: &mut Envelope, now: i64) {
    let last = kept().ok().and_then(|path| fs::read(path).ok());
    let Some(SignedEnvelope { envelope: last, .. }) =
        last.and_then(|bytes| serde_json::from_slice(&bytes).ok())
    else {
        return;
    };
    let tasks = TaskSet::default();
    let is_taken = |envelope: &Envelope| {
        let context = Context::author(&envelope.board, now + TIME_WINDOW_S / 10, &tasks);
        check_envelope(envelope, &context).is_ok()
    };
    let same = Envelope {
        nonce: last.nonce.clone(),
        created: last.created.clone(),
        ..envelope.clone()
    };
    if same == last && is_taken(&same) {
        *envelope = same;
    }
}
