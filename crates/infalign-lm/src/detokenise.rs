//! Text from tokens as they come: never half a character, and all pieces together are the whole text.
//!
//! A tokenizer's decoder sees the whole sequence: it strips a leading space, joins bytes to
//! characters, spells runs of bytes that are no text as `�`. So a piece is what decoding a window
//! gains by its last tokens: text(window) without its beginning text(window but the last tokens).
//! The window starts one piece back, so that the strip at its start falls on both alike.
//!
//! A piece is held back while its text may still change:
//! - it ends with `�`: the rest of the character may follow;
//! - it ends in a run of byte tokens (`<0xE4>`, the byte fallback of sentencepiece), which decodes as one:
//!   a later byte can make the whole run no text.
//!
//! [`Stream::finish`] gives what was held back. Time per token is that of decoding a window of a few
//! tokens.

use crate::{error::Result, tokenizer::Tokenizer};

/// Decodes the tokens of one sequence as they come.
#[derive(Debug, Clone)]
pub struct Stream<'a> {
    tokenizer: &'a Tokenizer,
    skip_special: bool,
    /// The tokens of the last piece, and those since.
    window: Vec<u32>,
    /// How many of them have been given out.
    given: usize,
    /// Their text.
    given_text: String,
}

impl<'a> Stream<'a> {
    pub(crate) const fn new(tokenizer: &'a Tokenizer, skip_special: bool) -> Self {
        Self {
            tokenizer,
            skip_special,
            window: Vec::new(),
            given: 0,
            given_text: String::new(),
        }
    }

    /// Takes a token; gives the text that is certain now, if any.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`].
    pub fn push(&mut self, token: u32) -> Result<Option<String>> {
        self.window.push(token);
        // A token without text does not end a run of bytes either.
        if self.tokenizer.is_byte(token) || self.tokenizer.is_silent(token, self.skip_special) {
            return Ok(None);
        }
        let text = self.tokenizer.decode(&self.window, self.skip_special)?;
        if text.ends_with(char::REPLACEMENT_CHARACTER) {
            return Ok(None);
        }
        self.give(&text)
    }

    /// Ends the sequence: the text that was held back, if any.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`].
    pub fn finish(mut self) -> Result<Option<String>> {
        let text = self.tokenizer.decode(&self.window, self.skip_special)?;
        self.give(&text)
    }

    fn give(&mut self, text: &str) -> Result<Option<String>> {
        let piece = match text.strip_prefix(self.given_text.as_str()) {
            // A decoder that rewrites what it said (none of those in use): wait for more.
            None | Some("") => return Ok(None),
            Some(piece) => piece.to_owned(),
        };
        self.window.drain(..self.given);
        self.given = self.window.len();
        self.given_text = self.tokenizer.decode(&self.window, self.skip_special)?;
        Ok(Some(piece))
    }
}

impl crate::sample::TextStream<crate::Error> for Stream<'_> {
    fn push(&mut self, token: u32) -> Result<Option<String>> {
        Self::push(self, token)
    }

    fn finish(self: Box<Self>) -> Result<Option<String>> {
        Self::finish(*self)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use proptest::prelude::*;

    use super::*;
    use crate::{testing, train_bpe::train_bpe};

    /// The pieces, and that together they are the text; no piece ends within a character.
    fn check(tokenizer: &Tokenizer, ids: &[u32], skip: bool) -> Vec<String> {
        let mut stream = tokenizer.stream(skip);
        let mut pieces = Vec::new();
        for &id in ids {
            pieces.extend(stream.push(id).unwrap());
        }
        for piece in &pieces {
            assert!(!piece.ends_with('\u{fffd}'), "{pieces:?}");
        }
        pieces.extend(stream.finish().unwrap());
        assert_eq!(
            pieces.concat(),
            tokenizer.decode(ids, skip).unwrap(),
            "{pieces:?} of {ids:?}"
        );
        pieces
    }

    fn byte_level() -> Tokenizer {
        let texts = [
            "the cat sat on the mat",
            "naïve café, 你好世界, 🙂🙂 the end",
        ];
        train_bpe(texts.into_iter(), 300).unwrap()
    }

    #[test]
    fn characters_of_several_tokens_come_whole() {
        let tokenizer = byte_level();
        let ids = tokenizer.encode("Ü 你好 🙂!", false).unwrap();
        assert!(
            ids.len() > 8,
            "each character should be several tokens: {ids:?}"
        );
        let pieces = check(&tokenizer, &ids, true);
        assert!(pieces.len() > 4, "{pieces:?}");
    }

    #[test]
    fn sentencepiece_keeps_its_spaces() {
        let Some(folder) = testing::shared_model("stories260K") else {
            return;
        };
        let tokenizer = Tokenizer::open(folder).unwrap();
        let text = "Once upon a time, there was  a 你好 🙂 cat. ";
        let ids = tokenizer.encode(text, true).unwrap();
        let pieces = check(&tokenizer, &ids, true);
        assert_eq!(pieces.concat(), text);
        // A byte that spoils a run spoils all of it, so nothing of the run may have been given out.
        let e = [0xC3u8, 0xA9, 0xFF].map(|b| tokenizer.id(&format!("<0x{b:02X}>")).unwrap());
        let pieces = check(&tokenizer, &[ids[1], e[0], e[1], e[2], ids[1]], true);
        assert!(
            pieces.concat().contains("\u{fffd}\u{fffd}\u{fffd}"),
            "{pieces:?}"
        );
    }

    proptest! {
        #[test]
        fn pieces_are_the_text_byte_level(ids in prop::collection::vec(0u32..300, 0..40), skip: bool) {
            check(&byte_level_once(), &ids, skip);
        }

        #[test]
        fn pieces_are_the_text_sentencepiece(ids in prop::collection::vec(0u32..520, 0..40), skip: bool) {
            if let Some(folder) = testing::shared_model("stories260K") {
                check(&Tokenizer::open(folder).unwrap(), &ids, skip);
            }
        }
    }

    fn byte_level_once() -> Tokenizer {
        static ONCE: std::sync::OnceLock<Tokenizer> = std::sync::OnceLock::new();
        ONCE.get_or_init(byte_level).clone()
    }
}
