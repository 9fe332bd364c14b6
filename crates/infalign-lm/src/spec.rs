//! The description of a decoder from which the one shared decoder is built, read from config.json.
//!
//! A family (`families/`) says how the fields of its config.json become a [`Spec`], and how its files
//! name the tensors; nothing else in the crate knows of families.

use std::path::Path;

use serde_json::{Value, json};

use crate::{
    error::Result,
    families::{self, Description},
    json::{self, Fields, Object},
    rope::Rotary,
};

/// Sizes beyond these are mistakes or attacks: products of them must stay addressable.
pub(crate) const MOST_CHANNELS: usize = 1 << 20;
pub(crate) const MOST_LAYERS: usize = 4096;
pub(crate) const MOST_TOKENS: usize = 1 << 24;
pub(crate) const MOST_POSITIONS: usize = 1 << 28;
pub(crate) const MOST_LABELS: usize = 1 << 16;

/// A decoder: everything that its forward pass depends on, but for the weights.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Rows of the embedding.
    pub vocab: usize,
    /// Channels of the residual stream.
    pub dim: usize,
    /// Layers.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; divides `heads`.
    pub kv_heads: usize,
    /// Channels of a head; `heads`·`head_dim` need not be `dim`.
    pub head_dim: usize,
    /// Inner channels of the feed-forward part.
    pub ffn: usize,
    /// The longest sequence, in tokens.
    pub max_positions: usize,
    /// How the stream is normalised.
    pub norm: Norm,
    /// Where it is normalised.
    pub placement: Placement,
    /// How positions enter.
    pub positions: Positions,
    /// Attention.
    pub attention: Attention,
    /// The feed-forward part.
    pub mlp: Mlp,
    /// Factor of the embeddings (Gemma: √dim). Weights kept in a narrower type than f32 need it
    /// rounded to that type, as transformers does.
    pub embedding_scale: Option<f32>,
    /// Whether the head's matrix is the embedding.
    pub tied: bool,
    /// c of logits ← c·tanh(logits / c).
    pub logit_softcap: Option<f32>,
    /// What stands on the decoder.
    pub head: Head,
    /// Standard deviation of fresh weights.
    pub initializer_range: f32,
    /// Special tokens by config.json.
    pub tokens: TokenIds,
    pub(crate) description: &'static Description,
    pub(crate) raw: Object,
    /// The head was chosen by [`Spec::with_head`]: a file need not hold it.
    pub(crate) fresh_head: bool,
}

/// A normalisation over the last axis, in f32, with a weight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Norm {
    /// x / √(mean x² + eps) · (`offset` + weight); no bias.
    Rms {
        /// Added under the root.
        eps: f32,
        /// 0, or 1 (Gemma).
        offset: f32,
    },
    /// (x − mean) / √(var + eps) · weight + bias.
    Layer {
        /// Added under the root.
        eps: f32,
    },
}

impl Norm {
    /// Whether it has a bias.
    #[must_use]
    pub const fn bias(&self) -> bool {
        matches!(self, Self::Layer { .. })
    }
}

/// Where a layer normalises: A attention, M feed-forward part, n norms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// x ← x + A(n₁x); x ← x + M(n₂x).
    Pre,
    /// x ← x + n₂A(n₁x); x ← x + n₄M(n₃x) (Gemma 2).
    PreAndPost,
    /// x ← x + A(n₁x) + M(n₂x) (GPT-NeoX).
    Parallel,
}

/// How positions enter.
#[derive(Debug, Clone, PartialEq)]
pub enum Positions {
    /// A learned table (`max_positions`, dim), added to the embedding.
    Learned,
    /// Rotation of queries and keys.
    Rotary(Rotary),
}

/// Attention.
#[derive(Debug, Clone, PartialEq)]
pub struct Attention {
    /// Queries and keys are normalised per head, before rotation (Qwen 3).
    pub qk_norm: bool,
    /// Queries, keys and values have a bias.
    pub qkv_bias: bool,
    /// The output has a bias.
    pub out_bias: bool,
    /// c of scores ← c·tanh(scores / c), after `scale`, before the mask.
    pub softcap: Option<f32>,
    /// What differs between layers, one for each.
    pub layers: Vec<LayerAttention>,
}

/// The attention of one layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerAttention {
    /// Factor of q·k.
    pub scale: f32,
    /// w: position i sees j with i − w < j ≤ i; `None` sees all j ≤ i.
    pub window: Option<usize>,
}

/// The feed-forward part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mlp {
    /// Gated: down(act(gate x) ∘ up x); plain: down(act(up x)).
    pub gated: bool,
    /// The activation.
    pub activation: Activation,
    /// Whether all its matrices have biases.
    pub bias: bool,
}

/// An activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// x·σ(x).
    Silu,
    /// x·Φ(x), Φ the normal distribution function.
    Gelu,
    /// ½x(1 + tanh(√(2/π)(x + 0.044715x³))): `gelu_new`, `gelu_pytorch_tanh`, `gelu_fast`.
    GeluTanh,
    /// max(x, 0).
    Relu,
}

impl Activation {
    pub(crate) fn read(fields: &Fields<'_>, field: &str, default: &str) -> Result<Self> {
        match fields.word(field)?.unwrap_or(default) {
            "silu" | "swish" => Ok(Self::Silu),
            "gelu" | "gelu_python" => Ok(Self::Gelu),
            "gelu_new" | "gelu_pytorch_tanh" | "gelu_python_tanh" | "gelu_fast"
            | "gelu_accurate" => Ok(Self::GeluTanh),
            "relu" => Ok(Self::Relu),
            _ => Err(fields.bad(
                field,
                "silu, gelu, gelu_new, gelu_pytorch_tanh, gelu_fast or relu",
            )),
        }
    }
}

/// What stands on the decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// Logits over the vocabulary at every position.
    CausalLm,
    /// So many scores at the last token that is not padding; one is a reward.
    Classifier {
        /// How many.
        labels: usize,
    },
    /// One value at every position; stored as a classifier with one label.
    Value,
}

impl std::fmt::Display for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::CausalLm => f.write_str("a language-model head"),
            Self::Classifier { labels } => write!(f, "a classification head with {labels} labels"),
            Self::Value => f.write_str("a value head"),
        }
    }
}

/// Special tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenIds {
    /// Fills up batches.
    pub pad: Option<u32>,
    /// Begins a text.
    pub bos: Option<u32>,
    /// Each of them ends a text.
    pub eos: Vec<u32>,
}

/// Marks a value head in config.json; transformers keeps unknown fields.
const VALUE_MARK: &str = "infalign_value_head";

impl Spec {
    /// Reads a config.json.
    ///
    /// # Errors
    /// Names the field, what it holds, and what it may hold.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::from_json(json::read_object(path)?, &path.display().to_string())
    }

    /// From the object of a config.json; `file` names it in messages.
    ///
    /// # Errors
    /// As [`Spec::read`].
    pub fn from_json(raw: Object, file: &str) -> Result<Self> {
        let (description, kind) = families::find(&raw, file)?;
        let fields = Fields {
            object: &raw,
            file,
            model_type: description.model_type,
            within: "",
        };
        let mut spec = (description.read)(&fields, description)?;
        spec.check(&fields)?;
        spec.head = head(&fields, kind)?;
        spec.initializer_range = fields.positive("initializer_range")?.unwrap_or(0.02) as f32;
        spec.tokens = TokenIds {
            pad: fields.token("pad_token_id")?,
            bos: fields.token("bos_token_id")?,
            eos: fields.tokens("eos_token_id")?,
        };
        spec.raw = raw;
        Ok(spec)
    }

    /// The text of a config.json; for what does not come from a file.
    ///
    /// # Errors
    /// As [`Spec::read`].
    pub fn from_text(text: &str, file: &str) -> Result<Self> {
        Self::from_json(json::object(text, file)?, file)
    }

    /// The same decoder under another head, which a file of the old head need not hold.
    #[must_use]
    pub fn with_head(mut self, head: Head) -> Self {
        if head == self.head {
            return self;
        }
        let names = self.description;
        let (architecture, labels) = match head {
            Head::CausalLm => (names.causal, None),
            Head::Classifier { labels } => (names.classifier, Some(labels)),
            Head::Value => (names.classifier, Some(1)),
        };
        self.raw
            .insert("architectures".to_owned(), json!([architecture]));
        for field in ["num_labels", "id2label", "label2id", VALUE_MARK] {
            self.raw.shift_remove(field);
        }
        if let Some(labels) = labels {
            let name = |i: usize| format!("LABEL_{i}");
            let forth: Object = (0..labels)
                .map(|i| (i.to_string(), json!(name(i))))
                .collect();
            let back: Object = (0..labels).map(|i| (name(i), json!(i))).collect();
            self.raw.insert("id2label".to_owned(), Value::Object(forth));
            self.raw.insert("label2id".to_owned(), Value::Object(back));
        }
        if head == Head::Value {
            self.raw.insert(VALUE_MARK.to_owned(), json!(true));
        }
        // Between a value and a classifier of one label nothing changes in the file.
        let same_tensors = self.head_rows() == head_rows(head) && self.head != Head::CausalLm;
        self.fresh_head |= !same_tensors;
        self.head = head;
        self
    }

    /// Names the padding token, also in config.json: reward models need one in batches.
    #[must_use]
    pub fn with_pad_token(mut self, pad: u32) -> Self {
        self.raw.insert("pad_token_id".to_owned(), json!(pad));
        self.tokens.pad = Some(pad);
        self
    }

    /// `llama`, `gpt2`, …: the family, as config.json names it.
    #[must_use]
    pub fn model_type(&self) -> &'static str {
        self.description.model_type
    }

    /// Rows of the fused query, key and value matrix: (heads + 2·`kv_heads`)·`head_dim`.
    #[must_use]
    pub const fn qkv_rows(&self) -> usize {
        (self.heads + 2 * self.kv_heads) * self.head_dim
    }

    /// The config.json to save: every field that was read, and `dtype` as written.
    pub(crate) fn config(&self, dtype: &str) -> Object {
        let mut raw = self.raw.clone();
        let field = if raw.contains_key("torch_dtype") && !raw.contains_key("dtype") {
            "torch_dtype"
        } else {
            "dtype"
        };
        raw.insert(field.to_owned(), json!(dtype));
        // A bare model is saved with its prefix, so under the class that has one.
        let class = match self.head {
            Head::CausalLm => self.description.causal,
            Head::Classifier { .. } | Head::Value => self.description.classifier,
        };
        raw.insert("architectures".to_owned(), json!([class]));
        raw
    }

    pub(crate) fn head_rows(&self) -> Option<usize> {
        head_rows(self.head)
    }

    fn check(&self, fields: &Fields<'_>) -> Result<()> {
        if !self.heads.is_multiple_of(self.kv_heads) {
            return Err(fields.contradiction(format!(
                "{} key and value heads do not divide {} query heads",
                self.kv_heads, self.heads
            )));
        }
        if self.attention.layers.len() != self.layers {
            return Err(fields.contradiction(format!(
                "{} layers, but attention is given for {}",
                self.layers,
                self.attention.layers.len()
            )));
        }
        Ok(())
    }
}

const fn head_rows(head: Head) -> Option<usize> {
    match head {
        Head::CausalLm => None,
        Head::Classifier { labels } => Some(labels),
        Head::Value => Some(1),
    }
}

fn head(fields: &Fields<'_>, kind: families::HeadKind) -> Result<Head> {
    if kind == families::HeadKind::Causal {
        return Ok(Head::CausalLm);
    }
    // transformers leaves out two labels, its default, and knows more names than `num_labels`.
    let labels = match fields.inner("id2label", "id2label.")? {
        Some(names) if !names.object.is_empty() => names.object.len(),
        Some(_) => return Err(fields.bad("id2label", "at least one label")),
        None => fields
            .size_if_there("num_labels", MOST_LABELS)?
            .unwrap_or(2),
    };
    if fields.flag(VALUE_MARK, false)? {
        if labels != 1 {
            return Err(fields.contradiction(format!(
                "`{VALUE_MARK}` with {labels} labels; one is needed"
            )));
        }
        return Ok(Head::Value);
    }
    Ok(Head::Classifier { labels })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use crate::testing::{configs, spec};

    /// The message for a config.json of a family with some fields changed.
    fn error(family: &str, change: Value) -> String {
        let (_, mut config) = configs().into_iter().find(|(n, _)| *n == family).unwrap();
        let Value::Object(change) = change else {
            return String::new();
        };
        for (field, value) in change {
            if value == json!("remove") {
                config.as_object_mut().unwrap().remove(&field);
            } else {
                config[field] = value;
            }
        }
        let error = spec(&config).unwrap_err();
        assert_eq!(error.kind(), crate::Kind::User);
        error.to_string()
    }

    #[test]
    fn every_field_that_lies_is_named() {
        for (family, change, parts) in [
            (
                "llama",
                json!({"num_attention_heads": 0}),
                &["`num_attention_heads` is 0", "from 1 to"][..],
            ),
            (
                "llama",
                json!({"num_attention_heads": "remove"}),
                &["no field `num_attention_heads`", "llama models"],
            ),
            (
                "llama",
                json!({"num_attention_heads": 5}),
                &["`num_attention_heads` 5 does not divide `hidden_size` 16"],
            ),
            (
                "llama",
                json!({"num_key_value_heads": 3}),
                &["3 key and value heads do not divide 4"],
            ),
            (
                "llama",
                json!({"head_dim": 7}),
                &["7 of 7 channels", "even"],
            ),
            (
                "llama",
                json!({"hidden_size": 16.5}),
                &["`hidden_size` is 16.5"],
            ),
            (
                "llama",
                json!({"hidden_size": 1u64 << 60}),
                &["`hidden_size` is 1152921504606846976"],
            ),
            (
                "llama",
                json!({"hidden_act": "tanh"}),
                &["`hidden_act` is \"tanh\"", "silu, gelu"],
            ),
            (
                "llama",
                json!({"rms_norm_eps": 0}),
                &["`rms_norm_eps` is 0"],
            ),
            (
                "llama",
                json!({"tie_word_embeddings": "yes"}),
                &["`tie_word_embeddings`", "true or false"],
            ),
            (
                "llama",
                json!({"eos_token_id": "</s>"}),
                &["`eos_token_id`", "token id"],
            ),
            (
                "llama",
                json!({"model_type": "bert"}),
                &[
                    "unknown model_type `bert`",
                    "llama, mistral, qwen2, qwen3, gemma2, gpt2, gpt_neox",
                ],
            ),
            (
                "llama",
                json!({"architectures": ["BertModel"]}),
                &[
                    "unknown architecture `BertModel`",
                    "GPTNeoXForSequenceClassification",
                ],
            ),
            (
                "llama",
                json!({"architectures": ["Qwen2ForCausalLM"]}),
                &["`model_type` is llama but `architectures` names Qwen2ForCausalLM"],
            ),
            (
                "llama",
                json!({"architectures": "LlamaForCausalLM"}),
                &["`architectures`", "list"],
            ),
            (
                "qwen2",
                json!({"layer_types": ["full_attention"]}),
                &["`layer_types` lists 1 layers, but there are 2"],
            ),
            (
                "qwen2",
                json!({"layer_types": ["full_attention", "mamba"]}),
                &["`layer_types`", "sliding_attention"],
            ),
            (
                "qwen2",
                json!({"use_sliding_window": false, "layer_types": ["full_attention", "sliding_attention"]}),
                &["no window is set"],
            ),
            (
                "gemma2",
                json!({"use_bidirectional_attention": true}),
                &["use_bidirectional_attention"],
            ),
            (
                "gpt2",
                json!({"n_head": 3}),
                &["`n_head` 3 does not divide `n_embd` 16"],
            ),
            (
                "gpt2",
                json!({"add_cross_attention": true}),
                &["add_cross_attention"],
            ),
            (
                "gpt_neox",
                json!({"rotary_pct": 0.4}),
                &["3 of 8 channels", "rotary_pct"],
            ),
            (
                "llama",
                json!({"architectures": ["LlamaForSequenceClassification"], "id2label": {}}),
                &["`id2label`"],
            ),
        ] {
            let text = error(family, change.clone());
            for part in parts {
                assert!(
                    text.contains(part) && text.starts_with("config.json: "),
                    "{change}: `{text}` does not say `{part}`"
                );
            }
        }
        let text = Spec::from_text("{", "config.json").unwrap_err().to_string();
        assert!(
            text.contains("config.json: malformed JSON") && text.contains("line 1"),
            "{text}"
        );
        let text = Spec::from_text("{}", "config.json")
            .unwrap_err()
            .to_string();
        assert!(text.contains("no field `model_type`"), "{text}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        assert!(
            Spec::read(&path)
                .unwrap_err()
                .to_string()
                .contains("check the path")
        );
        std::fs::write(&path, b"{\"a\": \"\xff\"}").unwrap();
        assert!(
            Spec::read(&path)
                .unwrap_err()
                .to_string()
                .contains("not UTF-8")
        );
    }

    #[test]
    fn windows_fall_on_the_right_layers() {
        let windows = |family: &str| -> Vec<Option<usize>> {
            let (_, config) = configs().into_iter().find(|(n, _)| *n == family).unwrap();
            spec(&config)
                .unwrap()
                .attention
                .layers
                .iter()
                .map(|l| l.window)
                .collect()
        };
        assert_eq!(windows("mistral"), [Some(8), Some(8)]);
        assert_eq!(windows("qwen2"), [None, Some(8)]);
        assert_eq!(windows("gemma2"), [Some(8), None]);
        assert_eq!(windows("llama"), [None, None]);
    }

    #[test]
    fn what_is_saved_has_every_field_that_was_read() {
        let (_, config) = configs().into_iter().next().unwrap();
        let saved = spec(&config).unwrap().config("float32");
        for (field, value) in config.as_object().unwrap() {
            let expected = if field == "torch_dtype" {
                &json!("float32")
            } else {
                value
            };
            assert_eq!(&saved[field], expected);
        }
        assert_eq!(spec(&config).unwrap().tokens.eos, [2, 3]);
    }
}
