//! From the scores of tasks to the score of their group, as the end of `lm_eval/api/metrics.py`.

/// Mean of the tasks' values, weighted by their documents or not; `None` of nothing.
pub fn aggregate_subtask_metrics(
    values: &[f64],
    sizes: &[usize],
    weight_by_size: bool,
) -> Option<f64> {
    let weight = |size: &usize| if weight_by_size { *size as f64 } else { 1.0 };
    let sum: f64 = values
        .iter()
        .zip(sizes)
        .map(|(value, size)| value * weight(size))
        .sum();
    let weights: f64 = sizes.iter().map(weight).sum();
    (weights > 0.0).then(|| sum / weights)
}

/// Standard error of a mean weighted by size, from the pooled variance of the tasks. NaN where every task has one document.
pub fn pooled_sample_stderr(stderrs: &[f64], sizes: &[usize]) -> Option<f64> {
    let total: usize = sizes.iter().sum();
    let part =
        |(stderr, &size): (&f64, &usize)| (size as f64 - 1.0) * stderr * stderr * size as f64;
    let sum: f64 = stderrs.iter().zip(sizes).map(part).sum();
    let variance = sum / (total as f64 - sizes.len() as f64);
    (!stderrs.is_empty()).then(|| (variance / total as f64).sqrt())
}

/// Standard error of a plain mean of independent tasks.
pub fn unweighted_mean_stderr(stderrs: &[f64]) -> Option<f64> {
    let squares: f64 = stderrs.iter().map(|stderr| stderr * stderr).sum();
    (!stderrs.is_empty()).then(|| squares.sqrt() / stderrs.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_weighed_as_in_the_harness() {
        // lm_eval.api.metrics of 0.4.13.
        let (values, stderrs, sizes) = ([0.5, 0.25, 1.0], [0.1, 0.05, 0.0], [10, 20, 4]);
        let close = |found: Option<f64>, expected: f64| {
            assert!(
                (found.unwrap() - expected).abs() < 1e-15,
                "{found:?} is not {expected}"
            );
        };
        close(
            aggregate_subtask_metrics(&values, &sizes, true),
            0.4117647058823529,
        );
        close(
            aggregate_subtask_metrics(&values, &sizes, false),
            0.5833333333333334,
        );
        close(pooled_sample_stderr(&stderrs, &sizes), 0.04189532451621286);
        close(unweighted_mean_stderr(&stderrs), 0.037267799624996496);
        assert_eq!(pooled_sample_stderr(&[], &[]), None);
    }
}
