//! Reading weights: every file is checked against the description when it is opened, and read tensor by tensor.
//!
//! Files are read by position, in pieces that stay in the cache, into the vector that the caller keeps:
//! a tensor exists once, the process never holds a file beside its copy (a mapped file counts twice
//! while it is copied), and a file that shrinks under us is an error, not a signal.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::OnceLock,
};

use super::{
    INDEX, SINGLE,
    dtype::{Dtype, Stored},
    file::TensorFile,
    header::Entry,
    index,
};
use crate::{
    error::{Error, Result},
    json,
    spec::{Head, Spec},
    tensors::{Layout, Part, TensorRule},
};

/// The weights of a folder, under our names; nothing is read before it is asked for.
#[derive(Debug)]
pub struct Weights {
    files: Vec<TensorFile>,
    /// By the hub's name: file and place.
    entries: BTreeMap<String, (usize, Entry)>,
    rules: Vec<TensorRule>,
    by_name: BTreeMap<String, usize>,
    /// Whether the file's names lack the prefix.
    bare: bool,
    fresh: Vec<TensorRule>,
    dtype: OnceLock<Dtype>,
}

impl Weights {
    /// Opens `model.safetensors` or the shards of its index, and checks headers, names and shapes.
    ///
    /// # Errors
    /// Damaged headers; tensors missing, unexplained, or of another shape; an index that lies.
    pub fn open(folder: impl AsRef<Path>, spec: &Spec) -> Result<Self> {
        let folder = folder.as_ref();
        let single = folder.join(SINGLE);
        let index_path = folder.join(INDEX);
        let mut files = Vec::new();
        let mut entries = BTreeMap::new();
        let named = if single.exists() {
            let (file, found) = TensorFile::open(&single)?;
            files.push(file);
            entries.extend(found.into_iter().map(|(name, entry)| (name, (0, entry))));
            single
        } else if index_path.exists() {
            open_shards(folder, &index_path, &mut files, &mut entries)?;
            index_path
        } else {
            return Err(Error::NoWeights {
                folder: folder.to_owned(),
                pickled: folder.join("pytorch_model.bin").exists()
                    || folder.join("pytorch_model.bin.index.json").exists(),
            });
        };
        let weights = Self {
            bare: bare(&entries, spec),
            files,
            entries,
            rules: spec.tensors(),
            by_name: BTreeMap::new(),
            fresh: Vec::new(),
            dtype: OnceLock::new(),
        };
        weights.matched(spec, &named)
    }

    /// Finds every tensor of the description, and lists what is left.
    fn matched(mut self, spec: &Spec, named: &Path) -> Result<Self> {
        let file = named.display().to_string();
        let mut missing = Vec::new();
        let mut used = BTreeSet::new();
        let rules = std::mem::take(&mut self.rules);
        for rule in rules {
            let names: Vec<Option<String>> = rule.parts.iter().map(|p| self.hub_name(p)).collect();
            if rule.head && spec.fresh_head && names.iter().all(Option::is_none) {
                self.fresh.push(rule);
                continue;
            }
            for (part, name) in rule.parts.iter().zip(names) {
                let Some(name) = name else {
                    missing.push(format!(
                        "{}{}",
                        if self.bare { "" } else { part.prefix },
                        part.hub
                    ));
                    continue;
                };
                let (at, entry) = &self.entries[&name];
                let expected = rule.hub_shape(part);
                let file = &self.files[*at];
                file.shape(&name, entry, expected)?;
                file.weights(&name, entry)?;
                used.insert(name);
            }
            self.by_name.insert(rule.name.clone(), self.rules.len());
            self.rules.push(rule);
        }
        if !missing.is_empty() {
            return Err(Error::MissingTensors {
                file,
                names: missing,
            });
        }
        let heads = spec.description.names.heads;
        let of_head = |name: &str| {
            let module = name.strip_suffix(".weight");
            module.is_some_and(|m| heads.contains(&m) || m == "score")
        };
        let tied_head = spec.head == Head::CausalLm && spec.tied;
        let mut left = Vec::new();
        for name in self.entries.keys().filter(|n| !used.contains(*n)) {
            if spec
                .description
                .names
                .ignored
                .iter()
                .any(|end| name.ends_with(end))
            {
                continue;
            }
            if of_head(name) && spec.fresh_head {
                continue;
            }
            if of_head(name) && tied_head && name != "score.weight" {
                self.same_as_embedding(name)?;
                continue;
            }
            left.push(name.clone());
        }
        if !left.is_empty() {
            return Err(Error::UnexpectedTensors { file, names: left });
        }
        Ok(self)
    }

    /// Some files of tied models carry the head as well: it must then be the embedding.
    fn same_as_embedding(&self, head: &str) -> Result<()> {
        let (at, entry) = &self.entries[head];
        let rule = &self.rules[0];
        let hub = self
            .hub_name(&rule.parts[0])
            .ok_or_else(|| Error::bug("the embedding was found and is gone"))?;
        let (other_at, other) = &self.entries[&hub];
        let same = self.files[*at].same(entry, &self.files[*other_at], other)?;
        if same {
            return Ok(());
        }
        Err(Error::Tensor {
            file: self.files[*at].path.display().to_string(),
            tensor: head.to_owned(),
            what: format!(
                "config.json ties it to `{hub}` (`tie_word_embeddings`), but they differ; set `tie_word_embeddings` to false there"
            ),
        })
    }

    /// The name under which this file has a part.
    fn hub_name(&self, part: &Part) -> Option<String> {
        let prefix = if self.bare { "" } else { part.prefix };
        let first = format!("{prefix}{}", part.hub);
        if self.entries.contains_key(&first) {
            return Some(first);
        }
        let other = format!("{prefix}{}", part.other_hub.as_ref()?);
        self.entries.contains_key(&other).then_some(other)
    }

    /// The tensors that can be read, in the order of [`Spec::tensors`].
    #[must_use]
    pub fn tensors(&self) -> &[TensorRule] {
        &self.rules
    }

    /// Tensors of a head that the file lacks because [`Spec::with_head`] chose it: to be drawn afresh.
    #[must_use]
    pub fn fresh(&self) -> &[TensorRule] {
        &self.fresh
    }

    /// The type that most elements are stored in.
    #[must_use]
    pub fn dtype(&self) -> Dtype {
        *self.dtype.get_or_init(|| {
            let mut bytes: Vec<(Dtype, u64)> = Vec::new();
            for (_, entry) in self.entries.values() {
                if let Stored::Weights(dtype) = entry.stored {
                    match bytes.iter_mut().find(|(d, _)| *d == dtype) {
                        Some((_, n)) => *n += entry.bytes,
                        None => bytes.push((dtype, entry.bytes)),
                    }
                }
            }
            bytes
                .into_iter()
                .max_by_key(|(_, n)| *n)
                .map_or(Dtype::F32, |(d, _)| d)
        })
    }

    /// Reads one tensor: our shape, and its elements row-major. Thread-safe: tensors may be read in
    /// parallel.
    ///
    /// # Errors
    /// A name that is not among [`Weights::tensors`] is a bug; the disk may fail.
    pub fn tensor(&self, name: &str) -> Result<(Vec<usize>, Vec<f32>)> {
        let rule = self
            .by_name
            .get(name)
            .map(|&i| &self.rules[i])
            .ok_or_else(|| Error::bug(format!("no tensor `{name}` in this model")))?;
        let row_len = rule.row_len();
        let mut values = Vec::with_capacity(rule.len());
        for part in &rule.parts {
            let hub = self.hub_name(part).ok_or_else(|| {
                Error::bug(format!("tensor `{}` was found and is gone", part.hub))
            })?;
            let (at, entry) = &self.entries[&hub];
            if part.layout == Layout::Same {
                self.files[*at].append(&hub, entry, &mut values)?;
            } else {
                let mut piece = Vec::with_capacity(part.rows.len() * row_len);
                self.files[*at].append(&hub, entry, &mut piece)?;
                values.append(&mut part.layout.to_ours(piece, row_len));
            }
        }
        Ok((rule.shape.clone(), values))
    }
}

fn open_shards(
    folder: &Path,
    index_path: &Path,
    files: &mut Vec<TensorFile>,
    entries: &mut BTreeMap<String, (usize, Entry)>,
) -> Result<()> {
    let name = index_path.display().to_string();
    let wrong = |what: String| Error::Index {
        file: name.clone(),
        what,
    };
    let map = index::parse(&json::read_text(index_path)?, &name)?;
    for shard in index::shards(&map) {
        let path = folder.join(shard);
        if !path.exists() {
            return Err(wrong(format!(
                "it names the shard `{shard}`, which is not there"
            )));
        }
        let (file, found) = TensorFile::open(&path)?;
        for (tensor, entry) in found {
            match map.get(&tensor) {
                Some(claimed) if claimed == shard => {}
                Some(claimed) => {
                    return Err(wrong(format!(
                        "it places `{tensor}` in `{claimed}`, but `{shard}` holds it"
                    )));
                }
                None => {
                    return Err(wrong(format!(
                        "it does not name `{tensor}`, which `{shard}` holds"
                    )));
                }
            }
            entries.insert(tensor, (files.len(), entry));
        }
        files.push(file);
    }
    match map
        .iter()
        .find(|(tensor, _)| !entries.contains_key(*tensor))
    {
        Some((tensor, shard)) => Err(wrong(format!(
            "it places `{tensor}` in `{shard}`, which does not hold it"
        ))),
        None => Ok(()),
    }
}

/// Files of bare models have names without the prefix.
fn bare(entries: &BTreeMap<String, (usize, Entry)>, spec: &Spec) -> bool {
    let names = &spec.description.names;
    entries.contains_key(&format!("{}.weight", names.embedding))
        && !entries.keys().any(|name| name.starts_with(names.prefix))
}
