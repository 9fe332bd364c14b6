//! Verdicts out of replies: the last line that is not blank, in one exact form, or none.
//!
//! | form | of |
//! |---|---|
//! | `Rating: [[x]]`, x a decimal number within the scale | a response |
//! | `Verdict: [[A]]`, `[[B]]`, `[[tie]]` | a pair |
//!
//! Capital letters do not matter; blanks and the asterisks of bold print are passed over. Everything else is no verdict: two on a line, a number
//! in words, one out of ten, a number outside the scale.

use super::Scale;

/// What a judge says about two responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The one that it saw first is better.
    A,
    /// The one that it saw second is better.
    B,
    /// Neither.
    Tie,
}

impl Verdict {
    /// Seen from the other side.
    pub(super) fn swapped(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
            Self::Tie => Self::Tie,
        }
    }
}

/// What the last line asks for, and how it reads.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    Rating(Scale),
    Verdict,
}

impl Form {
    /// The line, and what its brackets hold.
    pub(super) fn asked(self) -> String {
        match self {
            Self::Rating(Scale { least, most }) => {
                format!("Rating: [[x]]\nwhere x is a number from {least} (worst) to {most} (best)")
            }
            Self::Verdict => {
                "Verdict: [[x]]\nwhere x is A, B, or tie when neither is better".to_owned()
            }
        }
    }
}

/// The rating that a reply ends with.
pub(super) fn rating(reply: &str, scale: Scale) -> Result<f64, String> {
    let inside = bracketed(reply, "Rating:")?;
    let form = || "its rating is no decimal number".to_owned();
    // `parse` alone would take `inf`, `nan` and `1e9`.
    let digits = inside.strip_prefix('-').unwrap_or(&inside);
    let plain = digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if !plain || !digits.starts_with(|c: char| c.is_ascii_digit()) || digits.ends_with('.') {
        return Err(form());
    }
    let value: f64 = inside.parse().map_err(|_| form())?;
    if (scale.least..=scale.most).contains(&value) {
        Ok(value)
    } else {
        Err(format!(
            "its rating is {value}, outside {} to {}",
            scale.least, scale.most
        ))
    }
}

/// The verdict that a reply ends with.
pub(super) fn verdict(reply: &str) -> Result<Verdict, String> {
    match bracketed(reply, "Verdict:")?.as_str() {
        "a" => Ok(Verdict::A),
        "b" => Ok(Verdict::B),
        "tie" => Ok(Verdict::Tie),
        _ => Err("its verdict is none of A, B and tie".to_owned()),
    }
}

/// The last line that is not blank, without bold print.
pub(super) fn last_line(reply: &str) -> String {
    let line = reply.lines().rev().find(|line| !line.trim().is_empty());
    let line = line.unwrap_or_default().replace('*', "");
    line.trim().to_owned()
}

fn bracketed(reply: &str, word: &str) -> Result<String, String> {
    let line = last_line(reply).to_ascii_lowercase();
    if line.is_empty() {
        return Err("it is empty".to_owned());
    }
    line.strip_prefix(&word.to_ascii_lowercase())
        .map(str::trim)
        .and_then(|rest| rest.strip_prefix("[[")?.strip_suffix("]]"))
        .map(|inside| inside.trim().to_owned())
        .ok_or_else(|| format!("its last line is not of the form `{word} [[x]]`"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEN: Scale = Scale {
        least: 1.0,
        most: 10.0,
    };

    #[test]
    fn what_is_a_verdict_and_what_is_none() {
        for (reply, value) in [
            ("Rating: [[7]]", 7.0),
            ("Because.\n\n  **Rating:** [[ 7.50 ]]  \n\n", 7.5),
            ("Rating: [[2]]\nNo, better:\nrating: [[10]]", 10.0),
            ("**Rating: [[1.0]]**", 1.0),
        ] {
            assert_eq!(rating(reply, TEN), Ok(value), "{reply}");
        }
        for reply in [
            "",
            " \n",
            "7",
            "Rating: 7",
            "Rating: [7]",
            "Rating: [[7]",
            "Rating: [[7]].",
            "Rating: [[7/10]]",
            "Rating: [[7]] [[8]]",
            "Rating: [[seven]]",
            "Rating: [[]]",
            "Rating: [[-]]",
            "Rating: [[.5]]",
            "Rating: [[5.]]",
            "Rating: [[5.5.5]]",
            "Rating: [[1e1]]",
            "Rating: [[inf]]",
            "Rating: [[NaN]]",
            "Rating: [[+5]]",
            "Rating: [[0]]",
            "Rating: [[10.01]]",
            "Rating: [[-5]]",
            "Rating: [[5]]\nThank you.",
            "The Rating: [[5]]",
            "Verdict: [[A]]",
        ] {
            assert!(rating(reply, TEN).is_err(), "{reply}");
        }
        assert_eq!(verdict("…\nVerdict: [[A]]"), Ok(Verdict::A));
        assert_eq!(verdict("**verdict:** [[b]]"), Ok(Verdict::B));
        assert_eq!(verdict("Verdict: [[Tie]]"), Ok(Verdict::Tie));
        for reply in [
            "Verdict: [[C]]",
            "Verdict: A",
            "A",
            "Verdict: [[A]] or [[B]]",
            "Rating: [[A]]",
        ] {
            assert!(verdict(reply).is_err(), "{reply}");
        }
    }

    proptest! {
        #[test]
        fn any_number_of_the_scale_comes_back(tenths in 10_u32..=100, before in ".{0,40}", blanks in "[ \n]{0,5}") {
            let value = f64::from(tenths) / 10.0;
            let reply = format!("{before}\nRating: [[{value}]]{blanks}");
            prop_assert_eq!(rating(&reply, TEN), Ok(value));
        }

        #[test]
        fn what_is_read_is_within_the_scale_and_stood_in_brackets(reply in "(.|\n){0,60}", inside in "[-+.0-9eE]{0,8}") {
            for reply in [reply.clone(), format!("{reply}\nRating: [[{inside}]]")] {
                if let Ok(value) = rating(&reply, TEN) {
                    prop_assert!((1.0..=10.0).contains(&value));
                    prop_assert!(last_line(&reply).contains("[["));
                }
                let _ = verdict(&reply);
            }
        }

        #[test]
        fn a_word_after_the_brackets_unmakes_a_verdict(word in "[a-z.!]{1,9}") {
            let rated = format!("Rating: [[5]] {word}");
            let compared = format!("Verdict: [[A]] {word}");
            prop_assert!(rating(&rated, TEN).is_err());
            prop_assert!(verdict(&compared).is_err());
        }

        #[test]
        fn the_last_line_says_the_same_as_the_reply(reply in "(.|\n){0,40}", tenths in 10_u32..=100) {
            let reply = format!("{reply}\n**Rating:** [[{}]]\n", f64::from(tenths) / 10.0);
            prop_assert_eq!(rating(&last_line(&reply), TEN), rating(&reply, TEN));
        }
    }
}
