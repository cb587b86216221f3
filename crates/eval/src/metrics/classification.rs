//! Figures of right and predicted classes, as `sklearn.metrics` computes them.

use std::collections::BTreeMap;

/// F1 of one class; 0 where it neither is right nor was predicted.
pub(super) fn f1(pairs: &[(i64, i64)], class: i64) -> f64 {
    let count =
        |is: &dyn Fn(&(i64, i64)) -> bool| pairs.iter().filter(|pair| is(pair)).count() as f64;
    let both = count(&|&(gold, predicted)| gold == class && predicted == class);
    let either = count(&|&(gold, _)| gold == class) + count(&|&(_, predicted)| predicted == class);
    if either == 0.0 {
        0.0
    } else {
        2.0 * both / either
    }
}

/// Mean of the F1 of all classes that are right or were predicted.
pub(super) fn macro_f1(pairs: &[(i64, i64)]) -> f64 {
    let classes: BTreeMap<i64, ()> = pairs
        .iter()
        .flat_map(|&(a, b)| [(a, ()), (b, ())])
        .collect();
    let sum: f64 = classes.keys().map(|&class| f1(pairs, class)).sum();
    sum / classes.len() as f64
}

/// Matthews' correlation for any number of classes (Gorodkin 2004); 0 where one side does not vary.
pub(super) fn matthews(pairs: &[(i64, i64)]) -> f64 {
    let mut counts: BTreeMap<i64, (f64, f64)> = BTreeMap::new();
    let mut right = 0.0;
    for &(gold, predicted) in pairs {
        counts.entry(gold).or_default().0 += 1.0;
        counts.entry(predicted).or_default().1 += 1.0;
        right += f64::from(u8::from(gold == predicted));
    }
    let n = pairs.len() as f64;
    let sum = |product: fn(&(f64, f64)) -> f64| counts.values().map(product).sum::<f64>();
    let both = right * n - sum(|(gold, predicted)| gold * predicted);
    let of_predicted = n * n - sum(|(_, predicted)| predicted * predicted);
    let of_gold = n * n - sum(|(gold, _)| gold * gold);
    if of_predicted * of_gold == 0.0 {
        return 0.0;
    }
    both / (of_gold * of_predicted).sqrt()
}
