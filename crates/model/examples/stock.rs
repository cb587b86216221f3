//! A wasm module with the yardstick of the GPU lane: what `cargo xtask bench --gpu` measures in Chromium.
#![cfg(target_family = "wasm")]

#[path = "../benches/network/mod.rs"]
mod network;

use wasm_bindgen::prelude::wasm_bindgen;

unsafe extern "C" {
    /// See the engine's module (`jeoul-web`): called once, or every call from JavaScript runs all constructors.
    fn __wasm_call_ctors();
}

/// Runs when the module is instantiated.
#[wasm_bindgen(start)]
pub fn start() {
    // SAFETY: called once, before anything else.
    unsafe { __wasm_call_ctors() };
    console_error_panic_hook::set_once();
}

/// The network.
#[wasm_bindgen]
pub struct Stock(network::Network);

#[wasm_bindgen]
impl Stock {
    /// On the adapter that the browser offers.
    pub async fn open() -> Self {
        Self(network::Network::open().await)
    }

    /// Empties the cache.
    pub fn forget(&mut self) {
        self.0.forget();
    }

    /// The most probable token after these, which follow the `start` tokens of the cache.
    pub async fn next(&mut self, tokens: Vec<i32>, start: usize) -> i32 {
        self.0.next(&tokens, start).await
    }
}
