//! Brings one head of packed rows into the layouts that attention computes with.

use super::TILE;
use crate::lanes::{LANES, copy};
use crate::rotary::Rotary;

/// Head size with the zeros that fill its last vector.
#[inline(always)]
pub(crate) fn padded(head_dim: usize) -> usize {
    head_dim.next_multiple_of(LANES)
}

/// Copies a head to `to`, rotates it and multiplies it by `scale`; zeros after it.
#[inline(always)]
pub(crate) fn head(
    from: &[f32],
    rotary: Option<&Rotary>,
    position: usize,
    scale: f32,
    to: &mut [f32],
) {
    let (head, zeros) = to.split_at_mut(from.len());
    if !zeros.is_empty() {
        zeros.fill(0.0);
    }
    match rotary {
        Some(rotary) => rotary.apply(from, position, head),
        None => copy(from, head),
    }
    if scale != 1.0 {
        for x in head {
            *x *= scale;
        }
    }
}

/// `rows` (positions, `width`), whose number is a multiple of the tile, as tiles of (`head_dim`, positions of the tile).
#[inline(always)]
pub(crate) fn transpose(rows: &[f32], width: usize, head_dim: usize, tiles: &mut [f32]) {
    let tiles = tiles.chunks_exact_mut(head_dim * TILE);
    for (rows, tile) in rows.chunks_exact(width * TILE).zip(tiles) {
        for (d0, lanes) in tile.chunks_mut(LANES * TILE).enumerate() {
            let lanes = lanes.as_chunks_mut::<TILE>().0;
            for (j, row) in rows.chunks_exact(width).enumerate() {
                for (lane, x) in lanes.iter_mut().zip(&row[d0 * LANES..]) {
                    lane[j] = *x;
                }
            }
        }
    }
}
