//! Correlations of numbers, as `scipy.stats` computes them; 0 where scipy has none: below two pairs, or where one side does not vary.

/// Pearson's correlation.
pub(super) fn pearson(pairs: &[(f64, f64)]) -> f64 {
    let n = pairs.len() as f64;
    let (sum_x, sum_y) = pairs
        .iter()
        .fold((0.0, 0.0), |(x, y), pair| (x + pair.0, y + pair.1));
    let (mean_x, mean_y) = (sum_x / n, sum_y / n);
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y) in pairs {
        let (dx, dy) = (x - mean_x, y - mean_y);
        xx += dx * dx;
        yy += dy * dy;
        xy += dx * dy;
    }
    let constant =
        |first: fn(&(f64, f64)) -> f64| pairs.iter().all(|pair| first(pair) == first(&pairs[0]));
    if pairs.len() < 2 || constant(|pair| pair.0) || constant(|pair| pair.1) {
        return 0.0;
    }
    (xy / (xx.sqrt() * yy.sqrt())).clamp(-1.0, 1.0)
}

/// Spearman's correlation: Pearson's of the ranks, equal numbers sharing the mean of theirs.
pub(super) fn spearman(pairs: &[(f64, f64)]) -> f64 {
    let x = ranks(&pairs.iter().map(|pair| pair.0).collect::<Vec<_>>());
    let y = ranks(&pairs.iter().map(|pair| pair.1).collect::<Vec<_>>());
    pearson(&x.into_iter().zip(y).collect::<Vec<_>>())
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    while start < order.len() {
        let equal = |&&place: &&usize| values[place] == values[order[start]];
        let count = order[start..].iter().take_while(equal).count().max(1);
        let rank = start as f64 + (count as f64 + 1.0) / 2.0;
        for &place in &order[start..start + count] {
            ranks[place] = rank;
        }
        start += count;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn correlations_are_those_of_scipy() {
        // scipy 1.17: pearsonr and spearmanr.
        let pairs = [(1.0, 2.0), (2.0, 1.0), (2.0, 4.0), (4.5, 3.0), (0.0, 0.5)];
        assert!(
            (pearson(&pairs) - 0.5791313105962171).abs() < 1e-12,
            "{}",
            pearson(&pairs)
        );
        assert!(
            (spearman(&pairs) - 0.6668859288553503).abs() < 1e-12,
            "{}",
            spearman(&pairs)
        );
    }

    #[test]
    fn what_does_not_vary_correlates_with_nothing() {
        assert_eq!(pearson(&[(1.0, 2.0), (1.0, 3.0)]), 0.0);
        assert_eq!((spearman(&[(1.0, 2.0)]), pearson(&[])), (0.0, 0.0));
    }
}
