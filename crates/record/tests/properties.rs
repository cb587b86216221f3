//! What holds for every value and every byte: one form, one signature, and no panic.

mod support;

use std::sync::LazyLock;

use jeoul_record::canonical::bytes;
use jeoul_record::check;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Map, Value as Json};
use support::{Board, context, forged};

static BOARD: LazyLock<Board> = LazyLock::new(Board::new);
/// An honest submission without texts, as it is posted.
static OUTCOMES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let posted = forged(&BOARD.outcomes);
    assert_eq!(BOARD.refusal(&posted), None);
    posted
});

/// Any JSON value without numbers that JavaScript cannot hold.
fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i32>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        any::<String>().prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..8).prop_map(Json::from),
            btree_map(any::<String>(), inner, 0..8)
                .prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

/// The same value with the keys of every object turned around and moved on by `turn`.
fn reordered(value: &Json, turn: usize) -> Json {
    match value {
        Json::Array(items) => items.iter().map(|item| reordered(item, turn)).collect(),
        Json::Object(fields) => {
            let mut fields: Vec<_> = fields
                .iter()
                .map(|(key, value)| (key.clone(), reordered(value, turn)))
                .collect();
            fields.reverse();
            let count = fields.len().max(1);
            fields.rotate_left(turn % count);
            Json::Object(fields.into_iter().collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

/// Places of all values within a value.
fn places(value: &Json, at: String, all: &mut Vec<String>) {
    match value {
        Json::Array(items) => {
            let items = items.iter().enumerate();
            items.for_each(|(index, item)| places(item, format!("{at}/{index}"), all));
        }
        Json::Object(fields) => {
            let fields = fields.iter();
            fields.for_each(|(key, item)| places(item, format!("{at}/{key}"), all));
        }
        _ => {}
    }
    all.push(at);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn the_order_of_keys_changes_nothing(value in json(), turn in 0usize..8) {
        prop_assert_eq!(bytes(&value).unwrap(), bytes(&reordered(&value, turn)).unwrap());
    }

    #[test]
    fn what_is_canonical_stays_so(value in json()) {
        let once = bytes(&value).unwrap();
        let read: Json = serde_json::from_slice(&once).unwrap();
        prop_assert_eq!(bytes(&read).unwrap(), once);
    }

    #[test]
    fn any_change_of_a_byte_is_refused(place in any::<prop::sample::Index>(), change in 1u8..) {
        let mut posted = OUTCOMES.clone();
        let place = place.index(posted.len());
        posted[place] ^= change;
        prop_assert!(check(&posted, &context(&BOARD.set)).is_err(), "byte {} ^ {}", place, change);
    }

    #[test]
    fn any_value_in_any_place_is_judged_without_a_panic(
        place in any::<prop::sample::Index>(),
        value in json(),
    ) {
        let mut envelope = BOARD.full.clone();
        let mut all = Vec::new();
        places(&envelope, String::new(), &mut all);
        let at = place.get(&all).as_str();
        *envelope.pointer_mut(at).unwrap() = value;
        let _ = check(&forged(&envelope), &context(&BOARD.set));
    }

    #[test]
    fn any_bytes_are_judged_without_a_panic(
        start in any::<prop::sample::Index>(),
        length in 0usize..64,
        with in vec(any::<u8>(), 0..64),
    ) {
        let mut posted = forged(&BOARD.scores);
        let start = start.index(posted.len());
        let end = (start + length).min(posted.len());
        posted.splice(start..end, with);
        let _ = check(&posted, &context(&BOARD.set));
    }
}

#[test]
fn every_byte_of_a_submission_is_signed() {
    let small = support::honest(&[support::own_task(support::ROLLING)]);
    let signed = forged(&serde_json::to_value(&small).unwrap());
    assert_eq!(BOARD.refusal(&signed), None);
    assert!(signed.len() > 1000);
    for place in 0..signed.len() {
        for change in [0x01, 0x04, 0x20, 0x80] {
            let mut posted = signed.clone();
            posted[place] ^= change;
            assert!(BOARD.refusal(&posted).is_some(), "byte {place} ^ {change}");
        }
    }
}
