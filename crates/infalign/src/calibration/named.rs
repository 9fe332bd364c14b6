//! Finds a variant by its name, or says which names there are.

use crate::{Error, Result};

/// The value called `text`, else [`Error::Unknown`] with the name that begins most like it.
pub(super) fn find<T: Copy>(kind: &'static str, names: &[(&str, T)], text: &str) -> Result<T> {
    if let Some(&(_, value)) = names.iter().find(|(name, _)| *name == text) {
        return Ok(value);
    }
    let shared = |name: &str| {
        name.chars()
            .zip(text.chars())
            .take_while(|(a, b)| a == b)
            .count()
    };
    let nearest = names
        .iter()
        .map(|(name, _)| *name)
        .max_by_key(|name| shared(name));
    Err(Error::Unknown {
        kind,
        given: text.to_owned(),
        nearest: nearest.filter(|name| shared(name) >= 2).map(str::to_owned),
        known: names
            .iter()
            .map(|(name, _)| *name)
            .collect::<Vec<_>>()
            .join(", "),
    })
}
