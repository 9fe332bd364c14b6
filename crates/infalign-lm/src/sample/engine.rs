//! What the scheduler needs of a model: prompts run once, samples that grow a token at a time, and a count of what the cache holds.

use super::error::Error;

/// A model with a cache, on any device.
///
/// Logits must be a function of the sequence's tokens alone, not of the batch that it runs in: then so are texts.
///
/// # Shapes
/// Logits are rows of [`vocab`](Self::vocab) numbers, one row a prompt or sequence, in the order given.
///
/// # Room
/// The scheduler keeps count. It reserves [`prefix_cost`](Self::prefix_cost) from a prompt's prefill until its [`Prefix`](Self::Prefix) and
/// all its sequences are gone, and [`sequence_cost`](Self::sequence_cost) from a sequence's start until its finish, and never reserves more
/// than [`capacity`](Self::capacity). The unit is the engine's: tokens by default, or pages, or bytes.
pub trait Engine {
    /// A prompt's cache, which its sequences share; dropped when the last sample has started.
    type Prefix;
    /// A growing sample.
    type Sequence;
    /// What can go wrong, errors of sampling included.
    type Error: From<Error>;

    /// Numbers in a row of logits.
    fn vocab(&self) -> usize;

    /// The most tokens of prompt and response together.
    fn context(&self) -> usize;

    /// What the cache holds in all; none: it is not bounded.
    fn capacity(&self) -> Option<usize> {
        None
    }

    /// What the cache of a prompt of this length takes.
    fn prefix_cost(&self, prompt: usize) -> usize {
        prompt
    }

    /// What one sample takes at most beside its prompt's cache, `new` tokens long.
    fn sequence_cost(&self, prompt: usize, new: usize) -> usize {
        let _ = prompt;
        new
    }

    /// Runs prompts of different lengths, and writes the logits after each one's last token (prompts, vocab), replacing what `logits` held.
    ///
    /// # Errors
    /// The engine's own.
    fn prefill(
        &mut self,
        prompts: &[&[u32]],
        logits: &mut Vec<f32>,
    ) -> Result<Vec<Self::Prefix>, Self::Error>;

    /// Begins a sample of at most `new` tokens; its first token comes with the first step.
    ///
    /// # Errors
    /// The engine's own.
    fn start(&mut self, prefix: &Self::Prefix, new: usize) -> Result<Self::Sequence, Self::Error>;

    /// Appends one token to each sequence, and writes the logits after it (sequences, vocab), replacing what `logits` held.
    /// Sequences of one prompt stand next to each other.
    ///
    /// # Errors
    /// The engine's own.
    fn step(
        &mut self,
        sequences: &mut [&mut Self::Sequence],
        tokens: &[u32],
        logits: &mut Vec<f32>,
    ) -> Result<(), Self::Error>;

    /// Ends a sample and gives its memory back.
    fn finish(&mut self, sequence: Self::Sequence) {
        drop(sequence);
    }
}
