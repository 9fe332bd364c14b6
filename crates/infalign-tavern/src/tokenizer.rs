//! The tokenizer: every word of the world is one token, every other text its bytes.
//!
//! Byte-level BPE without merges and with `ignore_merges`, as Llama 3 has it: a piece that is in the vocabulary is its token, else
//! the bytes are. Token 0 ends a line, token 1 is padding.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::{grammar::ADDRESSES, world::WORLD};

/// Ends a line.
pub(crate) const END: &str = "<|endoftext|>";
/// Fills up batches.
pub(crate) const PAD: &str = "<|pad|>";
/// A space in byte-level alphabets.
const SPACE: char = 'Ġ';

/// The text of `tokenizer.json`.
#[must_use]
pub fn tokenizer_json() -> String {
    let mut vocabulary: Vec<String> = vec![END.to_owned(), PAD.to_owned()];
    vocabulary.extend((0..=u8::MAX).map(|byte| letter(byte).to_string()));
    vocabulary.extend(pieces());
    let ids: Map<String, Value> = (0..)
        .zip(vocabulary)
        .map(|(id, token): (u32, _)| (token, id.into()))
        .collect();
    let special = |id: u32, content: &str| {
        json!({
            "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true,
        })
    };
    let level = json!({
        "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true,
    });
    let file = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": [special(0, END), special(1, PAD)],
        "normalizer": null,
        "pre_tokenizer": level,
        "post_processor": null,
        "decoder": level,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
            "ignore_merges": true, "vocab": ids, "merges": [],
        },
    });
    format!("{file}\n")
}

/// The text of `tokenizer_config.json`.
#[must_use]
pub fn tokenizer_config_json() -> String {
    let config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": false,
        "eos_token": END,
        "pad_token": PAD,
    });
    format!("{config:#}\n")
}

/// The world's words as they stand in lines: with the space before them.
fn pieces() -> BTreeSet<String> {
    let mut words: Vec<&str> = vec!["The", "the", "was", "and", "luckily", "sadly", "on"];
    words.extend(ADDRESSES.iter().flat_map(|address| address.split(' ')));
    words.extend(WORLD.words.iter().map(|word| word.text));
    words.extend(WORLD.nouns.iter().map(|noun| noun.text));
    words.extend(WORLD.guests.iter().flat_map(|guest| guest.name.split(' ')));
    let mut pieces: BTreeSet<String> = words.iter().map(|word| format!("{SPACE}{word}")).collect();
    pieces.insert("An".to_owned()); // lines begin with it; `A` is a byte
    pieces
}

/// The letter that stands for a byte: itself where it is printable Latin-1, else the next from U+0100 (GPT-2's table).
fn letter(byte: u8) -> char {
    let printable = |b: u8| matches!(b, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    if printable(byte) {
        return char::from(byte);
    }
    let before = (0..byte).filter(|&b| !printable(b)).count() as u32;
    char::from_u32(0x100 + before).unwrap_or(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_a_letter_of_its_own_and_space_is_the_usual_one() {
        let letters: BTreeSet<char> = (0..=u8::MAX).map(letter).collect();
        assert_eq!(letters.len(), 256);
        assert_eq!(
            (letter(b' '), letter(b'\n'), letter(b'a')),
            (SPACE, 'Ċ', 'a')
        );
    }

    #[test]
    fn ids_are_dense_and_few() {
        let file: Value = serde_json::from_str(&tokenizer_json()).expect("JSON");
        let vocabulary = file["model"]["vocab"].as_object().expect("an object");
        let ids: BTreeSet<u64> = vocabulary.values().filter_map(Value::as_u64).collect();
        assert_eq!(ids, (0..vocabulary.len() as u64).collect());
        assert!(vocabulary.len() <= 512, "{}", vocabulary.len());
    }
}
