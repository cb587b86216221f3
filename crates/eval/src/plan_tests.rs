//! Tests of [`crate::plan`]: an engine that keeps tokens where another keeps keys and values reads what was asked.

use super::*;
use crate::random::PythonRandom;

fn pair(context: &[u32], continuation: &[u32]) -> TokenPair {
    TokenPair {
        context: context.to_vec(),
        continuation: continuation.to_vec(),
    }
}

/// Follows a schedule and gives, per request and index, the whole sequence that is seen before the target.
fn follow(kept: &[u32], pairs: &[TokenPair], rows_max: usize) -> Vec<Vec<Vec<u32>>> {
    let schedule = Schedule::new(kept, pairs, rows_max);
    let mut cache = kept.to_vec();
    let mut answers: Vec<Vec<Vec<u32>>> = pairs
        .iter()
        .map(|pair| vec![Vec::new(); pair.continuation.len()])
        .collect();
    for batch in &schedule.batches {
        assert!(batch.rows.len() <= rows_max && batch.base <= cache.len());
        cache.truncate(batch.base);
        cache.extend(batch.rows.iter().map(|row| row.token));
        let seen = |i: usize| -> Vec<u32> {
            let row = batch.rows[i];
            let rows = (0..=i).filter(|&j| batch.rows[j].end > i);
            let places = (0..row.path).chain(rows.map(|j| batch.base + j));
            places.map(|place| cache[place]).collect()
        };
        for scored in &batch.scored {
            let (sequence, row) = (seen(scored.row), batch.rows[scored.row]);
            assert_eq!(sequence.len(), row.position + 1);
            assert_eq!(
                pairs[scored.request].continuation[scored.index],
                scored.target
            );
            let answer = &mut answers[scored.request][scored.index];
            assert!(answer.is_empty(), "a token is scored twice");
            *answer = sequence;
        }
        let alive: Vec<u32> = batch
            .keep
            .rows
            .iter()
            .map(|&row| cache[batch.base + row])
            .collect();
        cache.truncate(batch.keep.path);
        cache.extend(alive);
    }
    if !schedule.batches.is_empty() {
        assert_eq!(cache, schedule.path);
    }
    answers
}

#[track_caller]
fn check(kept: &[u32], pairs: &[TokenPair], rows_max: usize) {
    for (pair, answers) in pairs.iter().zip(follow(kept, pairs, rows_max)) {
        for (index, seen) in answers.iter().enumerate() {
            let want = [&pair.context[..], &pair.continuation[..index]].concat();
            assert_eq!(*seen, want);
        }
    }
}

fn computed(kept: &[u32], pairs: &[TokenPair]) -> usize {
    Schedule::new(kept, pairs, 128).tokens()
}

#[test]
fn the_example_of_the_docs() {
    let pairs = [pair(&[1, 2, 3], &[4, 5]), pair(&[1, 2, 3], &[7, 8, 9])];
    let schedule = Schedule::new(&[], &pairs, 128);
    let [batch] = &schedule.batches[..] else {
        panic!("{} batches", schedule.batches.len());
    };
    let rows: Vec<_> = batch
        .rows
        .iter()
        .map(|row| (row.token, row.position, row.end))
        .collect();
    assert_eq!(
        rows,
        [
            (1, 0, 6),
            (2, 1, 6),
            (3, 2, 6),
            (4, 3, 4),
            (7, 3, 6),
            (8, 4, 6)
        ]
    );
    let scored: Vec<_> = batch
        .scored
        .iter()
        .map(|scored| (scored.row, scored.target))
        .collect();
    assert_eq!(scored, [(2, 4), (2, 7), (3, 5), (4, 8), (5, 9)]);
    assert_eq!(schedule.path, [1, 2, 3, 7, 8]);
}

#[test]
fn the_last_token_of_the_context_is_computed_even_if_it_is_kept() {
    let next = pair(&[0, 1, 2], &[3, 4]);
    assert_eq!(computed(&[], std::slice::from_ref(&next)), 4);
    assert_eq!(computed(&[0, 9], std::slice::from_ref(&next)), 3);
    assert_eq!(computed(&[0, 1], std::slice::from_ref(&next)), 2);
    assert_eq!(computed(&[0, 1, 2], std::slice::from_ref(&next)), 2);
    assert_eq!(computed(&[0, 1, 2, 3], std::slice::from_ref(&next)), 2);
    assert_eq!(computed(&[7], &[pair(&[7], &[8])]), 1);
}

#[test]
fn choices_of_one_token_share_one_row() {
    let choices: Vec<_> = (10..14).map(|choice| pair(&[1, 2], &[choice])).collect();
    assert_eq!(computed(&[], &choices), 2);
    assert_eq!(computed(&[], &[]), 0);
}

#[test]
fn the_last_token_of_the_continuation_is_not_read() {
    assert_eq!(read(&pair(&[0, 1], &[2, 3])), [0, 1, 2]);
}

#[test]
fn every_token_is_scored_after_its_own_sequence() {
    let mut random = PythonRandom::new(5);
    let mut below = |n: usize| random.choice(n);
    for _ in 0..400 {
        // Two letters: many requests share beginnings, end within others or are the same.
        let mut tokens = |most: usize| -> Vec<u32> {
            let count = 1 + below(most);
            (0..count).map(|_| below(2) as u32).collect()
        };
        let kept = tokens(9);
        let pairs: Vec<_> = (0..7).map(|_| pair(&tokens(8), &tokens(4))).collect();
        for rows_max in [1, 2, 3, 7, 128] {
            check(&kept, &pairs, rows_max);
        }
        let counts: Vec<usize> = [1, 3, 128]
            .iter()
            .map(|&rows_max| Schedule::new(&kept, &pairs, rows_max).tokens())
            .collect();
        assert!(counts.windows(2).all(|two| two[0] == two[1]), "{counts:?}");
    }
}
