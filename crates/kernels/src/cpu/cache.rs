//! Keys and values of one layer as attention reads them: blocks of 16 places, keys `[kv_heads, head_dim, place]`, then values
//! `[kv_heads, place, head_dim]`.
//!
//! So a vector's lanes are places and nothing is turned around while it is read, and all that a row sees lies in the order in
//! which it is read. One place after the other, keys had to be transposed, and a token waited twice as long for memory.

use crate::PLACES;

/// A layer's cache.
#[derive(Clone, Copy)]
pub(super) struct Cache<'a> {
    pub(super) blocks: &'a [f32],
    /// Values of a key, `kv_heads · head_dim`.
    pub(super) kv_width: usize,
    /// Values per head, a multiple of 4.
    pub(super) head_dim: usize,
    /// The key head that the first query heads read, and how many are read.
    pub(super) first_head: usize,
    pub(super) heads: usize,
}

impl<'a> Cache<'a> {
    /// Keys of a head in the block that holds `place`, `[head_dim]` of one number a place.
    #[inline(always)]
    pub(super) fn keys(&self, head: usize, place: u32) -> &'a [[f32; PLACES]] {
        let at = self.begin(head, place);
        self.blocks[at..][..self.head_dim * PLACES].as_chunks().0
    }

    /// Values of a head in the block that holds `place`, `[place, head_dim]`.
    #[inline(always)]
    pub(super) fn values(&self, head: usize, place: u32) -> &'a [f32] {
        let at = self.begin(head, place) + PLACES * self.kv_width;
        &self.blocks[at..][..PLACES * self.head_dim]
    }

    /// Where the head's keys begin in the block that holds `place`.
    #[inline(always)]
    fn begin(&self, head: usize, place: u32) -> usize {
        let column = (self.first_head + head) * self.head_dim;
        begin(place as usize, self.kv_width) + column * PLACES
    }
}

/// Where the block of a place begins.
#[inline(always)]
fn begin(place: usize, kv_width: usize) -> usize {
    place / PLACES * PLACES * 2 * kv_width
}

/// Writes key and value `[kv_heads, head_dim]` of a place.
pub(super) fn write(blocks: &mut [f32], place: usize, head_dim: usize, key: &[f32], value: &[f32]) {
    let (kv_width, lane) = (key.len(), place % PLACES);
    let block = &mut blocks[begin(place, kv_width)..][..PLACES * 2 * kv_width];
    let (keys, values) = block.split_at_mut(PLACES * kv_width);
    for (keys, &key) in keys.chunks_exact_mut(PLACES).zip(key) {
        keys[lane] = key;
    }
    let heads = values.chunks_exact_mut(PLACES * head_dim);
    for (values, value) in heads.zip(value.chunks_exact(head_dim)) {
        values[lane * head_dim..][..head_dim].copy_from_slice(value);
    }
}

/// Copies key and value `[kv_width]` of place `from` to place `to`.
pub(super) fn copy(blocks: &mut [f32], kv_width: usize, head_dim: usize, from: usize, to: usize) {
    let lane = from % PLACES;
    let block = &blocks[begin(from, kv_width)..][..PLACES * 2 * kv_width];
    let (keys, values) = block.split_at(PLACES * kv_width);
    let key: Vec<f32> = keys.chunks_exact(PLACES).map(|keys| keys[lane]).collect();
    let heads = values.chunks_exact(PLACES * head_dim);
    let value: Vec<f32> = heads
        .flat_map(|values| &values[lane * head_dim..][..head_dim])
        .copied()
        .collect();
    write(blocks, to, head_dim, &key, &value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let (kv_width, head_dim) = (8, 4);
        let mut blocks = vec![0.0; 2 * PLACES * 2 * kv_width];
        let number = |place: usize, i: usize| (100 * place + i) as f32;
        for place in 0..2 * PLACES {
            let key: Vec<f32> = (0..kv_width).map(|i| number(place, i)).collect();
            let value: Vec<f32> = (0..kv_width).map(|i| -number(place, i)).collect();
            write(&mut blocks, place, head_dim, &key, &value);
        }
        copy(&mut blocks, kv_width, head_dim, 30, 3);
        let cache = Cache {
            blocks: &blocks,
            kv_width,
            head_dim,
            first_head: 1,
            heads: 1,
        };
        for (place, holds) in [(0, 0), (3, 30), (17, 17), (30, 30)] {
            let lane = place as usize % PLACES;
            for d in 0..head_dim {
                let want = number(holds, head_dim + d);
                assert_eq!(cache.keys(0, place)[d][lane], want);
                assert_eq!(cache.values(0, place)[lane * head_dim + d], -want);
            }
        }
    }
}
