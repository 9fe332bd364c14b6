//! `model:FOLDER`: the score of a sequence-classification head with one label, trained here or from the hub.
//!
//! ```text
//! r(x,y) = w · h(last token of the text that holds x and y)
//! ```
//!
//! How prompt and response become that text is [`Reading`]'s; rewards of a sequence do not depend on what is rewarded beside it.

mod reading;

use std::path::{Path, PathBuf};

use infalign_data::{Fingerprint, Turns};
use infalign_lm::{Decoder, Device, Folder, Head, classify};

pub use reading::{Dress, Reading};

use crate::{Asked, Entry, Error, RawReward, Result, Reward, checked};

pub(crate) const ENTRY: Entry = Entry {
    name: "model",
    syntax: "model:FOLDER[:chat|:raw][:eos]",
    example: "model:reward-model",
    summary: "a reward model: a *ForSequenceClassification folder with one label",
};

/// Asks a reward model; a clone shares its weights.
#[derive(Clone)]
pub struct ModelReward {
    name: String,
    identity: String,
    model: Decoder,
    reading: Reading,
}

impl ModelReward {
    /// Opens a folder.
    ///
    /// # Errors
    /// What the files say; [`Error::NoRewardModel`] for another head or several labels, and what [`Reading::new`] says.
    pub fn open(folder: &Path, dress: Dress, eos: bool, device: &Device) -> Result<Self> {
        let opened = Folder::open(folder)?;
        let reading = Reading::new(&opened, dress, eos)?;
        check_head(&opened)?;
        let head = opened.spec().head;
        let mut model = Decoder::open(&opened, head, 0, device)?;
        model.freeze();
        let option = if eos { ":eos" } else { "" };
        let name = format!("model:{}{}{option}", folder.display(), dress.option());
        let mut hash = Fingerprint::new();
        for path in model_files(folder)? {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            hash = hash.file(&file, &path)?;
        }
        Ok(Self {
            // Not where it lies: a folder that was moved gives the same rewards.
            identity: format!("model{}{option} {}", dress.option(), hash.hex()),
            name,
            model,
            reading,
        })
    }

    /// The same model, which reads as much of a response as its context takes ([`Reading::cutting`]). What it says of others is unchanged, so
    /// that its identity is.
    #[must_use]
    pub fn cutting(mut self) -> Self {
        self.reading = self.reading.cutting();
        self
    }
}

impl Reward for ModelReward {
    fn name(&self) -> &str {
        &self.name
    }

    fn rewards(&mut self, asked: &[Asked<'_>]) -> Result<Vec<RawReward>> {
        let mut sequences = Vec::with_capacity(asked.len());
        for (row, a) in asked.iter().enumerate() {
            let text = |text: &str| Turns::Text(text.to_owned());
            // A template puts its own marks around the turns; without one the model reads what the policy saw.
            let prompt = match a.messages {
                Some(messages) if self.reading.has_template() => Turns::Messages(messages.to_vec()),
                _ => text(a.prompt),
            };
            let tokens = self.reading.tokens(&prompt, &text(a.response));
            sequences.push(tokens.map_err(|why| Error::Row {
                reward: self.name.clone(),
                row,
                prompt: a.prompt_id.to_owned(),
                why: why.to_string(),
            })?);
        }
        let scores = classify(&self.model, &sequences)?;
        let values: Vec<f32> = scores.into_iter().flatten().collect();
        checked(&self.name, asked, &values)
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn another(&self) -> Option<Box<dyn Reward>> {
        Some(Box::new(self.clone()))
    }
}

/// A folder's model must be a reward model.
///
/// # Errors
/// [`Error::NoRewardModel`] for another head, or several labels.
pub fn check_head(folder: &Folder) -> Result<()> {
    let why = match folder.spec().head {
        Head::Classifier { labels: 1 } => return Ok(()),
        Head::Classifier { labels } => {
            format!("the classifier has {labels} labels; a reward model has one")
        }
        Head::CausalLm | Head::Value => {
            "the model is no reward model (*ForSequenceClassification); `infalign reward train` makes one of it"
                .to_owned()
        }
    };
    Err(Error::NoRewardModel {
        folder: folder.path().to_owned(),
        why,
    })
}

/// The files of a model's folder on which its values depend, in the order of their names: configuration, weights, tokenizer, template.
///
/// # Errors
/// When the folder cannot be read.
pub fn model_files(folder: &Path) -> Result<Vec<PathBuf>> {
    const WORDS: [&str; 7] = [
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "generation_config.json",
        "chat_template.jinja",
        "chat_template.json",
    ];
    let refused = |source| Error::Read {
        path: folder.to_owned(),
        source,
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(refused)? {
        let path = entry.map_err(refused)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let weights = name.starts_with("model") && name.contains(".safetensors");
        if (weights || WORDS.contains(&&*name)) && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests;
