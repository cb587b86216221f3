//! How work is cut, by the kind of adapter.

use std::sync::OnceLock;

use super::attention::Hold;
use super::matmul::Tile;

/// What kind of adapter computes, which decides how work is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adapter {
    /// A graphics processor: many threads, that share what they read.
    Graphics,
    /// A processor that plays one (lavapipe, SwiftShader): few threads with much in hand, no barriers.
    Emulated,
}

static ADAPTER: OnceLock<Adapter> = OnceLock::new();

/// Says what computes; the first word counts, and without one it is [`Adapter::Graphics`].
pub fn tune(adapter: Adapter) {
    _ = ADAPTER.set(adapter);
}

/// What computes, as far as was said.
fn adapter() -> Adapter {
    ADAPTER.get().copied().unwrap_or(Adapter::Graphics)
}

/// What a thread of attention holds; not measured on graphics processors, where it has no registers for more.
pub(super) fn hold() -> Hold {
    let hold = |items, places| Hold { items, places };
    match adapter() {
        Adapter::Graphics => hold(1, 4),
        Adapter::Emulated => hold(2, 4),
    }
}

/// What suits a product of this many rows. For emulated adapters the fastest of those tried on lavapipe that compile in seconds (of many
/// rows in 5; 8 × 32 is 15 % faster and takes 18); for graphics processors not measured.
pub(super) fn tile(rows: usize) -> Tile {
    let tile = |rows, columns, share, units| Tile {
        rows,
        columns,
        share,
        units,
    };
    match (adapter(), rows) {
        (Adapter::Graphics, 1) => tile(1, 2, 8, 64),
        (Adapter::Graphics, _) => tile(8, 4, 1, 64),
        (Adapter::Emulated, 1) => tile(1, 8, 1, 8),
        (Adapter::Emulated, 2..=4) => tile(4, 8, 1, 16),
        (Adapter::Emulated, _) => tile(8, 16, 1, 8),
    }
}
