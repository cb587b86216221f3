//! Standard errors, as `lm_eval/api/metrics.py`: a formula for means, and for other figures its bootstrap, draw for draw.

use super::mean;
use crate::random::PythonRandom;

/// Resamples that share a generator.
const CHUNK: u32 = 1000;
/// Most resamples of figures that read texts.
pub(super) const TEXT_ITERATIONS_MAX: u32 = 100;

/// Standard error of the mean: sample standard deviation (n - 1) over the square root of n; `None` below two values.
/// As `mean_stderr`, which the harness replaces by `N/A` for one document.
pub fn mean_stderr(values: &[f64]) -> Option<f64> {
    (values.len() > 1).then(|| sample_stddev(values) / (values.len() as f64).sqrt())
}

fn sample_stddev(values: &[f64]) -> f64 {
    let mean = mean(values).unwrap_or(f64::NAN);
    let squares: f64 = values.iter().map(|x| (x - mean) * (x - mean)).sum();
    (squares / (values.len() as f64 - 1.0)).sqrt()
}

/// Standard deviation of a figure over resamples of `count` documents: `bootstrap_stderr`.
///
/// The resamples are Python's: chunk `i` of a thousand draws from `random.Random(i)`.
pub(super) fn bootstrap(
    count: usize,
    iterations: u32,
    value: impl Fn(&mut dyn Iterator<Item = usize>) -> f64,
) -> f64 {
    let chunk = CHUNK.min(iterations);
    let mut values = Vec::with_capacity(iterations as usize);
    for seed in 0..iterations / chunk.max(1) {
        let mut random = PythonRandom::new(u64::from(seed));
        for _ in 0..chunk {
            values.push(value(&mut (0..count).map(|_| random.choice(count))));
        }
    }
    sample_stddev(&values)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(mean_stderr(&[1.0]), None);
    }
}
