//! The bar on stderr, and Ctrl-C.

use std::fmt;
use std::future::ready;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use jeoul_eval::plan::Plan;
use jeoul_eval::results::TaskScore;
use jeoul_model::{Pace, Step};

/// Shows how far a model is; stays silent where stderr is no terminal.
pub(crate) struct Progress {
    bar: ProgressBar,
    stop: Arc<AtomicBool>,
}

impl Progress {
    /// A bar for reading weights. From here on, Ctrl-C asks the model to stop; a second one ends the process.
    pub(crate) fn loading() -> anyhow::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        ctrlc::set_handler(move || {
            if asked.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
        })?;
        let style = ProgressStyle::with_template("loading {wide_bar} {bytes} of {total_bytes}")?;
        Ok(Self {
            bar: ProgressBar::new(0).with_style(style),
            stop,
        })
    }

    /// What the model calls between two pieces of work.
    pub(crate) fn pace(&self) -> Pace {
        let (bar, stop) = (self.bar.clone(), Arc::clone(&self.stop));
        Pace::new(move |step| {
            match step {
                Step::Loading { bytes, total } => {
                    bar.set_length(total);
                    bar.set_position(bytes);
                }
                Step::Computed { tokens } => bar.set_position(tokens),
            }
            ready(if stop.load(Ordering::Relaxed) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        })
    }

    /// From weights to the tokens of `work`.
    pub(crate) fn begin(&self, plan: Plan, work: &str) -> anyhow::Result<()> {
        let template =
            "{msg} {wide_bar} {human_pos} of {human_len} tokens, {speed} tokens/s, {eta} left";
        let speed = |state: &ProgressState, out: &mut dyn fmt::Write| {
            _ = write!(out, "{:.0}", state.per_sec())
        };
        self.bar
            .set_style(ProgressStyle::with_template(template)?.with_key("speed", speed));
        self.bar.set_message(work.to_string());
        self.bar.set_position(0);
        self.bar.set_length(plan.tokens_computed);
        self.bar.reset();
        Ok(())
    }

    /// Says where a run is.
    pub(crate) fn document(&self, score: &TaskScore) {
        let so_far = score
            .metrics
            .first()
            .map(|metric| format!(", {} {:.2}", metric.name, metric.value));
        let so_far = so_far.unwrap_or_default();
        self.bar.set_message(format!(
            "{} {}/{}{so_far}",
            score.task, score.documents, score.documents_total
        ));
    }

    /// Shows nothing from here on: what is generated goes to the same terminal.
    pub(crate) fn hide(&self) {
        self.bar.set_draw_target(ProgressDrawTarget::hidden());
    }

    /// Asks the model to stop, as Ctrl-C does.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Removes the bar.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
