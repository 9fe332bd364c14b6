//! The parts of a typed server: the kind before the address, the address, options behind it, the model's name.

use crate::{
    Endpoint,
    reward::{Error, Result},
};

/// What stands behind the kind.
pub(in crate::reward) struct Address<'a> {
    pub(in crate::reward) address: String,
    /// In the order typed.
    pub(in crate::reward) options: Vec<&'a str>,
    pub(in crate::reward) model: Option<String>,
}

/// The kind, where one stands before the address, and the rest.
pub(in crate::reward) fn kind(text: &str) -> (Option<&str>, &str) {
    match text.split_once(':') {
        Some((_, rest)) if rest.starts_with("//") => (None, text),
        Some((kind, rest)) => (Some(kind), rest),
        None => (None, text),
    }
}

/// The word that was meant, if one is near.
pub(in crate::reward) fn nearest(given: &str, words: &[&'static str]) -> Option<&'static str> {
    let given: String = given.chars().take(64).collect();
    let distance = |word: &&&'static str| strsim::osa_distance(&given, word);
    let nearest = words.iter().min_by_key(distance)?;
    (distance(&nearest) <= 1 + nearest.len() / 4).then_some(*nearest)
}

impl<'a> Address<'a> {
    /// Takes `rest` apart; `whole` is what was typed, for messages.
    pub(in crate::reward) fn parse(
        whole: &str,
        rest: &'a str,
        known: &[&'static str],
        example: &'static str,
    ) -> Result<Self> {
        let wrong = |why: String| Error::Malformed {
            given: shown(whole),
            why,
            example,
        };
        let (rest, model) = match rest.split_once('#') {
            Some((rest, model)) => (rest, Some(model)),
            None => (rest, None),
        };
        if rest.is_empty() || !rest.contains("//") && !whole.contains(':') {
            return Err(wrong("there is no address".to_owned()));
        }
        if !rest.starts_with("http://") && !rest.starts_with("https://") {
            return Err(wrong(
                "the address begins with http:// or https://".to_owned(),
            ));
        }
        // A key must not stand in what is kept in records, and is no option either.
        if rest.contains('?') {
            return Err(wrong("the address has a query; a key belongs into the variable INFALIGN_API_KEY or a file".to_owned()));
        }
        if rest.contains('@') {
            return Err(wrong("the address has a user name; a key belongs into the variable INFALIGN_API_KEY or a file".to_owned()));
        }
        if model == Some("") {
            return Err(wrong("the model's name behind # is missing".to_owned()));
        }
        let mut address = rest;
        let mut options = Vec::new();
        while let Some((before, word)) = address.rsplit_once(':') {
            // Not a port, the end of an IPv6 address, or the host itself.
            if word.is_empty() || !word.bytes().all(|b| b.is_ascii_lowercase()) {
                break;
            }
            if !known.contains(&word) {
                let meant = nearest(word, known).map_or_else(
                    || match known {
                        [] => "; it takes none".to_owned(),
                        _ => format!("; known are `:{}`", known.join("`, `:")),
                    },
                    |meant| format!(": did you mean `:{meant}`?"),
                );
                return Err(wrong(format!("unknown option `:{word}`{meant}")));
            }
            options.push(word);
            address = before;
        }
        options.reverse();
        Endpoint::parse(address)?;
        Ok(Self {
            address: address.to_owned(),
            options,
            model: model.map(str::to_owned),
        })
    }
}

/// A text without what stands before an @ or behind a ?: either may be a secret.
fn shown(text: &str) -> String {
    let text = text.split('?').next().unwrap_or_default();
    match (text.find("//"), text.rfind('@')) {
        (Some(from), Some(to)) if from < to => format!("{}//…{}", &text[..from], &text[to..]),
        (_, Some(to)) => format!("…{}", &text[to..]),
        _ => text.to_owned(),
    }
}
