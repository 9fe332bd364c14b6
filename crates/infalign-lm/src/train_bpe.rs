//! Trains a byte-level BPE tokenizer, of the kind that GPT-2, Llama 3 and Qwen use.

use tokenizers::{
    AddedToken, DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper,
    TokenizerImpl,
    models::bpe::{BPE, BpeTrainer},
    pre_tokenizers::byte_level::ByteLevel,
};

use crate::{
    error::{Error, Result},
    tokenizer::Tokenizer,
};

/// Ends a document; also begins one.
const END: &str = "<|endoftext|>";
/// Fills up batches.
const PAD: &str = "<|pad|>";
/// All bytes, and the two special tokens.
const SMALLEST: usize = 256 + 2;

/// Trains a tokenizer of `vocab` tokens (or fewer, when the texts hold no more pairs): token 0 ends
/// a document, token 1 is padding, every text can be encoded. The same texts give the same tokens.
///
/// # Errors
/// A `vocab` below 258.
pub fn train_bpe<S: AsRef<str> + Send>(
    texts: impl Iterator<Item = S> + Send,
    vocab: usize,
) -> Result<Tokenizer> {
    let wrong = |what: String| Error::Tokenizer {
        file: "a new tokenizer".to_owned(),
        what,
    };
    if vocab < SMALLEST {
        return Err(wrong(format!(
            "{vocab} tokens are too few: {SMALLEST} are needed for all bytes and two special tokens"
        )));
    }
    let special = |token: &str| AddedToken::from(token, true);
    let mut trainer = BpeTrainer::builder()
        .vocab_size(vocab)
        .min_frequency(2)
        .show_progress(false)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .special_tokens(vec![special(END), special(PAD)])
        .build();
    let mut tokenizer: TokenizerImpl<
        BPE,
        NormalizerWrapper,
        PreTokenizerWrapper,
        PostProcessorWrapper,
        DecoderWrapper,
    > = TokenizerImpl::new(BPE::default());
    tokenizer.with_pre_tokenizer(Some(ByteLevel::default().add_prefix_space(false)));
    tokenizer.with_decoder(Some(ByteLevel::default()));
    tokenizer
        .train(&mut trainer, texts)
        .map_err(|e| wrong(e.to_string()))?;
    let text = tokenizer
        .to_string(false)
        .map_err(|e| wrong(e.to_string()))?;
    let special = [("bos_token", END), ("eos_token", END), ("pad_token", PAD)];
    Tokenizer::from_text(
        &text,
        special
            .map(|(role, token)| (role.to_owned(), token.to_owned()))
            .into(),
        "a new tokenizer",
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    #[test]
    fn every_text_returns_and_training_repeats() {
        let texts = ["the cat sat on the mat, the cat", "naïve café"];
        let train = || train_bpe(texts.into_iter(), 280).unwrap();
        let tokenizer = train();
        assert!((258..=280).contains(&tokenizer.vocab_size()));
        assert_eq!(
            (
                tokenizer.special_id("eos_token"),
                tokenizer.special_id("pad_token")
            ),
            (Some(0), Some(1))
        );
        for text in ["", "the cat", "  \n\t", "你好 🙂 \u{0}", "<|endoftext|>"] {
            let ids = tokenizer.encode(text, false).unwrap();
            assert_eq!(tokenizer.decode(&ids, false).unwrap(), text);
            assert_eq!(train().encode(text, false).unwrap(), ids);
        }
        let ids = tokenizer.encode("the cat", false).unwrap();
        assert!(
            ids.len() < 4,
            "words that were seen are few tokens: {ids:?}"
        );
        let error = train_bpe(texts.into_iter(), 257).unwrap_err().to_string();
        assert!(error.contains("257 tokens are too few: 258"), "{error}");
    }
}
