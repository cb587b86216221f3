//! x86-64 beyond SSE2: AVX2, and AVX-512 with VNNI's product of 16-bit pairs (`vpdpwssd`).

use std::arch::x86_64::*;

use super::{CHUNK, Isa, NIBBLES, PANEL};

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

/// Bytes of a cache line.
const LINE: usize = 64;

#[inline(always)]
fn prefetch(bytes: &[u8], ahead: usize) {
    let mut line = 0;
    while line < bytes.len() {
        let address = bytes.as_ptr().wrapping_add(ahead + line);
        // SAFETY: any address will do, it is never read from.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
        line += LINE;
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
    fn widen_q4(self, panels: [&[u8; CHUNK]; 2]) -> [__m256i; 4] {
        unsafe {
            let words = _mm256_loadu_si256(panels[0].as_ptr().cast());
            let keep = _mm256_set1_epi32(NIBBLES);
            [
                _mm256_and_si256(words, keep),
                _mm256_and_si256(_mm256_srli_epi32::<4>(words), keep),
                _mm256_and_si256(_mm256_srli_epi32::<8>(words), keep),
                _mm256_and_si256(_mm256_srli_epi32::<12>(words), keep),
            ]
        }
    }

    #[inline(always)]
    fn widen_q4_unshifted(self, panels: [&[u8; CHUNK]; 2]) -> [__m256i; 4] {
        unsafe {
            let words = _mm256_loadu_si256(panels[0].as_ptr().cast());
            let later = _mm256_srli_epi32::<8>(words);
            let keep = _mm256_set1_epi32(NIBBLES);
            let high = _mm256_set1_epi32(NIBBLES << 4);
            [
                _mm256_and_si256(words, keep),
                _mm256_and_si256(words, high),
                _mm256_and_si256(later, keep),
                _mm256_and_si256(later, high),
            ]
        }
    }

    #[inline(always)]
    fn widen_q8(self, panels: [&[u8; CHUNK]; 2]) -> [__m256i; 2] {
        unsafe {
            let bytes = _mm256_loadu_si256(panels[0].as_ptr().cast());
            [
                _mm256_cvtepi8_epi16(_mm256_castsi256_si128(bytes)),
                _mm256_cvtepi8_epi16(_mm256_extracti128_si256::<1>(bytes)),
            ]
        }
    }

    #[inline(always)]
    fn prefetch(self, bytes: &[u8], ahead: usize) {
        prefetch(bytes, ahead);
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
    fn add_sixteenth(self, sums: __m256i, sixteenfold: __m256i) -> __m256i {
        unsafe { _mm256_add_epi32(sums, _mm256_srai_epi32::<4>(sixteenfold)) }
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
    fn widen_q4(self, panels: [&[u8; CHUNK]; 2]) -> [__m512i; 4] {
        unsafe {
            let left = _mm256_loadu_si256(panels[0].as_ptr().cast());
            let right = _mm256_loadu_si256(panels[1].as_ptr().cast());
            let words = _mm512_inserti64x4::<1>(_mm512_castsi256_si512(left), right);
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
    fn widen_q4_unshifted(self, panels: [&[u8; CHUNK]; 2]) -> [__m512i; 4] {
        unsafe {
            let left = _mm256_loadu_si256(panels[0].as_ptr().cast());
            let right = _mm256_loadu_si256(panels[1].as_ptr().cast());
            let words = _mm512_inserti64x4::<1>(_mm512_castsi256_si512(left), right);
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
    fn widen_q8(self, panels: [&[u8; CHUNK]; 2]) -> [__m512i; 2] {
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
    fn prefetch(self, bytes: &[u8], ahead: usize) {
        prefetch(bytes, ahead);
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
