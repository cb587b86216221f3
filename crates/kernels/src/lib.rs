//! Operations of a quantised language model for Burn, declared once ([`ops`]) and implemented twice: [`cpu`] for
//! burn-flex with SIMD, `gpu` for CubeCL.
//!
//! Weights are of four formats ([`Format`]); every GGUF type becomes one of them without loss. Shapes are written
//! outermost first, as `[rows, k]`. The files of the two lanes have the same names, so that they can be read side by side.
//!
//! The CPU lane gives the same bits in every browser and natively, whatever the SIMD width and however rows are batched:
//! integer sums are exact, f32 sums have one fixed order, and there is no fused multiply-add.

pub mod ops;
pub mod profile;
pub mod weight;

pub mod cpu;
#[cfg(feature = "gpu")]
pub mod gpu;

pub use weight::{Format, Processor, Rows, Weight, WeightBuilder};

/// Weights per quantisation block: one scale, and for some formats one minimum.
pub const BLOCK: usize = 32;
/// Places of a layer's cache come in multiples of this: the CPU lane's lie in blocks.
pub const PLACES: usize = 16;
