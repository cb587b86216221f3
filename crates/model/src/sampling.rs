//! Drawing a token: temperature, `top_k`, `top_p`, in the order of Hugging Face's `generate`
//! (transformers 5.24, `generation/logits_process.py`).
//!
//! The same logits and seed give the same token on every platform: f64 sums in the order of the ids, `exp` of libm, and
//! Python's generator. Hugging Face draws from torch's, so that its texts are others.

use jeoul_eval::model::Sampling;
use rand_mt::Mt;

use crate::ModelError;

/// Draws one token after another.
pub(crate) struct Sampler {
    temperature: f64,
    top_k: usize,
    top_p: f64,
    random: Mt,
}

/// A token that may be drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Candidate {
    token: u32,
    /// Logit divided by the temperature.
    score: f64,
}

impl Candidate {
    /// The most probable first, the lowest id of equals.
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        other
            .score
            .total_cmp(&self.score)
            .then(self.token.cmp(&other.token))
    }
}

impl Sampler {
    /// Refuses what Hugging Face refuses.
    pub(crate) fn new(sampling: &Sampling) -> Result<Self, ModelError> {
        let Sampling {
            temperature,
            top_p,
            top_k,
            seed,
        } = *sampling;
        let refused = |field, found, allowed| ModelError::Sampling {
            field,
            found,
            allowed,
        };
        if !(temperature > 0.0 && temperature.is_finite()) {
            return Err(refused("temperature", temperature, "finite and above 0"));
        }
        if !(0.0..=1.0).contains(&top_p) {
            return Err(refused("top_p", top_p, "from 0 to 1"));
        }
        Ok(Self {
            temperature: f64::from(temperature),
            top_k: top_k as usize,
            top_p: f64::from(top_p),
            random: generator(seed),
        })
    }

    /// How many of the most probable tokens a draw may need, with their equals; 0: all.
    pub(crate) fn top_k(&self) -> usize {
        self.top_k
    }

    /// One of the tokens, whose logits are finite and whose ids ascend: all there are, or at least those of [`Self::top_k`].
    pub(crate) fn draw(&mut self, logits: &[(u32, f32)]) -> u32 {
        let (candidates, weights) = self.candidates(logits);
        let total: f64 = weights.iter().sum();
        let mut left = self.uniform() * total;
        for (candidate, weight) in candidates.iter().zip(&weights) {
            left -= weight;
            if left < 0.0 {
                return candidate.token;
            }
        }
        // By rounding nothing was left below the last.
        candidates.last().map_or(0, |candidate| candidate.token)
    }

    /// Tokens that may be drawn, by id, and their probabilities, up to a factor.
    fn candidates(&self, logits: &[(u32, f32)]) -> (Vec<Candidate>, Vec<f64>) {
        let scored = logits.iter().map(|&(token, logit)| Candidate {
            token,
            score: f64::from(logit) / self.temperature,
        });
        let mut candidates: Vec<Candidate> = scored.collect();
        if (1..candidates.len()).contains(&self.top_k) {
            let mut ranked = candidates.clone();
            let (_, last, _) = ranked.select_nth_unstable_by(self.top_k - 1, Candidate::order);
            candidates.retain(|candidate| candidate.score >= last.score);
        }
        let largest = candidates.iter().map(|c| c.score).fold(f64::MIN, f64::max);
        let weight = |candidate: &Candidate| libm::exp(candidate.score - largest);
        if self.top_p < 1.0 {
            let mut ranked = candidates.clone();
            ranked.sort_unstable_by(Candidate::order);
            let total: f64 = ranked.iter().map(weight).sum();
            // From the least probable on, those that together have at most 1 - top_p go; one stays.
            let mut gone = 0.0;
            while ranked.len() > 1 {
                gone += ranked.last().map_or(0.0, weight) / total;
                if gone > 1.0 - self.top_p {
                    break;
                }
                ranked.pop();
            }
            if let Some(last) = ranked.last() {
                candidates.retain(|candidate| candidate.order(last).is_le());
            }
        }
        let weights = candidates.iter().map(weight).collect();
        (candidates, weights)
    }

    /// 53 random bits, from 0 to below 1, as `random.random()` of Python.
    fn uniform(&mut self) -> f64 {
        let (high, low) = (self.random.next_u32() >> 5, self.random.next_u32() >> 6);
        (f64::from(high) * 67_108_864.0 + f64::from(low)) / 9_007_199_254_740_992.0
    }
}

/// `random.Random(seed)`: the seed's 32-bit words, least first, are the key.
fn generator(seed: u64) -> Mt {
    let (low, high) = (seed as u32, (seed >> 32) as u32);
    match high {
        0 => Mt::new_with_key([low]),
        _ => Mt::new_with_key([low, high]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampling(temperature: f32, top_p: f32, top_k: u32) -> Sampling {
        Sampling {
            temperature,
            top_p,
            top_k,
            seed: 7,
        }
    }

    /// Tokens that may be drawn, and their probabilities.
    fn kept(logits: &[(u32, f32)], sampling: Sampling) -> Vec<(u32, f64)> {
        let (candidates, weights) = Sampler::new(&sampling).unwrap().candidates(logits);
        let total: f64 = weights.iter().sum();
        let tokens = candidates.iter().map(|c| c.token);
        tokens.zip(weights.iter().map(|w| w / total)).collect()
    }

    fn tokens(logits: &[(u32, f32)], sampling: Sampling) -> Vec<u32> {
        let kept = kept(logits, sampling);
        kept.into_iter().map(|(token, _)| token).collect()
    }

    /// Probabilities 0.1, 0.4, 0.2, 0.2, 0.1.
    fn logits() -> Vec<(u32, f32)> {
        let probabilities = [0.1_f32, 0.4, 0.2, 0.2, 0.1];
        (0..).zip(probabilities.map(f32::ln)).collect()
    }

    #[test]
    fn the_generator_is_pythons() {
        // random.Random(7 + (9 << 32)): random() three times, CPython 3.11.
        let mut sampler = Sampler::new(&Sampling {
            seed: 7 + (9 << 32),
            ..sampling(1.0, 1.0, 0)
        })
        .unwrap();
        let drawn = [0; 3].map(|_| sampler.uniform());
        let python = [0.3089548091385922, 0.050803957072157346, 0.9417549976755891];
        assert_eq!(drawn, python);
        let mut small = Sampler::new(&sampling(1.0, 1.0, 0)).unwrap();
        assert_eq!(small.uniform(), 0.32383276483316237);
    }

    #[test]
    fn top_k_keeps_those_that_equal_the_last() {
        let all = vec![0, 1, 2, 3, 4];
        assert_eq!(tokens(&logits(), sampling(1.0, 1.0, 0)), all);
        assert_eq!(tokens(&logits(), sampling(1.0, 1.0, 1)), [1]);
        assert_eq!(tokens(&logits(), sampling(1.0, 1.0, 2)), [1, 2, 3]);
        assert_eq!(tokens(&logits(), sampling(1.0, 1.0, 5)), all);
        assert_eq!(tokens(&logits(), sampling(1.0, 1.0, 99)), all);
    }

    #[test]
    fn whether_all_tokens_are_given_or_only_the_most_probable_is_the_same() {
        let some = [logits()[1], logits()[2], logits()[3]];
        for top_p in [1.0, 0.7, 0.5] {
            let sampling = sampling(0.8, top_p, 2);
            assert_eq!(kept(&some, sampling), kept(&logits(), sampling));
        }
    }

    #[test]
    fn top_p_keeps_the_fewest_that_reach_it() {
        assert_eq!(tokens(&logits(), sampling(1.0, 0.0, 0)), [1]);
        assert_eq!(tokens(&logits(), sampling(1.0, 0.3, 0)), [1]);
        // Of the equal 2 and 3, the lowest id is the more probable.
        assert_eq!(tokens(&logits(), sampling(1.0, 0.5, 0)), [1, 2]);
        assert_eq!(tokens(&logits(), sampling(1.0, 0.7, 0)), [1, 2, 3]);
        assert_eq!(tokens(&logits(), sampling(1.0, 0.85, 0)), [0, 1, 2, 3]);
        assert_eq!(tokens(&logits(), sampling(1.0, 1.0, 0)), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn temperature_comes_first_then_top_k_then_top_p() {
        // At temperature 0.5: 1, 16, 4, 4, 1 of 26.
        let cool = kept(&logits(), sampling(0.5, 1.0, 0));
        assert!((cool[1].1 - 16.0 / 26.0).abs() < 1e-6);
        // 16 of 26 are less than 0.65, but of the 24 that top_k keeps they are more.
        assert_eq!(tokens(&logits(), sampling(0.5, 0.65, 0)), [1, 2]);
        assert_eq!(tokens(&logits(), sampling(0.5, 0.65, 3)), [1]);
        // A temperature so low that f32 would overflow is greedy.
        let cold = kept(&logits(), sampling(1e-44, 1.0, 0));
        assert_eq!(cold[1].1, 1.0);
    }

    #[test]
    fn tokens_come_as_often_as_they_are_probable() {
        let mut sampler = Sampler::new(&sampling(1.0, 1.0, 0)).unwrap();
        let mut counts = [0_u32; 5];
        for _ in 0..20_000 {
            counts[sampler.draw(&logits()) as usize] += 1;
        }
        for (count, probability) in counts.iter().zip([0.1, 0.4, 0.2, 0.2, 0.1]) {
            // Four standard deviations are 0.014 at most.
            assert!(
                (f64::from(*count) / 20_000.0 - probability).abs() < 0.014,
                "{counts:?}"
            );
        }
    }

    #[test]
    fn the_same_seed_draws_the_same_tokens() {
        let draw = |seed| {
            let mut sampler = Sampler::new(&Sampling {
                seed,
                ..sampling(0.8, 0.9, 4)
            })
            .unwrap();
            [0; 20].map(|_| sampler.draw(&logits()))
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(1 << 32));
    }

    #[test]
    fn parameters_out_of_bounds_are_refused_by_name() {
        let refuse = |s| Sampler::new(&s).map(|_| ()).unwrap_err().to_string();
        assert_eq!(
            refuse(sampling(0.0, 1.0, 0)),
            "`temperature` is 0; it must be finite and above 0"
        );
        assert!(refuse(sampling(f32::NAN, 1.0, 0)).starts_with("`temperature` is NaN"));
        assert_eq!(
            refuse(sampling(1.0, 1.5, 0)),
            "`top_p` is 1.5; it must be from 0 to 1"
        );
    }
}
