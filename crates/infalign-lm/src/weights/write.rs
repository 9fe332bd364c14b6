//! Writing weights: the hub's names and layouts, sharded above a limit, streamed tensor by tensor.

use std::{io, path::Path};

use infalign_data::write_atomic;
use serde_json::{Map, Value, json};

use super::{Dtype, INDEX, SINGLE};
use crate::{
    error::{Error, Result},
    json,
    spec::Spec,
    tensors::TensorRule,
};

/// How weights are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteOptions {
    /// The type of every tensor.
    pub dtype: Dtype,
    /// Most bytes of a file, above which there are several; one tensor may exceed it.
    pub shard_bytes: u64,
}

impl Default for WriteOptions {
    /// Single precision, 5 GB a file.
    fn default() -> Self {
        Self {
            dtype: Dtype::F32,
            shard_bytes: 5_000_000_000,
        }
    }
}

/// Writes the tensors of `spec` into `folder`, asking `tensor` for each of our names once, in order;
/// each file is there whole or not at all. A folder as a whole: [`crate::Folder::save`].
///
/// # Errors
/// What `tensor` or the disk said; a tensor of another length than its shape is a bug.
pub fn write_weights(
    folder: impl AsRef<Path>,
    spec: &Spec,
    options: WriteOptions,
    mut tensor: impl FnMut(&str) -> Result<Vec<f32>> + Send,
) -> Result<()> {
    let folder = folder.as_ref();
    let rules = spec.tensors();
    let shards = shards(&rules, options);
    let total = rules.iter().map(|r| bytes(r, options.dtype)).sum::<u64>();
    if let [all] = &shards[..] {
        return write_file(&folder.join(SINGLE), all, options.dtype, &mut tensor);
    }
    let mut map = Map::new();
    for (i, shard) in shards.iter().enumerate() {
        let name = format!("model-{:05}-of-{:05}.safetensors", i + 1, shards.len());
        write_file(&folder.join(&name), shard, options.dtype, &mut tensor)?;
        for rule in *shard {
            for part in &rule.parts {
                map.insert(format!("{}{}", part.prefix, part.hub), json!(name));
            }
        }
    }
    map.sort_keys();
    let mut index = Map::new();
    index.insert("metadata".to_owned(), json!({ "total_size": total }));
    index.insert("weight_map".to_owned(), Value::Object(map));
    let text = json::pretty(&index)?;
    write_atomic(folder.join(INDEX), |file| file.write_all(&text))?;
    Ok(())
}

/// Fills file after file.
fn shards(rules: &[TensorRule], options: WriteOptions) -> Vec<&[TensorRule]> {
    let mut shards = Vec::new();
    let (mut start, mut filled) = (0, 0);
    for (i, rule) in rules.iter().enumerate() {
        let size = bytes(rule, options.dtype);
        if i > start && filled + size > options.shard_bytes {
            shards.push(&rules[start..i]);
            (start, filled) = (i, 0);
        }
        filled += size;
    }
    shards.push(&rules[start..]);
    shards
}

fn bytes(rule: &TensorRule, dtype: Dtype) -> u64 {
    rule.len() as u64 * dtype.size() as u64
}

fn write_file(
    path: &Path,
    rules: &[TensorRule],
    dtype: Dtype,
    tensor: &mut (impl FnMut(&str) -> Result<Vec<f32>> + Send),
) -> Result<()> {
    let mut tensors = Vec::new();
    for rule in rules {
        for part in &rule.parts {
            tensors.push((format!("{}{}", part.prefix, part.hub), rule.hub_shape(part)));
        }
    }
    let header = header(&tensors, dtype)?;
    // The writer speaks of the disk alone; what else goes wrong waits here.
    let mut failed = None;
    let written = write_atomic(path, |file| {
        file.write_all(&header)?;
        let mut buffer = Vec::new();
        for rule in rules {
            let mut stop = |error: Error| {
                failed = Some(error);
                io::Error::other("no tensor to write")
            };
            let values = tensor(&rule.name).map_err(&mut stop)?;
            if values.len() != rule.len() {
                return Err(stop(Error::bug(format!(
                    "tensor `{}` has {} elements, but its shape is {:?}",
                    rule.name,
                    values.len(),
                    rule.shape
                ))));
            }
            let row_len = rule.row_len();
            for part in &rule.parts {
                let rows = &values[part.rows.start * row_len..part.rows.end * row_len];
                if part.layout == crate::tensors::Layout::Same {
                    encode(rows, dtype, &mut buffer, file)?;
                } else {
                    encode(&part.layout.to_hub(rows, row_len), dtype, &mut buffer, file)?;
                }
            }
        }
        Ok(())
    });
    match failed {
        Some(error) => Err(error),
        None => Ok(written?),
    }
}

/// Writes values in pieces, so that a narrow copy of a large tensor never exists.
pub(super) fn encode(
    values: &[f32],
    dtype: Dtype,
    buffer: &mut Vec<u8>,
    file: &mut (dyn io::Write + Send),
) -> io::Result<()> {
    const PIECE: usize = 1 << 15;
    for piece in values.chunks(PIECE) {
        buffer.clear();
        dtype.encode(piece, buffer);
        file.write_all(buffer)?;
    }
    Ok(())
}

/// A header for tensors that follow one another, padded so that the data begin at a multiple of 8.
pub(crate) fn header(tensors: &[(String, Vec<usize>)], dtype: Dtype) -> Result<Vec<u8>> {
    let mut object = Map::new();
    object.insert("__metadata__".to_owned(), json!({ "format": "pt" }));
    let mut begin = 0;
    for (name, shape) in tensors {
        let end = begin + shape.iter().product::<usize>() * dtype.size();
        object.insert(
            name.clone(),
            json!({ "dtype": dtype.name(), "shape": shape, "data_offsets": [begin, end] }),
        );
        begin = end;
    }
    let mut text = serde_json::to_vec(&object)
        .map_err(|e| Error::bug(format!("a header cannot be written as JSON: {e}")))?;
    text.resize(text.len().next_multiple_of(8), b' ');
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.append(&mut text);
    Ok(bytes)
}
