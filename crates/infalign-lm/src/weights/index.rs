//! The index of a sharded model: which file holds which tensor, without a way out of the folder.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Component, Path},
};

use serde_json::Value;

use crate::{
    error::{Error, Result},
    json::{self, shorten},
};

/// Tensor → file.
pub(crate) type WeightMap = BTreeMap<String, String>;

/// Parses an index; `file` names it in messages.
pub(crate) fn parse(text: &str, file: &str) -> Result<WeightMap> {
    let wrong = |what: String| Error::Index {
        file: file.to_owned(),
        what,
    };
    let object = json::object(text, file)?;
    let map = match object.get("weight_map") {
        Some(Value::Object(map)) if !map.is_empty() => map,
        Some(Value::Object(_)) => return Err(wrong("`weight_map` is empty".to_owned())),
        Some(_) => return Err(wrong("`weight_map` is not an object".to_owned())),
        None => return Err(wrong("no `weight_map`".to_owned())),
    };
    let mut result = WeightMap::new();
    for (tensor, shard) in map {
        let Some(shard) = shard.as_str() else {
            return Err(wrong(format!(
                "the shard of `{}` is not a text",
                shorten(tensor)
            )));
        };
        if !plain(shard) {
            return Err(wrong(format!(
                "`{}` lies in `{}`, which is not a plain file name: shards stand beside the index",
                shorten(tensor),
                shorten(shard)
            )));
        }
        result.insert(tensor.clone(), shard.to_owned());
    }
    Ok(result)
}

/// The shards' names, each once.
pub(crate) fn shards(map: &WeightMap) -> BTreeSet<&str> {
    map.values().map(String::as_str).collect()
}

/// One component, no `..`, no separator of any system.
fn plain(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    !name.contains(['/', '\\', ':', '\0'])
        && matches!(
            (parts.next(), parts.next()),
            (Some(Component::Normal(_)), None)
        )
}

/// For the fuzzer: what is accepted names files beside the index.
pub(crate) fn fuzz_index(text: &str) {
    if let Ok(map) = parse(text, "fuzz") {
        for shard in shards(&map) {
            assert!(plain(shard), "{shard}");
        }
    }
}
