//! The accept loop: timeouts, a bound on connections, and an end that lets answers finish.
//!
//! `axum::serve` sets no timer, so that hyper's header timeout never fires and half-sent requests stay for ever. Here a head must
//! be whole within ten seconds. When all places are taken the oldest connection whose request has not come in whole gives up
//! its own: somebody who opens two thousand and sends little or nothing keeps nobody out.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tower_service::Service as _;

use crate::board::Board;
use crate::http;
use crate::http::caller::Peer;

/// Open connections. A class of 300 has about 600; each costs some 20 KB.
pub(crate) const CONNECTIONS_MAX: usize = 2_048;
/// Time for a request's head to come in whole, and for which a connection may be idle.
const HEAD_MAX: Duration = Duration::from_secs(10);
/// Time that answers have to finish once the server is told to end.
const END_MAX: Duration = Duration::from_secs(10);
/// Pause after `accept` failed: out of file descriptors, mostly.
const PAUSE: Duration = Duration::from_millis(100);
/// How often old things are swept away.
const SWEEP: Duration = Duration::from_secs(60);

/// Connections whose request has not come in whole, by age.
type Unheard = Mutex<BTreeMap<u64, Arc<Notify>>>;

impl Board {
    /// Serves the board on `listener` until `end` is over; then takes no more connections, lets what runs finish, and closes.
    pub async fn serve(
        &self,
        listener: TcpListener,
        end: impl Future<Output = ()> + Send,
    ) -> io::Result<()> {
        let sweeper = tokio::spawn(sweep(self.clone()));
        self.accept(listener, end).await;
        sweeper.abort();
        self.close().await;
        Ok(())
    }

    async fn accept(&self, listener: TcpListener, end: impl Future<Output = ()>) {
        let router = http::router(self.clone());
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let unheard: Arc<Unheard> = Arc::default();
        let graceful = GracefulShutdown::new();
        let (ended, ending) = watch::channel(false);
        let mut number = 0u64;
        let mut end = std::pin::pin!(end);
        loop {
            let (stream, peer) = tokio::select! {
                () = &mut end => break,
                accepted = listener.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    }
                },
            };
            let place = tokio::select! {
                () = &mut end => break,
                place = self.place(&places, &unheard) => place,
            };
            number += 1;
            let connection = Connection {
                board: self.clone(),
                router: router.clone(),
                unheard: Arc::clone(&unheard),
                number,
                ending: ending.clone(),
                _place: place,
            };
            tokio::spawn(connection.run(stream, peer, graceful.watcher()));
        }
        drop(listener);
        // Streams of events have no end of their own.
        let _ = ended.send(true);
        if tokio::time::timeout(END_MAX, graceful.shutdown())
            .await
            .is_err()
        {
            tracing::warn!("some answers did not finish in time");
        }
    }

    /// A place for one more connection; if all are taken, the oldest unheard one's.
    async fn place(&self, places: &Arc<Semaphore>, unheard: &Unheard) -> OwnedSemaphorePermit {
        loop {
            if let Ok(place) = Arc::clone(places).try_acquire_owned() {
                return place;
            }
            if let Some((_, oldest)) = held(unheard).pop_first() {
                oldest.notify_one();
                self.inner.metrics.evicted.inc();
            }
            // Whoever was told to go does so at once; otherwise somebody leaves sooner or later.
            let waiting = Arc::clone(places).acquire_owned();
            if let Ok(Ok(place)) = tokio::time::timeout(PAUSE, waiting).await {
                return place;
            }
        }
    }
}

/// One connection.
struct Connection {
    board: Board,
    router: Router,
    unheard: Arc<Unheard>,
    number: u64,
    ending: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    async fn run(
        self,
        stream: TcpStream,
        peer: SocketAddr,
        watcher: hyper_util::server::graceful::Watcher,
    ) {
        let go = Arc::new(Notify::new());
        held(&self.unheard).insert(self.number, Arc::clone(&go));
        let metrics = &self.board.inner.metrics;
        metrics.connections.inc();
        // Small answers go out at once.
        let _ = stream.set_nodelay(true);
        let arrival = Arrival {
            unheard: Arc::clone(&self.unheard),
            number: self.number,
        };
        let service = hyper::service::service_fn(|request: hyper::Request<Incoming>| {
            if request.body().is_end_stream() {
                arrival.arrived();
            } else {
                held(&self.unheard).insert(self.number, Arc::clone(&go));
            }
            let request = request.map(Body::new);
            answer(
                self.router.clone(),
                request,
                peer.ip(),
                self.ending.clone(),
                arrival.clone(),
            )
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_MAX)
            .max_headers(64)
            .serve_connection(TokioIo::new(stream), service);
        tokio::select! {
            ended = watcher.watch(connection) => if let Err(error) = ended {
                tracing::debug!(%error, "a connection broke");
            },
            () = go.notified() => {}
        }
        held(&self.unheard).remove(&self.number);
        metrics.connections.dec();
    }
}

async fn answer(
    mut router: Router,
    mut request: Request,
    peer: IpAddr,
    ending: watch::Receiver<bool>,
    arrival: Arrival,
) -> Result<axum::response::Response, Infallible> {
    request.extensions_mut().insert(Peer(peer));
    request.extensions_mut().insert(Ending(ending));
    request.extensions_mut().insert(arrival);
    router.call(request).await
}

/// Told once a request has come in whole.
#[derive(Clone)]
pub(crate) struct Arrival {
    unheard: Arc<Unheard>,
    number: u64,
}

impl Arrival {
    /// The connection no longer gives up its place.
    pub(crate) fn arrived(&self) {
        held(&self.unheard).remove(&self.number);
    }
}

/// Turns true when the server ends.
#[derive(Clone)]
pub(crate) struct Ending(pub(crate) watch::Receiver<bool>);

async fn sweep(board: Board) {
    let mut clock = tokio::time::interval(SWEEP);
    loop {
        clock.tick().await;
        if let Err(error) = board.sweep().await {
            tracing::error!(%error, "the sweep failed");
        }
    }
}

fn held(unheard: &Unheard) -> MutexGuard<'_, BTreeMap<u64, Arc<Notify>>> {
    // Nothing panics while it is held.
    unheard
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}
