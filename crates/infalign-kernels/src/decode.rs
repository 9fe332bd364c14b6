//! Causal attention with a cache: prompts at once, then one new token for each of many sequences.
//!
//! The formula and the options are those of [`crate::attention`]. A new token's query and key are rotated by its position, its key and value
//! are appended, and it attends to [prefix | suffix | itself].
//!
//! Sequences of one prompt are computed together: a block of their prefix is read once for R query rows. Every score is one chain of fused
//! multiply-adds over the head, every weighted sum one chain over positions in order, and the softmax is over the whole row in sixteen lanes:
//! a sequence's result has the same bits whatever stands beside it, however many there are, and on any number of threads.
//! It agrees with [`crate::attention`] up to rounding (the order in which exponentials are added differs when a prompt does not end with a block).

use std::ops::Range;
use std::sync::Arc;

use pulp::{Arch, Simd, WithSimd};

use crate::aligned::Aligned;
use crate::attention::forward::exponentials;
use crate::attention::load::{head, padded};
use crate::attention::tiles::{Tile, by_rows, by_rows_apart, zeros};
use crate::attention::{Attention, Group};
use crate::cache::{POSITIONS, Prefix, Sequence};
use crate::parallel::{each, each_with};
use crate::tanh::tanh;

/// Sequences of a task: a block of the prefix that is in the second-level cache serves all of them.
const TOGETHER: usize = 32;
/// Sequences whose keys and values one task appends.
const APPENDED: usize = 16;
/// Blocks of one row's scores at a time.
const OWN: usize = 4;

/// Attention over prompts: writes `out` (tokens, heads · head size) of `qkv` (tokens, qkv width), and the layer's keys and values into the prefixes,
/// one a sequence of `offsets`.
///
/// # Panics
/// If shapes contradict each other, a prefix is not as long as its prompt, or a prompt is longer than the rotary table.
pub fn prefill_attention(
    attention: &Attention<'_>,
    layer: usize,
    qkv: &[f32],
    offsets: &[usize],
    out: &mut [f32],
    prefixes: &mut [Prefix],
) {
    let width = attention.qkv_width();
    assert_eq!(
        prefixes.len() + 1,
        offsets.len().max(1),
        "prefixes and prompts"
    );
    let mut lse = vec![0.0; qkv.len() / width * attention.heads];
    attention.forward(qkv, &Group::each(offsets), out, &mut lse);
    for (prefix, ends) in prefixes.iter_mut().zip(offsets.windows(2)) {
        prefix.write(attention, layer, &qkv[ends[0] * width..ends[1] * width]);
    }
}

/// Attention of one new token a sequence: writes `out` (sequences, heads · head size) of `qkv` (sequences, qkv width) and appends the layer's keys and
/// values. After the last layer call [`Sequence::advance`].
///
/// # Panics
/// If shapes contradict each other, a sequence has no room ([`crate::cache::CachePool::reserve`]), or is longer than the rotary table.
pub fn decode_attention(
    attention: &Attention<'_>,
    layer: usize,
    sequences: &mut [&mut Sequence],
    qkv: &[f32],
    out: &mut [f32],
) {
    let (width, group, d) = (attention.qkv_width(), attention.group(), attention.head_dim);
    assert_eq!(qkv.len(), sequences.len() * width, "values of qkv");
    assert_eq!(
        out.len(),
        sequences.len() * attention.out_width(),
        "values of out"
    );
    let some = sequences
        .chunks_mut(APPENDED)
        .zip(qkv.chunks(APPENDED * width))
        .collect();
    each(some, |(sequences, rows): (&mut [&mut Sequence], &[f32])| {
        let mut key = vec![0.0; padded(d)];
        for (sequence, row) in sequences.iter_mut().zip(rows.chunks_exact(width)) {
            sequence.append(attention, layer, row, &mut key);
        }
    });
    let mut order: Vec<usize> = (0..sequences.len()).collect();
    order.sort_by_key(|i| Arc::as_ptr(sequences[*i].prefix()));
    // Outputs by sequence, then by key/value head: each goes to one task.
    let mut rows: Vec<Vec<Option<&mut [f32]>>> = (out.chunks_exact_mut(attention.out_width()))
        .map(|row| row.chunks_exact_mut(group * d).map(Some).collect())
        .collect();
    let mut tasks = Vec::new();
    for together in
        order.chunk_by(|a, b| Arc::ptr_eq(sequences[*a].prefix(), sequences[*b].prefix()))
    {
        for kv_head in 0..attention.kv_heads {
            for some in together.chunks(TOGETHER) {
                let members = (some.iter())
                    .filter_map(|i| {
                        let out = rows[*i].get_mut(kv_head)?.take()?;
                        Some((&*sequences[*i], &qkv[i * width..][..width], out))
                    })
                    .collect();
                tasks.push(Task {
                    attention: *attention,
                    layer,
                    kv_head,
                    members,
                });
            }
        }
    }
    each_with(tasks, Scratch::default, |scratch, task| {
        Arch::new().dispatch(Run { task, scratch });
    });
}

struct Task<'a> {
    attention: Attention<'a>,
    layer: usize,
    kv_head: usize,
    /// (sequence, its packed row, output of the group's heads), all of one prefix.
    members: Vec<(&'a Sequence, &'a [f32], &'a mut [f32])>,
}

#[derive(Default)]
struct Scratch {
    queries: Aligned, // (rows, padded head size), rotated and scaled
    scores: Aligned,  // (rows, prefix blocks · 16 + suffix blocks · 16)
    out: Aligned,     // (rows, padded head size)
}

struct Run<'a, 'b> {
    task: Task<'a>,
    scratch: &'b mut Scratch,
}

impl WithSimd for Run<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if S::F32_LANES >= 16 {
            decode::<S, 8>(simd, self.task, self.scratch);
        } else {
            decode::<S, 4>(simd, self.task, self.scratch);
        }
    }
}

#[inline(always)]
fn decode<S: Simd, const R: usize>(simd: S, task: Task<'_>, scratch: &mut Scratch) {
    let Task {
        attention,
        layer,
        kv_head,
        mut members,
    } = task;
    let Some((first, ..)) = members.first() else {
        return;
    };
    let prefix = first.prefix().clone();
    let (d, dp, group) = (
        attention.head_dim,
        padded(attention.head_dim),
        attention.group(),
    );
    let rows = members.len() * group;
    let shared = prefix.len().div_ceil(POSITIONS) * POSITIONS;
    let own = (members.iter())
        .map(|(sequence, ..)| sequence.suffix_len() / POSITIONS + 1)
        .max()
        .unwrap_or(0);
    let stride = shared + own * POSITIONS;
    let padded_rows = rows.next_multiple_of(R);
    let queries = scratch.queries.at_least(padded_rows * dp);
    let scores = scratch.scores.at_least(padded_rows * stride);
    let sums = scratch.out.at_least(padded_rows * dp);

    for (m, (sequence, row, _)) in members.iter().enumerate() {
        for g in 0..group {
            let at = (kv_head * group + g) * d;
            let to = &mut queries[(m * group + g) * dp..][..dp];
            head(
                &row[at..at + d],
                attention.rotary,
                sequence.len(),
                attention.scale,
                to,
            );
        }
    }
    queries[rows * dp..].fill(0.0);
    sums.fill(0.0);

    // Scores of the prefix, R rows at a time, then of each sequence's own positions.
    let seen = (members.iter())
        .map(|(sequence, ..)| attention.first_visible(sequence.len()))
        .min()
        .unwrap_or(0)
        / POSITIONS;
    let shared_part = |b| prefix.part(layer, kv_head, b);
    let blocks = seen..prefix.blocks();
    for r in (0..rows).step_by(R) {
        let (q, s) = (&queries[r * dp..], &mut scores[r * stride..]);
        if rows - r == 1 {
            score::<S, 1, OWN>(simd, q, (d, dp), shared_part, blocks.clone(), s, stride);
        } else {
            score::<S, R, 2>(simd, q, (d, dp), shared_part, blocks.clone(), s, stride);
        }
    }
    for (m, (sequence, ..)) in members.iter().enumerate() {
        let own = own_start(&attention, sequence, &prefix) / POSITIONS..sequence.own_blocks();
        for r in m * group..(m + 1) * group {
            let (q, s) = (&queries[r * dp..], &mut scores[r * stride + shared..]);
            let part = |b| sequence.own_part(layer, kv_head, b);
            score::<S, 1, OWN>(simd, q, (d, dp), part, own.clone(), s, stride);
        }
    }

    for (m, (sequence, ..)) in members.iter().enumerate() {
        for g in 0..group {
            let r = m * group + g;
            let row = &mut scores[r * stride..][..stride];
            let total = probabilities(&attention, sequence, &prefix, row);
            let inverse = 1.0 / total;
            for x in row {
                *x *= inverse;
            }
        }
    }

    // Weighted sums in the same order of positions: prefix, then own.
    for r in (0..rows).step_by(R) {
        let (p, to) = (&scores[r * stride..], &mut sums[r * dp..]);
        if rows - r == 1 {
            weigh_own(simd, p, shared_part, blocks.clone(), prefix.len(), dp, to);
        } else {
            weigh::<S, R>(
                simd,
                (p, stride),
                shared_part,
                blocks.clone(),
                prefix.len(),
                dp,
                to,
            );
        }
    }
    for (m, (sequence, _, out)) in members.iter_mut().enumerate() {
        let own = own_start(&attention, sequence, &prefix) / POSITIONS..sequence.own_blocks();
        for g in 0..group {
            let r = m * group + g;
            let (p, to) = (&scores[r * stride + shared..], &mut sums[r * dp..]);
            let part = |b| sequence.own_part(layer, kv_head, b);
            weigh_own(
                simd,
                p,
                part,
                own.clone(),
                sequence.suffix_len() + 1,
                dp,
                to,
            );
            out[g * d..][..d].copy_from_slice(&to[..d]);
        }
    }
}

/// The first position after the prefix that a sequence's next token sees, counted from the prefix's end.
#[inline(always)]
fn own_start(attention: &Attention<'_>, sequence: &Sequence, prefix: &Prefix) -> usize {
    (attention.first_visible(sequence.len())).saturating_sub(prefix.len())
}

/// Scores of R rows (R, dp) against blocks, B of them at a time: chains of additions that do not wait for each other.
#[inline(always)]
fn score<'a, S: Simd, const R: usize, const B: usize>(
    simd: S,
    queries: &[f32], // (R, dp)
    (d, dp): (usize, usize),
    part: impl Fn(usize) -> (&'a [f32], &'a [f32]),
    blocks: Range<usize>,
    scores: &mut [f32], // (R, stride)
    stride: usize,
) {
    let width = POSITIONS / S::F32_LANES;
    let rows: [&[f32]; R] = core::array::from_fn(|r| &queries[r * dp..][..d]);
    let last = blocks.end.saturating_sub(1);
    for first in blocks.step_by(B) {
        // Past the end the last block is computed again.
        let block: [usize; B] = core::array::from_fn(|b| (first + b).min(last));
        let keys = block.map(|b| S::as_simd_f32s(part(b).0).0);
        for at in 0..width {
            let mut acc = zeros::<S, R, B>(simd);
            by_rows_apart(simd, rows, keys, width, at, &mut acc);
            for r in 0..R {
                for (b, acc) in block.into_iter().zip(acc[r]) {
                    let to = &mut scores[r * stride + b * POSITIONS..][..POSITIONS];
                    S::as_mut_simd_f32s(to).0[at] = acc;
                }
            }
        }
    }
}

/// Caps, hides what is not visible, and turns a row of scores into exponentials; gives their sum.
#[inline(always)]
fn probabilities(
    attention: &Attention<'_>,
    sequence: &Sequence,
    prefix: &Prefix,
    row: &mut [f32], // [prefix's blocks | own blocks]
) -> f32 {
    let shared = prefix.len().div_ceil(POSITIONS) * POSITIONS;
    let end = shared + sequence.suffix_len() + 1;
    row[end.next_multiple_of(POSITIONS)..].fill(0.0);
    let row = &mut row[..end.next_multiple_of(POSITIONS)];
    if let Some(cap) = attention.softcap {
        let inverse = 1.0 / cap;
        for s in &mut *row {
            *s = cap * tanh(*s * inverse);
        }
    }
    let first = attention.first_visible(sequence.len());
    row[..first.min(prefix.len())].fill(f32::NEG_INFINITY);
    row[prefix.len()..shared].fill(f32::NEG_INFINITY);
    row[shared..][..first.saturating_sub(prefix.len())].fill(f32::NEG_INFINITY);
    row[end..].fill(f32::NEG_INFINITY);
    exponentials(row).1
}

/// to[r] += Σ p[r][j] · values[j] over the positions of blocks before `len`, in order.
#[inline(always)]
fn weigh<'a, S: Simd, const R: usize>(
    simd: S,
    (p, stride): (&[f32], usize), // (R, stride)
    part: impl Fn(usize) -> (&'a [f32], &'a [f32]),
    blocks: Range<usize>,
    len: usize,
    dp: usize,
    to: &mut [f32], // (R, dp)
) {
    let width = dp / S::F32_LANES;
    let to = S::as_mut_simd_f32s(to).0;
    let mut at = 0;
    while at + 2 <= width {
        weigh_rows::<S, R, 2>(
            simd,
            (p, stride),
            &part,
            blocks.clone(),
            len,
            (width, at),
            to,
        );
        at += 2;
    }
    if at < width {
        weigh_rows::<S, R, 1>(simd, (p, stride), &part, blocks, len, (width, at), to);
    }
}

/// [`weigh`] of V vectors from `at` on.
#[inline(always)]
fn weigh_rows<'a, S: Simd, const R: usize, const V: usize>(
    simd: S,
    (p, stride): (&[f32], usize),
    part: &impl Fn(usize) -> (&'a [f32], &'a [f32]),
    blocks: Range<usize>,
    len: usize,
    (width, at): (usize, usize),
    to: &mut [S::f32s], // (R, width)
) {
    let mut acc: Tile<S, R, V> =
        core::array::from_fn(|r| core::array::from_fn(|v| to[r * width + at + v]));
    for b in blocks {
        let steps = POSITIONS.min(len - b * POSITIONS);
        let rows: [&[f32]; R] = core::array::from_fn(|r| &p[r * stride + b * POSITIONS..][..steps]);
        by_rows(
            simd,
            rows,
            S::as_simd_f32s(part(b).1).0,
            width,
            at,
            &mut acc,
        );
    }
    for r in 0..R {
        to[r * width + at..][..V].copy_from_slice(&acc[r]);
    }
}

/// [`weigh`] of one row, with more columns at a time: chains of additions that do not wait for each other.
#[inline(always)]
fn weigh_own<'a, S: Simd>(
    simd: S,
    p: &[f32],
    part: impl Fn(usize) -> (&'a [f32], &'a [f32]),
    blocks: Range<usize>,
    len: usize,
    dp: usize,
    to: &mut [f32], // (dp)
) {
    let width = dp / S::F32_LANES;
    let to = &mut S::as_mut_simd_f32s(to).0[..width];
    let (fours, rest) = to.as_chunks_mut::<4>();
    for (n, to) in fours.iter_mut().enumerate() {
        weigh_columns::<S, 4>(simd, p, &part, blocks.clone(), len, (width, 4 * n), to);
    }
    let at = width - rest.len();
    let (twos, ones) = rest.as_chunks_mut::<2>();
    for (n, to) in twos.iter_mut().enumerate() {
        weigh_columns::<S, 2>(simd, p, &part, blocks.clone(), len, (width, at + 2 * n), to);
    }
    for to in ones.as_chunks_mut::<1>().0 {
        weigh_columns::<S, 1>(simd, p, &part, blocks.clone(), len, (width, width - 1), to);
    }
}

#[inline(always)]
fn weigh_columns<'a, S: Simd, const V: usize>(
    simd: S,
    p: &[f32],
    part: &impl Fn(usize) -> (&'a [f32], &'a [f32]),
    blocks: Range<usize>,
    len: usize,
    (width, at): (usize, usize),
    to: &mut [S::f32s; V],
) {
    let mut acc = *to;
    for b in blocks {
        let steps = POSITIONS.min(len - b * POSITIONS);
        let p = &p[b * POSITIONS..][..steps];
        let values = S::as_simd_f32s(part(b).1).0;
        for (p, values) in p.iter().zip(values.chunks_exact(width)) {
            let (x, values) = (simd.splat_f32s(*p), &values[at..at + V]);
            for v in 0..V {
                acc[v] = simd.mul_add_e_f32s(x, values[v], acc[v]);
            }
        }
    }
    *to = acc;
}

#[cfg(test)]
mod tests;
