//! x86-64 beyond SSE2: AVX2 with F16C, and AVX-512 with VNNI's product of 16-bit pairs (`vpdpwssd`).

use std::arch::x86_64::*;

use super::{CHUNK, Halves, Isa, NIBBLES, PANEL};

/// A panel in two vectors of 256 bits.
#[derive(Clone, Copy)]
pub(in crate::cpu) struct Avx2(());

impl Avx2 {
    /// If the processor has it.
    pub(in crate::cpu) fn find() -> Option<Self> {
        let found = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("f16c");
        found.then_some(Self(()))
    }
}

/// A panel in 512 bits.
#[derive(Clone, Copy)]
pub(in crate::cpu) struct Avx512(());

impl Avx512 {
    /// If the processor has it.
    pub(in crate::cpu) fn find() -> Option<Self> {
        let found = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni");
        found.then_some(Self(()))
    }
}

// No closures and no methods of arrays that take one: they would not be compiled for the instruction set.

// SAFETY: `find` alone makes a value. Loads are unaligned and lie within the arrays that are passed.
unsafe impl Isa for Avx2 {
    const ROWS: usize = 4;
    const ROWS_TWICE: usize = 2;
    type Pair = [__m256i; 2];
    type Sums = [__m256i; 2];
    type Floats = [__m256; 2];

    #[inline(always)]
    fn widen_q4(self, words: &[u8; CHUNK]) -> [Self::Pair; 4] {
        unsafe {
            let [a, b] = halves(words);
            let keep = _mm256_set1_epi32(NIBBLES);
            [
                [_mm256_and_si256(a, keep), _mm256_and_si256(b, keep)],
                [
                    _mm256_and_si256(_mm256_srli_epi32::<4>(a), keep),
                    _mm256_and_si256(_mm256_srli_epi32::<4>(b), keep),
                ],
                [
                    _mm256_and_si256(_mm256_srli_epi32::<8>(a), keep),
                    _mm256_and_si256(_mm256_srli_epi32::<8>(b), keep),
                ],
                [
                    _mm256_and_si256(_mm256_srli_epi32::<12>(a), keep),
                    _mm256_and_si256(_mm256_srli_epi32::<12>(b), keep),
                ],
            ]
        }
    }

    #[inline(always)]
    fn widen_q4_unshifted(self, words: &[u8; CHUNK]) -> [Self::Pair; 4] {
        unsafe {
            let [a, b] = halves(words);
            let later = [_mm256_srli_epi32::<8>(a), _mm256_srli_epi32::<8>(b)];
            let keep = _mm256_set1_epi32(NIBBLES);
            let high = _mm256_set1_epi32(NIBBLES << 4);
            [
                [_mm256_and_si256(a, keep), _mm256_and_si256(b, keep)],
                [_mm256_and_si256(a, high), _mm256_and_si256(b, high)],
                [
                    _mm256_and_si256(later[0], keep),
                    _mm256_and_si256(later[1], keep),
                ],
                [
                    _mm256_and_si256(later[0], high),
                    _mm256_and_si256(later[1], high),
                ],
            ]
        }
    }

    #[inline(always)]
    fn widen_q8(self, bytes: &[u8; CHUNK]) -> [Self::Pair; 2] {
        unsafe {
            let [a, b] = halves(bytes);
            [
                [
                    _mm256_cvtepi8_epi16(_mm256_castsi256_si128(a)),
                    _mm256_cvtepi8_epi16(_mm256_extracti128_si256::<1>(a)),
                ],
                [
                    _mm256_cvtepi8_epi16(_mm256_castsi256_si128(b)),
                    _mm256_cvtepi8_epi16(_mm256_extracti128_si256::<1>(b)),
                ],
            ]
        }
    }

    #[inline(always)]
    fn widened_zero(self) -> Self::Pair {
        self.sums(0)
    }

    #[inline(always)]
    fn sums(self, value: i32) -> Self::Sums {
        unsafe { [_mm256_set1_epi32(value); 2] }
    }

    #[inline(always)]
    fn dot(self, sums: Self::Sums, x: i32, weights: Self::Pair) -> Self::Sums {
        unsafe {
            let x = _mm256_set1_epi32(x);
            [
                _mm256_add_epi32(sums[0], _mm256_madd_epi16(x, weights[0])),
                _mm256_add_epi32(sums[1], _mm256_madd_epi16(x, weights[1])),
            ]
        }
    }

    #[inline(always)]
    fn add_sixteenth(self, sums: Self::Sums, sixteenfold: Self::Sums) -> Self::Sums {
        unsafe {
            [
                _mm256_add_epi32(sums[0], _mm256_srai_epi32::<4>(sixteenfold[0])),
                _mm256_add_epi32(sums[1], _mm256_srai_epi32::<4>(sixteenfold[1])),
            ]
        }
    }

    #[inline(always)]
    fn floats(self, sums: Self::Sums) -> Self::Floats {
        unsafe { [_mm256_cvtepi32_ps(sums[0]), _mm256_cvtepi32_ps(sums[1])] }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> Self::Floats {
        unsafe { [_mm256_set1_ps(value); 2] }
    }

    #[inline(always)]
    fn load(self, values: &[f32; PANEL]) -> Self::Floats {
        unsafe {
            let first = values.as_ptr();
            [
                _mm256_loadu_ps(first),
                _mm256_loadu_ps(first.add(PANEL / 2)),
            ]
        }
    }

    #[inline(always)]
    fn halves(self, bits: &Halves) -> Self::Floats {
        unsafe {
            let first = bits.as_ptr();
            [
                _mm256_cvtph_ps(_mm_loadu_si128(first.cast())),
                _mm256_cvtph_ps(_mm_loadu_si128(first.add(PANEL / 2).cast())),
            ]
        }
    }

    #[inline(always)]
    fn store(self, values: Self::Floats, out: &mut [f32; PANEL]) {
        unsafe {
            let first = out.as_mut_ptr();
            _mm256_storeu_ps(first, values[0]);
            _mm256_storeu_ps(first.add(PANEL / 2), values[1]);
        }
    }

    #[inline(always)]
    fn mul(self, a: Self::Floats, b: Self::Floats) -> Self::Floats {
        unsafe { [_mm256_mul_ps(a[0], b[0]), _mm256_mul_ps(a[1], b[1])] }
    }

    #[inline(always)]
    fn add(self, a: Self::Floats, b: Self::Floats) -> Self::Floats {
        unsafe { [_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])] }
    }
}

/// Both halves of a chunk.
#[inline(always)]
unsafe fn halves(bytes: &[u8; CHUNK]) -> [__m256i; 2] {
    unsafe {
        let first = bytes.as_ptr();
        [
            _mm256_loadu_si256(first.cast()),
            _mm256_loadu_si256(first.add(CHUNK / 2).cast()),
        ]
    }
}

// SAFETY: as above.
unsafe impl Isa for Avx512 {
    const ROWS: usize = 8;
    const ROWS_TWICE: usize = 4;
    type Pair = __m512i;
    type Sums = __m512i;
    type Floats = __m512;

    #[inline(always)]
    fn widen_q4(self, words: &[u8; CHUNK]) -> [__m512i; 4] {
        unsafe {
            let words = _mm512_loadu_si512(words.as_ptr().cast());
            let keep = _mm512_set1_epi32(NIBBLES);
            [
                _mm512_and_si512(words, keep),
                _mm512_and_si512(_mm512_srli_epi32::<4>(words), keep),
                _mm512_and_si512(_mm512_srli_epi32::<8>(words), keep),
                _mm512_and_si512(_mm512_srli_epi32::<12>(words), keep),
            ]
        }
    }

    #[inline(always)]
    fn widen_q4_unshifted(self, words: &[u8; CHUNK]) -> [__m512i; 4] {
        unsafe {
            let words = _mm512_loadu_si512(words.as_ptr().cast());
            let later = _mm512_srli_epi32::<8>(words);
            let keep = _mm512_set1_epi32(NIBBLES);
            let high = _mm512_set1_epi32(NIBBLES << 4);
            [
                _mm512_and_si512(words, keep),
                _mm512_and_si512(words, high),
                _mm512_and_si512(later, keep),
                _mm512_and_si512(later, high),
            ]
        }
    }

    #[inline(always)]
    fn widen_q8(self, bytes: &[u8; CHUNK]) -> [__m512i; 2] {
        unsafe {
            let [first, second] = halves(bytes);
            [_mm512_cvtepi8_epi16(first), _mm512_cvtepi8_epi16(second)]
        }
    }

    #[inline(always)]
    fn widened_zero(self) -> __m512i {
        self.sums(0)
    }

    #[inline(always)]
    fn sums(self, value: i32) -> __m512i {
        unsafe { _mm512_set1_epi32(value) }
    }

    #[inline(always)]
    fn dot(self, sums: __m512i, x: i32, weights: __m512i) -> __m512i {
        unsafe { _mm512_dpwssd_epi32(sums, _mm512_set1_epi32(x), weights) }
    }

    #[inline(always)]
    fn add_sixteenth(self, sums: __m512i, sixteenfold: __m512i) -> __m512i {
        unsafe { _mm512_add_epi32(sums, _mm512_srai_epi32::<4>(sixteenfold)) }
    }

    #[inline(always)]
    fn floats(self, sums: __m512i) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(sums) }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> __m512 {
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    fn load(self, values: &[f32; PANEL]) -> __m512 {
        unsafe { _mm512_loadu_ps(values.as_ptr()) }
    }

    #[inline(always)]
    fn halves(self, bits: &Halves) -> __m512 {
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(bits.as_ptr().cast())) }
    }

    #[inline(always)]
    fn store(self, values: __m512, out: &mut [f32; PANEL]) {
        unsafe { _mm512_storeu_ps(out.as_mut_ptr(), values) };
    }

    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }
}
