//! Sums of one fixed order and an `exp` of our own: the same bits on every machine.
//!
//! A sum runs over 16 interleaved partial sums that are folded in a fixed tree, whatever the vector width of the machine.

use wide::f32x4;

/// Partial sums of every reduction.
pub(super) const PARTS: usize = 16;

/// Folds partial sums: `(p0 + p1) + (p2 + p3)` by vectors, then the same by lanes.
fn fold(parts: [f32x4; 4]) -> f32 {
    let [a, b, c, d] = ((parts[0] + parts[1]) + (parts[2] + parts[3])).to_array();
    (a + b) + (c + d)
}

/// Four vectors of 16 values.
#[inline(always)]
fn vectors(values: &[f32; PARTS]) -> [f32x4; 4] {
    bytemuck::cast(*values)
}

/// `values`, filled up with zeros.
fn padded(values: &[f32]) -> [f32; PARTS] {
    let mut full = [0.0; PARTS];
    full[..values.len()].copy_from_slice(values);
    full
}

/// Sum of `a · b` over two slices of one length.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut parts = [f32x4::splat(0.0); 4];
    let mut add = |a: &[f32; PARTS], b: &[f32; PARTS]| {
        for (part, (a, b)) in parts.iter_mut().zip(vectors(a).into_iter().zip(vectors(b))) {
            *part += a * b;
        }
    };
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<PARTS>(), b.as_chunks::<PARTS>());
    for (a, b) in a.iter().zip(b) {
        add(a, b);
    }
    if !a_rest.is_empty() {
        add(&padded(a_rest), &padded(b_rest));
    }
    fold(parts)
}
/// Replaces each value by `exp(value - shift)` and gives their sum.
pub(super) fn exp_and_sum(values: &mut [f32], shift: f32) -> f32 {
    let mut parts = [f32x4::splat(0.0); 4];
    for chunk in values.chunks_mut(PARTS) {
        for (part, four) in parts.iter_mut().zip(chunk.chunks_mut(4)) {
            let mut lanes = [f32::NEG_INFINITY; 4];
            lanes[..four.len()].copy_from_slice(four);
            let powers = exp(f32x4::new(lanes) - f32x4::splat(shift));
            let mut lanes = powers.to_array();
            four.copy_from_slice(&lanes[..four.len()]);
            lanes[four.len()..].fill(0.0);
            *part += f32x4::new(lanes);
        }
    }
    fold(parts)
}

/// Largest value, and the index of the first that has it; NaN never wins. `(-inf, 0)` of nothing.
pub(super) fn argmax(values: &[f32]) -> (f32, usize) {
    let largest = values
        .iter()
        .copied()
        .fold(f32::NEG_INFINITY, |a, b| if b > a { b } else { a });
    (
        largest,
        values.iter().position(|&x| x == largest).unwrap_or(0),
    )
}

/// `eˣ` to 2 units in the last place; arguments are clamped to where the result is a normal number.
///
/// Cephes' `expf`: `x = n·ln 2 + r`, a polynomial of degree 7 in `r`, `n` into the exponent bits.
#[inline(always)]
pub(super) fn exp(x: f32x4) -> f32x4 {
    let x = x.fast_max(f32x4::splat(-87.0)).fast_min(f32x4::splat(88.0));
    let n = (x * f32x4::splat(core::f32::consts::LOG2_E)).round_int();
    let nf = f32x4::from_i32x4(n);
    // ln 2 in two parts, the first with few bits, so that n · part is exact.
    let r = x - nf * f32x4::splat(0.693_359_4) - nf * f32x4::splat(-2.121_944_4e-4);
    let mut p = f32x4::splat(1.987_569_1e-4);
    for coefficient in [
        1.398_199_9e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        1.666_666_5e-1,
        0.5,
    ] {
        p = p * r + f32x4::splat(coefficient);
    }
    let p = p * r * r + r + f32x4::splat(1.0);
    let power_of_two: f32x4 = bytemuck::cast((n + wide::i32x4::splat(127)) << 23);
    p * power_of_two
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_within_two_units_in_the_last_place() {
        for i in -8700..=8800 {
            let x = i as f32 / 100.0;
            let got = f64::from(exp(f32x4::splat(x)).to_array()[0]);
            let want = libm::exp(f64::from(x));
            assert!(
                ((got - want) / want).abs() < 2.4e-7,
                "exp({x}) = {got}, not {want}"
            );
        }
    }

    #[test]
    fn exp_of_minus_infinity_is_negligible_and_finite() {
        assert!(exp(f32x4::splat(f32::NEG_INFINITY)).to_array()[0] < 1e-37);
    }

    #[test]
    fn sums_take_every_value_whatever_the_length() {
        for length in 0..70 {
            let a: Vec<f32> = (0..length).map(|i| i as f32).collect();
            let ones = vec![1.0; length];
            assert_eq!(
                dot(&a, &ones),
                (length * length.saturating_sub(1) / 2) as f32,
                "{length} values"
            );
            let mut zeros = vec![0.0; length];
            assert_eq!(exp_and_sum(&mut zeros, 0.0), length as f32);
        }
    }

    #[test]
    fn the_first_of_equal_maxima_wins() {
        assert_eq!(argmax(&[1.0, 3.0, f32::NAN, 3.0]), (3.0, 1));
        assert_eq!(argmax(&[]), (f32::NEG_INFINITY, 0));
    }
}
