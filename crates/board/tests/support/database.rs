//! An empty database for a test, on each engine that this machine has.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::postgres::Cluster;

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// An empty database, which goes with it.
pub(crate) enum Database {
    Sqlite(PathBuf),
    Postgres(Arc<Cluster>, String),
}

impl Database {
    pub(crate) fn sqlite() -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("jeoul-board-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self::Sqlite(folder)
    }

    /// `None` where there is no PostgreSQL.
    pub(crate) fn postgres() -> Option<Self> {
        let cluster = Cluster::shared()?;
        let name = format!("board_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        cluster.create(&name);
        Some(Self::Postgres(cluster, name))
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(folder) => folder.join("board.sqlite").to_str().unwrap().to_owned(),
            Self::Postgres(cluster, name) => cluster.url(name),
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Self::Sqlite(folder) = self {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

/// Runs a test on SQLite and, where it is installed, on PostgreSQL.
pub(crate) fn on_each_engine(test: impl AsyncFn(&Database)) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        test(&Database::sqlite()).await;
        match Database::postgres() {
            Some(database) => test(&database).await,
            None => eprintln!("skipped on PostgreSQL: no `initdb` in /usr/lib/postgresql/*/bin"),
        }
    });
}
