//! x86-64 beyond SSE2: AVX2, and AVX-512 with VNNI's product of 16-bit pairs (`vpdpwssd`).

use std::arch::x86_64::*;

use super::{Isa, PANEL, Q4_TWO, Q8_TWO};

/// Keeps the even value of a pair where it is and the odd one 16 bits above, after a byte was put there twice, 12 bits apart.
const NIBBLES: i32 = 0x000f_000f;

/// One panel in 256 bits.
#[derive(Clone, Copy)]
pub(in crate::cpu) struct Avx2(());

impl Avx2 {
    /// If the processor has it.
    pub(in crate::cpu) fn find() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }
}

/// Two panels in 512 bits.
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

// SAFETY: `find` alone makes a value. Loads are unaligned and lie within the arrays that are passed.
unsafe impl Isa for Avx2 {
    const PANELS: usize = 1;
    const ROWS: usize = 8;
    type Pair = __m256i;
    type Sums = __m256i;
    type Floats = __m256;

    #[inline(always)]
    fn widen_q4(self, panels: [&[u8; Q4_TWO]; 2]) -> [__m256i; 2] {
        unsafe {
            let bytes = _mm_loadu_si128(panels[0].as_ptr().cast());
            let first = _mm256_cvtepu8_epi32(bytes);
            let second = _mm256_cvtepu8_epi32(_mm_unpackhi_epi64(bytes, bytes));
            let keep = _mm256_set1_epi32(NIBBLES);
            [
                _mm256_and_si256(_mm256_or_si256(first, _mm256_slli_epi32::<12>(first)), keep),
                _mm256_and_si256(
                    _mm256_or_si256(second, _mm256_slli_epi32::<12>(second)),
                    keep,
                ),
            ]
        }
    }

    #[inline(always)]
    fn widen_q8(self, panels: [&[u8; Q8_TWO]; 2]) -> [__m256i; 2] {
        unsafe {
            let bytes = _mm256_loadu_si256(panels[0].as_ptr().cast());
            [
                _mm256_cvtepi8_epi16(_mm256_castsi256_si128(bytes)),
                _mm256_cvtepi8_epi16(_mm256_extracti128_si256::<1>(bytes)),
            ]
        }
    }

    #[inline(always)]
    fn widened_zero(self) -> __m256i {
        self.zero()
    }

    #[inline(always)]
    fn zero(self) -> __m256i {
        unsafe { _mm256_setzero_si256() }
    }

    #[inline(always)]
    fn dot(self, sums: __m256i, x: i32, weights: __m256i) -> __m256i {
        unsafe { _mm256_add_epi32(sums, _mm256_madd_epi16(_mm256_set1_epi32(x), weights)) }
    }

    #[inline(always)]
    fn floats(self, sums: __m256i) -> __m256 {
        unsafe { _mm256_cvtepi32_ps(sums) }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> __m256 {
        unsafe { _mm256_set1_ps(value) }
    }

    #[inline(always)]
    fn load(self, panels: [&[f32; PANEL]; 2]) -> __m256 {
        unsafe { _mm256_loadu_ps(panels[0].as_ptr()) }
    }

    #[inline(always)]
    fn store(self, values: __m256, out: &mut [f32]) {
        let mut all = [0.0; PANEL];
        unsafe { _mm256_storeu_ps(all.as_mut_ptr(), values) };
        out.copy_from_slice(&all[..out.len()]);
    }

    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_mul_ps(a, b) }
    }

    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_add_ps(a, b) }
    }
}

// SAFETY: as above.
unsafe impl Isa for Avx512 {
    const PANELS: usize = 2;
    const ROWS: usize = 8;
    type Pair = __m512i;
    type Sums = __m512i;
    type Floats = __m512;

    #[inline(always)]
    fn widen_q4(self, panels: [&[u8; Q4_TWO]; 2]) -> [__m512i; 2] {
        unsafe {
            let left = _mm_loadu_si128(panels[0].as_ptr().cast());
            let right = _mm_loadu_si128(panels[1].as_ptr().cast());
            let first = _mm512_cvtepu8_epi32(_mm_unpacklo_epi64(left, right));
            let second = _mm512_cvtepu8_epi32(_mm_unpackhi_epi64(left, right));
            let keep = _mm512_set1_epi32(NIBBLES);
            [
                _mm512_and_si512(_mm512_or_si512(first, _mm512_slli_epi32::<12>(first)), keep),
                _mm512_and_si512(
                    _mm512_or_si512(second, _mm512_slli_epi32::<12>(second)),
                    keep,
                ),
            ]
        }
    }

    #[inline(always)]
    fn widen_q8(self, panels: [&[u8; Q8_TWO]; 2]) -> [__m512i; 2] {
        unsafe {
            let left = _mm256_loadu_si256(panels[0].as_ptr().cast());
            let right = _mm256_loadu_si256(panels[1].as_ptr().cast());
            [
                _mm512_cvtepi8_epi16(_mm256_permute2x128_si256::<0x20>(left, right)),
                _mm512_cvtepi8_epi16(_mm256_permute2x128_si256::<0x31>(left, right)),
            ]
        }
    }

    #[inline(always)]
    fn widened_zero(self) -> __m512i {
        self.zero()
    }

    #[inline(always)]
    fn zero(self) -> __m512i {
        unsafe { _mm512_setzero_si512() }
    }

    #[inline(always)]
    fn dot(self, sums: __m512i, x: i32, weights: __m512i) -> __m512i {
        unsafe { _mm512_dpwssd_epi32(sums, _mm512_set1_epi32(x), weights) }
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
    fn load(self, panels: [&[f32; PANEL]; 2]) -> __m512 {
        unsafe {
            let left = _mm256_loadu_ps(panels[0].as_ptr());
            let right = _mm256_loadu_ps(panels[1].as_ptr());
            _mm512_insertf32x8::<1>(_mm512_castps256_ps512(left), right)
        }
    }

    #[inline(always)]
    fn store(self, values: __m512, out: &mut [f32]) {
        let mut all = [0.0; 2 * PANEL];
        unsafe { _mm512_storeu_ps(all.as_mut_ptr(), values) };
        out.copy_from_slice(&all[..out.len()]);
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
