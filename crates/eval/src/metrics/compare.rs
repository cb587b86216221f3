//! Whether two runs on the same documents differ, and what difference a number of documents can show at all.
//!
//! The harness gives neither.

use serde::Serialize;
use statrs::distribution::{Binomial, ContinuousCDF, DiscreteCDF, Normal, StudentsT};
use thiserror::Error;

use super::{mean, mean_stderr};

/// How two runs differ in one metric, document by document.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub struct Comparison {
    /// Documents that both have.
    pub documents: u32,
    /// Mean of the first run.
    pub first: f64,
    /// Mean of the second run.
    pub second: f64,
    /// The first mean minus the second.
    pub difference: f64,
    /// Standard error of the difference.
    pub stderr: f64,
    /// Lower end of its 95 % confidence interval (Student's t).
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Probability of a difference at least as large if there were none.
    pub p_value: f64,
    /// How that probability is found.
    pub test: Test,
}

/// How a probability is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(export_to = "generated.ts")
)]
pub enum Test {
    /// McNemar's exact test: of right and wrong answers, those that differ.
    McNemar,
    /// Student's t-test of the differences.
    T,
}

/// Runs that cannot be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CompareError {
    /// Another number of documents.
    #[error("the runs have {first} and {second} documents; a comparison needs the same ones")]
    Lengths {
        /// Of the first run.
        first: usize,
        /// Of the second.
        second: usize,
    },
    /// Too few.
    #[error("{found} documents are compared; at least 2 are needed")]
    TooFew {
        /// Their number.
        found: usize,
    },
    /// A value that is no number.
    #[error("document {document} has a value that is no number")]
    NotANumber {
        /// Its place, from 0.
        document: usize,
    },
}

/// Compares the values that two runs gave the same documents, in the same order.
///
/// Where all values are 0 or 1, by McNemar's exact test (McNemar 1947), else by the t-test of the differences.
pub fn compare(first: &[f64], second: &[f64]) -> Result<Comparison, CompareError> {
    if first.len() != second.len() {
        return Err(CompareError::Lengths {
            first: first.len(),
            second: second.len(),
        });
    }
    let found = first.len();
    let differences: Vec<f64> = first.iter().zip(second).map(|(a, b)| a - b).collect();
    if let Some(document) = differences.iter().position(|value| !value.is_finite()) {
        return Err(CompareError::NotANumber { document });
    }
    let (Some(difference), Some(stderr)) = (mean(&differences), mean_stderr(&differences)) else {
        return Err(CompareError::TooFew { found });
    };
    // At least one degree of freedom, so the distribution exists.
    let t =
        StudentsT::new(0.0, 1.0, found as f64 - 1.0).map_err(|_| CompareError::TooFew { found })?;
    let half = stderr * t.inverse_cdf(0.975);
    let is_truth = |value: &f64| *value == 0.0 || *value == 1.0;
    let truths = first.iter().chain(second).all(is_truth);
    let (test, p_value) = match truths {
        true => (Test::McNemar, mcnemar(&differences)),
        // No difference anywhere is no evidence of one.
        false if stderr == 0.0 => (Test::T, if difference == 0.0 { 1.0 } else { 0.0 }),
        false => (Test::T, 2.0 * t.cdf(-(difference / stderr).abs())),
    };
    Ok(Comparison {
        documents: found as u32,
        first: mean(first).unwrap_or(f64::NAN),
        second: mean(second).unwrap_or(f64::NAN),
        difference,
        stderr,
        low: difference - half,
        high: difference + half,
        p_value,
        test,
    })
}

/// Two-sided probability that among the documents which differ so many favour one side.
fn mcnemar(differences: &[f64]) -> f64 {
    let count = |sign: f64| {
        differences
            .iter()
            .filter(|value| **value * sign > 0.0)
            .count() as u64
    };
    let (one, other) = (count(1.0), count(-1.0));
    match Binomial::new(0.5, one + other) {
        Ok(binomial) if one + other > 0 => (2.0 * binomial.cdf(one.min(other))).min(1.0),
        _ => 1.0,
    }
}

/// Smallest difference of two accuracies (0 to 1) that `documents` show with a probability of 80 % at the 5 % level, if the runs
/// disagree on a share `discordant` of them: solved from the sample size of McNemar's test (Connor 1987, Biometrics 43).
///
/// `None` where no difference can be shown: too few documents, or too little disagreement.
pub fn minimum_detectable_difference(documents: u32, discordant: f64) -> Option<f64> {
    let normal = Normal::new(0.0, 1.0).ok()?;
    let (alpha, power) = (normal.inverse_cdf(0.975), normal.inverse_cdf(0.8));
    let needed = |difference: f64| {
        let spread = (discordant - difference * difference).max(0.0).sqrt();
        ((alpha * discordant.sqrt() + power * spread) / difference).powi(2)
    };
    let possible = discordant > 0.0 && discordant <= 1.0;
    if !possible || needed(discordant) > f64::from(documents) {
        return None;
    }
    // Fewer documents are needed for a larger difference.
    let (mut low, mut high) = (0.0, discordant);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if needed(middle) > f64::from(documents) {
            low = middle
        } else {
            high = middle
        }
    }
    Some(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
    }

    #[test]
    fn figures_are_compared_by_a_paired_t_test() {
        let first = [0.2, 0.5, 0.9, 0.1, 0.4, 0.7];
        let second = [0.1, 0.6, 0.7, 0.0, 0.1, 0.5];
        let found = compare(&first, &second).unwrap();
        // scipy 1.17: ttest_rel and t.interval.
        close(found.difference, 0.13333333333333336);
        close(found.stderr, 0.05577733510227169);
        close(found.p_value, 0.06235241600215041);
        close(found.low, -0.010046871120766132);
        close(found.high, 0.2767135377874328);
        assert_eq!((found.test, found.documents), (Test::T, 6));
    }

    #[test]
    fn right_and_wrong_answers_are_compared_by_mcnemar() {
        let mut first = vec![1.0; 20];
        let mut second = vec![1.0; 20];
        second[..9].fill(0.0);
        first[9..11].fill(0.0);
        let found = compare(&first, &second).unwrap();
        // scipy 1.17: binomtest(2, 11, 0.5).pvalue.
        close(found.p_value, 0.06542968750000001);
        assert_eq!(found.test, Test::McNemar);
        close(compare(&first, &first).unwrap().p_value, 1.0);
    }

    #[test]
    fn runs_that_cannot_be_compared_are_refused() {
        let error = |first: &[f64], second: &[f64]| compare(first, second).unwrap_err().to_string();
        assert_eq!(
            error(&[1.0], &[]),
            "the runs have 1 and 0 documents; a comparison needs the same ones"
        );
        assert_eq!(
            error(&[1.0], &[1.0]),
            "1 documents are compared; at least 2 are needed"
        );
        assert_eq!(
            error(&[1.0, f64::NAN], &[1.0, 1.0]),
            "document 1 has a value that is no number"
        );
    }

    #[test]
    fn more_documents_show_smaller_differences() {
        // Put back into Connor's formula, the difference needs as many documents.
        let found = minimum_detectable_difference(500, 0.3).unwrap();
        let needed = ((1.959963984540054 * 0.3_f64.sqrt()
            + 0.8416212335729143 * (0.3 - found * found).sqrt())
            / found)
            .powi(2);
        assert!((needed - 500.0).abs() < 1e-3, "{found} needs {needed}");
        assert!(minimum_detectable_difference(2000, 0.3).unwrap() < found);
        assert_eq!(minimum_detectable_difference(3, 0.3), None);
        assert_eq!(minimum_detectable_difference(40, 0.0), None);
    }
}
