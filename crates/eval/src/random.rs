//! Python's `random.Random`, as far as few-shot sampling and the bootstrap draw from it (CPython 3.11, `Lib/random.py`).

use std::collections::HashSet;

use rand_mt::Mt;

/// A generator that draws what `random.Random(seed)` draws.
#[derive(Clone, Debug)]
pub(crate) struct PythonRandom(Mt);

impl PythonRandom {
    /// `random.Random(seed)`: the seed's 32-bit words, least first, are the generator's key.
    pub(crate) fn new(seed: u64) -> Self {
        let (low, high) = (seed as u32, (seed >> 32) as u32);
        Self(if high == 0 {
            Mt::new_with_key([low])
        } else {
            Mt::new_with_key([low, high])
        })
    }

    /// `_randbelow`: a number under `n`, by drawing as many bits as `n` has until they make one.
    fn below(&mut self, n: u32) -> u32 {
        let bits = n.max(1).ilog2() + 1;
        loop {
            let drawn = self.0.next_u32() >> (32 - bits);
            if drawn < n {
                return drawn;
            }
        }
    }

    /// `random()`: 53 bits, 0 to 1 without 1.
    fn unit(&mut self) -> f64 {
        let (high, low) = (self.0.next_u32() >> 5, self.0.next_u32() >> 6);
        (f64::from(high) * 67_108_864.0 + f64::from(low)) / 9_007_199_254_740_992.0
    }

    /// One index of `choices(range(population), k=…)`.
    pub(crate) fn choice(&mut self, population: usize) -> usize {
        (self.unit() * population as f64) as usize
    }

    /// `sample(range(population), k)`: `k` different indices in drawing order; `None` if there are not as many.
    pub(crate) fn sample(&mut self, population: u32, k: u32) -> Option<Vec<u32>> {
        if k > population {
            return None;
        }
        if population <= pool_limit(k) {
            let mut pool: Vec<u32> = (0..population).collect();
            let mut draw = |_| pool.swap_remove(self.below(pool.len() as u32) as usize);
            return Some((0..k).map(&mut draw).collect());
        }
        let mut seen = HashSet::new();
        let mut drawn = Vec::with_capacity(k as usize);
        while drawn.len() < k as usize {
            let index = self.below(population);
            if seen.insert(index) {
                drawn.push(index);
            }
        }
        Some(drawn)
    }
}

/// Up to this population Python shuffles a list of it instead of remembering what was drawn.
fn pool_limit(k: u32) -> u32 {
    if k <= 5 {
        return 21;
    }
    let mut power: u32 = 1;
    while power < k.saturating_mul(3) {
        power = power.saturating_mul(4);
    }
    power.saturating_add(21)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_those_of_python() {
        // Python 3.11: random.Random(3).choices(range(10), k=8).
        let mut random = PythonRandom::new(3);
        let drawn: Vec<usize> = (0..8).map(|_| random.choice(10)).collect();
        assert_eq!(drawn, [2, 5, 3, 6, 6, 0, 0, 8]);
    }

    #[test]
    fn samples_are_those_of_python() {
        // Python 3.11: r = random.Random(seed); r.sample(range(n), k), twice each.
        for (seed, population, k, expected) in [
            (1234, 20, 5, [vec![14, 3, 0, 2, 1], vec![2, 3, 11, 7, 0]]),
            (
                1234,
                200,
                5,
                [vec![199, 112, 29, 1, 23], vec![149, 8, 171, 177, 21]],
            ),
            (0, 21, 3, [vec![12, 13, 1], vec![8, 16, 15]]),
            (42, 22, 3, [vec![20, 3, 0], vec![8, 7, 4]]),
            (
                42,
                85,
                6,
                [vec![81, 14, 3, 35, 31, 28], vec![17, 13, 69, 11, 75, 54]],
            ),
            (
                1234,
                86,
                6,
                [vec![56, 14, 0, 11, 74, 4], vec![85, 10, 12, 45, 30, 2]],
            ),
            (
                7,
                1000,
                25,
                [
                    vec![
                        331, 970, 154, 404, 666, 49, 74, 840, 548, 96, 374, 596, 59, 931, 519, 219,
                        38, 88, 444, 428, 71, 246, 92, 564, 434,
                    ],
                    vec![
                        60, 846, 579, 126, 970, 228, 645, 642, 596, 63, 590, 599, 406, 50, 999,
                        226, 47, 570, 879, 136, 296, 429, 147, 553, 120,
                    ],
                ],
            ),
            (
                1099511627781,
                60,
                4,
                [vec![32, 33, 17, 42], vec![59, 1, 33, 48]],
            ),
            (
                4294967296,
                10,
                10,
                [
                    vec![1, 5, 6, 0, 7, 4, 2, 3, 9, 8],
                    vec![2, 1, 6, 4, 9, 5, 3, 8, 7, 0],
                ],
            ),
        ] {
            let mut random = PythonRandom::new(seed);
            for sample in expected {
                assert_eq!(random.sample(population, k), Some(sample));
            }
        }
    }

    #[test]
    fn more_than_there_are_is_refused() {
        assert_eq!(PythonRandom::new(0).sample(3, 4), None);
    }
}
