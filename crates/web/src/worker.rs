//! The module's exports, and what comes in: commands in envelopes `{ id, command, file? }`.

use std::cell::Cell;
use std::rc::Rc;

use js_sys::Reflect;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{File, MessageEvent};

use crate::desk::{desk, scope, send};
use crate::fault::Stop;
use crate::protocol::{Command, Event, Fault, FaultKind};
use crate::session::Session;

unsafe extern "C" {
    /// Runs the constructors of the whole module. Without a use of it the linker wraps every export in a call of all of them,
    /// which makes each of the thousand calls of a token two hundred times as slow.
    fn __wasm_call_ctors();
}

/// Runs when the module is instantiated.
#[wasm_bindgen(start)]
pub fn start() {
    // SAFETY: called once, before anything else; the operations of the GPU lane are registered by constructors.
    unsafe { __wasm_call_ctors() };
    std::panic::set_hook(Box::new(|panic| {
        console_error_panic_hook::hook(panic);
        desk().say(&Event::Failed {
            fault: Fault::new(FaultKind::Engine, panic),
        });
    }));
    // Errors in shaders are told to the log alone.
    let _ = console_log::init_with_level(log::Level::Warn);
}

/// Answers messages from now on. `lack` is a `ThreadLack`, or nothing; `module_sha256` is the hash of this module's bytes, in
/// hexadecimal, where whoever instantiated it could hash them.
#[wasm_bindgen]
pub fn serve(lack: JsValue, module_sha256: Option<String>) {
    // What is no reason is none.
    let lack = serde_wasm_bindgen::from_value(lack).unwrap_or_default();
    let session = Rc::new(Cell::new(Some(Session::new(lack, module_sha256))));
    let receive = Closure::<dyn FnMut(MessageEvent)>::new(move |message: MessageEvent| {
        receive(&message.data(), &session)
    });
    scope().set_onmessage(Some(receive.as_ref().unchecked_ref()));
    receive.forget();
}

/// Threads that compute.
#[wasm_bindgen]
pub fn threads() -> usize {
    jeoul_model::threads::count()
}

/// Makes this worker one that computes for the one that serves. Returns never, unless it breaks.
#[cfg(target_feature = "atomics")]
#[wasm_bindgen]
pub fn help() {
    jeoul_model::threads::help();
}

/// Tells the worker that serves that a helper broke; it would wait for ever.
#[cfg(target_feature = "atomics")]
#[wasm_bindgen(js_name = giveUp)]
pub fn give_up() {
    jeoul_model::threads::give_up();
}

/// The session is away while a command runs.
type Place = Rc<Cell<Option<Session>>>;

fn receive(envelope: &JsValue, place: &Place) {
    let field = |name: &str| Reflect::get(envelope, &name.into()).unwrap_or(JsValue::UNDEFINED);
    let id = field("id").as_f64();
    let refuse = |detail: String| {
        send(
            id,
            &Event::Failed {
                fault: Fault::new(FaultKind::Protocol, detail),
            },
        )
    };
    let command: Command = match serde_wasm_bindgen::from_value(field("command")) {
        Ok(command) => command,
        Err(error) => return refuse(format!("this is no command: {error}")),
    };
    let Some(mut session) = place.take() else {
        return match command {
            Command::Cancel => desk().cancel(),
            _ => refuse("a command is running; only a cancel may come in between".into()),
        };
    };
    if command == Command::Cancel {
        // The command to be stopped has just ended.
        return place.set(Some(session));
    }
    let file = field("file").dyn_into::<File>().ok();
    let place = place.clone();
    desk().begin(id);
    spawn_local(async move {
        let event = match session.answer(command, file).await {
            Ok(event) => event,
            Err(Stop::Cancelled) => Event::Cancelled,
            Err(Stop::Failed(fault)) => Event::Failed { fault },
        };
        place.set(Some(session));
        desk().end(&event);
    });
}
