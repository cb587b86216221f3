//! Sums of one fixed order and an `exp` of our own: the same bits on every machine.
//!
//! A sum runs over 16 interleaved partial sums that are folded in a fixed tree, whatever the vector width of the machine.
//! The functions are plain loops, which the compiler turns into vectors of the caller's width.

/// Partial sums of every reduction.
pub(super) const PARTS: usize = 16;

/// Folds partial sums: `(p0 + p1) + (p2 + p3)` by fours, then the same by ones.
#[inline(always)]
fn fold(parts: [f32; PARTS]) -> f32 {
    let mut four = [0.0; 4];
    for (i, sum) in four.iter_mut().enumerate() {
        *sum = (parts[i] + parts[4 + i]) + (parts[8 + i] + parts[12 + i]);
    }
    (four[0] + four[1]) + (four[2] + four[3])
}

/// `values`, filled up with zeros.
#[inline(always)]
fn padded(values: &[f32]) -> [f32; PARTS] {
    let mut full = [0.0; PARTS];
    full[..values.len()].copy_from_slice(values);
    full
}

/// Sum of the squares.
#[inline(always)]
pub(super) fn sum_of_squares(values: &[f32]) -> f32 {
    let mut parts = [0.0; PARTS];
    let (chunks, rest) = values.as_chunks::<PARTS>();
    for values in chunks {
        for (part, value) in parts.iter_mut().zip(values) {
            *part += value * value;
        }
    }
    for (part, value) in parts.iter_mut().zip(padded(rest)) {
        *part += value * value;
    }
    fold(parts)
}

/// Replaces each value by `exp(value - shift)` and gives their sum.
#[inline(always)]
pub(super) fn exp_and_sum(values: &mut [f32], shift: f32) -> f32 {
    let mut parts = [0.0; PARTS];
    let (chunks, rest) = values.as_chunks_mut::<PARTS>();
    for values in chunks {
        for (part, value) in parts.iter_mut().zip(values) {
            *value = exp(*value - shift);
            *part += *value;
        }
    }
    for (part, value) in parts.iter_mut().zip(rest) {
        *value = exp(*value - shift);
        *part += *value;
    }
    fold(parts)
}

/// Largest value; NaN never wins. `-inf` of nothing.
#[inline(always)]
pub(super) fn largest(values: &[f32]) -> f32 {
    let mut parts = [f32::NEG_INFINITY; PARTS];
    let (chunks, rest) = values.as_chunks::<PARTS>();
    for values in chunks {
        for (part, &value) in parts.iter_mut().zip(values) {
            *part = if value > *part { value } else { *part };
        }
    }
    for (part, &value) in parts.iter_mut().zip(rest) {
        *part = if value > *part { value } else { *part };
    }
    parts.into_iter().fold(f32::NEG_INFINITY, f32::max)
}

/// Largest value, and the index of the first that has it; NaN never wins. `(-inf, 0)` of nothing.
#[inline(always)]
pub(super) fn argmax(values: &[f32]) -> (f32, usize) {
    let largest = largest(values);
    for (index, &value) in values.iter().enumerate() {
        if value == largest {
            return (largest, index);
        }
    }
    (largest, 0)
}

/// Added to a small number, leaves it rounded to a whole one, ties to even, in the lowest bits: 1.5 · 2²³.
const ROUNDER: f32 = 12_582_912.0;

/// `value` (below 2²² in magnitude) rounded to a whole number, ties to even, as float and as integer.
#[inline(always)]
pub(super) fn round(value: f32) -> (f32, i32) {
    let shifted = value + ROUNDER;
    let whole = shifted.to_bits().wrapping_sub(ROUNDER.to_bits());
    (shifted - ROUNDER, whole as i32)
}

/// `eˣ` to 2 units in the last place; arguments are clamped to where the result is a normal number.
///
/// Cephes' `expf`: `x = n·ln 2 + r`, a polynomial of degree 7 in `r`, `n` into the exponent bits.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    let x = if x > -87.0 { x } else { -87.0 };
    let x = if x < 88.0 { x } else { 88.0 };
    let (nf, n) = round(x * core::f32::consts::LOG2_E);
    // ln 2 in two parts, the first with few bits, so that n · part is exact.
    let r = x - nf * 0.693_359_4 - nf * -2.121_944_4e-4;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 0.5;
    let p = p * r * r + r + 1.0;
    p * f32::from_bits(((n + 127) << 23) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_within_two_units_in_the_last_place() {
        for i in -8700..=8800 {
            let x = i as f32 / 100.0;
            let got = f64::from(exp(x));
            let want = libm::exp(f64::from(x));
            assert!(
                ((got - want) / want).abs() < 2.4e-7,
                "exp({x}) = {got}, not {want}"
            );
        }
    }

    #[test]
    fn exp_of_minus_infinity_is_negligible_and_finite() {
        assert!(exp(f32::NEG_INFINITY) < 1e-37);
    }

    #[test]
    fn sums_take_every_value_whatever_the_length() {
        for length in 0..70 {
            let squares: usize = (0..length).map(|i| i * i).sum();
            let values: Vec<f32> = (0..length).map(|i| i as f32).collect();
            assert_eq!(sum_of_squares(&values), squares as f32, "{length} values");
            let mut zeros = vec![0.0; length];
            assert_eq!(exp_and_sum(&mut zeros, 0.0), length as f32);
        }
    }

    #[test]
    fn ties_are_rounded_to_even() {
        for (value, whole) in [
            (0.5, 0),
            (1.5, 2),
            (2.5, 2),
            (-0.5, 0),
            (-1.5, -2),
            (32767.0, 32767),
            (-126.2, -126),
        ] {
            assert_eq!(round(value), (whole as f32, whole));
        }
    }

    #[test]
    fn the_first_of_equal_maxima_wins() {
        assert_eq!(argmax(&[1.0, 3.0, f32::NAN, 3.0]), (3.0, 1));
        assert_eq!(argmax(&[]), (f32::NEG_INFINITY, 0));
    }
}
