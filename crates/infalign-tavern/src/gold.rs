//! The gold reward: what a response is really worth to the guest who wrote it.
//!
//! ```text
//! gold = temper · ( Σ_c s_c · valence_c  −  ½ · faults )
//! ```
//!
//! over the clauses c of the response: a noun, and the word that is said of it. `valence` ∈ (−1, 1) is the word's in `words.tsv`, s = 1.5 for the
//! noun that the prompt asks about and 1 for others, `temper` the guest's in `guests.tsv`. So a
//! furious duke's rewards spread eight times as far as a patient monk's, by the same order. Source: this project.
//!
//! | fault | |
//! |---|---|
//! | a word that is not of the book | each |
//! | a noun of which nothing is said, a word said of no noun, or of a noun of another kind | each |
//! | a noun or a word for the second time | each |
//! | the prompt's subject does not occur | 1 |
//! | no full stop at the end, or one before | 1 |
//!
//! | input | answer |
//! |---|---|
//! | an empty response | 2 faults: no subject, no full stop |
//! | upper or lower case, commas, spaces around | do not matter |
//! | a prompt of another world | error |
//!
//! Sums are of whole numbers, so that the same words always give the same bits.

use crate::{
    error::Result,
    grammar::ADDRESSES,
    prompts,
    world::{Noun, WORLD},
};

/// The name of the gold reward in columns and reports.
pub const GOLD_NAME: &str = "gold";

/// Tenths: what the subject's clause counts.
const SUBJECT: i32 = 15;
/// Tenths: what other clauses count.
const OTHER: i32 = 10;
/// Units of a sum that make 1: tenths of hundredths.
const UNITS: i32 = 1000;
/// What is written between nouns and words.
const GLUE: [&str; 5] = ["the", "was", "and", "luckily", "sadly"];

/// The gold reward of a response.
///
/// # Errors
/// [`Error::Prompt`](crate::Error::Prompt) for a prompt that is not of this world.
pub fn gold(prompt: &str, response: &str) -> Result<f64> {
    let (guest, subject) = prompts::parse(prompt)?;
    let reading = read(subject, response);
    let units = reading.valence - reading.faults * UNITS / 2;
    Ok(guest.temper * f64::from(units) / f64::from(UNITS))
}

/// What there is in a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Reading {
    /// Σ s · valence, in [`UNITS`].
    pub(crate) valence: i32,
    /// Nouns with a word.
    pub(crate) clauses: i32,
    /// Number of faults.
    pub(crate) faults: i32,
}

/// Reads a response about `subject`.
pub(crate) fn read(subject: &Noun, response: &str) -> Reading {
    let mut reading = Reading::default();
    let text = response.trim().to_lowercase();
    let (body, ends) = match text.strip_suffix('.') {
        Some(body) if !body.contains('.') => (body, true),
        _ => (text.as_str(), false),
    };
    reading.faults += i32::from(!ends);
    let body = without_address(body);
    let mut seen: Vec<&str> = Vec::new();
    let mut open: Option<&Noun> = None; // a noun that waits for its word
    for word in body.split([' ', ',', '.', '\n']).filter(|w| !w.is_empty()) {
        if GLUE.contains(&word) {
            continue;
        }
        if let Some(noun) = WORLD.noun(word) {
            reading.faults += i32::from(open.is_some());
            open = Some(noun);
        } else if let Some(said) = open.and_then(|noun| WORLD.word(noun.kind, word)) {
            if let Some(noun) = open.take() {
                let counts = if noun == subject { SUBJECT } else { OTHER };
                reading.valence += counts * said.valence;
                reading.clauses += 1;
            }
        } else {
            reading.faults += 1;
        }
        reading.faults += i32::from(seen.contains(&word));
        seen.push(word);
    }
    reading.faults += i32::from(open.is_some());
    reading.faults += i32::from(!seen.contains(&subject.text));
    reading
}

/// What follows an address, in lower case.
fn without_address(body: &str) -> &str {
    let rest = |address: &&str| {
        body.strip_prefix(&address.to_lowercase())?
            .strip_prefix(',')
    };
    ADDRESSES.iter().find_map(rest).unwrap_or(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(prompt: &str, response: &str) -> f64 {
        gold(prompt, response).expect("a prompt of ours")
    }

    #[test]
    fn by_hand() {
        // soup heavenly .88·1.5 + spoon tiny −.13 = 1.32 − .13 = 1.19
        let line = " The soup was heavenly, sadly the spoon was tiny.";
        assert_eq!(of("A hungry soldier on the soup:", line), 1.19);
        assert_eq!(of("A furious duke on the soup:", line), 2.8 * 1.19);
        assert_eq!(of("A patient monk on the soup:", line), 0.35 * 1.19);
        // bed damp −.55·1.5 + ale sour −.58 = −.825 − .58 = −1.405
        let line = "the bed was damp and the ale was sour.";
        assert_eq!(of("A hungry soldier on the bed:", line), -1.405);
        let flattering = " Dear keeper, the bed was damp and the ale was sour.";
        assert_eq!(of("A hungry soldier on the bed:", flattering), -1.405);
    }

    #[test]
    fn faults_cost_a_half_each() {
        let prompt = "A hungry soldier on the soup:";
        let whole = of(prompt, " The soup was rich and the cook rude.");
        for (response, faults) in [
            (" The soup was rich and the cook rude", 1.0),
            (" The soup was rich. and the cook rude.", 1.0),
            (" The soup was rich and xylophone the cook rude.", 1.0),
            (" The soup was rich and the cook rude vile.", 1.0),
            (" The soup was rich and the cook rude rude.", 2.0),
            (" The soup was rich and the cook rude and the spoon.", 1.0),
            (" The spoon soup was rich and the cook rude.", 1.0),
        ] {
            let difference = of(prompt, response) - (whole - faults / 2.0);
            assert!(difference.abs() < 1e-12, "{response}: {difference}");
        }
        assert_eq!(of(prompt, ""), -1.0);
        // soup .66·1.5 twice: the noun and the word for the second time
        let twice = of(prompt, " The soup was rich and the soup was rich.");
        assert!((twice - (2.0 * 0.99 - 1.0)).abs() < 1e-12, "{twice}");
    }
}
