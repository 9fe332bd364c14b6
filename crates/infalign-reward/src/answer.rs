//! `answer`: 1 where the response's final answer is the prompt's, else 0: a verifiable reward.
//!
//! The final answer of a text is the first of these that it has:
//!
//! 1. what stands in its last `\boxed{…}` (or `\fbox{…}`), braces matched;
//! 2. what stands after its last `####`, to the end of that line (GSM8K's form);
//! 3. the whole text.
//!
//! The prompt's `answer` goes through the same, so that a whole solution may stand there. Both are then normalised, and must be equal:
//!
//! | step | example |
//! |---|---|
//! | blanks at the ends and runs of blanks | `  New   York ` → `new york` |
//! | `$…$`, `\(…\)`, `\text{…}`, `\mathrm{…}` around all of it; a full stop at its end; `\,` `\!` `\;` inside | `$42$.` → `42` |
//! | case | `Paris` → `paris` |
//! | numbers: a currency sign before, thousands' commas, a plus, zeros that say nothing | `$1,234.50` → `1234.5`, `+7.0` → `7`, `-0` → `0` |
//!
//! | case | reward |
//! |---|---|
//! | the response has no answer (empty text, `\boxed{}`) | 0 |
//! | the prompt has no `answer`, or an empty one | an error: nothing could be right |
//! | a brace that is never closed | what stands to the end |
//! | `1/2` and `0.5`, `10%` and `0.1` | different: nothing is computed |

use crate::{Asked, Entry, Error, RawReward, Result, Reward, checked};

pub(crate) const ENTRY: Entry = Entry {
    name: "answer",
    syntax: "answer",
    example: "answer",
    summary: r"1 where the final answer (\boxed{…}, #### …, else all of it) is the prompt's `answer`, else 0",
};

/// Compares final answers.
#[derive(Debug, Clone, Copy, Default)]
pub struct AnswerReward;

impl Reward for AnswerReward {
    fn name(&self) -> &'static str {
        "answer"
    }

    fn rewards(&mut self, asked: &[Asked<'_>]) -> Result<Vec<RawReward>> {
        let mut values = Vec::with_capacity(asked.len());
        for a in asked {
            let right = a.answer.map(normalised).filter(|right| !right.is_empty());
            let right = right.ok_or_else(|| Error::NoAnswer {
                reward: self.name().to_owned(),
                prompt: a.prompt_id.to_owned(),
            })?;
            values.push(f32::from(u8::from(normalised(a.response) == right)));
        }
        checked(self.name(), asked, &values)
    }

    fn identity(&self) -> String {
        format!("{} (version 1 of the normalisation)", self.name())
    }
}

/// The final answer of a text, in the one way of writing it.
fn normalised(text: &str) -> String {
    let mut text = last_answer(text).trim();
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
    use crate::reward::testing::asked;

    #[test]
    fn right_and_wrong() {
        for (response, answer, right) in [
            ("42", "42", true),
            ("So 6·7 = 42.\n#### 42", "42", true),
            (
                "#### 41\nno:\n#### 1,042\nas said",
                "She has …\n#### 1042",
                true,
            ),
            (r"Thus $\boxed{\frac{1}{2}}$.", r"\frac{1}{2}", true),
            (r"\boxed{1}, or rather \boxed{2}", "2", true),
            (r"\boxed{1} #### 2", "1", true),
            (r"\boxed{7", "7", true),
            ("  New \n York. ", "new york", true),
            (r"\(\text{Paris}\)", "paris", true),
            ("$1,234.50", "1234.5", true),
            ("+07.00", "7", true),
            ("-0.0", "0", true),
            (r"10\,000", "10000", true),
            ("1,23", "123", false),
            ("-3", "3", false),
            ("1/2", "0.5", false),
            ("10%", "10", false),
            ("42 apples", "42", false),
            ("", "0", false),
            (r"\boxed{}", "0", false),
            (".", "0", false),
            ("$1$ and $2$", "1$ and $2", false),
        ] {
            let found = AnswerReward.rewards(&[asked(response, Some(answer))]);
            let expected = RawReward(f32::from(u8::from(right)));
            assert_eq!(found.unwrap(), [expected], "{response:?} for {answer:?}");
        }
    }

    #[test]
    fn a_prompt_needs_an_answer() {
        for answer in [None, Some(""), Some(" . "), Some(r"\boxed{}")] {
            let error = AnswerReward.rewards(&[asked("42", answer)]).unwrap_err();
            assert_eq!(
                error.to_string(),
                "reward `answer`: prompt p1 has no `answer`; add the field to the prompts, or choose another reward"
            );
        }
    }
}
