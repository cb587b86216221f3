//! The yardstick of the GPU lane, natively, on the same adapter.
//! `cargo bench -p jeoul-model --features gpu --bench stock -- PROMPT GENERATE REPEATS` prints {"prefill": [], "decode": []} in
//! tokens a second, like `jeoul bench --json`.

mod network;

use std::time::Instant;

use network::Network;

fn main() {
    // Cargo adds `--bench`.
    let numbers: Vec<usize> = std::env::args()
        .filter_map(|word| word.parse().ok())
        .collect();
    let &[prompt, generate, repeats] = numbers.as_slice() else {
        // `cargo test --benches` runs this too.
        return eprintln!("PROMPT GENERATE REPEATS are needed");
    };
    pollster::block_on(measure(prompt, generate, repeats));
}

async fn measure(prompt: usize, generate: usize, repeats: usize) {
    let mut network = Network::open().await;
    let [mut prefill, mut decode] = [Vec::new(), Vec::new()];
    // The first only warms up.
    for repeat in 0..=repeats {
        network.forget();
        let tokens: Vec<i32> = (0..prompt)
            .map(|i| ((i * 7 + repeat * 31) % 40_000) as i32)
            .collect();
        let begin = Instant::now();
        let mut token = network.next(&tokens, 0).await;
        let read = begin.elapsed();
        for place in prompt..prompt + generate {
            token = network.next(&[token], place).await;
        }
        let written = begin.elapsed() - read;
        if repeat > 0 {
            prefill.push(prompt as f64 / read.as_secs_f64());
            decode.push(generate as f64 / written.as_secs_f64());
        }
    }
    println!(r#"{{"prefill": {prefill:?}, "decode": {decode:?}}}"#);
}
