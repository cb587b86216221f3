//! Where the running command reports, and where it learns that it is to stop.

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;
use std::rc::Rc;

use jeoul_model::{Pace, Step};
use js_sys::Promise;
use serde::Serialize;
use serde_wasm_bindgen::Serializer;
use wasm_bindgen::{JsCast, JsValue, UnwrapThrowExt};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, DedicatedWorkerGlobalScope, MessageChannel};

use crate::fault::Stop;
use crate::protocol::Event;

/// Longest work between two looks at incoming messages, in ms; a cancel must be heard within a second.
const WORK_MS_MAX: f64 = 50.0;
/// Least time between two reports of progress, in ms.
const REPORT_MS_MIN: f64 = 200.0;

/// A message to the page.
#[derive(Serialize)]
struct Message<'a> {
    /// The command's; null if none is running.
    id: Option<f64>,
    event: &'a Event,
}

/// A run at work.
struct Run {
    task: String,
    started_ms: f64,
    /// Tokens of the model before the run.
    tokens_before: u64,
}

/// One per worker.
pub(crate) struct Desk {
    channel: MessageChannel,
    command: Cell<Option<f64>>,
    is_cancelled: Cell<bool>,
    request: RefCell<Option<AbortController>>,
    run: RefCell<Option<Run>>,
    yielded_ms: Cell<f64>,
    reported_ms: Cell<f64>,
}

/// The worker's global scope.
pub(crate) fn scope() -> DedicatedWorkerGlobalScope {
    js_sys::global().unchecked_into()
}

/// Milliseconds since the worker began.
pub(crate) fn now_ms() -> f64 {
    scope()
        .performance()
        .map_or_else(js_sys::Date::now, |clock| clock.now())
}

/// The worker's desk. The panic's message goes through it too, so it is not handed from hand to hand.
pub(crate) fn desk() -> Rc<Desk> {
    thread_local! {
        static DESK: Rc<Desk> = Rc::new(Desk::new());
    }
    DESK.with(Rc::clone)
}

impl Desk {
    fn new() -> Self {
        Self {
            channel: MessageChannel::new().unwrap_throw(),
            command: Cell::default(),
            is_cancelled: Cell::default(),
            request: RefCell::default(),
            run: RefCell::default(),
            yielded_ms: Cell::default(),
            reported_ms: Cell::default(),
        }
    }

    /// A command begins; until [`Desk::end`] all events are its.
    pub(crate) fn begin(&self, id: Option<f64>) {
        self.command.set(id);
        self.is_cancelled.set(false);
        self.yielded_ms.set(now_ms());
        self.reported_ms.set(0.0);
    }

    /// The command ends with its last event.
    pub(crate) fn end(&self, event: &Event) {
        self.run.take();
        self.say(event);
        self.command.set(None);
    }

    /// Stops the running command at its next step, and its request at once.
    pub(crate) fn cancel(&self) {
        self.is_cancelled.set(true);
        if let Some(request) = self.request.take() {
            request.abort();
        }
    }

    /// Sends an event of the running command.
    pub(crate) fn say(&self, event: &Event) {
        send(self.command.get(), event);
    }

    /// Sends an event that may be left out, if the last one is long enough ago.
    pub(crate) fn report(&self, event: impl FnOnce() -> Event) {
        let now = now_ms();
        if now - self.reported_ms.get() >= REPORT_MS_MIN {
            self.reported_ms.set(now);
            self.say(&event());
        }
    }

    /// Whether to go on.
    pub(crate) fn check(&self) -> Result<(), Stop> {
        match self.is_cancelled.get() {
            true => Err(Stop::Cancelled),
            false => Ok(()),
        }
    }

    /// Lets messages in if work has gone on for long, and says whether to go on.
    pub(crate) async fn breathe(&self) -> Result<(), Stop> {
        if now_ms() - self.yielded_ms.get() >= WORK_MS_MAX {
            self.next_turn().await;
            self.yielded_ms.set(now_ms());
        }
        self.check()
    }

    /// Waits for a message to itself: the event loop gets to everything that came before it. Unlike a timer it is not held
    /// back to 4 ms, nor to a second in a hidden tab.
    async fn next_turn(&self) {
        let turn = Promise::new(&mut |resolve, _| {
            self.channel.port1().set_onmessage(Some(&resolve));
            self.channel
                .port2()
                .post_message(&JsValue::NULL)
                .unwrap_throw();
        });
        // Nothing rejects it.
        let _ = JsFuture::from(turn).await;
    }

    /// A request that [`Desk::cancel`] is to abort.
    pub(crate) fn hold(&self, request: AbortController) {
        self.request.replace(Some(request));
    }

    /// The run goes on with a task, after `tokens` of the model in all.
    pub(crate) fn start_task(&self, task: &str, tokens: u64) {
        let mut run = self.run.borrow_mut();
        match run.as_mut() {
            Some(run) => task.clone_into(&mut run.task),
            None => {
                *run = Some(Run {
                    task: task.to_owned(),
                    started_ms: now_ms(),
                    tokens_before: tokens,
                })
            }
        }
    }

    /// Tokens and milliseconds of the run so far, given the tokens of the model in all.
    pub(crate) fn so_far(&self, tokens: u64) -> (u32, f64) {
        let run = self.run.borrow();
        run.as_ref().map_or((0, 0.0), |run| {
            let computed =
                u32::try_from(tokens.saturating_sub(run.tokens_before)).unwrap_or(u32::MAX);
            (computed, now_ms() - run.started_ms)
        })
    }

    async fn step(&self, step: Step) -> ControlFlow<()> {
        match step {
            Step::Loading { bytes, total } => {
                self.report(|| Event::Loading {
                    bytes: bytes as f64,
                    total: total as f64,
                });
            }
            Step::Computed { tokens } => {
                // No run, no progress: the GPU's known-answer test computes too.
                let task = self.run.borrow().as_ref().map(|run| run.task.clone());
                if let Some(task) = task {
                    let (tokens_computed, elapsed_ms) = self.so_far(tokens);
                    self.report(|| Event::Progress {
                        task,
                        tokens_computed,
                        elapsed_ms,
                    });
                }
            }
        }
        match self.breathe().await {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }
}

/// A pace that reports to the desk and stops when it is told to.
pub(crate) fn pace() -> Pace {
    Pace::new(|step| async move { desk().step(step).await })
}

/// Sends an event of the command `id`.
pub(crate) fn send(id: Option<f64>, event: &Event) {
    let message = Message { id, event }.serialize(&Serializer::json_compatible());
    // Events are plain data.
    let message = message.expect_throw("an event becomes a JavaScript value");
    scope()
        .post_message(&message)
        .expect_throw("a plain value can be sent");
}
