//! What one document contributes to a metric, and how many of them become one figure.

use std::collections::BTreeSet;

use thiserror::Error;

use super::corpus::{Bleu, Chrf};
use super::{classification, correlation, mean, stderr};

/// What one document contributes to a metric.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// A figure of its own.
    Number(f64),
    /// The right class and the one the model took.
    Classes {
        /// Right class.
        gold: i64,
        /// The model's.
        predicted: i64,
    },
    /// A log-likelihood and what it is spread over.
    Weighted {
        /// Log-likelihood (nats).
        nats: f64,
        /// Words or bytes.
        weight: f64,
    },
    /// The right class and the probability of each.
    Probabilities {
        /// Right class.
        gold: usize,
        /// Probabilities that sum to 1.
        probabilities: Vec<f64>,
    },
    /// Right texts and the model's.
    Texts {
        /// Right texts, any of which counts.
        references: Vec<String>,
        /// The model's.
        prediction: String,
    },
    /// The right number and the model's.
    Numbers {
        /// Right number.
        gold: f64,
        /// The model's.
        predicted: f64,
    },
}

impl Item {
    /// The document's own figure, where it has one.
    pub fn value(&self) -> Option<f64> {
        match self {
            Self::Number(value) => Some(*value),
            _ => None,
        }
    }

    /// Right texts and the model's.
    fn texts(&self) -> Option<(&[String], &str)> {
        match self {
            Self::Texts {
                references,
                prediction,
            } => Some((references, prediction)),
            _ => None,
        }
    }
}

/// How the documents' parts become one figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregation {
    /// Arithmetic mean.
    Mean,
    /// Mean of what is a number.
    NanMean,
    /// The upper one of the two in the middle.
    Median,
    /// exp(-mean).
    Perplexity,
    /// exp(-sum of nats / sum of weights).
    WeightedPerplexity,
    /// -sum of nats / sum of weights, in bits.
    BitsPerByte,
    /// F1 of class 1 among two classes, as `sklearn.metrics.f1_score`.
    F1,
    /// Mean of the F1 of every class, as `f1_score(average="macro")`.
    MacroF1,
    /// Correlation of classes, as `sklearn.metrics.matthews_corrcoef`.
    Matthews,
    /// Mean squared distance of the probabilities from the truth.
    Brier,
    /// Corpus BLEU, 0 to 100, as sacrebleu.
    Bleu,
    /// Corpus chrF, 0 to 100, as sacrebleu.
    Chrf,
    /// Corpus chrF++, 0 to 100, as sacrebleu.
    ChrfPlusPlus,
    /// Pearson's correlation, as `scipy.stats.pearsonr`; 0 where one side does not vary.
    Pearson,
    /// Spearman's rank correlation, as `scipy.stats.spearmanr`; 0 where one side does not vary.
    Spearman,
}

/// Parts that do not make a figure.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AggregateError {
    /// Parts of another kind.
    #[error("the aggregation {aggregation} cannot take such parts; it takes {expected}")]
    Kind {
        /// The aggregation.
        aggregation: &'static str,
        /// What it takes.
        expected: &'static str,
    },
    /// F1 of classes that are not two.
    #[error("f1 needs the classes 0 and 1; found {found}")]
    Classes {
        /// The classes.
        found: String,
    },
    /// Probabilities of different numbers of classes.
    #[error("brier_score needs as many choices for every document; found {first} and {other}")]
    Choices {
        /// Of the first document.
        first: usize,
        /// Of another.
        other: usize,
    },
}

impl Aggregation {
    /// The aggregation that the harness knows by this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "mean" => Self::Mean,
            "nanmean" => Self::NanMean,
            "median" => Self::Median,
            "perplexity" => Self::Perplexity,
            "weighted_perplexity" => Self::WeightedPerplexity,
            "bits_per_byte" => Self::BitsPerByte,
            "f1" => Self::F1,
            "matthews_corrcoef" => Self::Matthews,
            "brier_score" => Self::Brier,
            "bleu" => Self::Bleu,
            "chrf" => Self::Chrf,
            "chrf++" => Self::ChrfPlusPlus,
            _ => return None,
        })
    }

    /// Its name in messages.
    fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::NanMean => "nanmean",
            Self::Median => "median",
            Self::Perplexity => "perplexity",
            Self::WeightedPerplexity => "weighted_perplexity",
            Self::BitsPerByte => "bits_per_byte",
            Self::F1 => "f1",
            Self::MacroF1 => "macro_f1",
            Self::Matthews => "matthews_corrcoef",
            Self::Brier => "brier_score",
            Self::Bleu => "bleu",
            Self::Chrf => "chrf",
            Self::ChrfPlusPlus => "chrf++",
            Self::Pearson => "pearson",
            Self::Spearman => "spearman",
        }
    }

    /// Whether it reads every text anew, so that it is not worth computing after each document.
    pub(crate) fn reads_all_texts(self) -> bool {
        matches!(self, Self::Bleu | Self::Chrf | Self::ChrfPlusPlus)
    }

    /// The figure of some documents; NaN of none.
    pub fn value(self, items: &[Item]) -> Result<f64, AggregateError> {
        let parts = Parts::of(self, items)?;
        parts.check()?;
        Ok(parts.value(&mut (0..items.len())))
    }

    /// Its standard error: a formula for means, a bootstrap where the harness has one, else `None`; also below two documents.
    pub fn stderr(self, items: &[Item], bootstrap_iterations: u32) -> Option<f64> {
        if items.len() < 2 || bootstrap_iterations == 0 {
            return None;
        }
        let parts = Parts::of(self, items).ok()?;
        match self {
            Self::Mean => match &parts {
                Parts::Mean(values) => stderr::mean_stderr(values),
                _ => None,
            },
            Self::Bleu | Self::Chrf | Self::ChrfPlusPlus => {
                let iterations = bootstrap_iterations.min(stderr::TEXT_ITERATIONS_MAX);
                Some(stderr::bootstrap(items.len(), iterations, |drawn| {
                    parts.value(drawn)
                }))
            }
            Self::Median | Self::Matthews | Self::F1 | Self::Perplexity | Self::NanMean => {
                let value = |drawn: &mut dyn Iterator<Item = usize>| parts.value(drawn);
                Some(stderr::bootstrap(items.len(), bootstrap_iterations, value))
            }
            _ => None,
        }
    }
}

/// The documents' parts in the form in which they are aggregated again and again.
enum Parts {
    Mean(Vec<f64>),
    NanMean(Vec<f64>),
    Median(Vec<f64>),
    Perplexity(Vec<f64>),
    WeightedPerplexity(Vec<(f64, f64)>),
    BitsPerByte(Vec<(f64, f64)>),
    F1(Vec<(i64, i64)>),
    MacroF1(Vec<(i64, i64)>),
    Matthews(Vec<(i64, i64)>),
    Brier(Vec<f64>, Option<(usize, usize)>),
    Bleu(Vec<Bleu>),
    Chrf(Vec<Chrf>),
    Pearson(Vec<(f64, f64)>),
    Spearman(Vec<(f64, f64)>),
}

impl Parts {
    fn of(aggregation: Aggregation, items: &[Item]) -> Result<Self, AggregateError> {
        let kind = |expected| AggregateError::Kind {
            aggregation: aggregation.name(),
            expected,
        };
        let numbers = || {
            let numbers = items.iter().map(Item::value);
            numbers.collect::<Option<Vec<f64>>>().ok_or(kind("numbers"))
        };
        let weighted = || {
            let pair = |item: &Item| match item {
                Item::Weighted { nats, weight } => Ok((*nats, *weight)),
                _ => Err(kind("log-likelihoods with weights")),
            };
            items.iter().map(pair).collect::<Result<Vec<_>, _>>()
        };
        let classes = || {
            let pair = |item: &Item| match item {
                Item::Classes { gold, predicted } => Ok((*gold, *predicted)),
                _ => Err(kind("right and predicted classes")),
            };
            items.iter().map(pair).collect::<Result<Vec<_>, _>>()
        };
        let pairs = || {
            let pair = |item: &Item| match item {
                Item::Numbers { gold, predicted } => Ok((*gold, *predicted)),
                Item::Classes { gold, predicted } => Ok((*gold as f64, *predicted as f64)),
                _ => Err(kind("right and predicted numbers")),
            };
            items.iter().map(pair).collect::<Result<Vec<_>, _>>()
        };
        let texts = || {
            let texts = items.iter().map(Item::texts);
            texts
                .collect::<Option<Vec<_>>>()
                .ok_or(kind("right texts and the model's"))
        };
        Ok(match aggregation {
            Aggregation::Mean => Self::Mean(numbers()?),
            Aggregation::NanMean => Self::NanMean(numbers()?),
            Aggregation::Median => Self::Median(numbers()?),
            Aggregation::Perplexity => Self::Perplexity(numbers()?),
            Aggregation::WeightedPerplexity => Self::WeightedPerplexity(weighted()?),
            Aggregation::BitsPerByte => Self::BitsPerByte(weighted()?),
            Aggregation::F1 => Self::F1(classes()?),
            Aggregation::MacroF1 => Self::MacroF1(classes()?),
            Aggregation::Matthews => Self::Matthews(classes()?),
            Aggregation::Brier => brier(items).ok_or(kind("right classes and probabilities"))?,
            Aggregation::Bleu => {
                let texts = texts()?.into_iter();
                Self::Bleu(texts.map(|(right, text)| Bleu::of(right, text)).collect())
            }
            Aggregation::Chrf | Aggregation::ChrfPlusPlus => {
                let words = if aggregation == Aggregation::Chrf {
                    0
                } else {
                    2
                };
                let texts = texts()?.into_iter();
                Self::Chrf(
                    texts
                        .map(|(right, text)| Chrf::of(right, text, words))
                        .collect(),
                )
            }
            Aggregation::Pearson => Self::Pearson(pairs()?),
            Aggregation::Spearman => Self::Spearman(pairs()?),
        })
    }

    fn check(&self) -> Result<(), AggregateError> {
        match self {
            Self::F1(pairs) => {
                let classes: BTreeSet<i64> = pairs.iter().flat_map(|&(a, b)| [a, b]).collect();
                // A single class is taken for one of two.
                if classes.len() > 2 || (classes.len() == 2 && !classes.contains(&1)) {
                    return Err(AggregateError::Classes {
                        found: format!("{classes:?}"),
                    });
                }
                Ok(())
            }
            Self::Brier(_, Some((first, other))) => Err(AggregateError::Choices {
                first: *first,
                other: *other,
            }),
            _ => Ok(()),
        }
    }

    /// The figure of the documents at these places; places may come twice.
    fn value(&self, places: &mut dyn Iterator<Item = usize>) -> f64 {
        fn at<T: Copy>(values: &[T], places: &mut dyn Iterator<Item = usize>) -> Vec<T> {
            places
                .filter_map(|place| values.get(place).copied())
                .collect()
        }
        match self {
            Self::Mean(values) => mean(&at(values, places)).unwrap_or(f64::NAN),
            Self::NanMean(values) => {
                let mut values = at(values, places);
                values.retain(|value| !value.is_nan());
                mean(&values).unwrap_or(f64::NAN)
            }
            Self::Median(values) => {
                let mut values = at(values, places);
                values.sort_by(f64::total_cmp);
                values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
            }
            Self::Perplexity(values) => (-mean(&at(values, places)).unwrap_or(f64::NAN)).exp(),
            Self::WeightedPerplexity(values) => (-weighted_mean(&at(values, places))).exp(),
            Self::BitsPerByte(values) => {
                -weighted_mean(&at(values, places)) / std::f64::consts::LN_2
            }
            Self::F1(values) => classification::f1(&at(values, places), 1),
            Self::MacroF1(values) => classification::macro_f1(&at(values, places)),
            Self::Matthews(values) => classification::matthews(&at(values, places)),
            Self::Brier(values, _) => mean(&at(values, places)).unwrap_or(f64::NAN),
            Self::Bleu(values) => Bleu::score(&mut places.filter_map(|place| values.get(place))),
            Self::Chrf(values) => Chrf::score(&mut places.filter_map(|place| values.get(place))),
            Self::Pearson(values) => correlation::pearson(&at(values, places)),
            Self::Spearman(values) => correlation::spearman(&at(values, places)),
        }
    }
}

fn weighted_mean(pairs: &[(f64, f64)]) -> f64 {
    let nats: f64 = pairs.iter().map(|(nats, _)| nats).sum();
    let weight: f64 = pairs.iter().map(|(_, weight)| weight).sum();
    nats / weight
}

/// Squared distances, and two numbers of classes where they are not all equal.
fn brier(items: &[Item]) -> Option<Parts> {
    let mut distances = Vec::with_capacity(items.len());
    let (mut first, mut unequal) = (None, None);
    for item in items {
        let Item::Probabilities {
            gold,
            probabilities,
        } = item
        else {
            return None;
        };
        let count = probabilities.len();
        match first {
            Some(first) if first != count => unequal = Some((first, count)),
            _ => first = Some(count),
        }
        let truth = |class| f64::from(u8::from(class == *gold));
        let distance = |(class, p): (usize, &f64)| (p - truth(class)).powi(2);
        distances.push(probabilities.iter().enumerate().map(distance).sum());
    }
    Some(Parts::Brier(distances, unequal))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(values: &[f64]) -> Vec<Item> {
        values.iter().map(|&value| Item::Number(value)).collect()
    }

    fn classes(pairs: &[(i64, i64)]) -> Vec<Item> {
        let item = |&(gold, predicted): &(i64, i64)| Item::Classes { gold, predicted };
        pairs.iter().map(item).collect()
    }

    #[track_caller]
    fn close(found: f64, expected: f64) {
        assert!(
            (found - expected).abs() < 1e-12 * expected.abs().max(1.0),
            "{found} is not {expected}"
        );
    }

    // Expected: lm_eval.api.metrics of 0.4.13 with sklearn 1.9.

    #[test]
    fn figures_are_those_of_the_harness() {
        let values = numbers(&[-1.5, -0.25, -3.0, -0.5]);
        let value = |aggregation: Aggregation, items: &[Item]| aggregation.value(items).unwrap();
        close(value(Aggregation::Mean, &values), -1.3125);
        close(value(Aggregation::Median, &values), -0.5);
        close(value(Aggregation::Perplexity, &values), 3.715450737941104);
        let weighted =
            [(-10.0, 4.0), (-3.0, 2.0)].map(|(nats, weight)| Item::Weighted { nats, weight });
        close(
            value(Aggregation::WeightedPerplexity, &weighted),
            8.72913836372013,
        );
        close(
            value(Aggregation::BitsPerByte, &weighted),
            3.1258392552594207,
        );
        let pairs = classes(&[(1, 1), (0, 1), (1, 0), (1, 1), (0, 0)]);
        close(value(Aggregation::F1, &pairs), 2.0 / 3.0);
        close(value(Aggregation::MacroF1, &pairs), 0.5833333333333333);
        close(value(Aggregation::Matthews, &pairs), 0.16666666666666666);
        let probabilities =
            [(0, vec![0.7, 0.3]), (1, vec![0.6, 0.4])].map(|(gold, probabilities)| {
                Item::Probabilities {
                    gold,
                    probabilities,
                }
            });
        close(value(Aggregation::Brier, &probabilities), 0.45);
    }

    #[test]
    fn standard_errors_come_from_a_formula_or_from_the_harness_s_own_resamples() {
        let pairs = classes(&[(1, 1), (0, 1), (1, 0), (1, 1), (0, 0)]);
        let stderr = |aggregation: Aggregation, items: &[Item], iterations| {
            aggregation.stderr(items, iterations)
        };
        let values = numbers(&[-1.5, -0.25, -3.0, -0.5]);
        // bootstrap_stderr with DISABLE_MULTIPROC=1.
        close(
            stderr(Aggregation::Perplexity, &values, 1000).unwrap(),
            2.636973027239985,
        );
        close(
            stderr(Aggregation::F1, &pairs, 2000).unwrap(),
            0.26747506562717543,
        );
        close(
            stderr(Aggregation::Matthews, &pairs, 1000).unwrap(),
            0.45980548193585813,
        );
        close(
            stderr(Aggregation::Median, &values, 500).unwrap(),
            0.6592877373660794,
        );
        assert_eq!(stderr(Aggregation::MacroF1, &pairs, 1000), None);
        assert_eq!(stderr(Aggregation::Mean, &values[..1], 1000), None);
        assert_eq!(stderr(Aggregation::Mean, &values, 0), None);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let error = |aggregation: Aggregation, items: &[Item]| {
            aggregation.value(items).unwrap_err().to_string()
        };
        assert_eq!(
            error(Aggregation::F1, &numbers(&[1.0])),
            "the aggregation f1 cannot take such parts; it takes right and predicted classes"
        );
        assert_eq!(
            error(Aggregation::F1, &classes(&[(0, 2)])),
            "f1 needs the classes 0 and 1; found {0, 2}"
        );
        let unequal = [vec![1.0], vec![0.5, 0.5]].map(|probabilities| Item::Probabilities {
            gold: 0,
            probabilities,
        });
        assert_eq!(
            error(Aggregation::Brier, &unequal),
            "brier_score needs as many choices for every document; found 1 and 2"
        );
    }
}
