//! The answer that a text gives: found, and written in the one way in which answers are compared and counted.
//!
//! The final answer of a text is the first of these that it has:
//!
//! 1. what stands in its last `\boxed{…}` (or `\fbox{…}`), braces matched;
//! 2. what stands after its last `####`, to the end of that line (GSM8K's form);
//! 3. the whole text.
//!
//! It is then normalised, so that two answers are equal where they are the same text:
//!
//! | step | example |
//! |---|---|
//! | blanks at the ends and runs of blanks | `  New   York ` → `new york` |
//! | `$…$`, `\(…\)`, `\text{…}`, `\mathrm{…}` around all of it; a full stop at its end; `\,` `\!` `\;` inside | `$42$.` → `42` |
//! | case | `Paris` → `paris` |
//! | numbers: a currency sign before, thousands' commas, a plus, zeros that say nothing | `$1,234.50` → `1234.5`, `+7.0` → `7`, `-0` → `0` |
//!
//! | case | answer |
//! |---|---|
//! | a brace that is never closed | what stands to the end |
//! | `1/2` and `0.5`, `10%` and `0.1` | different: nothing is computed |
//! | a pattern that is not found | the empty one, alike for all such texts |

use regex::Regex;

use crate::{Error, Result};

/// How answers are taken from texts: as reward `answer` does, or by a pattern.
#[derive(Debug, Clone, Default)]
pub struct FinalAnswer {
    pattern: Option<Regex>,
}

impl FinalAnswer {
    /// What the one group of a pattern holds where it is found last; patterns are those of reward `regex`.
    ///
    /// # Errors
    /// [`Error::Answers`] for a pattern that does not work, or has another number of groups.
    pub fn of_pattern(pattern: &str) -> Result<Self> {
        let refused = |why: String| Error::Answers {
            pattern: pattern.to_owned(),
            why,
        };
        let compiled = Regex::new(pattern).map_err(|e| refused(e.to_string()))?;
        // The first group is the whole match.
        match compiled.captures_len() {
            2 => Ok(Self {
                pattern: Some(compiled),
            }),
            n => Err(refused(format!(
                "it has {} groups; expected one, around the answer",
                n - 1
            ))),
        }
    }

    /// The answer of a text, normalised; empty where it gives none.
    #[must_use]
    pub fn of(&self, text: &str) -> String {
        match &self.pattern {
            None => normalised(text),
            Some(pattern) => {
                let found = pattern.captures_iter(text).last();
                let group = found.and_then(|found| found.get(1));
                group.map_or_else(String::new, |group| plain(group.as_str()))
            }
        }
    }
}

/// The final answer of a text, in the one way of writing it.
pub(crate) fn normalised(text: &str) -> String {
    plain(last_answer(text))
}

/// An answer in the one way of writing it.
fn plain(text: &str) -> String {
    let mut text = text.trim();
    loop {
        let bare = bare(text.trim());
        if bare == text {
            break;
        }
        text = bare;
    }
    let mut plain = text.to_lowercase();
    for space in [r"\,", r"\!", r"\;"] {
        plain = plain.replace(space, "");
    }
    let plain: Vec<&str> = plain.split_whitespace().collect();
    let plain = plain.join(" ");
    number(&plain).unwrap_or(plain)
}

/// What the text gives as its answer.
fn last_answer(text: &str) -> &str {
    let boxed = [r"\boxed{", r"\fbox{"].map(|open| text.rfind(open).map(|at| at + open.len()));
    if let Some(from) = boxed.into_iter().flatten().max() {
        let inside = &text[from..];
        return &inside[..closing(inside)];
    }
    match text.rfind("####") {
        Some(at) => text[at + 4..].lines().next().unwrap_or_default(),
        None => text,
    }
}

/// Where the brace that was opened before `text` closes; its end if it never does.
fn closing(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return at,
            '}' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

/// Without one layer of what says nothing.
fn bare(text: &str) -> &str {
    const AROUND: [(&str, &str); 6] = [
        ("$$", "$$"),
        ("$", "$"),
        (r"\(", r"\)"),
        (r"\[", r"\]"),
        (r"\text{", "}"),
        (r"\mathrm{", "}"),
    ];
    for (open, close) in AROUND {
        let inside = text.strip_prefix(open).and_then(|t| t.strip_suffix(close));
        // Only where the two belong together: not in `$1$ and $2$`.
        let alone = |t: &&str| !t.contains(close) && !t.contains(open);
        if let Some(inside) = inside.filter(alone) {
            return inside;
        }
    }
    text.strip_suffix('.').unwrap_or(text)
}

/// A number as it is written least; `None` for what is none. Done on the digits: no number is too long.
fn number(text: &str) -> Option<String> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let text = text.trim_start();
    let text = text.strip_prefix(r"\$").unwrap_or(text);
    let text = text.trim_start_matches(['$', '€', '£', '¥']).trim_start();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let groups: Vec<&str> = whole.split(',').collect();
    let grouped = groups.len() == 1
        || (1..=3).contains(&groups[0].len()) && groups[1..].iter().all(|g| g.len() == 3);
    let whole = groups.concat();
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if !grouped || !digits(&whole) || !digits(fraction) || whole.len() + fraction.len() == 0 {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    let mut least = String::new();
    if negative && !(whole.is_empty() && fraction.is_empty()) {
        least.push('-');
    }
    least.push_str(if whole.is_empty() { "0" } else { whole });
    if !fraction.is_empty() {
        least.push('.');
        least.push_str(fraction);
    }
    Some(least)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    #[test]
    fn a_pattern_gives_its_group_where_it_is_found_last() {
        let of = |pattern: &str, text: &str| FinalAnswer::of_pattern(pattern).unwrap().of(text);
        assert_eq!(of(r"= (\d+)", "6 = 6, 7 = 007.0"), "7");
        assert_eq!(of("(?i)answer: (.*)", "Answer:  $New  York$."), "new york");
        assert_eq!(of("answer: (.*)", "no idea"), "");
        // Which of two alternatives it was does not matter, only that the group took part.
        assert_eq!(of("yes|(no)", "yes"), "");
        assert_eq!(FinalAnswer::default().of("so\n#### 1,000"), "1000");
    }

    #[test]
    fn a_pattern_needs_one_group() {
        let said = |pattern: &str| FinalAnswer::of_pattern(pattern).unwrap_err().to_string();
        assert_eq!(
            said("a"),
            "answers by `a`: it has 0 groups; expected one, around the answer"
        );
        assert!(said("(a)(b)").contains("it has 2 groups"));
        assert!(said("(a").starts_with("answers by `(a`: "));
        assert!(FinalAnswer::of_pattern("(?:a|b) (c)").is_ok());
    }
}
