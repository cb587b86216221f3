//! Which examples stand before a document, as `lm_eval/api/samplers.py`.

use serde_json::{Map, Value as Json};

use crate::config::Sampler;
use crate::random::PythonRandom;

/// Draws the examples of one document after the other; the harness uses one generator for the whole task, so the order
/// of the calls matters.
pub(crate) struct Draw<'a> {
    pool: Vec<&'a Map<String, Json>>,
    sampler: Sampler,
    random: PythonRandom,
    /// Whether the document itself may lie in the pool and must not be drawn.
    excludes: bool,
}

impl<'a> Draw<'a> {
    pub(crate) fn new(
        pool: Vec<&'a Map<String, Json>>,
        sampler: Sampler,
        seed: u64,
        excludes: bool,
    ) -> Self {
        Self {
            pool,
            sampler,
            random: PythonRandom::new(seed),
            excludes,
        }
    }

    /// Indices of `n` examples for `document`, or how many there are if that is less.
    pub(crate) fn next(&mut self, document: &Map<String, Json>, n: u32) -> Result<Vec<usize>, u32> {
        let n = n as usize;
        if n == 0 {
            return Ok(Vec::new());
        }
        let is_other = |&index: &usize| !self.excludes || self.pool[index] != document;
        let others = || (0..self.pool.len()).filter(is_other);
        if self.sampler == Sampler::FirstN {
            let drawn: Vec<usize> = others().take(n).collect();
            return if drawn.len() < n {
                Err(drawn.len() as u32)
            } else {
                Ok(drawn)
            };
        }
        // One more is drawn where the document might be among them.
        let extra = usize::from(self.excludes);
        let drawn = self
            .random
            .sample(self.pool.len() as u32, (n + extra) as u32);
        let drawn = drawn.ok_or((self.pool.len() - extra.min(self.pool.len())) as u32)?;
        let drawn: Vec<usize> = drawn
            .into_iter()
            .map(|index| index as usize)
            .filter(is_other)
            .take(n)
            .collect();
        if drawn.len() == n {
            return Ok(drawn);
        }
        // The document lies in the pool more than once.
        let others: Vec<usize> = others().collect();
        let drawn = self
            .random
            .sample(others.len() as u32, n as u32)
            .ok_or(others.len() as u32)?;
        Ok(drawn
            .into_iter()
            .map(|index| others[index as usize])
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pool(values: &[u32]) -> Vec<Map<String, Json>> {
        values
            .iter()
            .map(|value| Map::from_iter([("v".to_string(), json!(value))]))
            .collect()
    }

    fn draws(
        values: &[u32],
        sampler: Sampler,
        excludes: bool,
        documents: &[u32],
        n: u32,
    ) -> Vec<Result<Vec<u32>, u32>> {
        let pool = pool(values);
        let mut draw = Draw::new(pool.iter().collect(), sampler, 1234, excludes);
        let documents = self::pool(documents);
        let values = |drawn: Vec<usize>| drawn.into_iter().map(|index| values[index]).collect();
        documents
            .iter()
            .map(|document| draw.next(document, n).map(values))
            .collect()
    }

    #[test]
    fn examples_are_those_of_the_harness() {
        // lm_eval 0.4.13: s = ContextSampler(docs).set_rnd(1234); s.sample(3, eval_doc), for documents 0, 1, 2.
        let values: Vec<u32> = (0..30).collect();
        assert_eq!(
            draws(&values, Sampler::Default, true, &[0, 1, 2], 3),
            [
                Ok(vec![24, 14, 3]),
                Ok(vec![2, 29, 25]),
                Ok(vec![1, 21, 22])
            ]
        );
        assert_eq!(
            draws(&values, Sampler::Default, false, &[0, 1, 2], 3),
            [Ok(vec![24, 14, 3]), Ok(vec![0, 2, 29]), Ok(vec![25, 18, 1])]
        );
        // Duplicates of the document are drawn and removed, then the harness draws again.
        assert_eq!(
            draws(&[1, 1, 2, 2, 2, 3], Sampler::Default, true, &[2, 2, 3], 3),
            [Ok(vec![3, 1, 1]), Ok(vec![1, 1, 3]), Ok(vec![1, 2, 2])]
        );
    }

    #[test]
    fn first_n_takes_the_first_other_ones() {
        let drawn = draws(&[7, 8, 9], Sampler::FirstN, true, &[8, 1], 2);
        assert_eq!(drawn, [Ok(vec![7, 9]), Ok(vec![7, 8])]);
        assert_eq!(
            draws(&[7, 8, 9], Sampler::FirstN, false, &[8], 2),
            [Ok(vec![7, 8])]
        );
    }

    #[test]
    fn too_few_examples_are_reported_with_their_number() {
        assert_eq!(draws(&[7, 8], Sampler::FirstN, true, &[8], 2), [Err(1)]);
        assert_eq!(draws(&[7, 8], Sampler::Default, true, &[8], 2), [Err(1)]);
        assert_eq!(draws(&[7, 8], Sampler::Default, false, &[8], 3), [Err(2)]);
        assert_eq!(draws(&[8, 8, 8], Sampler::Default, true, &[8], 1), [Err(0)]);
    }
}
