//! Causal self-attention of a ragged batch, for training and scoring: forward and backward.
//!
//! Within a sequence, for query position i, key position j and query head h with key/value head ⌊h / (heads / kv heads)⌋:
//!
//! sᵢⱼ = scale · qᵢ · kⱼ (q, k rotated), capped to c tanh(sᵢⱼ / c) if there is a soft-cap c; pᵢⱼ = exp(sᵢⱼ − lseᵢ) over the visible j,
//! lseᵢ = ln Σⱼ exp sᵢⱼ, outᵢ = Σⱼ pᵢⱼ vⱼ. Key j is visible to query i iff i − window < j ≤ i.
//!
//! Backward, with Dᵢ = outᵢ · doutᵢ (Dao et al. 2022, arXiv 2205.14135, appendix B.2):
//! dvⱼ = Σᵢ pᵢⱼ doutᵢ, dsᵢⱼ = pᵢⱼ (doutᵢ · vⱼ − Dᵢ) (1 − (sᵢⱼ / c)²), dqᵢ = scale Σⱼ dsᵢⱼ kⱼ, dkⱼ = scale Σᵢ dsᵢⱼ qᵢ; then the rotation backwards.
//! Probabilities are made again from `lse`; neither they nor the rotated heads are kept.
//!
//! A row of `qkv` is packed [q heads | k heads | v heads]. Positions are counted from 0 in every sequence. Sequences that begin alike may stand as
//! one [`Group`], whose beginning has its rows once. An output row depends on nothing but its own sequence up to itself, to the bit, grouped or
//! not; a gradient of a shared row is the sum over the sequences. Work is parallel over (group, key/value head), forward and backward, so nothing
//! is summed across threads. A window of 0 counts as 1; an empty sequence has no rows.

mod backward;
pub(crate) mod forward;
mod group;
pub(crate) mod load;
pub(crate) mod tiles;

use core::ops::Range;

use pulp::Arch;

pub use group::Group;
use group::Segment;

use crate::parallel::each_with;
use crate::rotary::Rotary;

/// Positions of a tile of transposed keys. A shared beginning is whole tiles, so that what follows it is computed as it would be alone.
pub const TILE: usize = 32;

/// What attention is computed with.
#[derive(Clone, Copy, Debug)]
pub struct Attention<'a> {
    /// Query heads, a multiple of `kv_heads`.
    pub heads: usize,
    /// Key/value heads.
    pub kv_heads: usize,
    /// Values of a head; any size.
    pub head_dim: usize,
    /// What q · k is multiplied by; usually 1/√(head size).
    pub scale: f32,
    /// Number of last positions that a query sees, itself among them; all if none.
    pub window: Option<usize>,
    /// c of c tanh(s / c).
    pub softcap: Option<f32>,
    /// Rotation of queries and keys.
    pub rotary: Option<&'a Rotary>,
}

impl Attention<'_> {
    /// Values of a packed row of queries, keys and values.
    #[must_use]
    pub fn qkv_width(&self) -> usize {
        (self.heads + 2 * self.kv_heads) * self.head_dim
    }

    /// Values of an output row.
    #[must_use]
    pub fn out_width(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Query heads of a key/value head.
    #[must_use]
    pub fn group(&self) -> usize {
        self.heads / self.kv_heads
    }

    /// The first key position that query position `i` sees.
    #[inline(always)]
    pub(crate) fn first_visible(&self, i: usize) -> usize {
        self.window
            .map_or(0, |window| (i + 1).saturating_sub(window.max(1)))
    }

    /// # Panics
    /// If heads are not a multiple of key/value heads, one of them or the head size is 0, a shared beginning is not whole tiles, or the groups do
    /// not have as many rows as there are.
    pub(crate) fn check(&self, qkv: &[f32], groups: &[Group]) {
        assert!(
            self.kv_heads > 0 && self.heads > 0 && self.heads.is_multiple_of(self.kv_heads),
            "{} query heads are not a multiple of {} key/value heads",
            self.heads,
            self.kv_heads
        );
        assert!(self.head_dim > 0, "heads of size 0");
        let tokens: usize = groups.iter().map(Group::rows).sum();
        assert_eq!(qkv.len(), tokens * self.qkv_width(), "values of qkv");
        assert!(
            groups.iter().all(|group| group.shared.is_multiple_of(TILE)),
            "a shared beginning is not a multiple of {TILE} rows"
        );
    }

    /// Writes `out` (tokens, heads · head size) and `lse` (tokens, heads) of `qkv` (tokens, (heads + 2 kv heads) · head size).
    ///
    /// # Panics
    /// If shapes contradict each other, or a sequence is longer than the rotary table.
    pub fn forward(&self, qkv: &[f32], groups: &[Group], out: &mut [f32], lse: &mut [f32]) {
        self.check(qkv, groups);
        let tokens = qkv.len() / self.qkv_width();
        assert_eq!(out.len(), tokens * self.out_width(), "values of out");
        assert_eq!(lse.len(), tokens * self.heads, "values of lse");
        let mut tasks: Vec<forward::Task<'_>> = self
            .tasks(groups)
            .map(|(group, kv_head, rows)| forward::Task {
                attention: *self,
                group,
                kv_head,
                qkv: &qkv[rows.start * self.qkv_width()..rows.end * self.qkv_width()],
                out: Vec::with_capacity(rows.len()),
                lse: Vec::with_capacity(rows.len()),
            })
            .collect();
        let mut out = out.chunks_exact_mut(self.out_width());
        let mut lse = lse.chunks_exact_mut(self.heads);
        for (group, tasks) in groups.iter().zip(tasks.chunks_exact_mut(self.kv_heads)) {
            for (out, lse) in out.by_ref().zip(lse.by_ref()).take(group.rows()) {
                let out = out.chunks_exact_mut(self.group() * self.head_dim);
                let lse = lse.chunks_exact_mut(self.group());
                for ((task, out), lse) in tasks.iter_mut().zip(out).zip(lse) {
                    task.out.push(out);
                    task.lse.push(lse);
                }
            }
        }
        each_with(tasks, forward::Scratch::default, |scratch, task| {
            Arch::new().dispatch(forward::Run { task, scratch });
        });
    }

    /// Writes `dqkv` (as `qkv`) from `qkv`, what [`Self::forward`] wrote, and `dout` (as `out`).
    ///
    /// # Panics
    /// As [`Self::forward`].
    pub fn backward(
        &self,
        qkv: &[f32],
        groups: &[Group],
        out: &[f32],
        lse: &[f32],
        dout: &[f32],
        dqkv: &mut [f32],
    ) {
        self.check(qkv, groups);
        let tokens = qkv.len() / self.qkv_width();
        assert_eq!(out.len(), tokens * self.out_width(), "values of out");
        assert_eq!(dout.len(), out.len(), "values of dout");
        assert_eq!(lse.len(), tokens * self.heads, "values of lse");
        assert_eq!(dqkv.len(), qkv.len(), "values of dqkv");
        let (width, kv) = (self.out_width(), self.kv_heads * self.head_dim);
        let mut tasks: Vec<backward::Task<'_>> = self
            .tasks(groups)
            .map(|(group, kv_head, rows)| {
                let of = |width: usize| rows.start * width..rows.end * width;
                backward::Task {
                    attention: *self,
                    group,
                    kv_head,
                    qkv: &qkv[of(self.qkv_width())],
                    out: &out[of(width)],
                    lse: &lse[of(self.heads)],
                    dout: &dout[of(width)],
                    dq: Vec::with_capacity(rows.len()),
                    dk: Vec::with_capacity(rows.len()),
                    dv: Vec::with_capacity(rows.len()),
                }
            })
            .collect();
        let mut rows = dqkv.chunks_exact_mut(self.qkv_width());
        for (group, tasks) in groups.iter().zip(tasks.chunks_exact_mut(self.kv_heads)) {
            for row in rows.by_ref().take(group.rows()) {
                let (q, row) = row.split_at_mut(width);
                let (k, v) = row.split_at_mut(kv);
                let q = q.chunks_exact_mut(self.group() * self.head_dim);
                let k = k.chunks_exact_mut(self.head_dim);
                let v = v.chunks_exact_mut(self.head_dim);
                for (((task, q), k), v) in tasks.iter_mut().zip(q).zip(k).zip(v) {
                    task.dq.push(q);
                    task.dk.push(k);
                    task.dv.push(v);
                }
            }
        }
        each_with(tasks, backward::Scratch::default, |scratch, task| {
            Arch::new().dispatch(backward::Run { task, scratch });
        });
    }

    /// (group, key/value head, the group's rows) of every task, group by group.
    fn tasks<'b>(
        &self,
        groups: &'b [Group],
    ) -> impl Iterator<Item = (&'b Group, usize, Range<usize>)> {
        let kv_heads = self.kv_heads;
        let mut from = 0;
        groups.iter().flat_map(move |group| {
            let rows = from..from + group.rows();
            from = rows.end;
            (0..kv_heads).map(move |kv_head| (group, kv_head, rows.clone()))
        })
    }
}

#[cfg(test)]
mod tests;
