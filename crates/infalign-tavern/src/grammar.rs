//! The grammar: what a guest writes, as a random line of the guest book.
//!
//! ```text
//! line     → [ address ] the SUBJECT was WORD join the NOUN was WORD .
//! address  → Noble host, | Dear keeper, | Fair hostess,            with probability 0.25
//! join     → and                                                   with probability 0.4
//!          | , luckily   if the second word is good, else , sadly  with probability 0.57
//!          | the other of these two                                with probability 0.03
//! NOUN     uniform over the nouns of other kinds than the subject's
//! WORD     of the noun's kind, with probability ∝ e^{κ m v}; v its valence, m the line's mood, κ = 2
//! m        ~ N(guest's mood, 1)
//! ```
//!
//! The mood is what makes a language model of these lines keep account of valences: the first word tells it, and it tilts the join and
//! the second word. That is the machinery by which a policy represents a tilted optimum, so the base policy already has it. Every link is
//! between two places (first word and join, join and second word, first word and second word): a rule such as *but* for words of
//! different sign, which needs three, is not learned by so small a model in minutes. No word dominates, so rewards have nearly continuous laws.

use rand::{Rng, RngExt};

use crate::{
    prompts,
    world::{Guest, Kind, Noun, WORLD, Word},
};

/// What flatterers begin with.
pub(crate) const ADDRESSES: [&str; 3] = ["Noble host", "Dear keeper", "Fair hostess"];
/// How often a line begins with one.
const FLATTERY: f64 = 0.25;
/// κ: how much the mood moves the words.
const MOOD: f64 = 2.0;
/// How often the second noun is announced by `and`, which tells nothing.
const PLAIN: f64 = 0.4;
/// How often other announcements are true.
const HONEST: f64 = 0.95;

/// A line of the guest book: its prompt, and the response with the space before its first word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// `A furious duke on the soup:`
    pub prompt: String,
    /// ` The soup was heavenly, sadly the spoon was tiny.`
    pub response: String,
}

/// A line of a random guest on a random subject.
pub fn line(rng: &mut impl Rng) -> Line {
    let guest = &WORLD.guests[rng.random_range(0..WORLD.guests.len())];
    let subjects: Vec<_> = WORLD.subjects().collect();
    let noun = subjects[rng.random_range(0..subjects.len())];
    Line {
        prompt: prompts::text(guest, noun),
        response: response(guest, noun, rng),
    }
}

/// What a guest writes about a subject.
pub(crate) fn response(guest: &Guest, subject: &Noun, rng: &mut impl Rng) -> String {
    let mood = MOOD * (guest.mood + normal(rng));
    let start = match rng.random_bool(FLATTERY) {
        true => format!(" {}, the", ADDRESSES[rng.random_range(0..ADDRESSES.len())]),
        false => " The".to_owned(),
    };
    let first = word(subject.kind, mood, rng);
    let nouns: Vec<_> = WORLD
        .nouns
        .iter()
        .filter(|noun| noun.kind != subject.kind)
        .collect();
    let noun = nouns[rng.random_range(0..nouns.len())];
    let second = word(noun.kind, mood, rng);
    let join = match rng.random_bool(PLAIN) {
        true => " and",
        false if (second.valence > 0) == rng.random_bool(HONEST) => ", luckily",
        false => ", sadly",
    };
    format!(
        "{start} {} was {}{join} the {} was {}.",
        subject.text, first.text, noun.text, second.text
    )
}

/// A word of a kind, tilted by the mood.
fn word(kind: Kind, mood: f64, rng: &mut impl Rng) -> &'static Word {
    let words: Vec<_> = WORLD.of_kind(kind).collect();
    let weight = |word: &Word| (mood * f64::from(word.valence) / 100.0).exp();
    let total: f64 = words.iter().map(|word| weight(word)).sum();
    let mut left = rng.random::<f64>() * total;
    for word in &words {
        left -= weight(word);
        if left < 0.0 {
            return word;
        }
    }
    words[words.len() - 1] // the sum's last rounding
}

/// A standard normal, by the polar method (Marsaglia & Bray 1964).
fn normal(rng: &mut impl Rng) -> f64 {
    loop {
        let (x, y) = (rng.random_range(-1.0..1.0), rng.random_range(-1.0..1.0));
        let s: f64 = x * x + y * y;
        if s > 0.0 && s < 1.0 {
            return x * (-2.0 * s.ln() / s).sqrt();
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::gold::{Reading, read};

    #[test]
    fn lines_hold_only_words_of_the_world_and_follow_the_rules() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..2000 {
            let line = line(&mut rng);
            let (_, subject) = prompts::parse(&line.prompt).expect("a prompt of ours");
            let Reading {
                faults, clauses, ..
            } = read(subject, &line.response);
            assert_eq!(faults, 0, "{line:?}");
            assert_eq!(clauses, 2, "{line:?}");
        }
    }

    #[test]
    fn shares_are_those_of_the_specification() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let n = 20_000;
        let lines: Vec<_> = (0..n).map(|_| line(&mut rng).response).collect();
        let share = |what: &dyn Fn(&str) -> bool| {
            lines.iter().filter(|line| what(line)).count() as f64 / f64::from(n)
        };
        // Four standard errors of a share of 20 000 are at most 0.0142.
        let flattery = share(&crate::is_flattery);
        assert!((flattery - FLATTERY).abs() < 0.0142, "{flattery}");
    }
}
