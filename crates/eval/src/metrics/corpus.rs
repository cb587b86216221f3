//! Figures of whole corpora: BLEU and chrF, as sacrebleu 2.6 computes them with its defaults.
//!
//! Each document is read once; a figure, and every resample of its bootstrap, adds up counts.

use std::collections::HashMap;

use crate::python;

/// Longest n-grams of words that BLEU counts.
const BLEU_ORDER: usize = 4;
/// Longest n-grams of characters that chrF counts.
const CHRF_ORDER: usize = 6;
/// Weight of recall against precision in chrF.
const CHRF_BETA: f64 = 2.0;

/// Counts of one document for BLEU.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bleu {
    length: u64,
    reference_length: u64,
    right: [u64; BLEU_ORDER],
    total: [u64; BLEU_ORDER],
}

impl Bleu {
    /// Counts a text against its references.
    pub(super) fn of(references: &[String], text: &str) -> Self {
        let words = tokens_13a(text);
        let references: Vec<Vec<String>> = references.iter().map(|text| tokens_13a(text)).collect();
        let length = words.len();
        // The closest length, the shorter of equals.
        let distance =
            |reference: &&Vec<String>| (reference.len().abs_diff(length), reference.len());
        let closest = references.iter().min_by_key(distance).map_or(0, Vec::len);
        let mut counts = Self {
            length: length as u64,
            reference_length: closest as u64,
            ..Self::default()
        };
        for n in 1..=BLEU_ORDER {
            let mut most: HashMap<&[String], u64> = HashMap::new();
            for reference in &references {
                for (gram, count) in grams(reference, n) {
                    let known = most.entry(gram).or_default();
                    *known = count.max(*known);
                }
            }
            for (gram, count) in grams(&words, n) {
                counts.total[n - 1] += count;
                counts.right[n - 1] += count.min(most.get(gram).copied().unwrap_or(0));
            }
        }
        counts
    }

    /// Corpus BLEU, 0 to 100: `BLEU.compute_bleu` with exponential smoothing.
    pub(super) fn score(documents: &mut dyn Iterator<Item = &Self>) -> f64 {
        let mut sum = Self::default();
        for document in documents {
            sum.length += document.length;
            sum.reference_length += document.reference_length;
            for n in 0..BLEU_ORDER {
                sum.right[n] += document.right[n];
                sum.total[n] += document.total[n];
            }
        }
        if sum.right.iter().all(|&right| right == 0) {
            return 0.0;
        }
        let (length, reference) = (sum.length as f64, sum.reference_length as f64);
        let brevity = if length < reference {
            (1.0 - reference / length).exp()
        } else {
            1.0
        };
        let mut smooth = 1.0;
        let mut logs = 0.0;
        let mut ended = false;
        for n in 0..BLEU_ORDER {
            ended |= sum.total[n] == 0;
            let total = sum.total[n] as f64;
            let precision = match sum.right[n] {
                _ if ended => 0.0,
                0 => {
                    smooth *= 2.0;
                    100.0 / (smooth * total)
                }
                right => 100.0 * right as f64 / total,
            };
            // sacrebleu's logarithm of 0.
            logs += if precision == 0.0 {
                -9_999_999_999.0
            } else {
                precision.ln()
            };
        }
        brevity * (logs / BLEU_ORDER as f64).exp()
    }
}

fn grams<T: Eq + std::hash::Hash>(items: &[T], n: usize) -> HashMap<&[T], u64> {
    let mut counts = HashMap::new();
    for gram in items.windows(n) {
        *counts.entry(gram).or_default() += 1;
    }
    counts
}

/// The tokenizer `13a` of WMT's mteval script: punctuation apart, but for points and commas between digits.
fn tokens_13a(text: &str) -> Vec<String> {
    let mut text = text
        .trim_end_matches(python::is_space)
        .replace("<skipped>", "")
        .replace("-\n", "")
        .replace('\n', " ");
    if text.contains('&') {
        for (entity, c) in [
            ("&quot;", "\""),
            ("&amp;", "&"),
            ("&lt;", "<"),
            ("&gt;", ">"),
        ] {
            text = text.replace(entity, c);
        }
    }
    // The expressions of sacrebleu, one after the other.
    let mut spaced = String::from(" ");
    for c in text.chars() {
        match c {
            '{'..='~' | '['..='`' | ' '..='&' | '('..='+' | ':'..='@' | '/' => {
                spaced.extend([' ', c, ' '])
            }
            c => spaced.push(c),
        }
    }
    spaced.push(' ');
    let is_mark = |c: char| c == '.' || c == ',';
    let spaced = substitute(
        &spaced,
        |a, b| !a.is_ascii_digit() && is_mark(b),
        |a, b| format!("{a} {b} "),
    );
    let spaced = substitute(
        &spaced,
        |a, b| is_mark(a) && !b.is_ascii_digit(),
        |a, b| format!(" {a} {b}"),
    );
    let spaced = substitute(
        &spaced,
        |a, b| a.is_ascii_digit() && b == '-',
        |a, b| format!("{a} {b} "),
    );
    let words = spaced
        .split(python::is_space)
        .filter(|word| !word.is_empty());
    words.map(String::from).collect()
}

/// `re.sub` of a pattern of two characters: matches do not overlap.
fn substitute(
    text: &str,
    is: impl Fn(char, char) -> bool,
    by: impl Fn(char, char) -> String,
) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut changed = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            (a, Some(&b)) if is(a, b) => {
                changed += &by(a, b);
                at += 2;
            }
            (a, _) => {
                changed.push(a);
                at += 1;
            }
        }
    }
    changed
}

/// Counts of one document for chrF: of each order the n-grams of the text, of the reference, and of both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chrf(Vec<[u64; 3]>);

impl Chrf {
    /// Counts a text against the reference that it fits best; `words` is the longest n-gram of words (chrF++ has 2).
    pub(super) fn of(references: &[String], text: &str, words: usize) -> Self {
        let candidates = references
            .iter()
            .map(|reference| Self::pair(reference, text, words));
        let mut best: Option<(f64, Self)> = None;
        for candidate in candidates {
            let score = Self::score(&mut std::iter::once(&candidate));
            if best.as_ref().is_none_or(|(known, _)| score > *known) {
                best = Some((score, candidate));
            }
        }
        best.map_or(Self(Vec::new()), |(_, counts)| counts)
    }

    fn pair(reference: &str, text: &str, words: usize) -> Self {
        let letters =
            |text: &str| -> Vec<char> { text.chars().filter(|c| !python::is_space(*c)).collect() };
        let (own, right) = (letters(text), letters(reference));
        let mut counts: Vec<[u64; 3]> =
            (1..=CHRF_ORDER).map(|n| matches(&own, &right, n)).collect();
        let (own, right) = (words_apart(text), words_apart(reference));
        counts.extend((1..=words).map(|n| matches(&own, &right, n)));
        Self(counts)
    }

    /// Corpus chrF, 0 to 100: `CHRF._compute_f_score`.
    pub(super) fn score(documents: &mut dyn Iterator<Item = &Self>) -> f64 {
        let mut sum: Vec<[u64; 3]> = Vec::new();
        for Self(document) in documents {
            sum.resize(sum.len().max(document.len()), [0; 3]);
            for (all, one) in sum.iter_mut().zip(document) {
                (0..3).for_each(|i| all[i] += one[i]);
            }
        }
        let (mut precision, mut recall, mut orders) = (0.0, 0.0, 0.0);
        for [own, right, both] in sum {
            if own > 0 && right > 0 {
                precision += both as f64 / own as f64;
                recall += both as f64 / right as f64;
                orders += 1.0;
            }
        }
        if orders == 0.0 || precision + recall == 0.0 {
            return 0.0;
        }
        let (precision, recall) = (precision / orders, recall / orders);
        let factor = CHRF_BETA * CHRF_BETA;
        100.0 * ((1.0 + factor) * precision * recall / (factor * precision + recall))
    }
}

/// N-grams of a text, of its reference, and of both.
fn matches<T: Eq + std::hash::Hash>(own: &[T], right: &[T], n: usize) -> [u64; 3] {
    let (own, right) = (grams(own, n), grams(right, n));
    let both = own
        .iter()
        .map(|(gram, count)| right.get(gram).map_or(0, |other| *count.min(other)));
    // What the reference cannot have is not counted against the text.
    let of_own = if right.is_empty() {
        0
    } else {
        own.values().sum()
    };
    [of_own, right.values().sum(), both.sum()]
}

/// Words with one punctuation mark at the end, or else at the beginning, apart.
fn words_apart(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for word in text.split(python::is_space).filter(|word| !word.is_empty()) {
        let mark = |c: Option<char>| c.filter(char::is_ascii_punctuation).map(char::len_utf8);
        let several = word.chars().nth(1).is_some();
        let parts = match (mark(word.chars().next_back()), mark(word.chars().next())) {
            (Some(length), _) if several => word.split_at(word.len() - length),
            (None, Some(length)) if several => word.split_at(length),
            _ => (word, ""),
        };
        words.extend(
            [parts.0, parts.1]
                .iter()
                .filter(|part| !part.is_empty())
                .map(|part| part.to_string()),
        );
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIRS: [(&str, &str); 3] = [
        (
            "The cat sat on the mat, didn't it?",
            "The cat sits on a mat, did it?",
        ),
        (
            "It costs $1,000.50 (more or less).",
            "It costs $1,000 - more or less.",
        ),
        ("오늘은 날씨가 좋습니다.", "오늘 날씨가 참 좋습니다."),
    ];

    fn texts(text: &str) -> Vec<String> {
        vec![text.to_string()]
    }

    #[track_caller]
    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
    }

    // Expected: sacrebleu 2.6, corpus_bleu and corpus_chrf.

    #[test]
    fn bleu_is_that_of_sacrebleu() {
        let counts: Vec<Bleu> = PAIRS
            .iter()
            .map(|(right, text)| Bleu::of(&texts(right), text))
            .collect();
        close(Bleu::score(&mut counts.iter()), 17.780179944625786);
        close(Bleu::score(&mut counts[2..].iter()), 23.643540225079384);
        close(
            Bleu::score(&mut std::iter::once(&Bleu::of(&texts("a b"), "c"))),
            0.0,
        );
    }

    #[test]
    fn chrf_is_that_of_sacrebleu() {
        for (words, expected) in [(0, 55.50940087691496), (2, 54.63614274633252)] {
            let counts: Vec<Chrf> = PAIRS
                .iter()
                .map(|(right, text)| Chrf::of(&texts(right), text, words))
                .collect();
            close(Chrf::score(&mut counts.iter()), expected);
        }
        close(
            Chrf::score(&mut std::iter::once(&Chrf::of(&texts(""), "a", 0))),
            0.0,
        );
    }

    #[test]
    fn words_are_parted_as_mteval_parts_them() {
        assert_eq!(
            tokens_13a("He said: \"1,000.5 - 2-3.\"&amp;"),
            [
                "He", "said", ":", "\"", "1,000.5", "-", "2", "-", "3", ".", "\"", "&"
            ]
        );
    }
}
