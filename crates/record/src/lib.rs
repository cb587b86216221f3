//! A run as it is posted to a board: what is sent, who signed it, and the check that page, command and server share.
//!
//! The way of a submission, module by module:
//!
//! 1. [`from_run`] says of a run what can be posted of it, [`mod@draft`] keeps that until its owner posts it and makes the [`Envelope`];
//!    [`mod@reduce`] takes out of it what its owner keeps to themselves.
//! 2. [`canonical`] writes it as the bytes that are signed, [`signature`] signs them. The signed bytes are also the preview.
//! 3. [`mod@check`] takes the bytes as they came and either names what is wrong with them (a [`Refusal`] with code and JSON
//!    pointer) or recomputes every metric with the functions that a run uses, and says which [`TrustLabel`] that earns.
//! 4. [`spot`] draws documents to compute again, compares the answers, and says which label those comparisons earn.
//!
//! [`signed_request`] says how other requests to a board are signed, [`text`] which texts people may write into names.
//!
//! A signature proves that two submissions have one author, a recomputed metric that a submission does not contradict itself.
//! Whether the model really gave these answers only computing them again can show.

pub mod canonical;
pub mod check;
pub mod draft;
pub mod envelope;
pub mod from_run;
pub mod reduce;
pub mod refusal;
pub mod signature;
pub mod signed_request;
pub mod spot;
pub mod text;

pub use check::{Checked, Context, KnownTasks, TaskSet, check, check_envelope};
pub use draft::{Draft, DraftError, Post};
pub use envelope::{Envelope, PrivacyLevel, SignedEnvelope, TrustLabel};
pub use reduce::reduce;
pub use refusal::{Refusal, RefusalCode};
