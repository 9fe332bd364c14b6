//! Tokenizers: `tokenizer.json` read and applied as transformers does, and the special tokens' names.

use std::{collections::BTreeMap, path::Path};

use infalign_data::write_atomic;
use rayon::prelude::*;
use serde_json::Value;

use crate::{
    detokenise::Stream,
    error::{Error, Result},
    json::{self, Object},
};

/// The tokenizer of a model folder.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    file: String,
    special: BTreeMap<String, String>,
    /// A run of `<0xNN>` tokens decodes as one, so no part of it has a text of its own.
    byte_fallback: bool,
    vocab: usize,
}

/// The fields of `tokenizer_config.json` and `special_tokens_map.json` that name one token.
const ROLES: [&str; 7] = [
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
];

impl Tokenizer {
    /// Reads `tokenizer.json`, `tokenizer_config.json` and `special_tokens_map.json` of a folder.
    ///
    /// # Errors
    /// A missing or malformed file, named.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        let path = folder.join("tokenizer.json");
        if !path.exists() {
            let old = ["tokenizer.model", "vocab.json"]
                .into_iter()
                .find(|name| folder.join(name).exists());
            return Err(Error::Tokenizer {
                file: path.display().to_string(),
                what: match old {
                    Some(name) => format!(
                        "not there, only the old {name}: load it in transformers with AutoTokenizer and save it with save_pretrained"
                    ),
                    None => "not there; fetch it from where the model is from".to_owned(),
                },
            });
        }
        let text = json::read_text(&path)?;
        let mut special = BTreeMap::new();
        for name in ["special_tokens_map.json", "tokenizer_config.json"] {
            if let Some(config) = json::read_object_if_there(&folder.join(name))? {
                special.extend(specials(&config));
            }
        }
        Self::from_text(&text, special, &path.display().to_string())
    }

    /// From the text of a `tokenizer.json`; `special` as `bos_token` → `<s>`.
    ///
    /// # Errors
    /// A malformed text; `file` names it.
    pub fn from_text(text: &str, special: BTreeMap<String, String>, file: &str) -> Result<Self> {
        let inner: tokenizers::Tokenizer = text.parse().map_err(|e| Error::Tokenizer {
            file: file.to_owned(),
            what: format!("not a tokenizer that is understood: {e}; fetch it again"),
        })?;
        Self::new(inner, special, file)
    }

    pub(crate) fn new(
        mut inner: tokenizers::Tokenizer,
        special: BTreeMap<String, String>,
        file: &str,
    ) -> Result<Self> {
        let wrong = |e: tokenizers::Error| Error::Tokenizer {
            file: file.to_owned(),
            what: e.to_string(),
        };
        // What a file says of padding and cutting concerns its maker's batches; transformers resets it.
        inner.with_padding(None);
        inner.with_truncation(None).map_err(wrong)?;
        let decoder = serde_json::to_value(inner.get_decoder())
            .map_err(|e| Error::bug(format!("a decoder cannot be written as JSON: {e}")))?;
        let largest = inner.get_vocab(true).into_values().max();
        Ok(Self {
            byte_fallback: mentions(&decoder, "ByteFallback"),
            vocab: largest.map_or(0, |id| id as usize + 1),
            inner,
            special,
            file: file.to_owned(),
        })
    }

    /// The tokens of a text; with `special`, those that the tokenizer adds around it (a `<s>`).
    ///
    /// # Errors
    /// A text that the tokenizer cannot split, which only an incomplete vocabulary causes.
    pub fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>> {
        let encoding = self.inner.encode_fast(text, special);
        Ok(encoding.map_err(|e| self.wrong(&e))?.get_ids().to_vec())
    }

    /// The tokens of many texts, in their order; on all threads.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`], for the first such text.
    pub fn encode_all<S: AsRef<str> + Sync>(
        &self,
        texts: &[S],
        special: bool,
    ) -> Result<Vec<Vec<u32>>> {
        texts
            .par_iter()
            .map(|text| self.encode(text.as_ref(), special))
            .collect()
    }

    /// The text of tokens; ids beyond the vocabulary have none. With `skip_special`, neither have
    /// special tokens.
    ///
    /// # Errors
    /// A decoder that fails.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String> {
        self.inner
            .decode(ids, skip_special)
            .map_err(|e| self.wrong(&e))
    }

    /// Decodes token by token, as they are sampled.
    #[must_use]
    pub fn stream(&self, skip_special: bool) -> Stream<'_> {
        Stream::new(self, skip_special)
    }

    /// One more than the largest token id.
    #[must_use]
    pub const fn vocab_size(&self) -> usize {
        self.vocab
    }

    /// The id of a token by its spelling.
    #[must_use]
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The spelling of a token.
    #[must_use]
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The spelling of a special token by its role: `bos_token`, `eos_token`, `pad_token`, ….
    #[must_use]
    pub fn special(&self, role: &str) -> Option<&str> {
        self.special.get(role).map(String::as_str)
    }

    /// All roles and spellings, as chat templates see them.
    #[must_use]
    pub const fn specials(&self) -> &BTreeMap<String, String> {
        &self.special
    }

    /// The id of a special token by its role.
    #[must_use]
    pub fn special_id(&self, role: &str) -> Option<u32> {
        self.id(self.special(role)?)
    }

    /// Checks that the model embeds every token.
    ///
    /// # Errors
    /// [`Error::Vocabulary`].
    pub fn check_vocab(&self, vocab: usize) -> Result<()> {
        if self.vocab <= vocab {
            return Ok(());
        }
        Err(Error::Vocabulary {
            file: self.file.clone(),
            tokens: self.vocab,
            vocab,
        })
    }

    /// Whether a token is a single byte whose text depends on its neighbours.
    pub(crate) fn is_byte(&self, id: u32) -> bool {
        self.byte_fallback
            && self.token(id).is_some_and(|token| {
                token.len() == 6
                    && token.starts_with("<0x")
                    && token.ends_with('>')
                    && token[3..5].bytes().all(|b| b.is_ascii_hexdigit())
            })
    }

    /// Whether decoding passes over a token.
    pub(crate) fn is_silent(&self, id: u32, skip_special: bool) -> bool {
        self.token(id).is_none_or(|token| {
            skip_special && self.inner.get_added_vocabulary().is_special_token(&token)
        })
    }

    /// Writes `tokenizer.json` and a `tokenizer_config.json` with which `AutoTokenizer` of
    /// transformers loads it; for tokenizers that were trained here. Those of a folder are copied.
    ///
    /// # Errors
    /// What the disk said.
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<()> {
        let folder = folder.as_ref();
        let text = self.inner.to_string(true).map_err(|e| self.wrong(&e))?;
        let mut config = Object::new();
        config.insert(
            "tokenizer_class".to_owned(),
            "PreTrainedTokenizerFast".into(),
        );
        config.insert("clean_up_tokenization_spaces".to_owned(), false.into());
        for (role, token) in &self.special {
            config.insert(role.clone(), token.as_str().into());
        }
        let config = json::pretty(&config)?;
        write_atomic(folder.join("tokenizer.json"), |f| {
            f.write_all(text.as_bytes())
        })?;
        write_atomic(folder.join("tokenizer_config.json"), |f| {
            f.write_all(&config)
        })?;
        Ok(())
    }

    fn wrong(&self, error: &tokenizers::Error) -> Error {
        Error::Tokenizer {
            file: self.file.clone(),
            what: error.to_string(),
        }
    }
}

/// The special tokens of a configuration, which stand as texts or as objects with `content`.
pub(crate) fn specials(config: &Object) -> BTreeMap<String, String> {
    let spelled = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Object(token) => token.get("content")?.as_str().map(str::to_owned),
        _ => None,
    };
    ROLES
        .into_iter()
        .filter_map(|role| Some((role.to_owned(), spelled(config.get(role)?)?)))
        .collect()
}

/// Whether a part of a decoder has this type.
fn mentions(decoder: &Value, kind: &str) -> bool {
    match decoder {
        Value::Object(fields) => {
            fields.get("type").and_then(Value::as_str) == Some(kind)
                || fields.values().any(|v| mentions(v, kind))
        }
        Value::Array(parts) => parts.iter().any(|p| mentions(p, kind)),
        _ => false,
    }
}
