//! What the registries of procedures and transforms say of each entry, and how a text finds its entry.

use crate::{Error, Result};

/// One line of a registry: what a user types and what they get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The word before the colon.
    pub name: &'static str,
    /// The shape of the whole text, parameters in capitals: `order:J/N`.
    pub syntax: &'static str,
    /// A text that parses.
    pub example: &'static str,
    /// One line on what it is.
    pub summary: &'static str,
}

/// Splits `name:parameters` and finds the entry, or says which spelling is nearest.
///
/// # Errors
/// [`Error::Unknown`] with the nearest spelling; [`Error::Malformed`] when parameters are missing or unwanted.
pub(crate) fn find<'a>(
    kind: &'static str,
    entries: &'static [Entry],
    text: &'a str,
) -> Result<(&'static Entry, &'a str)> {
    let (name, parameters) = match text.split_once(':') {
        Some((name, parameters)) => (name, Some(parameters)),
        None => (text, None),
    };
    let Some(entry) = entries.iter().find(|e| e.name == name) else {
        return Err(unknown(kind, entries, name, parameters));
    };
    match (entry.syntax.contains(':'), parameters) {
        (true, Some(parameters)) => Ok((entry, parameters)),
        (false, None) => Ok((entry, "")),
        (true, None) => Err(malformed(kind, text, "its parameters are missing", entry)),
        (false, Some(_)) => Err(malformed(kind, text, "it takes no parameters", entry)),
    }
}

fn unknown(
    kind: &'static str,
    entries: &'static [Entry],
    name: &str,
    parameters: Option<&str>,
) -> Error {
    let nearest = entries
        .iter()
        .map(|e| (distance(name, e.name), e))
        .min_by_key(|(d, _)| *d)
        .filter(|(d, e)| *d <= 1 + e.name.len() / 3)
        .map(|(_, e)| match parameters {
            Some(p) if e.syntax.contains(':') => format!("{}:{p}", e.name),
            _ if e.syntax.contains(':') => e.example.to_owned(),
            _ => e.name.to_owned(),
        });
    let known = entries
        .iter()
        .map(|e| e.syntax)
        .collect::<Vec<_>>()
        .join(", ");
    let given = parameters.map_or_else(|| name.to_owned(), |p| format!("{name}:{p}"));
    Error::Unknown {
        kind,
        given,
        nearest,
        known,
    }
}

/// The name nearest to a misspelt one, if one is near.
pub(crate) fn nearest(given: &str, names: &[&str]) -> Option<String> {
    let near = |name: &&str| (distance(given, name), (*name).to_owned());
    let (d, name) = names.iter().map(near).min()?;
    (d <= 1 + name.len() / 3).then_some(name)
}

/// The error for a known name with parameters that do not work.
pub(crate) fn malformed(
    kind: &'static str,
    given: &str,
    why: impl Into<String>,
    entry: &Entry,
) -> Error {
    Error::Malformed {
        kind,
        given: given.to_owned(),
        why: why.into(),
        example: entry.example,
    }
}

/// Slips of the finger between two texts (adjacent swaps count one), over their first 64 characters.
fn distance(a: &str, b: &str) -> usize {
    let head = |text: &str| text.chars().take(64).collect::<String>();
    strsim::osa_distance(&head(a), &head(b))
}

/// A finite number from text.
pub(crate) fn number(text: &str) -> Option<f64> {
    text.trim().parse::<f64>().ok().filter(|x| x.is_finite())
}

/// A whole number from text.
pub(crate) fn whole(text: &str) -> Option<usize> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_slips_of_the_finger() {
        assert_eq!(distance("best-off", "best-of"), 1);
        assert_eq!(distance("bset-of", "best-of"), 1);
        assert_eq!(distance("", "exp"), 3);
    }
}
