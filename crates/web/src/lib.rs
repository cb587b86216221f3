//! The worker side of the page. Thin: translates, never decides.

pub mod protocol;
