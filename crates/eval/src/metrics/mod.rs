//! Metrics: from what single documents contribute to the figures of a task, and how sure they are.
//!
//! As `lm_eval/api/metrics.py` and the libraries it calls. [`Item`] is a document's part, [`Aggregation`] makes one figure of many;
//! [`text`] compares texts, [`mod@compare`] two runs.

mod aggregation;
mod classification;
pub mod compare;
mod corpus;
mod correlation;
mod groups;
mod stderr;
pub mod text;

pub use aggregation::{AggregateError, Aggregation, Item};
pub use compare::{Comparison, compare};
pub use groups::{aggregate_subtask_metrics, pooled_sample_stderr, unweighted_mean_stderr};
pub use stderr::mean_stderr;
pub use text::ExactMatch;

/// Choice with the highest log-likelihood (nats); the first wins a tie; `None` without choices.
/// As `np.argmax(lls)` in `ConfigurableTask.process_results`.
pub fn pick(loglikelihoods: &[f64]) -> Option<usize> {
    (0..loglikelihoods.len()).reduce(|best, i| {
        if loglikelihoods[i] > loglikelihoods[best] {
            i
        } else {
            best
        }
    })
}

/// Choice with the highest log-likelihood (nats) per character of its text; the first wins a tie; `None` without choices.
/// A character is a Unicode code point, and the delimiter before the choice is none: `len(choice)` in `process_results`.
pub fn pick_norm(loglikelihoods: &[f64], choices: &[&str]) -> Option<usize> {
    let per_character = |(&nats, text): (&f64, &&str)| nats / text.chars().count() as f64;
    pick(
        &loglikelihoods
            .iter()
            .zip(choices)
            .map(per_character)
            .collect::<Vec<_>>(),
    )
}

/// Choice with the highest log-likelihood (nats) per byte of its text in UTF-8; the first wins a tie; `None` without choices.
pub fn pick_bytes(loglikelihoods: &[f64], choices: &[&str]) -> Option<usize> {
    let per_byte = |(&nats, text): (&f64, &&str)| nats / text.len() as f64;
    let pairs = loglikelihoods.iter().zip(choices);
    pick(&pairs.map(per_byte).collect::<Vec<_>>())
}

/// Arithmetic mean, added up in order; `None` of nothing.
pub fn mean(values: &[f64]) -> Option<f64> {
    if values.is_empty() {
        None
    } else {
        Some(values.iter().sum::<f64>() / values.len() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_wins_a_tie() {
        assert_eq!(pick(&[-2.0, -1.0, -1.0]), Some(1));
        assert_eq!(pick_norm(&[-2.0, -1.0], &["ab", "a"]), Some(0));
        assert_eq!(pick(&[]), None);
    }

    #[test]
    fn picks_by_characters_or_by_bytes() {
        // 예 is one character but three bytes.
        assert_eq!(pick_norm(&[-3.0, -2.0], &["yes", "예"]), Some(0));
        assert_eq!(pick_bytes(&[-3.0, -2.0], &["yes", "예"]), Some(1));
    }

    #[test]
    fn nothing_has_no_mean() {
        assert_eq!(mean(&[1.0]), Some(1.0));
        assert_eq!(mean(&[]), None);
    }
}
