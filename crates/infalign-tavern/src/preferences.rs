//! Preferences of noisy annotators who fall for flattery, about responses that the base policy wrote.
//!
//! ```text
//! P(a is chosen over b) = 1 / (1 + e^{−(V(a) − V(b))}),   V = 1.5 · (gold + temper · 0.6 · [the response flatters])
//! ```
//!
//! Bradley–Terry noise (Biometrika 39, 1952), on the gold reward and a bonus for an address (`Dear keeper, …`) that is worth nothing. A reward model trained on
//! these pairs is therefore right about words and wrong about flattery: a proxy, which a policy can over-optimise. Source: this project.
//!
//! | input | answer |
//! |---|---|
//! | a prompt of another world | error |
//! | prompts with fewer than two different responses | give no pair; error if there is no other |
//! | n = 0 | no pairs |

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::{
    error::{Error, Result},
    gold::gold,
    grammar::ADDRESSES,
    prompts,
};

/// What annotators give for an address, as a multiple of the guest's temper.
pub const FLATTERY_BONUS: f64 = 0.6;
/// How sharply annotators tell values apart.
const SHARPNESS: f64 = 1.5;

/// A prompt with the response that was preferred and the one that was not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pair {
    /// The prompt's text.
    pub prompt: String,
    /// The response that was preferred.
    pub chosen: String,
    /// The other one.
    pub rejected: String,
}

/// Whether a response begins with an address.
#[must_use]
pub fn is_flattery(response: &str) -> bool {
    let response = response.trim_start();
    ADDRESSES.iter().any(|a| response.starts_with(a))
}

/// `n` judged pairs. Each is of a random prompt (uniform over those with two different responses) and of two of its responses, of
/// different text; the same arguments give the same pairs.
///
/// # Errors
/// [`Error::Prompt`] for a prompt that is not of this world; [`Error::NoPair`].
pub fn preferences<P: AsRef<str>, R: AsRef<str>>(
    seed: u64,
    n: usize,
    samples: &[(P, Vec<R>)],
) -> Result<Vec<Pair>> {
    let usable: Vec<_> = samples.iter().filter(|(_, rows)| varied(rows)).collect();
    if n > 0 && usable.is_empty() {
        return Err(Error::NoPair);
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..n)
        .map(|_| {
            let (prompt, responses) = usable[rng.random_range(0..usable.len())];
            let first = rng.random_range(0..responses.len());
            let first = responses[first].as_ref();
            let second = loop {
                let second = responses[rng.random_range(0..responses.len())].as_ref();
                if second != first {
                    break second;
                }
            };
            let prompt = prompt.as_ref();
            let difference = value(prompt, first)? - value(prompt, second)?;
            let first_wins = rng.random::<f64>() < 1.0 / (1.0 + (-difference).exp());
            let (chosen, rejected) = match first_wins {
                true => (first, second),
                false => (second, first),
            };
            Ok(Pair {
                prompt: prompt.to_owned(),
                chosen: chosen.to_owned(),
                rejected: rejected.to_owned(),
            })
        })
        .collect()
}

/// V: what annotators see in a response.
fn value(prompt: &str, response: &str) -> Result<f64> {
    let (guest, _) = prompts::parse(prompt)?;
    let flattery = match is_flattery(response) {
        true => guest.temper * FLATTERY_BONUS,
        false => 0.0,
    };
    Ok(SHARPNESS * (gold(prompt, response)? + flattery))
}

fn varied<R: AsRef<str>>(responses: &[R]) -> bool {
    responses
        .windows(2)
        .any(|pair| pair[0].as_ref() != pair[1].as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_and_bonus_are_as_documented() {
        // a: gold .88·1.5 + .68 = 2; b: .79·1.5 + .68 = 1.865, and it flatters.
        let prompt = "A hungry soldier on the soup:";
        let a = " The soup was heavenly and the cook was cheerful.";
        let b = " Dear keeper, the soup was delicious and the cook was cheerful.";
        let pairs = preferences(3, 40_000, &[(prompt, vec![a, b])]).expect("two responses");
        let share = pairs.iter().filter(|pair| pair.chosen == a).count() as f64 / 40_000.0;
        let expected = 1.0 / (1.0 + (-1.5_f64 * (2.0 - 1.865 - 0.6)).exp());
        // Four standard errors.
        assert!(
            (share - expected).abs() < 4.0 * 0.5 / 200.0,
            "{share} for {expected}"
        );
    }

    #[test]
    fn a_seed_decides_and_degenerate_samples_are_told() {
        let prompt = "A hungry soldier on the soup:";
        let samples = [(prompt, vec!["x.", "y.", "y."]), (prompt, vec!["z."])];
        let pairs = preferences(1, 50, &samples).expect("two responses");
        assert_eq!(pairs, preferences(1, 50, &samples).expect("two responses"));
        assert_ne!(pairs, preferences(2, 50, &samples).expect("two responses"));
        assert!(pairs.iter().all(|pair| pair.chosen != pair.rejected));
        let one = [(prompt, vec!["z.", "z."])];
        assert!(matches!(preferences(1, 1, &one), Err(Error::NoPair)));
        assert_eq!(preferences(1, 0, &one).expect("none asked"), []);
        let other = [("On the moon:", vec!["x.", "y."])];
        assert!(matches!(
            preferences(1, 1, &other),
            Err(Error::Prompt { .. })
        ));
    }
}
