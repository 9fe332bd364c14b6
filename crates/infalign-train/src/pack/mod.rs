//! From texts to rows of tokens: packed documents for pretraining, prompt and completion for SFT.

mod batch;
mod cache;
mod examples;
mod hub;
mod packed;
mod sft;
mod sft_batches;
mod sft_split;
mod split;

pub use batch::{Batch, IGNORED, Padded};
pub use cache::{PackOptions, TokenCache, build_caches};
pub use examples::segments;
pub use hub::HubTokenizer;
pub use packed::PackedRows;
pub use sft::{Segment, SftOptions, SftRows, Truncate};
pub use sft_batches::SftBatches;
pub use sft_split::sft_rows;

/// What the rows need of a tokenizer.
pub trait Tokenize {
    /// The token ids of a text, without BOS and EOS.
    ///
    /// # Errors
    /// What the tokenizer says of a text that it cannot encode.
    fn encode(&self, text: &str) -> Result<Vec<u32>, String>;

    /// The token that begins a text, where the tokenizer has one.
    fn bos(&self) -> Option<u32>;

    /// The token that ends a text, where the tokenizer has one.
    fn eos(&self) -> Option<u32>;

    /// Number of token ids that the model knows; ids are below it.
    fn vocabulary(&self) -> u32;
}

#[cfg(test)]
pub(crate) mod letters {
    //! A tokenizer whose tokens are bytes: a small one to test with.

    use super::Tokenize;

    pub(crate) const EOS: u32 = 256;
    pub(crate) const BOS: u32 = 257;

    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Letters {
        pub(crate) vocabulary: u32,
    }

    impl Default for Letters {
        fn default() -> Self {
            Self { vocabulary: 258 }
        }
    }

    impl Tokenize for Letters {
        fn encode(&self, text: &str) -> Result<Vec<u32>, String> {
            match text.contains('\u{fffd}') {
                true => Err("a replacement character".to_owned()),
                false => Ok(text.bytes().map(u32::from).collect()),
            }
        }

        fn bos(&self) -> Option<u32> {
            (self.vocabulary > BOS).then_some(BOS)
        }

        fn eos(&self) -> Option<u32> {
            (self.vocabulary > EOS || self.vocabulary < 250).then_some(EOS)
        }

        fn vocabulary(&self) -> u32 {
            self.vocabulary
        }
    }
}
