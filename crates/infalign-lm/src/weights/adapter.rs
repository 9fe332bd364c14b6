//! Low-rank adapters in the files of `peft`: `adapter_config.json` and `adapter_model.safetensors`.
//!
//! A module's matrix W (out, in) becomes W + s·B·A, with A (r, in), B (out, r), and s = α/r, or α/√r
//! with `use_rslora`. The file names them `base_model.model.MODULE.lora_A.weight` and `lora_B.weight`
//! (peft 0.21). B's rows are kept in our order; of a module that is some rows of a fused matrix
//! of ours, [`AdapterMatrix::rows`] says which. What changes more than that (`use_dora`, `bias`,
//! `alpha_pattern`, …) is refused, not ignored.

use std::{io, ops::Range, path::Path};

use infalign_data::write_atomic;
use serde_json::{Value, json};

use super::{
    Dtype,
    file::TensorFile,
    write::{encode, header},
};
use crate::{
    error::{Error, Result},
    json::{self, Fields, Object},
    replace::replace_folder,
    spec::{Head, MOST_CHANNELS, Spec},
    tensors::{AdapterTarget, Layout},
};

const CONFIG: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";
const PREFIX: &str = "base_model.model.";

/// A set of low-rank changes to a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Adapter {
    /// r.
    pub rank: usize,
    /// α.
    pub alpha: f64,
    /// s = α/√r instead of α/r.
    pub rslora: bool,
    /// Where the model is that it changes, as `peft` looks for it.
    pub base: Option<String>,
    /// The changes, in the order of [`Spec::adapter_targets`].
    pub matrices: Vec<AdapterMatrix>,
    /// The whole head (labels, dim) of a classifier, trained beside them.
    pub head: Option<Vec<f32>>,
}

/// The change of one module.
#[derive(Debug, Clone, PartialEq)]
pub struct AdapterMatrix {
    /// The module as the hub names it, `model.layers.0.self_attn.q_proj`.
    pub module: String,
    /// Our tensor.
    pub tensor: String,
    /// Its rows that change.
    pub rows: Range<usize>,
    /// r of this module.
    pub rank: usize,
    /// A, (rank, inputs).
    pub a: Vec<f32>,
    /// B, (rows, rank).
    pub b: Vec<f32>,
    /// s.
    pub scale: f32,
}

/// Fields that change the model further; each with the value that does not.
fn neutral() -> [(&'static str, Value); 12] {
    [
        ("use_dora", json!(false)),
        ("bias", json!("none")),
        ("lora_bias", json!(false)),
        ("alpha_pattern", json!({})),
        ("layer_replication", Value::Null),
        ("target_parameters", Value::Null),
        ("trainable_token_indices", Value::Null),
        ("use_qalora", json!(false)),
        ("use_bdlora", Value::Null),
        ("alora_invocation_tokens", Value::Null),
        ("arrow_config", Value::Null),
        ("kasa_config", Value::Null),
    ]
}

impl Adapter {
    /// Reads an adapter of the model that `spec` describes.
    ///
    /// # Errors
    /// Files missing or damaged; an adapter of another kind or another model.
    pub fn read(folder: impl AsRef<Path>, spec: &Spec) -> Result<Self> {
        let folder = folder.as_ref();
        let config_path = folder.join(CONFIG);
        let config = json::read_object(&config_path)?;
        let file = config_path.display().to_string();
        let fields = Fields {
            object: &config,
            file: &file,
            model_type: "adapter",
            within: "",
        };
        if fields.word("peft_type")? != Some("LORA") {
            return Err(fields.bad("peft_type", "LORA"));
        }
        for (field, value) in neutral() {
            if fields.get(field).is_some_and(|found| *found != value) {
                return Err(fields.bad(field, format!("{value}: only plain LoRA is read")));
            }
        }
        let mut adapter = Self {
            rank: fields.size("r", MOST_CHANNELS)?,
            alpha: fields.needed("lora_alpha")?,
            rslora: fields.flag("use_rslora", false)?,
            base: fields.word("base_model_name_or_path")?.map(str::to_owned),
            matrices: Vec::new(),
            head: None,
        };
        adapter.read_weights(&folder.join(WEIGHTS), spec)?;
        Ok(adapter)
    }

    fn read_weights(&mut self, path: &Path, spec: &Spec) -> Result<()> {
        let (file, mut entries) = TensorFile::open(path)?;
        let named = path.display().to_string();
        let mut missing = Vec::new();
        for target in spec.adapter_targets() {
            let [name_a, name_b] = names(&target.module);
            let (a, b) = match (entries.remove(&name_a), entries.remove(&name_b)) {
                (None, None) => continue,
                (Some(a), Some(b)) => (a, b),
                (None, _) => {
                    missing.push(name_a);
                    continue;
                }
                (_, None) => {
                    missing.push(name_b);
                    continue;
                }
            };
            let rank = a.shape.first().copied().unwrap_or(0);
            file.shape(&name_a, &a, vec![rank.max(1), target.inputs])?;
            file.shape(&name_b, &b, vec![target.rows.len(), rank])?;
            let mut values_a = Vec::new();
            let mut values_b = Vec::new();
            file.append(&name_a, &a, &mut values_a)?;
            file.append(&name_b, &b, &mut values_b)?;
            self.matrices.push(AdapterMatrix {
                scale: self.scale(rank),
                b: row_layout(&target).to_ours(values_b, rank),
                a: values_a,
                rank,
                module: target.module,
                tensor: target.tensor,
                rows: target.rows,
            });
        }
        let name = format!("{PREFIX}score.weight");
        if let (Some(rows), Some(entry)) = (spec.head_rows(), entries.remove(&name)) {
            file.shape(&name, &entry, vec![rows, spec.dim])?;
            let mut values = Vec::new();
            file.append(&name, &entry, &mut values)?;
            self.head = Some(values);
        }
        if !missing.is_empty() {
            return Err(Error::MissingTensors {
                file: named,
                names: missing,
            });
        }
        if !entries.is_empty() {
            return Err(Error::UnexpectedTensors {
                file: named,
                names: entries.into_keys().collect(),
            });
        }
        Ok(())
    }

    /// s for a rank.
    #[must_use]
    pub fn scale(&self, rank: usize) -> f32 {
        let rank = rank as f64;
        (self.alpha / if self.rslora { rank.sqrt() } else { rank }) as f32
    }

    /// Saves a folder that `peft` loads, whole or not at all.
    ///
    /// # Errors
    /// What the disk said; a matrix that fits no module of `spec` is a bug.
    pub fn save(&self, target: impl AsRef<Path>, spec: &Spec, dtype: Dtype) -> Result<()> {
        let targets = spec.adapter_targets();
        let mut tensors = Vec::new();
        let mut data: Vec<Vec<f32>> = Vec::new();
        let mut chosen = Vec::new();
        for matrix in &self.matrices {
            let target = targets
                .iter()
                .find(|t| t.module == matrix.module)
                .ok_or_else(|| {
                    Error::bug(format!("no module `{}` for an adapter", matrix.module))
                })?;
            let (out, rank) = (target.rows.len(), matrix.rank);
            if matrix.a.len() != rank * target.inputs || matrix.b.len() != out * rank {
                return Err(Error::bug(format!(
                    "an adapter of `{}` has another shape",
                    matrix.module
                )));
            }
            let [name_a, name_b] = names(&matrix.module);
            tensors.push((name_a, vec![rank, target.inputs]));
            tensors.push((name_b, vec![out, rank]));
            data.push(matrix.a.clone());
            data.push(row_layout(target).to_hub(&matrix.b, rank));
            chosen.push(target);
        }
        if let (Some(rows), Some(head)) = (spec.head_rows(), &self.head) {
            tensors.push((format!("{PREFIX}score.weight"), vec![rows, spec.dim]));
            data.push(head.clone());
        }
        let config = json::pretty(&self.config(spec, &targets, &chosen))?;
        let header = header(&tensors, dtype)?;
        let ours = |name: &str| name == CONFIG || name == WEIGHTS;
        replace_folder(
            target.as_ref(),
            |name| !ours(name),
            |folder| {
                write_atomic(folder.join(CONFIG), |f| f.write_all(&config))?;
                write_atomic(folder.join(WEIGHTS), |f| -> io::Result<()> {
                    f.write_all(&header)?;
                    let mut buffer = Vec::new();
                    data.iter()
                        .try_for_each(|values| encode(values, dtype, &mut buffer, f))
                })?;
                Ok(())
            },
        )
    }

    fn config(&self, spec: &Spec, all: &[AdapterTarget], chosen: &[&AdapterTarget]) -> Object {
        let classifier = spec.head != Head::CausalLm;
        let mut config = Object::new();
        let fields = [
            ("peft_type", json!("LORA")),
            (
                "task_type",
                json!(if classifier { "SEQ_CLS" } else { "CAUSAL_LM" }),
            ),
            ("base_model_name_or_path", json!(self.base)),
            ("r", json!(self.rank)),
            ("lora_alpha", json!(self.alpha)),
            ("use_rslora", json!(self.rslora)),
            ("lora_dropout", json!(0.0)),
            ("bias", json!("none")),
            ("fan_in_fan_out", json!(chosen.iter().any(|t| t.transposed))),
            ("target_modules", json!(target_modules(all, chosen))),
            (
                "modules_to_save",
                if classifier {
                    json!(["score"])
                } else {
                    Value::Null
                },
            ),
            ("inference_mode", json!(true)),
        ];
        for (field, value) in fields {
            config.insert(field.to_owned(), value);
        }
        if config["lora_alpha"]
            .as_f64()
            .is_some_and(|a| a.fract() == 0.0)
        {
            config["lora_alpha"] = json!(self.alpha as i64); // as peft writes it
        }
        let other: Object = self
            .matrices
            .iter()
            .filter(|m| m.rank != self.rank)
            .map(|m| (m.module.clone(), json!(m.rank)))
            .collect();
        config.insert("rank_pattern".to_owned(), Value::Object(other));
        config
    }
}

/// B's rows are the module's, so a transposed module changes nothing: `peft` keeps B (out, r).
const fn row_layout(target: &AdapterTarget) -> Layout {
    match target.layout {
        Layout::Transposed => Layout::Same,
        other => other,
    }
}

fn names(module: &str) -> [String; 2] {
    ["A", "B"].map(|m| format!("{PREFIX}{module}.lora_{m}.weight"))
}

/// Short names (`self_attn.q_proj`) where they mean just the chosen modules, else all in full.
fn target_modules(all: &[AdapterTarget], chosen: &[&AdapterTarget]) -> Vec<String> {
    // After the layer's number.
    let short = |module: &str| -> String {
        let mut parts = module.split('.');
        while let Some(part) = parts.next() {
            if part.bytes().all(|b| b.is_ascii_digit()) {
                return parts.collect::<Vec<_>>().join(".");
            }
        }
        module.to_owned()
    };
    let mut names: Vec<String> = chosen.iter().map(|t| short(&t.module)).collect();
    names.sort();
    names.dedup();
    let meant = all
        .iter()
        .filter(|t| names.contains(&short(&t.module)))
        .count();
    if meant == chosen.len() {
        names
    } else {
        chosen.iter().map(|t| t.module.clone()).collect()
    }
}
