//! The prompts: every guest on every subject, 96 to train on and 64 held out.

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::{
    error::{Error, Result},
    world::{Guest, Noun, WORLD},
};

/// Number of prompts to train on.
pub const TRAINING: usize = 96;
/// Number of prompts held out.
pub const HELD_OUT: usize = 64;
/// Decides which are held out; part of the task, so it is no argument.
const SPLIT_SEED: u64 = 17;

/// What a prompt is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Training.
    Training,
    /// Held out: its guest and its subject occur in training, never together.
    HeldOut,
}

/// One prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Prompt {
    /// Unique and stable: `furious-duke-soup`.
    pub id: String,
    /// `A furious duke on the soup:`.
    #[serde(rename = "prompt")]
    pub text: String,
    /// What it is for.
    pub part: Part,
}

/// All prompts, those of training first, each part guest by guest.
#[must_use]
pub fn prompts() -> Vec<Prompt> {
    let mut pairs: Vec<(usize, &Guest, &Noun)> = Vec::new();
    for guest in &WORLD.guests {
        for noun in WORLD.subjects() {
            pairs.push((pairs.len(), guest, noun));
        }
    }
    pairs.shuffle(&mut ChaCha8Rng::seed_from_u64(SPLIT_SEED));
    let mut held_out = pairs.split_off(TRAINING);
    pairs.sort_unstable_by_key(|pair| pair.0);
    held_out.sort_unstable_by_key(|pair| pair.0);
    let of = |part| {
        move |(_, guest, noun): (usize, &Guest, &Noun)| Prompt {
            id: format!("{}-{}", guest.name.replace(' ', "-"), noun.text),
            text: text(guest, noun),
            part,
        }
    };
    let training = pairs.into_iter().map(of(Part::Training));
    training
        .chain(held_out.into_iter().map(of(Part::HeldOut)))
        .collect()
}

/// The prompt of a guest and a subject.
pub(crate) fn text(guest: &Guest, noun: &Noun) -> String {
    let article =
        match guest.name.starts_with(['a', 'e', 'i', 'o', 'u']) || guest.name.starts_with("hon") {
            true => "An",
            false => "A",
        };
    format!("{article} {} on the {}:", guest.name, noun.text)
}

/// Guest and subject of a prompt.
///
/// # Errors
/// [`Error::Prompt`] for a text that [`text`] does not write.
pub(crate) fn parse(prompt: &str) -> Result<(&'static Guest, &'static Noun)> {
    let find = || {
        let (_, rest) = prompt.split_once(' ')?;
        let (guest, noun) = rest.strip_suffix(':')?.split_once(" on the ")?;
        let (guest, noun) = (WORLD.guest(guest)?, WORLD.noun(noun)?);
        (text(guest, noun) == prompt).then_some((guest, noun))
    };
    find().ok_or_else(|| Error::Prompt {
        prompt: prompt.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn parts_are_disjoint_and_every_guest_and_subject_occurs_in_both() {
        let all = prompts();
        assert_eq!(all.len(), TRAINING + HELD_OUT);
        let ids: BTreeSet<_> = all.iter().map(|p| &p.id).collect();
        let texts: BTreeSet<_> = all.iter().map(|p| &p.text).collect();
        assert_eq!((ids.len(), texts.len()), (all.len(), all.len()));
        for (part, count) in [(Part::Training, TRAINING), (Part::HeldOut, HELD_OUT)] {
            let of_part: Vec<_> = all.iter().filter(|p| p.part == part).collect();
            assert_eq!(of_part.len(), count);
            let parsed = of_part.iter().map(|p| parse(&p.text).expect("ours"));
            let (guests, nouns): (BTreeSet<_>, BTreeSet<_>) =
                parsed.map(|(guest, noun)| (guest.name, noun.text)).unzip();
            assert_eq!((guests.len(), nouns.len()), (16, 10), "{part:?}");
        }
    }

    #[test]
    fn texts_of_other_worlds_are_refused() {
        for text in [
            "",
            "A duke",
            "A furious duke on the moon:",
            "An furious duke on the soup:",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(
            parse("An angry captain on the ale:")
                .expect("ours")
                .0
                .temper,
            2.5
        );
    }
}
