//! Brings a checkpoint of the registry into the browser's storage: goes on where an earlier attempt stopped, tries again when
//! the network breaks, and keeps nothing whose sha256 is not the registry's.

use gloo_net::http::{Request, Response};
use gloo_timers::callback::Timeout;
use gloo_timers::future::TimeoutFuture;
use js_sys::{Reflect, Uint8Array};
use sha2::{Digest, Sha256};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, ReadableStreamDefaultReader, RequestCache};

use crate::answer::{Answer, Refusal, Verdict, judge};
use crate::desk::Desk;
use crate::disk::Refused;
use crate::fault::Stop;
use crate::part::Part;
use crate::protocol::{Event, Fault, FaultKind};
use crate::registry::Entry;
use crate::source::reason;
use crate::store::{Store, StoreError, refused};

/// Bytes that count as progress.
const PROGRESS_BYTES_MIN: u64 = 1 << 20;
/// Breaks in a row, without progress in between, at which a download is given up: after 8 s of waiting.
const BREAKS_MAX: u32 = 5;
/// Wait after the first break, in ms; doubles with each that follows.
const BACKOFF_MS: u32 = 500;
/// Longest silence of a server, in ms.
const SILENCE_MS_MAX: u32 = 30_000;
/// Bytes of the stored part that are hashed at once.
const PIECE_BYTES: usize = 1 << 20;

/// Downloads a checkpoint, unless it is stored already.
pub(crate) async fn fetch(desk: &Desk, store: &Store, entry: &Entry) -> Result<(), Stop> {
    if store.state(entry).await?.ready {
        return Ok(());
    }
    let part = store.part(entry).await?;
    let mut download = Download {
        desk,
        entry,
        part,
        hash: Sha256::new(),
        served: Served::Nobody,
    };
    let result = download.run().await;
    let written = download.part.written();
    let result = match (result, download.part.close()) {
        (Ok(()), Ok(())) => store.seal(entry).await.map_err(Stop::from),
        (Ok(()), Err(error)) => Err(refused(entry, entry.size - written, error).await.into()),
        (Err(stop), _) => Err(stop),
    };
    // Bytes that are wrong, or that fill the storage to the brim, help nobody.
    if let Err(Stop::Failed(Fault {
        kind: FaultKind::Checksum | FaultKind::Storage,
        ..
    })) = &result
    {
        store.forget(entry).await?;
    }
    result
}

struct Download<'a> {
    desk: &'a Desk,
    entry: &'a Entry,
    part: Part,
    /// Of the part's bytes.
    hash: Sha256,
    served: Served<'a>,
}

/// Where the part's bytes came from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Served<'a> {
    Nobody,
    One(&'a str),
    /// Several addresses, or an earlier attempt.
    Many,
}

/// How a request ended.
enum End {
    /// The file is whole.
    Whole,
    /// There is no point in asking this address again.
    Refused(Refusal),
    /// It may work later.
    Broken { reason: String, wait_ms: u32 },
}

impl<'a> Download<'a> {
    async fn run(&mut self) -> Result<(), Stop> {
        self.hash_stored().await?;
        let mut urls: Vec<&str> = self.entry.urls().collect();
        let mut refusals = Vec::new();
        let mut is_second_mixture = false;
        loop {
            self.gather(&mut urls, &mut refusals).await?;
            let found = hex(&self.hash.finalize_reset());
            if found == self.entry.sha256 {
                return Ok(());
            }
            // Whole, but wrong. If one address gave all of it, it is the address's fault; else parts of different files may have met.
            let refusal = Refusal::Sha256 {
                found,
                expected: self.entry.sha256.clone(),
            };
            match self.served {
                Served::One(url) => refuse(url, refusal, &mut urls, &mut refusals),
                _ if is_second_mixture => {
                    return Err(Fault::new(FaultKind::Checksum, refusal).into());
                }
                _ => is_second_mixture = true,
            }
            self.restart().await?;
        }
    }

    /// Hashes what an earlier attempt left.
    async fn hash_stored(&mut self) -> Result<(), Stop> {
        let stored = self.part.len();
        let mut buffer = vec![0; PIECE_BYTES];
        let mut at = 0;
        while at < stored {
            let piece = &mut buffer[..PIECE_BYTES.min((stored - at) as usize)];
            self.part
                .read_at(at, piece)
                .map_err(|error| StoreError::Browser {
                    file: self.entry.file.clone(),
                    reason: error.to_string(),
                })?;
            self.hash.update(&*piece);
            self.served = Served::Many;
            at += piece.len() as u64;
            self.report();
            self.desk.breathe().await?;
        }
        Ok(())
    }

    /// Asks one address after the other until the file is whole.
    async fn gather(
        &mut self,
        urls: &mut Vec<&'a str>,
        refusals: &mut Vec<(&'a str, Refusal)>,
    ) -> Result<(), Stop> {
        let mut breaks = 0;
        let mut turn = 0;
        let mut furthest = self.part.len();
        while self.part.len() < self.entry.size {
            let Some(&url) = urls.get(turn % urls.len().max(1)) else {
                return Err(given_up(refusals, None).into());
            };
            match self.ask(url).await? {
                End::Whole => {}
                End::Refused(refusal) => refuse(url, refusal, urls, refusals),
                End::Broken { reason, wait_ms } => {
                    // An address that brings the file on is kept to; one that does not makes room for the next.
                    if self.part.len() >= furthest + PROGRESS_BYTES_MIN {
                        furthest = self.part.len();
                        breaks = 0;
                    } else {
                        turn += 1;
                    }
                    breaks += 1;
                    if breaks == BREAKS_MAX {
                        return Err(given_up(refusals, Some((url, reason))).into());
                    }
                    self.wait(wait_ms.max(BACKOFF_MS << (breaks - 1))).await?;
                }
            }
        }
        Ok(())
    }

    /// One request: from the part's end to the file's.
    async fn ask(&mut self, url: &'a str) -> Result<End, Stop> {
        self.desk.check()?;
        let stored = self.part.len();
        // Without a window's limits this never fails.
        let Ok(controller) = AbortController::new() else {
            return Ok(broken("requests cannot be aborted here"));
        };
        self.desk.hold(controller.clone());
        let silence = Silence(controller.clone());
        let response = {
            let _patience = silence.begin();
            // Always a range, so that nothing is compressed on the way; simple enough to need no leave of another origin.
            let request = Request::get(url)
                .header("Range", &format!("bytes={stored}-"))
                .cache(RequestCache::NoStore)
                .abort_signal(Some(&controller.signal()));
            match request.send().await {
                Ok(response) => response,
                Err(error) => return self.broke(error),
            }
        };
        let reader = match judge(&head(&response), stored, self.entry.size) {
            Verdict::Refuse(refusal) => {
                controller.abort();
                return Ok(End::Refused(refusal));
            }
            Verdict::Again { status, wait_ms } => {
                controller.abort();
                return Ok(End::Broken {
                    reason: format!("the server answered with status {status}"),
                    wait_ms,
                });
            }
            Verdict::Take { from } => {
                if from != stored {
                    self.restart().await?;
                }
                response
                    .body()
                    .and_then(|body| ReadableStreamDefaultReader::new(&body).ok())
            }
        };
        let Some(reader) = reader else {
            return Ok(broken("the answer has no body"));
        };
        loop {
            let chunk = {
                let _patience = silence.begin();
                match JsFuture::from(reader.read()).await {
                    Ok(read) => chunk(&read),
                    Err(thrown) => return self.broke(reason(&thrown)),
                }
            };
            let Some(chunk) = chunk else { break };
            let total = self.part.len() + chunk.len() as u64;
            if total > self.entry.size {
                controller.abort();
                return Ok(End::Refused(Refusal::Size {
                    found: total,
                    expected: self.entry.size,
                }));
            }
            self.append(&chunk, url).await?;
            self.desk.breathe().await?;
        }
        match self.part.len() == self.entry.size {
            true => Ok(End::Whole),
            false => Ok(broken(format!(
                "the connection ended after {} of {} bytes",
                self.part.len(),
                self.entry.size
            ))),
        }
    }

    async fn append(&mut self, chunk: &[u8], url: &'a str) -> Result<(), Stop> {
        self.served = match self.served {
            Served::Nobody => Served::One(url),
            Served::One(other) if other == url => Served::One(url),
            _ => Served::Many,
        };
        self.hash.update(chunk);
        if let Err(error) = self.part.append(chunk) {
            return Err(self.unwritten(error).await);
        }
        self.report();
        Ok(())
    }

    /// Begins from the first byte.
    async fn restart(&mut self) -> Result<(), Stop> {
        self.hash.reset();
        self.served = Served::Nobody;
        match self.part.clear() {
            Ok(()) => Ok(()),
            Err(error) => Err(self.unwritten(error).await),
        }
    }

    async fn unwritten(&self, error: Refused) -> Stop {
        let needed = self.entry.size - self.part.written();
        refused(self.entry, needed, error).await.into()
    }

    fn report(&self) {
        self.desk.report(|| Event::Fetching {
            bytes: self.part.len() as f64,
            total: self.entry.size as f64,
        });
    }

    /// A request that failed: because the person asked to stop, or by itself.
    fn broke(&self, reason: impl ToString) -> Result<End, Stop> {
        self.desk.check()?;
        Ok(broken(reason))
    }

    /// Waits, in pieces short enough to notice a cancel.
    async fn wait(&self, wait_ms: u32) -> Result<(), Stop> {
        let piece_ms = 100;
        for _ in 0..wait_ms.div_ceil(piece_ms) {
            TimeoutFuture::new(piece_ms).await;
            self.desk.check()?;
        }
        Ok(())
    }
}

/// Ends a request whose server says nothing for long.
struct Silence(AbortController);

impl Silence {
    /// Ends the request after [`SILENCE_MS_MAX`], unless dropped before.
    fn begin(&self) -> Timeout {
        let controller = self.0.clone();
        Timeout::new(SILENCE_MS_MAX, move || controller.abort())
    }
}

fn broken(reason: impl ToString) -> End {
    End::Broken {
        reason: reason.to_string(),
        wait_ms: 0,
    }
}

/// Strikes an address off the list.
fn refuse<'a>(
    url: &'a str,
    refusal: Refusal,
    urls: &mut Vec<&'a str>,
    refusals: &mut Vec<(&'a str, Refusal)>,
) {
    urls.retain(|other| *other != url);
    refusals.push((url, refusal));
}

/// No address gives the file: those that refused it, and the one that broke last.
fn given_up(refusals: &[(&str, Refusal)], last: Option<(&str, String)>) -> Fault {
    let refused = refusals
        .iter()
        .map(|(url, refusal)| format!("{url}: {refusal}"));
    let broke = last.map(|(url, reason)| format!("{url}: {reason}, {BREAKS_MAX} times in a row"));
    let sentences: Vec<String> = refused.chain(broke).collect();
    let kind = match refusals.iter().any(|(_, refusal)| refusal.is_other_file()) {
        true => FaultKind::Checksum,
        false => FaultKind::Network,
    };
    Fault::new(kind, sentences.join("; "))
}

fn head(response: &Response) -> Answer {
    let headers = response.headers();
    // Decompressed bytes are counted otherwise.
    let is_plain = headers.get("content-encoding").is_none();
    Answer {
        status: response.status(),
        content_range: headers.get("content-range"),
        content_length: headers
            .get("content-length")
            .filter(|_| is_plain)
            .and_then(|length| length.parse().ok()),
        content_type: headers.get("content-type"),
        retry_after: headers.get("retry-after"),
    }
}

/// The bytes of `{ done, value }`, or nothing at the end.
fn chunk(read: &JsValue) -> Option<Vec<u8>> {
    let value = Reflect::get(read, &"value".into()).ok()?;
    value.dyn_ref::<Uint8Array>().map(Uint8Array::to_vec)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
