//! A model's own tokenizer as the rows need it.
//!
//! | token | which |
//! |---|---|
//! | BOS | the one that the tokenizer itself puts before a text, so that training sees what deployment will give; none where it puts none |
//! | EOS | the tokenizer's `eos_token`, else the first end-of-sequence token of the model's files |

use infalign_lm::{TokenIds, Tokenizer};

use super::Tokenize;
use crate::error::Result;

/// A tokenizer with the tokens that begin and end texts.
#[derive(Debug, Clone)]
pub struct HubTokenizer<'a> {
    tokenizer: &'a Tokenizer,
    bos: Option<u32>,
    eos: Option<u32>,
    vocabulary: u32,
}

impl<'a> HubTokenizer<'a> {
    /// The tokenizer of a model that embeds `vocab` tokens; `tokens` are the special ones by the model's files.
    ///
    /// # Errors
    /// A tokenizer that cannot encode an empty text, or makes tokens which the model does not embed.
    pub fn new(tokenizer: &'a Tokenizer, tokens: &TokenIds, vocab: usize) -> Result<Self> {
        tokenizer.check_vocab(vocab)?;
        Ok(Self {
            bos: tokenizer.encode("", true)?.first().copied(),
            eos: tokenizer
                .special_id("eos_token")
                .or_else(|| tokens.eos.first().copied()),
            vocabulary: u32::try_from(vocab).unwrap_or(u32::MAX),
            tokenizer,
        })
    }
}

impl Tokenize for HubTokenizer<'_> {
    fn encode(&self, text: &str) -> Result<Vec<u32>, String> {
        self.tokenizer
            .encode(text, false)
            .map_err(|e| e.to_string())
    }

    fn bos(&self) -> Option<u32> {
        self.bos
    }

    fn eos(&self) -> Option<u32> {
        self.eos
    }

    fn vocabulary(&self) -> u32 {
        self.vocabulary
    }
}
