//! A model folder as the hub lays it out: configuration, weights, tokenizer, chat template, defaults of generation.

use std::{
    fs,
    path::{Path, PathBuf},
};

use infalign_data::write_atomic;

use crate::{
    chat::ChatTemplate,
    error::{Error, Result},
    json::{self, Fields, Object},
    replace::{copy, recover, replace_folder},
    spec::{Spec, TokenIds},
    tokenizer::Tokenizer,
    weights::{Weights, WriteOptions, write_weights},
};

/// What goes along unchanged when a model is saved: the tokenizer in all its forms, and the licence.
const COMPANIONS: [&str; 14] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
    "additional_chat_templates",
    "generation_config.json",
    "LICENSE",
    "LICENSE.txt",
    "NOTICE",
];

/// A folder with a model, opened; its weights are read when they are asked for.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
    spec: Spec,
    tokenizer: Option<Tokenizer>,
    template: Option<ChatTemplate>,
    generation: Option<Object>,
    tokens: TokenIds,
}

impl Folder {
    /// Reads all of a folder but the weights.
    ///
    /// # Errors
    /// No folder, no config.json; any file that is there and cannot be understood; a tokenizer with
    /// more tokens than the model embeds.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_owned();
        recover(&path)?;
        if !path.is_dir() {
            // Opening it tells why: absent, forbidden, a file.
            fs::read_dir(&path).map_err(|e| Error::read(&path, e))?;
        }
        let spec = Spec::read(path.join("config.json"))?;
        let tokenizer = match Tokenizer::open(&path) {
            Ok(tokenizer) => Some(tokenizer),
            Err(_) if !path.join("tokenizer.json").exists() => None,
            Err(error) => return Err(error),
        };
        if let Some(tokenizer) = &tokenizer {
            tokenizer.check_vocab(spec.vocab)?;
        }
        let generation_path = path.join("generation_config.json");
        let generation = json::read_object_if_there(&generation_path)?;
        let tokens = tokens(
            &spec,
            generation.as_ref(),
            tokenizer.as_ref(),
            &generation_path,
        )?;
        Ok(Self {
            template: ChatTemplate::open(&path)?,
            spec,
            tokenizer,
            generation,
            tokens,
            path,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The decoder's description.
    #[must_use]
    pub const fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The tokenizer.
    ///
    /// # Errors
    /// There is none; the message says how to make one from older files.
    pub fn tokenizer(&self) -> Result<&Tokenizer> {
        match &self.tokenizer {
            Some(tokenizer) => Ok(tokenizer),
            None => Err(match Tokenizer::open(&self.path) {
                Err(error) => error,
                Ok(_) => Error::bug("a tokenizer appeared after its folder was opened"),
            }),
        }
    }

    /// The chat template, if there is one.
    #[must_use]
    pub const fn chat_template(&self) -> Option<&ChatTemplate> {
        self.template.as_ref()
    }

    /// The fields of `generation_config.json`: `temperature`, `top_p`, …; empty if there is none.
    #[must_use]
    pub fn generation_config(&self) -> Object {
        self.generation.clone().unwrap_or_default()
    }

    /// Special tokens, each from the first that names it: `generation_config.json`, config.json, the
    /// tokenizer's files.
    #[must_use]
    pub const fn tokens(&self) -> &TokenIds {
        &self.tokens
    }

    /// Opens the weights, for the description as it is or with another head.
    ///
    /// # Errors
    /// As [`Weights::open`].
    pub fn weights(&self, spec: &Spec) -> Result<Weights> {
        Weights::open(&self.path, spec)
    }

    /// Saves a model as a folder that transformers loads, whole or not at all (see
    /// [`crate::check_target`], to be asked beforehand). `companions` is the folder whose tokenizer,
    /// template and defaults go along. `tensor` is asked for each of [`Spec::tensors`] once, in order.
    /// `more` may write further files.
    ///
    /// # Errors
    /// What `tensor`, `more` or the disk said; the previous folder then stands.
    pub fn save(
        target: impl AsRef<Path>,
        spec: &Spec,
        companions: Option<&Path>,
        options: WriteOptions,
        tensor: impl FnMut(&str) -> Result<Vec<f32>> + Send,
        more: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<()> {
        replace_folder(
            target.as_ref(),
            |name| !is_model_file(name),
            |folder| {
                let config = json::pretty(&spec.config(options.dtype.torch_name()))?;
                write_atomic(folder.join("config.json"), |f| f.write_all(&config))?;
                if let Some(from) = companions {
                    for name in COMPANIONS {
                        if from.join(name).exists() {
                            copy(&from.join(name), &folder.join(name))?;
                        }
                    }
                }
                write_weights(folder, spec, options, tensor)?;
                more(folder)
            },
        )
    }
}

/// Files of an old model, which a new one makes stale.
fn is_model_file(name: &str) -> bool {
    COMPANIONS.contains(&name)
        || name == "config.json"
        || name == super::weights::INDEX
        || name.starts_with("model") && name.ends_with(".safetensors")
        || name.starts_with("pytorch_model") // also its index
}

fn tokens(
    spec: &Spec,
    generation: Option<&Object>,
    tokenizer: Option<&Tokenizer>,
    generation_path: &Path,
) -> Result<TokenIds> {
    let file = generation_path.display().to_string();
    let empty = Object::new();
    let fields = Fields {
        object: generation.unwrap_or(&empty),
        file: &file,
        model_type: spec.model_type(),
        within: "",
    };
    let by_role = |role: &str| tokenizer.and_then(|t| t.special_id(role));
    let first = |field: &str, config: Option<u32>, role: &str| -> Result<Option<u32>> {
        Ok(fields.token(field)?.or(config).or_else(|| by_role(role)))
    };
    let mut eos = fields.tokens("eos_token_id")?;
    if eos.is_empty() {
        eos.clone_from(&spec.tokens.eos);
    }
    if eos.is_empty() {
        eos.extend(by_role("eos_token"));
    }
    Ok(TokenIds {
        pad: first("pad_token_id", spec.tokens.pad, "pad_token")?,
        bos: first("bos_token_id", spec.tokens.bos, "bos_token")?,
        eos,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use std::io;

    use serde_json::json;

    use super::*;
    use crate::{
        Kind,
        testing::{configs, spec, values, write},
        train_bpe,
    };

    /// A folder with a small Llama of a byte-level vocabulary, and its tokenizer.
    fn model(vocab: usize) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let mut config = configs()[0].1.clone();
        config["vocab_size"] = json!(vocab);
        config.as_object_mut().unwrap().remove("pad_token_id");
        write(folder.path(), &config, WriteOptions::default());
        let tokenizer = train_bpe(["a cat and a cat"].into_iter(), 260).unwrap();
        tokenizer.save(folder.path()).unwrap();
        folder
    }

    #[test]
    fn special_tokens_come_from_the_first_that_names_them() {
        let folder = model(260);
        let open = || Folder::open(folder.path()).unwrap().tokens().clone();
        assert_eq!(
            (open().eos, open().bos, open().pad),
            (vec![2, 3], Some(1), Some(1))
        );
        let path = folder.path().join("generation_config.json");
        fs::write(&path, r#"{"eos_token_id": 7, "pad_token_id": 5}"#).unwrap();
        assert_eq!(
            (open().eos, open().bos, open().pad),
            (vec![7], Some(1), Some(5))
        );
        fs::write(&path, r#"{"eos_token_id": "x"}"#).unwrap();
        let error = Folder::open(folder.path()).unwrap_err().to_string();
        assert!(
            error.contains("generation_config.json: `eos_token_id`"),
            "{error}"
        );
    }

    #[test]
    fn a_tokenizer_of_another_model_is_refused() {
        Folder::open(model(300).path()).unwrap();
        let error = Folder::open(model(259).path()).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("has 260 tokens, but the model of config.json embeds 259"),
            "{error}"
        );
    }

    #[test]
    fn what_is_missing_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let error = Folder::open(folder.path().join("none")).unwrap_err();
        assert!(
            error.to_string().contains("none") && error.kind() == Kind::User,
            "{error}"
        );
        let config = &configs()[0].1;
        write(folder.path(), config, WriteOptions::default());
        let opened = Folder::open(folder.path()).unwrap();
        assert!(
            opened
                .tokenizer()
                .unwrap_err()
                .to_string()
                .contains("tokenizer.json: not there; fetch")
        );
        fs::write(folder.path().join("tokenizer.model"), "").unwrap();
        assert!(
            opened
                .tokenizer()
                .unwrap_err()
                .to_string()
                .contains("AutoTokenizer")
        );
        fs::write(folder.path().join("tokenizer.json"), "{}").unwrap();
        let error = Folder::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("tokenizer.json: not a tokenizer"), "{error}");
    }

    #[test]
    fn a_model_is_saved_over_itself_or_stands_as_it_was() {
        let folder = model(260);
        let opened = Folder::open(folder.path()).unwrap();
        let weights = opened.weights(opened.spec()).unwrap();
        fs::write(folder.path().join("notes.txt"), "mine").unwrap();
        let save = |fail: bool| {
            let halved = |name: &str| Ok(weights.tensor(name)?.1.iter().map(|x| x / 2.0).collect());
            let more = |new: &Path| match fail {
                true => Err(Error::write(new, io::ErrorKind::StorageFull.into())),
                false => Ok(()),
            };
            let companions = Some(folder.path());
            Folder::save(
                folder.path(),
                opened.spec(),
                companions,
                WriteOptions::default(),
                halved,
                more,
            )
        };
        let norm = || {
            let opened = Folder::open(folder.path()).unwrap();
            opened
                .weights(opened.spec())
                .unwrap()
                .tensor("norm.weight")
                .unwrap()
                .1
        };
        let original = values(&spec(&json_of(folder.path())).unwrap(), "norm.weight");
        assert_eq!(save(true).unwrap_err().kind(), Kind::Environment);
        assert_eq!(norm(), original);
        save(false).unwrap();
        assert_eq!(norm(), original.iter().map(|x| x / 2.0).collect::<Vec<_>>());
        assert_eq!(
            fs::read_to_string(folder.path().join("notes.txt")).unwrap(),
            "mine"
        );
        let ids = Folder::open(folder.path())
            .unwrap()
            .tokenizer()
            .unwrap()
            .encode(" cat", false)
            .unwrap();
        assert_eq!(
            ids.len(),
            2,
            "four letters were merged to two tokens: {ids:?}"
        );
    }

    fn json_of(folder: &Path) -> serde_json::Value {
        json!(json::read_object(&folder.join("config.json")).unwrap())
    }
}
