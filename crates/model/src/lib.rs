//! Decoder-only networks on Burn.
//!
//! [`LocalModel`] is a loaded checkpoint on a [`Lane`]; it implements evaluation's `LanguageModel`. The layers' order is in
//! [`decoder`], and once more, in stock Burn operations and f32, in [`reference`], the oracle that the fast lanes are tested against.

pub mod decoder;
mod device;
mod error;
mod generate;
mod lane;
mod local;
mod pace;
pub mod reference;
mod sampling;
#[cfg(feature = "gpu")]
pub mod self_test;
mod speed;
mod text_stream;
mod unpack;
mod weights;

pub use device::gpu_vendor;
pub use error::ModelError;
pub use jeoul_kernels::{cpu::threads, profile::OperationTime};
pub use lane::Lane;
pub use local::LocalModel;
pub use pace::{Pace, Step};
#[cfg(not(target_family = "wasm"))]
pub use speed::Profile;
pub use speed::Speeds;
