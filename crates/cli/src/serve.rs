//! `jeoul serve`: the page and a board from one address.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, anyhow};
use clap::ValueEnum;
use jeoul_board::{Board, Config, Folder, Limits};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::board::host::{DatabaseArguments, TaskArguments, runtime, verify_all};
use crate::failure::Failure;
use crate::output::print;
use crate::rerun::Checkpoints;

/// Arguments of `serve`.
#[derive(clap::Args)]
pub(crate) struct Serve {
    /// Port; 0 takes a free one.
    #[arg(long, value_name = "NUMBER", default_value_t = 8080)]
    port: u16,
    /// Address of this machine to listen on; `0.0.0.0` for all of them.
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    #[command(flatten)]
    database: DatabaseArguments,
    #[command(flatten)]
    tasks: TaskArguments,
    /// Folder of the built page, served at `/`.
    #[arg(long, value_name = "FOLDER")]
    page: Option<PathBuf>,
    /// Folder of the engine's modules, served at `/engine`.
    #[arg(long, value_name = "FOLDER")]
    engine: Option<PathBuf>,
    /// Folder of checkpoints, served at `/models`.
    #[arg(long, value_name = "FOLDER")]
    models: Option<PathBuf>,
    /// Public board; may be given several times. Posts that name none go to the first.
    #[arg(long = "board", value_name = "NAME", default_value = "open")]
    boards: Vec<String>,
    /// Proxies in front that each add an entry to `x-forwarded-for`.
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    proxies: usize,
    /// How often one key or address may ask; `off` is for tests and closed rooms.
    #[arg(long, value_enum, default_value_t = Rates::Default)]
    rates: Rates,
    /// Folder of checkpoints with which posted runs are computed again in part, for the label `verified`.
    #[arg(long, value_name = "FOLDER")]
    verify: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Rates {
    Default,
    Off,
}

impl Serve {
    /// Runs the verb.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        tracing_subscriber::fmt()
            .with_writer(std::io::stderr)
            .with_target(false)
            .init();
        let tasks = self.tasks.read()?;
        let config = Config {
            boards: self.boards.clone(),
            folders: self.folders()?,
            proxies: self.proxies,
            limits: self.limits(),
            ..self.database.config(Arc::clone(&tasks))?
        };
        let stop = Stop::at_signal()?;
        let checkpoints = self
            .verify
            .clone()
            .map(|folder| Checkpoints::new(folder, tasks, Arc::clone(&stop.asked)))
            .transpose()
            .map_err(Failure::usage)?;
        runtime()?.block_on(async {
            let listener = TcpListener::bind((self.host, self.port))
                .await
                .with_context(|| format!("cannot listen on {}:{}", self.host, self.port))?;
            let board = Board::open(config).await?;
            print(&format!("http://{}", listener.local_addr()?))?;
            let verifying = checkpoints.map(|with| tokio::spawn(verify_all(board.clone(), with)));
            let served = board.serve(listener, stop.told.notified()).await;
            if let Some(verifying) = verifying {
                verifying.abort();
                // It ends between two tokens.
                _ = verifying.await;
            }
            Ok(served?)
        })
    }

    fn folders(&self) -> Result<Vec<Folder>, Failure> {
        let places = [
            ("/", &self.page),
            ("/engine", &self.engine),
            ("/models", &self.models),
        ];
        let given = places
            .into_iter()
            .filter_map(|(at, path)| Some((at, path.as_ref()?)));
        given
            .map(|(at, path)| match path.is_dir() {
                true => Ok(Folder {
                    at: at.to_owned(),
                    path: path.clone(),
                }),
                false => Err(Failure::usage(anyhow!("`{}` is no folder", path.display()))
                    .hint("`cargo xtask build` builds the page and its engine")),
            })
            .collect()
    }

    fn limits(&self) -> Limits {
        match self.rates {
            Rates::Default => Limits::default(),
            Rates::Off => Limits::without_rates(),
        }
    }
}

/// Ctrl-C and SIGTERM: what runs is finished; a second one ends the process.
struct Stop {
    asked: Arc<AtomicBool>,
    told: Arc<Notify>,
}

impl Stop {
    fn at_signal() -> anyhow::Result<Self> {
        let stop = Self {
            asked: Arc::default(),
            told: Arc::default(),
        };
        let (asked, told) = (Arc::clone(&stop.asked), Arc::clone(&stop.told));
        ctrlc::set_handler(move || {
            if asked.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
            told.notify_one();
        })?;
        Ok(stop)
    }
}
