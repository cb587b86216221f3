//! How a generated text compares with the right one.

use std::collections::HashMap;

use thiserror::Error;
use unicode_segmentation::UnicodeSegmentation;

use crate::python;
use crate::python_regex::{Endless, PythonRegex};

/// `exact_match` with its options, as `exact_match_hf_evaluate` (`lm_eval/api/metrics.py`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExactMatch {
    ignore_case: bool,
    ignore_punctuation: bool,
    ignore_numbers: bool,
    ignored: Vec<PythonRegex>,
}

/// A pattern of `regexes_to_ignore` that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{pattern}`: {reason}")]
pub struct PatternError {
    /// The pattern.
    pub pattern: String,
    /// The expression engine's words.
    pub reason: String,
}

impl ExactMatch {
    /// What is left out of both texts before they are compared; the patterns are Python's.
    pub fn new(
        ignore_case: bool,
        ignore_punctuation: bool,
        ignore_numbers: bool,
        regexes_to_ignore: &[String],
    ) -> Result<Self, PatternError> {
        let compile = |pattern: &String| {
            PythonRegex::new(pattern).map_err(|reason| PatternError {
                pattern: pattern.clone(),
                reason,
            })
        };
        Ok(Self {
            ignore_case,
            ignore_punctuation,
            ignore_numbers,
            ignored: regexes_to_ignore
                .iter()
                .map(compile)
                .collect::<Result<_, _>>()?,
        })
    }

    /// Whether the texts are equal.
    pub fn matches(&self, prediction: &str, reference: &str) -> Result<bool, Endless> {
        Ok(self.normalise(prediction)? == self.normalise(reference)?)
    }

    fn normalise(&self, text: &str) -> Result<String, Endless> {
        let mut text = text.to_string();
        for pattern in &self.ignored {
            text = pattern.remove(&text)?;
        }
        if self.ignore_case {
            text = text.to_lowercase();
        }
        if self.ignore_punctuation {
            text.retain(|c| !c.is_ascii_punctuation());
        }
        if self.ignore_numbers {
            text.retain(|c| !c.is_ascii_digit());
        }
        // numpy's texts end before their last NULs.
        text.truncate(text.trim_end_matches('\0').len());
        Ok(text)
    }
}

/// An answer as KorQuAD's evaluation script compares it: lower case, without quotation marks, brackets and punctuation, with single
/// spaces.
pub fn korquad_normalise(text: &str) -> String {
    const BLANKED: &str = "'\"《》<>〈〉()‘’";
    let blank = |c: char| if BLANKED.contains(c) { ' ' } else { c };
    let text: String = text.chars().map(blank).collect();
    let mut text = text.to_lowercase();
    text.retain(|c| !c.is_ascii_punctuation());
    let words: Vec<&str> = text
        .split(python::is_space)
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ")
}

/// F1 of the characters that two answers share, 0 to 1, as KorQuAD 1.0's evaluation script: of its normalised texts, without spaces.
pub fn char_f1(prediction: &str, reference: &str) -> f64 {
    let letters = |text: &str| -> Vec<char> {
        korquad_normalise(text)
            .chars()
            .filter(|c| *c != ' ')
            .collect()
    };
    let (own, right) = (letters(prediction), letters(reference));
    let mut left: HashMap<char, usize> = HashMap::new();
    right.iter().for_each(|c| *left.entry(*c).or_default() += 1);
    let mut same = 0;
    for c in &own {
        if let Some(count) = left.get_mut(c).filter(|count| **count > 0) {
            *count -= 1;
            same += 1;
        }
    }
    harmonic(same, own.len(), right.len())
}

/// ROUGE-L, 0 to 1, as `rouge_score` 0.1.2 without stemming: its tokens are Latin letters and digits only.
pub fn rouge_l(prediction: &str, reference: &str) -> f64 {
    let tokens = |text: &str| -> Vec<String> {
        let text = text.to_lowercase();
        let words = text.split(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit());
        words
            .filter(|word| !word.is_empty())
            .map(String::from)
            .collect()
    };
    longest_common(&tokens(prediction), &tokens(reference))
}

/// ROUGE-L over words of any script, as Unicode parts them (UAX #29).
pub fn rouge_l_words(prediction: &str, reference: &str) -> f64 {
    let tokens = |text: &str| -> Vec<String> {
        text.to_lowercase()
            .unicode_words()
            .map(String::from)
            .collect()
    };
    longest_common(&tokens(prediction), &tokens(reference))
}

fn longest_common(own: &[String], right: &[String]) -> f64 {
    // Lengths of the longest common subsequence up to each word of `right`.
    let mut before = vec![0; right.len() + 1];
    for word in own {
        let mut row = vec![0; right.len() + 1];
        for (i, other) in right.iter().enumerate() {
            row[i + 1] = if word == other {
                before[i] + 1
            } else {
                row[i].max(before[i + 1])
            };
        }
        before = row;
    }
    harmonic(before[right.len()], own.len(), right.len())
}

/// F1 of `same` among `own` and `right`; 0 where nothing is the same.
fn harmonic(same: usize, own: usize, right: usize) -> f64 {
    if same == 0 {
        return 0.0;
    }
    let (precision, recall) = (same as f64 / own as f64, same as f64 / right as f64);
    2.0 * precision * recall / (precision + recall)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn close(found: f64, expected: f64) {
        assert!(
            (found - expected).abs() < 1e-15,
            "{found} is not {expected}"
        );
    }

    #[test]
    fn texts_match_after_what_is_ignored() {
        let patterns = [",", "\\$", "(?s).*#### ", "\\.$"].map(String::from);
        let gsm8k = ExactMatch::new(true, false, false, &patterns).unwrap();
        assert!(gsm8k.matches("1,234.", "So\nit is #### 1234").unwrap());
        assert!(!gsm8k.matches("12", "#### 1234").unwrap());
        let plain = ExactMatch::default();
        assert!(!plain.matches("Yes", "yes").unwrap() && plain.matches("a", "a").unwrap());
        let loose = ExactMatch::new(true, true, true, &[]).unwrap();
        assert!(loose.matches("Yes! 1", "yes 2").unwrap());
        let error = ExactMatch::new(false, false, false, &["(".into()]).unwrap_err();
        assert!(error.to_string().starts_with("`(`: "), "{error}");
    }

    #[test]
    fn characters_are_counted_as_korquad_counts_them() {
        assert_eq!(
            korquad_normalise("《훈민정음》(해례본), A-1"),
            "훈민정음 해례본 a1"
        );
        close(char_f1("세종대왕이다", "세종 대왕"), 0.8);
        close(char_f1("", "가"), 0.0);
    }

    #[test]
    fn rouge_l_is_that_of_rouge_score_and_knows_korean_by_another_name() {
        // RougeScorer(["rougeL"]).score(reference, prediction).
        close(
            rouge_l("The cat, on a mat, sat", "The cat sat on the mat."),
            0.6666666666666666,
        );
        close(rouge_l("오늘은 맑음", "오늘은 맑음"), 0.0);
        close(rouge_l_words("오늘은 비", "오늘은 맑음"), 0.5);
    }
}
