//! Tasks, prompts, few-shot, requests and metrics, as lm-evaluation-harness computes them. No tensors, no I/O.

pub mod model;
pub mod results;
