//! Metrics of multiple-choice documents and their standard errors, as `lm_eval/api/task.py` and `metrics.py`.

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

/// Arithmetic mean; `None` of nothing.
pub fn mean(values: &[f64]) -> Option<f64> {
    if values.is_empty() {
        None
    } else {
        Some(values.iter().sum::<f64>() / values.len() as f64)
    }
}

/// Standard error of the mean: sample standard deviation (n - 1) over the square root of n; `None` below two values.
/// As `mean_stderr`, which the harness replaces by `N/A` for one document.
pub fn mean_stderr(values: &[f64]) -> Option<f64> {
    let mean = mean(values)?;
    let n = values.len() as f64;
    if values.len() < 2 {
        return None;
    }
    let squares: f64 = values.iter().map(|x| (x - mean) * (x - mean)).sum();
    Some((squares / (n - 1.0)).sqrt() / n.sqrt())
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
    fn picks_by_characters_not_bytes() {
        // 예 is one character but three bytes: per byte it would win with -0.67 against -1.
        assert_eq!(pick_norm(&[-3.0, -2.0], &["yes", "예"]), Some(0));
    }

    #[test]
    fn standard_errors_are_those_of_the_harness() {
        // lm_eval.api.metrics.mean_stderr, 0.4.13.
        for (values, expected) in [
            (vec![1.0, 0.0, 1.0, 1.0, 0.0], 0.24494897427831783),
            (vec![0.0, 1.0], 0.5),
            (vec![1.0, 1.0, 1.0], 0.0),
            (vec![0.25, 0.5, 0.125, 1.0, 0.75, 0.3], 0.13597640726733934),
        ] {
            let found = mean_stderr(&values).unwrap_or(f64::NAN);
            assert!(
                (found - expected).abs() < 1e-15,
                "{values:?}: {found} is not {expected}"
            );
        }
    }

    #[test]
    fn one_document_has_no_standard_error() {
        assert_eq!(mean(&[1.0]), Some(1.0));
        assert_eq!(mean_stderr(&[1.0]), None);
        assert_eq!(mean(&[]), None);
    }
}
