//! The one writer: takes what waits, does it in one transaction, commits, and only then answers.
//!
//! With `synchronous = FULL` a commit costs a write to the disk of about a millisecond; shared by all posts that came in
//! meanwhile, that is nothing. If any of them fails, the transaction is rolled back and each is done again by itself,
//! so that a bad one harms no other.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use sqlx::{AnyConnection, AnyPool, Connection};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::{Engine, StoreError};

/// Writes that share a commit. More would make the first of them wait longer than the commit itself takes.
const BATCH_MAX: usize = 128;
/// Writes that wait before posts are held back.
const QUEUE_MAX: usize = 1024;

/// Something to write: a function of its data and the connection.
pub(crate) type Work<D, T> =
    for<'a> fn(&'a D, &'a mut AnyConnection) -> BoxFuture<'a, Result<T, sqlx::Error>>;

/// A write that waits, whatever it returns.
trait Job: Send {
    fn run<'a>(
        &'a mut self,
        connection: &'a mut AnyConnection,
    ) -> BoxFuture<'a, Result<(), sqlx::Error>>;
    fn answer(self: Box<Self>, outcome: Result<(), StoreError>);
}

struct Pending<D, T> {
    data: D,
    work: Work<D, T>,
    value: Option<T>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<D: Send + Sync, T: Send> Job for Pending<D, T> {
    fn run<'a>(
        &'a mut self,
        connection: &'a mut AnyConnection,
    ) -> BoxFuture<'a, Result<(), sqlx::Error>> {
        Box::pin(async move {
            self.value = Some((self.work)(&self.data, connection).await?);
            Ok(())
        })
    }

    fn answer(self: Box<Self>, outcome: Result<(), StoreError>) {
        let answer = match (outcome, self.value) {
            (Ok(()), Some(value)) => Ok(value),
            (Ok(()), None) => Err(StoreError::Stopped),
            (Err(error), _) => Err(error),
        };
        // Who asked may have hung up; the write stands all the same, and a resend finds it.
        let _ = self.answer.send(answer);
    }
}

/// A handle to the writer task.
#[derive(Clone)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Message>,
    task: Arc<Mutex<Option<JoinHandle<()>>>>,
}

enum Message {
    Job(Box<dyn Job>),
    Stop,
}

impl Writer {
    pub(super) fn start(pool: AnyPool, engine: Engine) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        let task = tokio::spawn(run(pool, engine, waiting));
        Self {
            queue,
            task: Arc::new(Mutex::new(Some(task))),
        }
    }

    pub(super) async fn write<D, T>(&self, data: D, work: Work<D, T>) -> Result<T, StoreError>
    where
        D: Send + Sync + 'static,
        T: Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job = Pending {
            data,
            work,
            value: None,
            answer,
        };
        self.queue
            .send(Message::Job(Box::new(job)))
            .await
            .map_err(|_| StoreError::Stopped)?;
        answered.await.map_err(|_| StoreError::Stopped)?
    }

    /// Ends after what waits now.
    pub(super) async fn stop(&self) {
        let _ = self.queue.send(Message::Stop).await;
        if let Some(task) = self.task.lock().await.take() {
            let _ = task.await;
        }
    }
}

async fn run(pool: AnyPool, engine: Engine, mut waiting: mpsc::Receiver<Message>) {
    let mut messages = Vec::with_capacity(BATCH_MAX);
    loop {
        if waiting.recv_many(&mut messages, BATCH_MAX).await == 0 {
            break;
        }
        let mut last = false;
        let mut jobs = Vec::with_capacity(messages.len());
        for message in messages.drain(..) {
            match message {
                Message::Job(job) => jobs.push(job),
                Message::Stop => last = true,
            }
        }
        batch(&pool, engine, jobs).await;
        if last {
            break;
        }
    }
    pool.close().await;
}

/// Does all of `jobs` in one transaction or, if one of them fails, each in its own.
async fn batch(pool: &AnyPool, engine: Engine, mut jobs: Vec<Box<dyn Job>>) {
    if jobs.is_empty() {
        return;
    }
    let together = together(pool, engine, &mut jobs).await;
    match together {
        Ok(()) => jobs.into_iter().for_each(|job| job.answer(Ok(()))),
        Err(error) if is_unreachable(&error) => {
            // To try each alone would make the last wait for a hundred time-outs.
            let reason = error.to_string();
            for job in jobs {
                let reason = reason.clone();
                job.answer(Err(StoreError::Unreachable { reason }));
            }
        }
        Err(error) if jobs.len() == 1 => {
            let job = jobs.remove(0);
            job.answer(Err(error.into()));
        }
        Err(error) => {
            tracing::debug!(%error, jobs = jobs.len(), "a batch is done one by one");
            for job in jobs {
                let mut alone = [job];
                let outcome = self::together(pool, engine, &mut alone).await;
                let [job] = alone;
                job.answer(outcome.map_err(StoreError::from));
            }
        }
    }
}

/// Whether the database cannot be reached at all, so that no statement is to blame.
fn is_unreachable(error: &sqlx::Error) -> bool {
    matches!(
        error,
        sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
    )
}

async fn together(
    pool: &AnyPool,
    engine: Engine,
    jobs: &mut [Box<dyn Job>],
) -> Result<(), sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let mut transaction = connection.begin_with(engine.begin()).await?;
    for job in jobs {
        if let Err(error) = job.run(&mut transaction).await {
            transaction.rollback().await?;
            return Err(error);
        }
    }
    transaction.commit().await
}
