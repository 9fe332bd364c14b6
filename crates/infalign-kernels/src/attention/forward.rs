//! The forward pass of one key/value head of one group, R query rows at a time.

use pulp::{Simd, WithSimd};

use super::load::{head, padded, transpose};
use super::tiles::{Tile, by_rows, zeros};
use super::{Attention, Group, Segment, TILE};
use crate::aligned::Aligned;
use crate::exp::exp;
use crate::lanes::{self, LANES};
use crate::tanh::tanh;

pub(super) struct Task<'a> {
    pub(super) attention: Attention<'a>,
    pub(super) group: &'a Group,
    pub(super) kv_head: usize,
    pub(super) qkv: &'a [f32],          // (T, qkv width)
    pub(super) out: Vec<&'a mut [f32]>, // T rows of (group, head size)
    pub(super) lse: Vec<&'a mut [f32]>, // T rows of (group)
}

#[derive(Default)]
pub(super) struct Scratch {
    keys: Aligned,       // (positions held, padded head size), rotated
    transposed: Aligned, // (tiles, head size, TILE)
    values: Aligned,     // (positions held, padded head size)
    queries: Aligned,    // (R, padded head size), rotated and scaled
    scores: Aligned,     // (R, visible tiles · TILE)
    out: Aligned,        // (R, padded head size)
}

pub(super) struct Run<'a, 'b> {
    pub(super) task: Task<'a>,
    pub(super) scratch: &'b mut Scratch,
}

impl WithSimd for Run<'_, '_> {
    type Output = ();

    /// 8 rows by 2 vectors of sums where there are 32 registers, 4 by 2 where there are 16.
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if S::F32_LANES >= 16 {
            forward::<S, 8>(simd, self.task, self.scratch);
        } else {
            forward::<S, 4>(simd, self.task, self.scratch);
        }
    }
}

#[inline(always)]
fn forward<S: Simd, const R: usize>(simd: S, task: Task<'_>, scratch: &mut Scratch) {
    let Task {
        attention,
        group,
        kv_head,
        qkv,
        mut out,
        mut lse,
    } = task;
    let (d, dp) = (attention.head_dim, padded(attention.head_dim));
    let (held, width) = (group.held(), attention.qkv_width());
    let keys = scratch.keys.at_least(held * dp);
    let values = scratch.values.at_least(held * dp);
    let transposed = scratch.transposed.at_least(held * d);
    let queries = scratch.queries.at_least(R * dp);
    let scores = scratch.scores.at_least(R * held);
    let weighted_values = scratch.out.at_least(R * dp);

    for segment in group.segments() {
        let held = segment.held();
        let at = held.start * dp..held.end * dp;
        let (own_keys, own_values) = (&mut keys[at.clone()], &mut values[at]);
        load(&attention, kv_head, qkv, segment, own_keys, own_values);
        transpose(own_keys, dp, d, &mut transposed[held.start * d..]);
        let end = segment.positions().end;
        for (g, i0) in blocks(&attention, segment, R) {
            let q_at = (kv_head * attention.group() + g) * d;
            let rows = R.min(end - i0);
            for r in 0..rows {
                let from = &qkv[segment.row(i0 + r) * width + q_at..][..d];
                let to = &mut queries[r * dp..][..dp];
                head(from, attention.rotary, i0 + r, attention.scale, to);
            }
            queries[rows * dp..R * dp].fill(0.0);

            // What is computed depends on i0 alone, not on the length: a row's bits are those of any longer sequence.
            let first = attention.first_visible(i0) / TILE;
            let stride = ((i0 + R - 1) / TILE + 1 - first) * TILE;
            let scores = &mut scores[..R * stride];
            products::<S, R>(
                simd,
                queries,
                dp,
                d,
                &transposed[first * TILE * d..],
                scores,
            );

            let mut sums = [1.0; R];
            for r in 0..rows {
                let i = i0 + r;
                let row = &mut scores[r * stride..][..stride];
                let from = attention.first_visible(i) - first * TILE;
                let (max, sum) = softmax(row, from, i + 1 - first * TILE, attention.softcap);
                sums[r] = sum;
                lse[segment.row(i)][g] = max + sum.ln();
            }

            // Steps past a row's own position have probability 0 and change nothing.
            let steps = i0 + rows - first * TILE;
            let values = &values[first * TILE * dp..];
            weighted::<S, R>(simd, scores, stride, steps, values, dp, weighted_values);
            for r in 0..rows {
                let inverse = 1.0 / sums[r];
                let to = &mut out[segment.row(i0 + r)][g * d..][..d];
                for (to, from) in to.iter_mut().zip(&weighted_values[r * dp..]) {
                    *to = from * inverse;
                }
            }
        }
    }
}

/// (query head of the group, first position of a block of `step` rows) of a segment.
#[inline(always)]
pub(super) fn blocks(
    attention: &Attention<'_>,
    segment: Segment,
    step: usize,
) -> impl Iterator<Item = (usize, usize)> {
    (0..attention.group()).flat_map(move |g| segment.positions().step_by(step).map(move |i| (g, i)))
}

/// Rotated keys and values of a segment's rows, and zeros up to a whole tile.
#[inline(always)]
pub(super) fn load(
    attention: &Attention<'_>,
    kv_head: usize,
    qkv: &[f32], // (T, qkv width)
    segment: Segment,
    keys: &mut [f32], // (rows in whole tiles, padded head size)
    values: &mut [f32],
) {
    let (d, dp) = (attention.head_dim, padded(attention.head_dim));
    let width = attention.qkv_width();
    let k_at = (attention.heads + kv_head) * d;
    let v_at = k_at + attention.kv_heads * d;
    let rows = qkv.chunks_exact(width).skip(segment.first_row);
    let rows = rows.zip(segment.positions());
    for (n, (row, i)) in rows.enumerate() {
        let (key, value) = (&row[k_at..k_at + d], &row[v_at..v_at + d]);
        head(key, attention.rotary, i, 1.0, &mut keys[n * dp..][..dp]);
        head(value, None, i, 1.0, &mut values[n * dp..][..dp]);
    }
    keys[segment.rows * dp..].fill(0.0);
    values[segment.rows * dp..].fill(0.0);
}

/// Products of R rows with the positions of tiles, as many as a row of `to` holds.
#[inline(always)]
pub(super) fn products<S: Simd, const R: usize>(
    simd: S,
    rows: &[f32], // (R, dp)
    dp: usize,
    d: usize,
    tiles: &[f32],  // (tiles, d, TILE)
    to: &mut [f32], // (R, tiles · TILE)
) {
    let width = TILE / S::F32_LANES;
    let stride = to.len() / R / S::F32_LANES;
    let rows: [&[f32]; R] = core::array::from_fn(|r| &rows[r * dp..][..d]);
    let tiles = S::as_simd_f32s(tiles).0;
    let to = S::as_mut_simd_f32s(to).0;
    for (n, tile) in tiles
        .chunks_exact(d * width)
        .take(stride / width)
        .enumerate()
    {
        for at in (0..width).step_by(2) {
            let mut acc: Tile<S, R, 2> = zeros::<S, R, 2>(simd);
            by_rows(simd, rows, tile, width, at, &mut acc);
            for r in 0..R {
                to[r * stride + n * width + at..][..2].copy_from_slice(&acc[r]);
            }
        }
    }
}

/// to[r] = Σⱼ a[r][j] · rows[j] over the first `steps` rows.
#[inline(always)]
pub(super) fn weighted<S: Simd, const R: usize>(
    simd: S,
    a: &[f32], // (R, stride)
    stride: usize,
    steps: usize,
    rows: &[f32], // (steps, dp)
    dp: usize,
    to: &mut [f32], // (R, dp)
) {
    let width = dp / S::F32_LANES;
    let a: [&[f32]; R] = core::array::from_fn(|r| &a[r * stride..][..steps]);
    let rows = S::as_simd_f32s(rows).0;
    let to = S::as_mut_simd_f32s(to).0;
    let mut at = 0;
    while at + 2 <= width {
        let mut acc: Tile<S, R, 2> = zeros::<S, R, 2>(simd);
        by_rows(simd, a, rows, width, at, &mut acc);
        for r in 0..R {
            to[r * width + at..][..2].copy_from_slice(&acc[r]);
        }
        at += 2;
    }
    if at < width {
        let mut acc: Tile<S, R, 1> = zeros::<S, R, 1>(simd);
        by_rows(simd, a, rows, width, at, &mut acc);
        for r in 0..R {
            to[r * width + at] = acc[r][0];
        }
    }
}

/// Replaces the scores at `from..to` of a row by exp(s − max) and all others by 0; gives max and the sum.
#[inline(always)]
pub(crate) fn softmax(row: &mut [f32], from: usize, to: usize, softcap: Option<f32>) -> (f32, f32) {
    let (start, end) = (from / LANES * LANES, to.next_multiple_of(LANES));
    row[..start].fill(0.0);
    row[end..].fill(0.0);
    if let Some(cap) = softcap {
        let inverse = 1.0 / cap;
        for s in &mut row[start..end] {
            *s = cap * tanh(*s * inverse);
        }
    }
    row[start..from].fill(f32::NEG_INFINITY);
    row[to..end].fill(f32::NEG_INFINITY);
    exponentials(&mut row[start..end])
}

/// Replaces scores, a multiple of sixteen, by exp(s − max); gives max and the sum.
#[inline(always)]
pub(crate) fn exponentials(row: &mut [f32]) -> (f32, f32) {
    let max = lanes::max(row);
    let mut sums = [0.0; LANES];
    for chunk in row.as_chunks_mut::<LANES>().0 {
        for l in 0..LANES {
            chunk[l] = exp(chunk[l] - max);
            sums[l] += chunk[l];
        }
    }
    (max, lanes::fold(sums))
}
