//! Brings one head of packed rows into the layouts that attention computes with.

use pulp::Simd;

use super::TILE;
use crate::lanes::LANES;
use crate::rotary::Rotary;

/// Head size with the zeros that fill its last vector.
#[inline(always)]
pub(super) fn padded(head_dim: usize) -> usize {
    head_dim.next_multiple_of(LANES)
}

/// Makes `buffer` hold `n` values, whatever they are, and gives them as vectors.
#[inline(always)]
pub(super) fn vectors<S: Simd>(buffer: &mut [f32], n: usize) -> &mut [S::f32s] {
    S::as_mut_simd_f32s(&mut buffer[..n]).0
}

/// Makes `buffer` long enough for `n` values.
pub(super) fn grow(buffer: &mut Vec<f32>, n: usize) {
    if buffer.len() < n {
        buffer.resize(n, 0.0);
    }
}

/// Copies a head to `to`, rotates it and multiplies it by `scale`; zeros after it.
#[inline(always)]
pub(super) fn head(
    from: &[f32],
    rotary: Option<&Rotary>,
    position: usize,
    scale: f32,
    to: &mut [f32],
) {
    let (head, zeros) = to.split_at_mut(from.len());
    head.copy_from_slice(from);
    zeros.fill(0.0);
    if let Some(rotary) = rotary {
        rotary.apply(head, position);
    }
    if scale != 1.0 {
        for x in head {
            *x *= scale;
        }
    }
}

/// `rows` (positions, `width`), whose number is a multiple of the tile, as tiles of (`head_dim`, positions of the tile).
#[inline(always)]
pub(super) fn transpose(rows: &[f32], width: usize, head_dim: usize, tiles: &mut [f32]) {
    for (rows, tile) in rows
        .chunks_exact(width * TILE)
        .zip(tiles.chunks_exact_mut(head_dim * TILE))
    {
        for (d, lane) in tile.as_chunks_mut::<TILE>().0.iter_mut().enumerate() {
            for (x, row) in lane.iter_mut().zip(rows.chunks_exact(width)) {
                *x = row[d];
            }
        }
    }
}
