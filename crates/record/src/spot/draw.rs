//! How many documents to compare, and which: exact probabilities, and draws that nobody can foresee.

use sha2::{Digest, Sha256};
use statrs::distribution::{Binomial, DiscreteCDF, Hypergeometric};

use super::{Closeness, DETECTION, Drawn, FORGED_SHARE, HONEST_REFUSED};
use crate::check::KnownTasks;
use crate::envelope::{Envelope, TaskRecord};

/// How probably `drawn` of `population` documents hold at least one of `forged` forged ones.
///
/// Exact: the hypergeometric distribution's 1 - P(0), as a product over the draws.
pub fn detection(population: u32, forged: u32, drawn: u32) -> f64 {
    let honest = population.saturating_sub(forged);
    if drawn > honest {
        return if forged > 0 { 1.0 } else { 0.0 };
    }
    let miss: f64 = (0..drawn)
        .map(|i| f64::from(honest - i) / f64::from(population - i))
        .product();
    1.0 - miss
}

/// Fewest documents of `population` to draw so that `share` of them forged are found with `probability`; all of them if that is not
/// enough. A share of less than one document counts as one.
pub fn documents_needed(population: u32, share: f64, probability: f64) -> u32 {
    let forged = forged(population, share);
    (0..=population)
        .find(|&drawn| detection(population, forged, drawn) >= probability)
        .unwrap_or(population)
}

/// Differing documents that an honest run has at most, of `drawn` of which each differs with probability `rate`; an honest run has
/// more with probability `refused`, as [`super::HONEST_REFUSED`].
pub fn allowed(drawn: u32, rate: f64, refused: f64) -> u32 {
    match Binomial::new(rate.clamp(0.0, 1.0), u64::from(drawn)) {
        Ok(differing) if rate > 0.0 => (0..=drawn)
            .find(|&most| differing.sf(u64::from(most)) <= refused)
            .unwrap_or(drawn),
        _ => 0,
    }
}

/// Documents to draw of `population`, so that with [`DETECTION`] a run with [`FORGED_SHARE`] forged documents is found; `exact` where
/// both sides computed on the CPU lane. Between lanes some honest documents differ and some lie too close to compare, so that more are
/// needed; all of them if that is not enough.
pub fn sample_size(population: u32, exact: bool, closeness: &Closeness) -> u32 {
    if exact {
        return documents_needed(population, FORGED_SHARE, DETECTION);
    }
    let rate = closeness.choices_differ;
    let enough =
        |drawn: &u32| power(population, *drawn, allowed(*drawn, rate, HONEST_REFUSED)) >= DETECTION;
    let needed = (0..=population).find(enough).unwrap_or(population);
    // One in four may lie too close.
    population.min(needed.saturating_add(needed / 3))
}

/// How probably more than `allowed` of `drawn` documents are forged, of a population with [`FORGED_SHARE`] of them.
pub(super) fn power(population: u32, drawn: u32, allowed: u32) -> f64 {
    let forged = u64::from(forged(population, FORGED_SHARE));
    let (population, drawn) = (u64::from(population), u64::from(drawn));
    match Hypergeometric::new(population, forged, drawn.min(population)) {
        Ok(found) => found.sf(u64::from(allowed)),
        Err(_) => 0.0,
    }
}

fn forged(population: u32, share: f64) -> u32 {
    (f64::from(population) * share).ceil().max(1.0) as u32
}

/// Documents of a submission that can be compared: those that were sent, of tasks that are known.
pub fn population(envelope: &Envelope, tasks: &dyn KnownTasks) -> Vec<Drawn> {
    let known = |record: &&TaskRecord| tasks.task(&record.name, &record.hash).is_some();
    let records = envelope
        .tasks
        .iter()
        .zip(0..)
        .filter(|(record, _)| known(record));
    records
        .flat_map(|(record, task)| {
            let ids = record.documents.iter().map(|document| document.doc_id);
            ids.map(move |doc_id| Drawn { task, doc_id })
        })
        .collect()
}

/// Draws of each task of `population` as many documents as find [`FORGED_SHARE`] forged ones of that task, in the order of the
/// submission. Drawn from all together, 10,000 documents would hide a small task that is forged whole. `exact` as in [`sample_size`].
///
/// `seed` is secret randomness of the server and `key` the submission's [`crate::Checked::key`]. Who knows both can draw again and see
/// that nothing was chosen.
pub fn sample(
    seed: &[u8; 32],
    key: &str,
    population: &[Drawn],
    exact: bool,
    closeness: &Closeness,
) -> Vec<Drawn> {
    let whole = population.len() as u64;
    let together = u64::from(sample_size(count(population), exact, closeness));
    let mut numbers = Numbers::new(seed, key);
    let mut drawn = Vec::new();
    for task in population.chunk_by(|one, next| one.task == next.task) {
        let own = sample_size(count(task), true, closeness);
        let share = (together * task.len() as u64).div_ceil(whole.max(1));
        // On the CPU lane what each task needs is more than its share of what one task of that size would need.
        let many = if exact { own } else { own.max(share as u32) };
        drawn.extend(numbers.draw(task, many));
    }
    drawn
}

/// Draws `many` of `population`, in the order of the submission; all of them if there are no more. `seed` and `key` as in [`sample`].
pub fn draw(seed: &[u8; 32], key: &str, population: &[Drawn], many: u32) -> Vec<Drawn> {
    Numbers::new(seed, key).draw(population, many)
}

fn count(documents: &[Drawn]) -> u32 {
    u32::try_from(documents.len()).unwrap_or(u32::MAX)
}

/// Numbers that nobody foresees who does not know the seed: SHA-256 of seed, key and a counter.
struct Numbers<'a> {
    seed: &'a [u8; 32],
    key: &'a str,
    counter: u64,
}

impl<'a> Numbers<'a> {
    fn new(seed: &'a [u8; 32], key: &'a str) -> Self {
        Self {
            seed,
            key,
            counter: 0,
        }
    }

    fn next(&mut self) -> u64 {
        let mut hash = Sha256::new();
        hash.update(self.seed);
        hash.update(self.key);
        hash.update(self.counter.to_le_bytes());
        self.counter += 1;
        let digest = hash.finalize();
        let bytes = digest.iter().take(8);
        bytes.fold(0, |number, &byte| number << 8 | u64::from(byte))
    }

    /// A number under `n`; one that would make some more probable than others is drawn anew.
    fn below(&mut self, n: u64) -> u64 {
        loop {
            let number = self.next();
            if number < u64::MAX - u64::MAX % n {
                return number % n;
            }
        }
    }

    /// As Fisher and Yates shuffle, as far as needed.
    fn draw(&mut self, population: &[Drawn], many: u32) -> Vec<Drawn> {
        let mut left = population.to_vec();
        let many = left.len().min(many as usize);
        for place in 0..many {
            let other = place + self.below((left.len() - place) as u64) as usize;
            left.swap(place, other);
        }
        left.truncate(many);
        left.sort_unstable();
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_documents_as_the_hypergeometric_distribution_says() {
        // scipy.stats.hypergeom: least k with 1 - pmf(0, N, share * N, k) >= 0.95.
        for (population, share, needed) in [
            (1000, 0.10, 29),
            (1000, 0.05, 57),
            (1000, 0.02, 138),
            (1000, 0.01, 258),
            (200, 0.10, 27),
            (200, 0.05, 51),
            (200, 0.02, 105),
            (200, 0.01, 155),
        ] {
            assert_eq!(documents_needed(population, share, 0.95), needed);
        }
    }

    #[test]
    fn the_smallest_populations_are_drawn_whole() {
        assert_eq!(documents_needed(0, 0.05, 0.95), 0);
        assert_eq!(documents_needed(1, 0.05, 0.95), 1);
        assert_eq!(documents_needed(10, 0.05, 0.95), 10);
        assert_eq!(detection(10, 0, 10), 0.0);
        assert_eq!(detection(10, 1, 10), 1.0);
        assert_eq!(detection(5, 9, 1), 1.0);
    }

    #[test]
    fn the_product_is_the_distribution() {
        for (population, forged, drawn) in [(1000, 50, 57), (20_000, 1000, 59), (30, 2, 10)] {
            let exact = Hypergeometric::new(population, forged, drawn)
                .unwrap()
                .sf(0);
            let product = detection(population as u32, forged as u32, drawn as u32);
            assert!((exact - product).abs() < 1e-9, "{exact} {product}");
        }
    }

    #[test]
    fn every_document_is_drawn_equally_often_and_once() {
        let population: Vec<Drawn> = (0..20).map(|doc_id| Drawn { task: 0, doc_id }).collect();
        let mut counts = [0u32; 20];
        for round in 0..4000u32 {
            let mut seed = [7; 32];
            seed[..4].copy_from_slice(&round.to_le_bytes());
            let drawn = draw(&seed, "key", &population, 5);
            assert!(drawn.windows(2).all(|pair| pair[0] < pair[1]) && drawn.len() == 5);
            drawn
                .iter()
                .for_each(|one| counts[one.doc_id as usize] += 1);
        }
        // 1000 expected, standard deviation 27: five of them.
        assert!(
            counts.iter().all(|&count| (863..=1137).contains(&count)),
            "{counts:?}"
        );
    }

    #[test]
    fn another_seed_or_submission_draws_others() {
        let population: Vec<Drawn> = (0..1000).map(|doc_id| Drawn { task: 0, doc_id }).collect();
        let first = draw(&[1; 32], "a", &population, 57);
        assert_eq!(first, draw(&[1; 32], "a", &population, 57));
        assert_ne!(first, draw(&[2; 32], "a", &population, 57));
        assert_ne!(first, draw(&[1; 32], "b", &population, 57));
        assert_eq!(draw(&[1; 32], "a", &population, 2000), population);
    }
}
