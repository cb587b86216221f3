//! A board that serves on a port of its own until it is dropped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jeoul_board::{Board, Config, Limits};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{Client, Database, known_tasks};

/// 2026-11-25T22:59:07Z.
pub(crate) const NOW_MS: i64 = 1_795_647_547_000;

pub(crate) struct Server {
    pub(crate) board: Board,
    pub(crate) address: SocketAddr,
    pub(crate) client: Client,
    now_ms: Arc<AtomicI64>,
    end: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

/// A set-up without limits, but for tests of limits.
pub(crate) fn config(database: &str) -> Config {
    let mut config = Config::new(database, Arc::new(known_tasks()));
    config.limits = Limits::without_rates();
    config.limits.in_flight = 2_048;
    config
}

impl Server {
    /// Serves `database` with a clock that stands still until it is set.
    pub(crate) async fn start(database: &Database) -> Self {
        Self::with(config(&database.url())).await
    }

    pub(crate) async fn with(mut config: Config) -> Self {
        let now_ms = Arc::new(AtomicI64::new(NOW_MS));
        let clock = Arc::clone(&now_ms);
        config.clock = Arc::new(move || clock.load(Ordering::Relaxed));
        let board = Board::open(config).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (end, ended) = oneshot::channel::<()>();
        let serving = board.clone();
        let serving = tokio::spawn(async move {
            serving
                .serve(listener, async { drop(ended.await) })
                .await
                .unwrap();
        });
        Self {
            client: Client::new(address, NOW_MS),
            board,
            address,
            now_ms,
            end: Some(end),
            serving,
        }
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    /// Lets time pass, for the server and for who signs.
    pub(crate) fn pass(&mut self, ms: i64) {
        let now_ms = self.now_ms.fetch_add(ms, Ordering::Relaxed) + ms;
        self.client = self.client.at(now_ms);
    }

    /// Ends, and waits for it.
    pub(crate) async fn stop(mut self) {
        drop(self.end.take());
        self.serving.await.unwrap();
    }
}
