//! The registry of families: which are known, and what a family says of itself.

mod gemma2;
mod gpt2;
mod gpt_neox;
mod llama;
mod mistral;
mod qwen2;
mod qwen3;
mod shared;

use serde_json::Value;

use crate::{
    error::{Error, Result},
    json::{Fields, Object},
    spec::Spec,
};

/// Every family. A new one: a file here, and a line here.
pub(crate) const FAMILIES: [&Description; 7] = [
    &llama::FAMILY,
    &mistral::FAMILY,
    &qwen2::FAMILY,
    &qwen3::FAMILY,
    &gemma2::FAMILY,
    &gpt2::FAMILY,
    &gpt_neox::FAMILY,
];

/// A family: the names of its classes, how its config.json reads, how its files name tensors.
#[derive(Debug)]
pub(crate) struct Description {
    /// `model_type` of config.json.
    pub(crate) model_type: &'static str,
    /// The class with a language-modelling head.
    pub(crate) causal: &'static str,
    /// The class with a classification head.
    pub(crate) classifier: &'static str,
    /// The class without a head; its files have no prefix.
    pub(crate) bare: &'static str,
    /// config.json to description; head and tokens are filled in by the caller.
    pub(crate) read: fn(&Fields<'_>, &'static Self) -> Result<Spec>,
    /// The tensors' names.
    pub(crate) names: Names,
}

/// How files of a family name its tensors; modules, without `.weight` and `.bias`.
#[derive(Debug)]
pub(crate) struct Names {
    /// Before all names but the head's, unless the file is of the bare class.
    pub(crate) prefix: &'static str,
    pub(crate) embedding: &'static str,
    /// The learned positions, where they are.
    pub(crate) positions: Option<&'static str>,
    /// Before a layer's number.
    pub(crate) layers: &'static str,
    pub(crate) attention_norm: &'static str,
    pub(crate) attention_post_norm: Option<&'static str>,
    pub(crate) mlp_norm: &'static str,
    pub(crate) mlp_post_norm: Option<&'static str>,
    pub(crate) qkv: Qkv,
    pub(crate) qk_norm: Option<[&'static str; 2]>,
    pub(crate) attention_out: &'static str,
    /// Gate and up, or the one matrix.
    pub(crate) mlp_in: &'static [&'static str],
    pub(crate) mlp_out: &'static str,
    pub(crate) norm: &'static str,
    /// The head's names in files: the first is written, all are read.
    pub(crate) heads: &'static [&'static str],
    /// Whether matrices are stored (in, out), as GPT-2's `Conv1D` does.
    pub(crate) transposed: bool,
    /// Ends of names that old files carry and nobody needs: masks, frequencies.
    pub(crate) ignored: &'static [&'static str],
}

/// How queries, keys and values are stored.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Qkv {
    /// Three matrices.
    Apart([&'static str; 3]),
    /// One matrix: rows q, k, v.
    Fused(&'static str),
    /// One matrix: rows [head][q, k, v][channel].
    PerHead(&'static str),
}

/// Which class an architecture is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeadKind {
    Causal,
    Classifier,
}

/// The family and head of a config.json.
pub(crate) fn find(raw: &Object, file: &str) -> Result<(&'static Description, HeadKind)> {
    let fields = Fields {
        object: raw,
        file,
        model_type: "all",
        within: "",
    };
    let by_type = match fields.word("model_type")? {
        None => None,
        Some(found) => Some(
            FAMILIES
                .into_iter()
                .find(|f| f.model_type == found)
                .ok_or_else(|| unknown(file, "model_type", found))?,
        ),
    };
    let architecture = match fields.get("architectures") {
        None => None,
        Some(Value::Array(names)) => match names.first() {
            None => None,
            Some(Value::String(name)) => Some(name.as_str()),
            Some(_) => return Err(fields.bad("architectures", "a list of class names")),
        },
        Some(_) => return Err(fields.bad("architectures", "a list of class names")),
    };
    let by_class = match architecture {
        None => None,
        Some(found) => Some(
            FAMILIES
                .into_iter()
                .find_map(|f| f.class(found).map(|kind| (f, kind)))
                .ok_or_else(|| unknown(file, "architecture", found))?,
        ),
    };
    match (by_type, by_class) {
        (None, None) => Err(fields.missing("model_type")),
        (Some(family), None) => Ok((family, HeadKind::Causal)),
        (None, Some(found)) => Ok(found),
        (Some(family), Some((other, kind))) => {
            if family.model_type != other.model_type {
                return Err(fields.contradiction(format!(
                    "`model_type` is {} but `architectures` names {}; make them agree",
                    family.model_type,
                    architecture.unwrap_or_default()
                )));
            }
            Ok((family, kind))
        }
    }
}

impl Description {
    fn class(&self, name: &str) -> Option<HeadKind> {
        if name == self.causal || name == self.bare {
            Some(HeadKind::Causal)
        } else if name == self.classifier {
            Some(HeadKind::Classifier)
        } else {
            None
        }
    }
}

fn unknown(file: &str, field: &'static str, found: &str) -> Error {
    let known: Vec<&str> = if field == "model_type" {
        FAMILIES.iter().map(|f| f.model_type).collect()
    } else {
        FAMILIES
            .iter()
            .flat_map(|f| [f.causal, f.classifier])
            .collect()
    };
    Error::UnknownArchitecture {
        file: file.to_owned(),
        field,
        found: found.to_owned(),
        known: known.join(", "),
    }
}
