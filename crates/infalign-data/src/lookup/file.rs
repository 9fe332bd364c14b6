//! The file of a [`Lookup`]: a safetensors file whose tensors are mapped.
//!
//! ```text
//! u64 length of the header | header: JSON, padded with spaces to 8 bytes | tensors, the widest type first, so that all are aligned
//! ```

use std::{fs::File, path::Path, sync::Arc};

use bytemuck::AnyBitPattern;
use memmap2::Mmap;
use serde_json::{Map, Value, json};

use super::{Array, Lookup, common};
use crate::{
    error::{Error, Result},
    write::write_atomic,
};

const FORMAT: &str = "infalign.calibration/1";

pub(super) fn write(path: &Path, lookup: &Lookup) -> Result<()> {
    let parts: [(&str, &str, &[u8], usize); 5] = [
        ("slots", "U64", bytemuck::cast_slice(&lookup.slots), 8),
        ("ends", "U64", bytemuck::cast_slice(&lookup.ends), 8),
        ("id_ends", "U64", bytemuck::cast_slice(&lookup.id_ends), 8),
        ("rewards", "F32", bytemuck::cast_slice(&lookup.rewards), 4),
        ("ids", "U8", &lookup.ids, 1),
    ];
    let mut header = Map::new();
    header.insert(
        "__metadata__".to_owned(),
        json!({
            "format": FORMAT,
            "base_policy": lookup.base_policy,
            "reward": lookup.reward,
            "sampling": lookup.sampling,
        }),
    );
    let mut at = 0;
    for (name, dtype, bytes, width) in parts {
        let entry = json!({
            "dtype": dtype, "shape": [bytes.len() / width], "data_offsets": [at, at + bytes.len()],
        });
        header.insert(name.to_owned(), entry);
        at += bytes.len();
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    write_atomic(path, |output| {
        output.write_all(&(header.len() as u64).to_le_bytes())?;
        output.write_all(&header)?;
        for (_, _, bytes, _) in parts {
            output.write_all(bytes)?;
        }
        Ok(())
    })
}

pub(super) fn open(path: &Path) -> Result<Lookup> {
    let wrong = |what: &str| Error::Mapped {
        file: path.display().to_string(),
        what: what.to_owned(),
    };
    if cfg!(target_endian = "big") {
        return Err(wrong("this machine is big-endian"));
    }
    let file = File::open(path).map_err(|e| Error::read(path, e))?;
    #[expect(
        unsafe_code,
        reason = "a mapped file may change under us: all bit patterns are values of these types, and every place is checked"
    )]
    // SAFETY: the map is read only; see the reason above.
    let map = unsafe { Mmap::map(&file) }.map_err(|e| Error::read(path, e))?;
    let map = Arc::new(map);
    let (header, start) = header(&map).ok_or_else(|| wrong("it is shorter than its header"))?;
    let header: Map<String, Value> = serde_json::from_slice(&map[header])
        .map_err(|e| wrong(&format!("its header is not JSON: {e}")))?;
    let text = |key: &str| {
        let found = header.get("__metadata__").and_then(|m| m.get(key));
        found.and_then(Value::as_str).map(str::to_owned)
    };
    if text("format").as_deref() != Some(FORMAT) {
        return Err(wrong(&format!("its header does not say `{FORMAT}`")));
    }
    let said = |key| text(key).ok_or_else(|| wrong(&format!("its header lacks `{key}`")));
    let ends: Array<u64> = array(&map, &header, start, "ends").map_err(|e| wrong(&e))?;
    let lookup = Lookup {
        k: common(&ends),
        ends,
        slots: array(&map, &header, start, "slots").map_err(|e| wrong(&e))?,
        id_ends: array(&map, &header, start, "id_ends").map_err(|e| wrong(&e))?,
        rewards: array(&map, &header, start, "rewards").map_err(|e| wrong(&e))?,
        ids: array(&map, &header, start, "ids").map_err(|e| wrong(&e))?,
        base_policy: said("base_policy")?,
        reward: said("reward")?,
        sampling: said("sampling")?,
    };
    check(&lookup).map_err(wrong)?;
    Ok(lookup)
}

/// Where the header lies, and where the tensors begin.
fn header(bytes: &[u8]) -> Option<(std::ops::Range<usize>, usize)> {
    let length = u64::from_le_bytes(*bytes.first_chunk::<8>()?);
    let end = usize::try_from(length).ok()?.checked_add(8)?;
    (end <= bytes.len()).then_some((8..end, end))
}

fn array<T: AnyBitPattern>(
    map: &Arc<Mmap>,
    header: &Map<String, Value>,
    start: usize,
    name: &str,
) -> std::result::Result<Array<T>, String> {
    let offsets = header.get(name).and_then(|e| e.get("data_offsets"));
    let offset = |i: usize| -> Option<usize> {
        let offset = usize::try_from(offsets?.get(i)?.as_u64()?).ok()?;
        offset.checked_add(start)
    };
    let (Some(from), Some(to)) = (offset(0), offset(1)) else {
        return Err(format!("its header lacks the tensor `{name}`"));
    };
    Array::mapped(map, from, to)
        .ok_or_else(|| format!("the file ends early, or `{name}` lies at no multiple of its width"))
}

/// Everything that later indexing relies on.
fn check(lookup: &Lookup) -> std::result::Result<(), &'static str> {
    let rises = |ends: &[u64], to: usize| {
        ends.first() == Some(&0) && ends.last() == Some(&(to as u64)) && ends.is_sorted()
    };
    if !rises(&lookup.ends, lookup.rewards.len()) || lookup.ends.len() < 2 {
        return Err("`ends` does not divide the rewards into prompts");
    }
    if !rises(&lookup.id_ends, lookup.ids.len()) || lookup.id_ends.len() != lookup.ends.len() {
        return Err("`id_ends` does not divide the ids into prompts");
    }
    if std::str::from_utf8(&lookup.ids).is_err() {
        return Err("its ids are not UTF-8");
    }
    let slots = &lookup.slots;
    if !slots.len().is_power_of_two() || !slots.contains(&0) {
        return Err("`slots` is no hash table");
    }
    Ok(())
}
