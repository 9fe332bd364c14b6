//! The backward pass of one key/value head of one group, sixteen query rows at a time.

use pulp::{Simd, WithSimd};

use super::forward::{blocks, load, products, weighted};
use super::load::{head, padded, transpose};
use super::tiles::{Tile, by_columns};
use super::{Attention, Group, Segment, TILE};
use crate::aligned::Aligned;
use crate::exp::exp;
use crate::lanes::{LANES, sum2};
use crate::tanh::tanh;

/// Query rows of a block: enough that adding to dk and dv is not bound by reading and writing them.
const BLOCK: usize = 16;

pub(super) struct Task<'a> {
    pub(super) attention: Attention<'a>,
    pub(super) group: &'a Group,
    pub(super) kv_head: usize,
    pub(super) qkv: &'a [f32],         // (T, qkv width)
    pub(super) out: &'a [f32],         // (T, out width)
    pub(super) lse: &'a [f32],         // (T, heads)
    pub(super) dout: &'a [f32],        // (T, out width)
    pub(super) dq: Vec<&'a mut [f32]>, // T rows of (group, head size)
    pub(super) dk: Vec<&'a mut [f32]>, // T rows of (head size)
    pub(super) dv: Vec<&'a mut [f32]>,
}

#[derive(Default)]
pub(super) struct Scratch {
    keys: Aligned,   // (positions held, padded head size), rotated
    values: Aligned, // (positions held, padded head size)
    keys_t: Aligned, // (tiles, head size, TILE)
    values_t: Aligned,
    dk: Aligned, // (positions held, padded head size), of the rotated keys
    dv: Aligned,
    queries: Aligned, // (BLOCK, padded head size), rotated and scaled
    dout: Aligned,    // (BLOCK, padded head size)
    p: Aligned,       // (BLOCK, visible tiles · TILE): scores, then probabilities
    ds: Aligned,      // (BLOCK, visible tiles · TILE): dout · v, then gradients of scores
    dq: Aligned,      // (R, padded head size)
}

pub(super) struct Run<'a, 'b> {
    pub(super) task: Task<'a>,
    pub(super) scratch: &'b mut Scratch,
}

impl WithSimd for Run<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if S::F32_LANES >= 16 {
            backward::<S, 8>(simd, self.task, self.scratch);
        } else {
            backward::<S, 4>(simd, self.task, self.scratch);
        }
    }
}

#[inline(always)]
fn backward<S: Simd, const R: usize>(simd: S, task: Task<'_>, scratch: &mut Scratch) {
    let Task {
        attention,
        group,
        kv_head,
        qkv,
        out,
        lse,
        dout,
        mut dq,
        mut dk,
        mut dv,
    } = task;
    let (d, dp) = (attention.head_dim, padded(attention.head_dim));
    let (held, width, out_width) = (group.held(), attention.qkv_width(), attention.out_width());
    let keys = scratch.keys.at_least(held * dp);
    let values = scratch.values.at_least(held * dp);
    let keys_t = scratch.keys_t.at_least(held * d);
    let values_t = scratch.values_t.at_least(held * d);
    let dk_sum = scratch.dk.at_least(held * dp);
    let dv_sum = scratch.dv.at_least(held * dp);
    let queries = scratch.queries.at_least(BLOCK * dp);
    let douts = scratch.dout.at_least(BLOCK * dp);
    let dq_rows = scratch.dq.at_least(R * dp);
    let p_rows = scratch.p.at_least(BLOCK * held);
    let ds_rows = scratch.ds.at_least(BLOCK * held);

    let mut write = |segment: Segment, dk_sum: &[f32], dv_sum: &[f32]| {
        for i in segment.positions() {
            let row = segment.row(i);
            dk[row].copy_from_slice(&dk_sum[i * dp..][..d]);
            if let Some(rotary) = attention.rotary {
                rotary.apply_backward(dk[row], i);
            }
            dv[row].copy_from_slice(&dv_sum[i * dp..][..d]);
        }
    };
    for segment in group.segments() {
        let held = segment.held();
        let (at, t_at) = (held.start * dp..held.end * dp, held.start * d);
        load(
            &attention,
            kv_head,
            qkv,
            segment,
            &mut keys[at.clone()],
            &mut values[at.clone()],
        );
        transpose(&keys[at.clone()], dp, d, &mut keys_t[t_at..]);
        transpose(&values[at.clone()], dp, d, &mut values_t[t_at..]);
        dk_sum[at.clone()].fill(0.0);
        dv_sum[at].fill(0.0);
        let end = segment.positions().end;
        for (g, i0) in blocks(&attention, segment, BLOCK) {
            let h = kv_head * attention.group() + g;
            let rows = BLOCK.min(end - i0);
            for r in 0..rows {
                let row = segment.row(i0 + r);
                let from = &qkv[row * width + h * d..][..d];
                let to = &mut queries[r * dp..][..dp];
                head(from, attention.rotary, i0 + r, attention.scale, to);
                let from = &dout[row * out_width + h * d..][..d];
                head(from, None, i0 + r, 1.0, &mut douts[r * dp..][..dp]);
            }
            queries[rows * dp..].fill(0.0);
            douts[rows * dp..].fill(0.0);

            let first = attention.first_visible(i0) / TILE;
            let stride = ((i0 + BLOCK - 1) / TILE + 1 - first) * TILE;
            let p = &mut p_rows[..BLOCK * stride];
            let ds = &mut ds_rows[..BLOCK * stride];
            for r in (0..BLOCK).step_by(R) {
                let (q, o) = (&queries[r * dp..], &douts[r * dp..]);
                let (kt, vt) = (&keys_t[first * TILE * d..], &values_t[first * TILE * d..]);
                products::<S, R>(simd, q, dp, d, kt, &mut p[r * stride..][..R * stride]);
                products::<S, R>(simd, o, dp, d, vt, &mut ds[r * stride..][..R * stride]);
            }
            for r in 0..rows {
                let i = i0 + r;
                let row = segment.row(i);
                let at = row * out_width + h * d;
                let delta = sum2(&out[at..at + d], &dout[at..at + d], |x, y| x * y);
                let (p, ds) = (
                    &mut p[r * stride..][..stride],
                    &mut ds[r * stride..][..stride],
                );
                let visible = attention.first_visible(i) - first * TILE..i + 1 - first * TILE;
                let lse = lse[row * attention.heads + h];
                score_gradients(p, ds, visible, lse, delta, attention.softcap);
            }
            p[rows * stride..].fill(0.0);
            ds[rows * stride..].fill(0.0);

            for r0 in (0..rows).step_by(R) {
                let steps = (i0 + r0 + R).min(end) - first * TILE;
                let a = &ds[r0 * stride..];
                let keys = &keys[first * TILE * dp..];
                weighted::<S, R>(simd, a, stride, steps, keys, dp, dq_rows);
                for r in 0..R.min(rows - r0) {
                    let to = &mut dq[segment.row(i0 + r0 + r)][g * d..][..d];
                    for (to, from) in to.iter_mut().zip(&dq_rows[r * dp..]) {
                        *to = from * attention.scale;
                    }
                    if let Some(rotary) = attention.rotary {
                        rotary.apply_backward(to, i0 + r0 + r);
                    }
                }
            }

            let steps = i0 + rows - first * TILE;
            let from = first * TILE * dp;
            add_columns::<S, R>(simd, p, stride, steps, douts, dp, &mut dv_sum[from..]);
            add_columns::<S, R>(simd, ds, stride, steps, queries, dp, &mut dk_sum[from..]);
        }
        if segment.position > 0 || group.shared == 0 {
            write(segment, dk_sum, dv_sum);
        }
    }
    if let Some(beginning) = group.segments().next() {
        write(beginning, dk_sum, dv_sum);
    }
}

/// Turns a row of scores into probabilities, and dout · v into gradients of scores before the cap; both are 0 where not visible.
#[inline(always)]
fn score_gradients(
    p: &mut [f32],
    ds: &mut [f32],
    visible: core::ops::Range<usize>,
    lse: f32,
    delta: f32,
    softcap: Option<f32>,
) {
    // Whole vectors, then zeros outside: a loop with a tail of single values costs more than what it saves.
    let start = visible.start / LANES * LANES;
    let end = visible.end.next_multiple_of(LANES);
    let (p_lanes, ds_lanes) = (&mut p[start..end], &mut ds[start..end]);
    let seen = (p_lanes.as_chunks_mut::<LANES>().0.iter_mut())
        .zip(ds_lanes.as_chunks_mut::<LANES>().0.iter_mut());
    if let Some(cap) = softcap {
        let inverse = 1.0 / cap;
        for (p, ds) in seen {
            for l in 0..LANES {
                let tanh = tanh(p[l] * inverse);
                p[l] = exp(cap * tanh - lse);
                ds[l] = p[l] * (ds[l] - delta) * (1.0 - tanh * tanh);
            }
        }
    } else {
        for (p, ds) in seen {
            for l in 0..LANES {
                p[l] = exp(p[l] - lse);
                ds[l] = p[l] * (ds[l] - delta);
            }
        }
    }
    for row in [p, ds] {
        row[..visible.start].fill(0.0);
        row[visible.end..].fill(0.0);
    }
}

/// to[j] += Σᵣ a[r][j] · rows[r] for the first `columns` j, over the block's rows in order.
#[inline(always)]
fn add_columns<S: Simd, const R: usize>(
    simd: S,
    a: &[f32], // (BLOCK, stride)
    stride: usize,
    columns: usize,
    rows: &[f32], // (BLOCK, dp)
    dp: usize,
    to: &mut [f32], // (columns, dp)
) {
    let width = dp / S::F32_LANES;
    let rows = S::as_simd_f32s(rows).0;
    let to = S::as_mut_simd_f32s(to).0;
    for j in (0..columns).step_by(R) {
        let mut at = 0;
        while at + 2 <= width {
            add::<S, R, 2>(simd, &a[j..], stride, rows, width, at, &mut to[j * width..]);
            at += 2;
        }
        if at < width {
            add::<S, R, 1>(simd, &a[j..], stride, rows, width, at, &mut to[j * width..]);
        }
    }
}

#[inline(always)]
fn add<S: Simd, const R: usize, const V: usize>(
    simd: S,
    a: &[f32],
    stride: usize,
    rows: &[S::f32s],
    width: usize,
    at: usize,
    to: &mut [S::f32s],
) {
    let mut acc: Tile<S, R, V> =
        core::array::from_fn(|r| core::array::from_fn(|v| to[r * width + at + v]));
    by_columns(simd, a, stride, rows, width, at, &mut acc);
    for r in 0..R {
        to[r * width + at..][..V].copy_from_slice(&acc[r]);
    }
}
