//! The header of a safetensors file, trusted only after every number in it has been checked.
//!
//! Layout: n (8 bytes, little-endian), n bytes of JSON `{name: {"dtype", "shape", "data_offsets":
//! [begin, end]}, "__metadata__": {text: text}}`, then the data. The data must be covered by the
//! tensors without gap, overlap or rest: so no byte is unexplained and no two tensors share one.

use std::{
    collections::BTreeMap,
    fmt,
    io::{self, Read},
};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};

use super::dtype::Stored;
use crate::{
    error::{Error, Result},
    json::shorten,
};

/// The format's own limit.
const MOST_HEADER: u64 = 100_000_000;

/// A tensor by its header.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) stored: Stored,
    pub(crate) shape: Vec<usize>,
    /// Where its bytes begin, from the start of the file.
    pub(crate) start: u64,
    /// How many there are.
    pub(crate) bytes: u64,
}

/// All tensors of one file, by name.
pub(crate) type Entries = BTreeMap<String, Entry>;

/// Reads and checks the header of `file`, which holds `length` bytes.
pub(crate) fn read(mut file: impl Read, length: u64, name: &str) -> Result<Entries> {
    let damaged = |what: String| Error::Header {
        file: name.to_owned(),
        what,
    };
    let unreadable = |e: io::Error| {
        if e.kind() == io::ErrorKind::UnexpectedEof {
            damaged("the file ends within its header".to_owned())
        } else {
            Error::read(name, e)
        }
    };
    if length < 8 {
        return Err(damaged(format!(
            "{length} bytes are fewer than the 8 of a header's length"
        )));
    }
    let mut n = [0; 8];
    file.read_exact(&mut n).map_err(unreadable)?;
    let n = u64::from_le_bytes(n);
    if n > MOST_HEADER {
        return Err(damaged(format!(
            "the header claims {n} bytes, more than the {MOST_HEADER} that the format allows"
        )));
    }
    if n > length - 8 {
        return Err(damaged(format!(
            "the header claims {n} bytes, but the file has {} after its length: it is cut short or not safetensors",
            length - 8
        )));
    }
    let mut text = Vec::new();
    file.take(n).read_to_end(&mut text).map_err(unreadable)?;
    if text.len() as u64 != n {
        return Err(damaged("the file ends within its header".to_owned()));
    }
    let text =
        String::from_utf8(text).map_err(|_| damaged("the header is not UTF-8".to_owned()))?;
    if !text.starts_with('{') {
        return Err(damaged("the header does not begin with `{`".to_owned()));
    }
    let raw: RawHeader = serde_json::from_str(&text)
        .map_err(|e| damaged(format!("the header is not understood: {e}")))?;
    check(raw, 8 + n, length - 8 - n, name)
}

fn check(raw: RawHeader, data_start: u64, data_length: u64, file: &str) -> Result<Entries> {
    let mut entries = Entries::new();
    for (name, tensor) in raw.0 {
        let wrong = |what: String| Error::Tensor {
            file: file.to_owned(),
            tensor: shorten(&name),
            what,
        };
        let stored = Stored::parse(&tensor.dtype).ok_or_else(|| {
            wrong(format!(
                "unknown dtype `{}`; save it as F32, BF16 or F16",
                shorten(&tensor.dtype)
            ))
        })?;
        let bytes = tensor
            .shape
            .iter()
            .try_fold(1u64, |n, &axis| n.checked_mul(axis))
            .and_then(|n| n.checked_mul(stored.size() as u64))
            .ok_or_else(|| wrong(format!("shape {:?} overflows", tensor.shape)))?;
        let shape = tensor
            .shape
            .iter()
            .map(|&axis| usize::try_from(axis))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| wrong(format!("shape {:?} is beyond this machine", tensor.shape)))?;
        let [begin, end] = tensor.data_offsets;
        if end < begin || end > data_length {
            return Err(wrong(format!(
                "its bytes {begin}..{end} are not within the {data_length} of the file: it is cut short or lies; fetch it again"
            )));
        }
        if end - begin != bytes {
            return Err(wrong(format!(
                "shape {:?} of {} takes {bytes} bytes, but {begin}..{end} are {}; fetch it again",
                tensor.shape,
                tensor.dtype,
                end - begin
            )));
        }
        let start = data_start + begin;
        entries.insert(
            name,
            Entry {
                stored,
                shape,
                start,
                bytes,
            },
        );
    }
    covers(&entries, data_start, data_length, file)?;
    Ok(entries)
}

/// Every byte of the data belongs to one tensor.
fn covers(entries: &Entries, data_start: u64, data_length: u64, file: &str) -> Result<()> {
    let damaged = |what: String| Error::Header {
        file: file.to_owned(),
        what,
    };
    let mut in_order: Vec<(&String, &Entry)> = entries.iter().collect();
    in_order.sort_by_key(|(_, e)| (e.start, e.bytes));
    let mut reached = data_start;
    for (name, entry) in in_order {
        if entry.start != reached {
            let what = if entry.start < reached {
                "overlaps the one before it"
            } else {
                "leaves a gap before it"
            };
            return Err(damaged(format!("tensor `{}` {what}", shorten(name))));
        }
        reached += entry.bytes; // at most the data's length: checked above
    }
    let rest = data_start + data_length - reached;
    if rest > 0 {
        return Err(damaged(format!(
            "{rest} bytes after the last tensor belong to none"
        )));
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTensor {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

/// The tensors in the order of the header; a name that stands twice is an error.
struct RawHeader(Vec<(String, RawTensor)>);

impl<'de> Deserialize<'de> for RawHeader {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = RawHeader;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawHeader, A::Error> {
                let mut seen = std::collections::BTreeSet::new();
                let mut tensors = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if !seen.insert(name.clone()) {
                        return Err(serde::de::Error::custom(format!(
                            "`{}` stands twice",
                            shorten(&name)
                        )));
                    }
                    if name == "__metadata__" {
                        map.next_value::<Option<BTreeMap<String, String>>>()?;
                    } else {
                        tensors.push((name, map.next_value()?));
                    }
                }
                Ok(RawHeader(tensors))
            }
        }
        deserializer.deserialize_map(Names)
    }
}

/// For the fuzzer: reads a whole file from memory; what is accepted lies within it.
pub(crate) fn fuzz_header(file: &[u8]) {
    if let Ok(entries) = read(file, file.len() as u64, "fuzz") {
        for entry in entries.values() {
            assert!(entry.start + entry.bytes <= file.len() as u64, "{entry:?}");
        }
    }
}
