//! Memory of keys and values for sampling: blocks of sixteen positions from a pool of fixed size, a prompt's blocks shared by its samples.
//!
//! A block holds sixteen positions of every layer and key/value head, for each of them
//! [keys (head size, 16), rotated | values (16, head size padded to sixteen)]: lanes of keys are positions, lanes of values are head values.
//! A [`Prefix`] is made once for a prompt and read by all of its samples; a [`Sequence`] has blocks of its own for what follows it.
//!
//! | case | result |
//! |---|---|
//! | the pool has no block left | [`CacheFull`], nothing has changed |
//! | an empty prompt | a prefix of length 0 |
//! | blocks are not given back | their memory is freed, but the pool still counts it: give them back |

use std::sync::Arc;

use thiserror::Error;

use crate::aligned::Aligned;
use crate::attention::Attention;
use crate::attention::load::{head, padded};

/// Positions of a block.
pub const POSITIONS: usize = 16;

/// What the cache of a model holds at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheShape {
    /// Layers of the model.
    pub layers: usize,
    /// Key/value heads of a layer.
    pub kv_heads: usize,
    /// Values of a head.
    pub head_dim: usize,
}

impl CacheShape {
    /// Values of one layer's head in a block.
    fn part(&self) -> usize {
        POSITIONS * (self.head_dim + padded(self.head_dim))
    }

    fn block(&self) -> usize {
        self.layers * self.kv_heads * self.part()
    }

    /// Bytes that a position takes; blocks of sixteen are taken at a time.
    #[must_use]
    pub fn bytes_per_token(&self) -> usize {
        self.block() * size_of::<f32>() / POSITIONS
    }
}

/// The pool has no room for what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "the key/value cache has {free} of {capacity} blocks of 16 positions free, and {needed} are needed: \
     give the cache more memory, or let fewer sequences run at once"
)]
pub struct CacheFull {
    /// Blocks that were needed.
    pub needed: usize,
    /// Blocks that are free.
    pub free: usize,
    /// Blocks of the pool.
    pub capacity: usize,
}

#[derive(Debug)]
struct Block(Aligned);

impl Block {
    #[inline(always)]
    fn part(&self, shape: &CacheShape, layer: usize, kv_head: usize) -> (&[f32], &[f32]) {
        let at = (layer * shape.kv_heads + kv_head) * shape.part();
        self.0.as_slice()[at..at + shape.part()].split_at(POSITIONS * shape.head_dim)
    }

    /// Writes key and value of one position from a packed row, for every head of a layer.
    fn put(
        &mut self,
        shape: &CacheShape,
        attention: &Attention<'_>,
        layer: usize,
        (position, slot): (usize, usize),
        row: &[f32],
        key: &mut [f32],
    ) {
        let (d, kv_heads) = (shape.head_dim, shape.kv_heads);
        let first = attention.heads * d;
        for kv_head in 0..kv_heads {
            let at = (layer * kv_heads + kv_head) * shape.part();
            let part = &mut self.0.as_mut_slice()[at..at + shape.part()];
            let (keys, values) = part.split_at_mut(POSITIONS * d);
            let k_at = first + kv_head * d;
            let v_at = k_at + kv_heads * d;
            head(&row[k_at..k_at + d], attention.rotary, position, 1.0, key);
            for (lanes, x) in keys.as_chunks_mut::<POSITIONS>().0.iter_mut().zip(&*key) {
                lanes[slot] = *x;
            }
            let to = &mut values[slot * padded(d)..][..padded(d)];
            head(&row[v_at..v_at + d], None, position, 1.0, to);
        }
    }
}

/// Blocks up to a number of bytes, made when first needed and used again.
#[derive(Debug)]
pub struct CachePool {
    shape: CacheShape,
    capacity: usize,
    taken: usize,
    spare: Vec<Block>,
}

impl CachePool {
    /// A pool of as many whole blocks as `bytes` hold.
    #[must_use]
    pub fn new(shape: CacheShape, bytes: usize) -> Self {
        let block = (shape.block() * size_of::<f32>()).max(1);
        Self {
            shape,
            capacity: bytes / block,
            taken: 0,
            spare: Vec::new(),
        }
    }

    /// What a position holds.
    #[must_use]
    pub fn shape(&self) -> CacheShape {
        self.shape
    }

    /// Positions that the whole pool holds, in blocks of sixteen.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity * POSITIONS
    }

    /// Positions in blocks that are free, a multiple of sixteen.
    #[must_use]
    pub fn free(&self) -> usize {
        (self.capacity - self.taken) * POSITIONS
    }

    fn take(&mut self, needed: usize) -> Result<Vec<Block>, CacheFull> {
        let free = self.capacity - self.taken;
        if needed > free {
            return Err(CacheFull {
                needed,
                free,
                capacity: self.capacity,
            });
        }
        self.taken += needed;
        let mut blocks = self
            .spare
            .split_off(self.spare.len().saturating_sub(needed));
        while blocks.len() < needed {
            let mut values = Aligned::new();
            values.resize(self.shape.block());
            blocks.push(Block(values));
        }
        Ok(blocks)
    }

    fn give(&mut self, blocks: Vec<Block>) {
        self.taken -= blocks.len();
        self.spare.extend(blocks);
    }

    /// Room for a prompt of `len` tokens, to be written by [`crate::decode::prefill_attention`] layer by layer.
    ///
    /// # Errors
    /// If the pool has not enough blocks.
    pub fn prefix(&mut self, len: usize) -> Result<Prefix, CacheFull> {
        Ok(Prefix {
            shape: self.shape,
            len,
            blocks: self.take(len.div_ceil(POSITIONS))?,
        })
    }

    /// Makes sure that a sequence has room for its next `tokens` tokens.
    ///
    /// # Errors
    /// If the pool has not enough blocks; the sequence is then as it was.
    pub fn reserve(&mut self, sequence: &mut Sequence, tokens: usize) -> Result<(), CacheFull> {
        let blocks = (sequence.suffix_len() + tokens).div_ceil(POSITIONS);
        let more = self.take(blocks.saturating_sub(sequence.blocks.len()))?;
        sequence.blocks.extend(more);
        Ok(())
    }

    /// Takes back a finished sequence's blocks, and its prefix's if no other sequence reads it.
    pub fn release(&mut self, sequence: Sequence) {
        self.give(sequence.blocks);
        self.release_prefix(sequence.prefix);
    }

    /// Takes back a prefix's blocks if nobody else reads it.
    pub fn release_prefix(&mut self, prefix: Arc<Prefix>) {
        if let Some(prefix) = Arc::into_inner(prefix) {
            self.give(prefix.blocks);
        }
    }
}

/// Keys and values of a prompt, of all layers.
#[derive(Debug)]
pub struct Prefix {
    shape: CacheShape,
    len: usize,
    blocks: Vec<Block>,
}

impl Prefix {
    /// Tokens of the prompt.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the prompt has no tokens.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Writes a layer's keys and values of packed rows (len, qkv width).
    pub(crate) fn write(&mut self, attention: &Attention<'_>, layer: usize, qkv: &[f32]) {
        check(&self.shape, attention, layer);
        let mut key = vec![0.0; padded(self.shape.head_dim)];
        let rows = qkv.chunks_exact(attention.qkv_width());
        assert_eq!(
            rows.len(),
            self.len,
            "rows of a prompt and length of its prefix"
        );
        for (i, row) in rows.enumerate() {
            let block = &mut self.blocks[i / POSITIONS];
            block.put(
                &self.shape,
                attention,
                layer,
                (i, i % POSITIONS),
                row,
                &mut key,
            );
        }
    }

    /// Blocks that are in use.
    pub(crate) fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// (keys, values) of a layer's head in block `b`.
    #[inline(always)]
    pub(crate) fn part(&self, layer: usize, kv_head: usize, b: usize) -> (&[f32], &[f32]) {
        self.blocks[b].part(&self.shape, layer, kv_head)
    }
}

/// One sample: a prompt's prefix, which it shares, and what was appended to it.
#[derive(Debug)]
pub struct Sequence {
    prefix: Arc<Prefix>,
    blocks: Vec<Block>,
    len: usize, // with the prefix
}

impl Sequence {
    /// A sample that starts at the end of a prompt.
    #[must_use]
    pub fn new(prefix: Arc<Prefix>) -> Self {
        Self {
            len: prefix.len,
            blocks: Vec::new(),
            prefix,
        }
    }

    /// Tokens in the cache, the prompt's among them; the position of the next token.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no tokens at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The prompt.
    #[must_use]
    pub fn prefix(&self) -> &Arc<Prefix> {
        &self.prefix
    }

    /// Ends a step: the token that every layer has appended now counts.
    ///
    /// # Panics
    /// If there was no room for it.
    pub fn advance(&mut self) {
        assert!(
            self.suffix_len() < self.blocks.len() * POSITIONS,
            "room for a token"
        );
        self.len += 1;
    }

    pub(crate) fn suffix_len(&self) -> usize {
        self.len - self.prefix.len
    }

    /// Writes a layer's key and value of the next token.
    pub(crate) fn append(
        &mut self,
        attention: &Attention<'_>,
        layer: usize,
        row: &[f32],
        key: &mut [f32],
    ) {
        let shape = self.prefix.shape;
        check(&shape, attention, layer);
        let slot = self.suffix_len();
        assert!(
            slot < self.blocks.len() * POSITIONS,
            "a sequence of {} tokens has no room for another: reserve it",
            self.len
        );
        let block = &mut self.blocks[slot / POSITIONS];
        block.put(
            &shape,
            attention,
            layer,
            (self.len, slot % POSITIONS),
            row,
            key,
        );
    }

    /// Blocks that hold the suffix and the next token.
    pub(crate) fn own_blocks(&self) -> usize {
        self.suffix_len() / POSITIONS + 1
    }

    /// (keys, values) of a layer's head in the suffix's block `b`.
    #[inline(always)]
    pub(crate) fn own_part(&self, layer: usize, kv_head: usize, b: usize) -> (&[f32], &[f32]) {
        self.blocks[b].part(&self.prefix.shape, layer, kv_head)
    }
}

fn check(shape: &CacheShape, attention: &Attention<'_>, layer: usize) {
    assert!(
        shape.kv_heads == attention.kv_heads
            && shape.head_dim == attention.head_dim
            && layer < shape.layers,
        "layer {layer} with {} heads of {} in a cache of {shape:?}",
        attention.kv_heads,
        attention.head_dim
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: CacheShape = CacheShape {
        layers: 2,
        kv_heads: 3,
        head_dim: 20,
    };

    #[test]
    fn bytes_and_capacity() {
        assert_eq!(SHAPE.bytes_per_token(), 2 * 3 * (20 + 32) * 4);
        let pool = CachePool::new(SHAPE, SHAPE.bytes_per_token() * 16 * 5 + 100);
        assert_eq!((pool.capacity(), pool.free()), (80, 80));
    }

    #[test]
    fn blocks_come_back_and_a_full_pool_says_so() -> Result<(), CacheFull> {
        let mut pool = CachePool::new(SHAPE, SHAPE.bytes_per_token() * 16 * 4);
        let prefix = Arc::new(pool.prefix(17)?);
        let (mut a, mut b) = (Sequence::new(prefix.clone()), Sequence::new(prefix));
        pool.reserve(&mut a, 16)?;
        pool.reserve(&mut a, 1)?;
        pool.reserve(&mut b, 1)?;
        assert_eq!(pool.free(), 0);
        let full = CacheFull {
            needed: 1,
            free: 0,
            capacity: 4,
        };
        assert_eq!(pool.reserve(&mut a, 17), Err(full));
        assert!(full.to_string().contains("0 of 4 blocks"));
        pool.release(a);
        assert_eq!(pool.free(), 16);
        pool.reserve(&mut b, 32)?;
        pool.release(b);
        assert_eq!(pool.free(), 64);
        Ok(())
    }
}
