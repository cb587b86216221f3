//! Which examples stand before a document, as `lm_eval/api/samplers.py`.

use serde_json::{Map, Value as Json};

use crate::config::Sampler;
use crate::random::PythonRandom;

/// What happens to the document itself, where it lies among the examples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Itself {
    /// It does not lie there.
    Elsewhere,
    /// The harness draws one more and leaves it out.
    LeftOut,
    /// The harness may show it as an example; ours is replaced by another, and later draws stay those of the harness.
    Replaced,
}

/// Draws the examples of one document after the other; the harness uses one generator for the whole task, so the order
/// of the calls matters.
pub(crate) struct Draw<'a> {
    pool: Vec<&'a Map<String, Json>>,
    sampler: Sampler,
    random: PythonRandom,
    itself: Itself,
}

impl<'a> Draw<'a> {
    pub(crate) fn new(
        pool: Vec<&'a Map<String, Json>>,
        sampler: Sampler,
        seed: u64,
        itself: Itself,
    ) -> Self {
        Self {
            pool,
            sampler,
            random: PythonRandom::new(seed),
            itself,
        }
    }

    /// Indices of `n` examples for `document`, or how many there are if that is less.
    pub(crate) fn next(&mut self, document: &Map<String, Json>, n: u32) -> Result<Vec<usize>, u32> {
        let n = n as usize;
        if n == 0 {
            return Ok(Vec::new());
        }
        if self.sampler == Sampler::FirstN {
            let drawn: Vec<usize> = self.others(document).take(n).collect();
            return match drawn.len() < n {
                true => Err(drawn.len() as u32),
                false => Ok(drawn),
            };
        }
        let extra = usize::from(self.itself == Itself::LeftOut);
        let mut drawn = self.sample(self.pool.len(), n + extra, extra)?;
        drawn.retain(|&index| self.itself != Itself::LeftOut || self.pool[index] != document);
        drawn.truncate(n);
        if self.itself == Itself::Replaced {
            return self.replace(drawn, document);
        }
        if drawn.len() == n {
            return Ok(drawn);
        }
        // The document lies in the pool more than once.
        let others: Vec<usize> = self.others(document).collect();
        let places = self.sample(others.len(), n, 0)?;
        Ok(places.into_iter().map(|place| others[place]).collect())
    }

    /// Indices of the examples that are not the document, read one by one: a pool may hold tens of thousands.
    fn others(&self, document: &Map<String, Json>) -> impl Iterator<Item = usize> {
        let is_other =
            move |index: &usize| self.itself == Itself::Elsewhere || self.pool[*index] != document;
        (0..self.pool.len()).filter(is_other)
    }

    /// Python's sample; what is drawn beyond need does not count as available.
    fn sample(&mut self, population: usize, n: usize, extra: usize) -> Result<Vec<usize>, u32> {
        let drawn = self.random.sample(population as u32, n as u32);
        let drawn = drawn.ok_or(population.saturating_sub(extra) as u32)?;
        Ok(drawn.into_iter().map(|index| index as usize).collect())
    }

    /// Puts others in the place of the document itself, drawn from a copy of the generator.
    fn replace(
        &self,
        mut drawn: Vec<usize>,
        document: &Map<String, Json>,
    ) -> Result<Vec<usize>, u32> {
        let is_other = |index: usize| self.pool[index] != document;
        if drawn.iter().all(|&index| is_other(index)) {
            return Ok(drawn);
        }
        let others: Vec<usize> = self.others(document).collect();
        let unused = |index: &usize| !drawn.contains(index);
        let mut left: Vec<usize> = others.iter().copied().filter(unused).collect();
        let mut random = self.random.clone();
        for index in &mut drawn {
            if !is_other(*index) {
                let place = random.sample(left.len() as u32, 1);
                let place = place.and_then(|places| places.first().copied());
                *index = left.swap_remove(place.ok_or(others.len() as u32)? as usize);
            }
        }
        Ok(drawn)
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
        itself: Itself,
        documents: &[u32],
        n: u32,
    ) -> Vec<Result<Vec<u32>, u32>> {
        let pool = pool(values);
        let mut draw = Draw::new(pool.iter().collect(), sampler, 1234, itself);
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
            draws(&values, Sampler::Default, Itself::LeftOut, &[0, 1, 2], 3),
            [
                Ok(vec![24, 14, 3]),
                Ok(vec![2, 29, 25]),
                Ok(vec![1, 21, 22])
            ]
        );
        assert_eq!(
            draws(&values, Sampler::Default, Itself::Elsewhere, &[0, 1, 2], 3),
            [Ok(vec![24, 14, 3]), Ok(vec![0, 2, 29]), Ok(vec![25, 18, 1])]
        );
        // Duplicates of the document are drawn and removed, then the harness draws again.
        assert_eq!(
            draws(
                &[1, 1, 2, 2, 2, 3],
                Sampler::Default,
                Itself::LeftOut,
                &[2, 2, 3],
                3
            ),
            [Ok(vec![3, 1, 1]), Ok(vec![1, 1, 3]), Ok(vec![1, 2, 2])]
        );
    }

    #[test]
    fn first_n_takes_the_first_other_ones() {
        let drawn = draws(&[7, 8, 9], Sampler::FirstN, Itself::LeftOut, &[8, 1], 2);
        assert_eq!(drawn, [Ok(vec![7, 9]), Ok(vec![7, 8])]);
        assert_eq!(
            draws(&[7, 8, 9], Sampler::FirstN, Itself::Elsewhere, &[8], 2),
            [Ok(vec![7, 8])]
        );
    }

    #[test]
    fn too_few_examples_are_reported_with_their_number() {
        assert_eq!(
            draws(&[7, 8], Sampler::FirstN, Itself::LeftOut, &[8], 2),
            [Err(1)]
        );
        assert_eq!(
            draws(&[7, 8], Sampler::Default, Itself::LeftOut, &[8], 2),
            [Err(1)]
        );
        assert_eq!(
            draws(&[7, 8], Sampler::Default, Itself::Elsewhere, &[8], 3),
            [Err(2)]
        );
        assert_eq!(
            draws(&[8, 8, 8], Sampler::Default, Itself::LeftOut, &[8], 1),
            [Err(0)]
        );
    }

    #[test]
    fn a_document_that_the_harness_would_show_is_replaced_and_others_stay() {
        // Drawn by the harness: [24, 14, 3], [0, 2, 29], [25, 18, 1].
        let values: Vec<u32> = (0..30).collect();
        let found = draws(&values, Sampler::Default, Itself::Replaced, &[14, 7, 1], 3);
        let [Ok(first), second, Ok(third)] = &found[..] else {
            panic!("{found:?}")
        };
        assert_eq!((first[0], first[2], second), (24, 3, &Ok(vec![0, 2, 29])));
        assert_eq!((third[0], third[1]), (25, 18));
        assert!(![14, 24, 3].contains(&first[1]) && ![25, 18, 1].contains(&third[2]));
        assert_eq!(
            draws(&[7, 8], Sampler::Default, Itself::Replaced, &[8], 2),
            [Err(1)]
        );
    }
}
