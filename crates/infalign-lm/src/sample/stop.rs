//! When a sample ends, and which part of its text may be shown already.
//!
//! Tokens come first: end of sequence, then stop tokens; then stop strings; then the limits. Stop strings are looked for in the text, so
//! that it does not matter how tokens divide it: the response ends with the first character that completes any of them, and of those that
//! end there the longest counts. Text that could still become a stop string is held back. Where vLLM looks once a token, the two differ only
//! when one token completes several stop strings.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::settings::Sampling;

/// Why a sample ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model's own end-of-sequence token; OpenAI's name for it is `stop`.
    #[serde(rename = "stop")]
    Eos,
    /// A token of `stop_token_ids`.
    StopToken,
    /// A text of `stop`.
    StopString,
    /// `max_tokens`.
    Length,
    /// The model's context is full.
    Context,
}

impl FinishReason {
    /// OpenAI's coarser name: `stop` or `length`.
    #[must_use]
    pub fn openai(self) -> &'static str {
        match self {
            Self::Eos | Self::StopToken | Self::StopString => "stop",
            Self::Length | Self::Context => "length",
        }
    }
}

impl fmt::Display for FinishReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Eos => "end of sequence",
            Self::StopToken => "stop token",
            Self::StopString => "stop string",
            Self::Length => "max_tokens",
            Self::Context => "context full",
        })
    }
}

/// The tokens that end a sample.
#[derive(Debug, Clone, Default)]
pub(super) struct StopTokens {
    eos: Vec<u32>,
    stop: Vec<u32>,
}

impl StopTokens {
    pub(super) fn new(settings: &Sampling, eos: &[u32]) -> Self {
        Self {
            eos: if settings.ignore_eos {
                Vec::new()
            } else {
                eos.to_vec()
            },
            stop: settings.stop_token_ids.clone(),
        }
    }

    pub(super) fn check(&self, token: u32) -> Option<FinishReason> {
        if self.eos.contains(&token) {
            Some(FinishReason::Eos)
        } else {
            (self.stop.contains(&token)).then_some(FinishReason::StopToken)
        }
    }
}

/// The stop strings of one growing text.
#[derive(Debug, Clone)]
pub struct StopStrings<'a> {
    stops: &'a [String],
    include: bool,
    /// What could still become a stop string.
    held: String,
    stopped: bool,
}

impl<'a> StopStrings<'a> {
    /// Of texts that are not empty; `include` keeps the stop string in the text.
    #[must_use]
    pub fn new(stops: &'a [String], include: bool) -> Self {
        Self {
            stops,
            include,
            held: String::new(),
            stopped: false,
        }
    }

    /// Takes more text, appends to `out` what is now sure to belong to the response, and says whether it has ended.
    pub fn push(&mut self, text: &str, out: &mut String) -> bool {
        if self.stopped {
            return true;
        }
        if self.stops.is_empty() {
            out.push_str(text);
            return false;
        }
        let mut from = self.held.len();
        self.held.push_str(text);
        // Ends of characters, in order: the first at which a stop string ends.
        while let Some(next) = self.held[from..].chars().next() {
            from += next.len_utf8();
            let before = &self.held[..from];
            let ends = self.stops.iter().filter(|s| before.ends_with(s.as_str()));
            if let Some(longest) = ends.map(String::len).max() {
                let cut = if self.include { from } else { from - longest };
                out.push_str(&self.held[..cut]);
                self.held.clear();
                self.stopped = true;
                return true;
            }
        }
        let safe = self.held.len() - self.undecided();
        out.push_str(&self.held[..safe]);
        self.held.drain(..safe);
        false
    }

    /// The text ended otherwise: what was held back belongs to it.
    pub fn finish(mut self, out: &mut String) {
        out.push_str(&self.held);
        self.held.clear();
    }

    /// Length of the longest end of `held` that begins a stop string.
    fn undecided(&self) -> usize {
        let longest = |stop: &String| {
            let starts = stop.char_indices().map(|(at, _)| at);
            // Longest first; the whole of a stop string would have ended the text.
            starts
                .rev()
                .find(|&at| self.held.ends_with(&stop[..at]))
                .unwrap_or(0)
        };
        self.stops.iter().map(longest).max().unwrap_or(0)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "what the tests feed in is valid")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The shown text after each piece, and whether it ended.
    fn feed(stops: &[&str], include: bool, pieces: &[&str]) -> (Vec<String>, String, bool) {
        let stops: Vec<String> = stops.iter().map(|&s| s.to_owned()).collect();
        let mut matcher = StopStrings::new(&stops, include);
        let (mut shown, mut all, mut ended) = (Vec::new(), String::new(), false);
        for piece in pieces {
            let mut out = String::new();
            ended = matcher.push(piece, &mut out);
            all.push_str(&out);
            shown.push(out);
            if ended {
                break;
            }
        }
        if !ended {
            matcher.finish(&mut all);
        }
        (shown, all, ended)
    }

    #[test]
    fn a_stop_string_across_pieces_is_held_back_and_cut() {
        let (shown, all, ended) = feed(&["\n\nQ:"], false, &["Yes.\n", "\n", "Q", ": no"]);
        assert_eq!(shown, ["Yes.", "", "", ""]);
        assert_eq!((all.as_str(), ended), ("Yes.", true));
        let (_, all, ended) = feed(&["\n\nQ:"], true, &["Yes.\n", "\n", "Q", ": no"]);
        assert_eq!((all.as_str(), ended), ("Yes.\n\nQ:", true));
    }

    #[test]
    fn what_turns_out_not_to_stop_is_shown() {
        let (shown, all, ended) = feed(&["aab"], false, &["a", "a", "a", "c", "aa"]);
        assert_eq!(shown, ["", "", "a", "aac", ""]);
        assert_eq!((all.as_str(), ended), ("aaacaa", false));
    }

    #[test]
    fn the_first_end_counts_and_there_the_longest() {
        assert_eq!(feed(&["bcd", "c"], false, &["abcd"]).1, "ab");
        assert_eq!(feed(&["c", "abc"], false, &["xabc"]).1, "x");
        assert_eq!(feed(&["é€"], false, &["aé", "€b"]).1, "a");
        assert_eq!(feed(&[], false, &["a", "b"]).1, "ab");
    }

    proptest! {
        /// The result is that of a plain search in the whole text, however it is divided.
        #[test]
        fn division_does_not_matter(
            text in "[abé]{0,24}",
            stops in prop::collection::vec("[abé]{1,4}", 0..3),
            cuts in prop::collection::vec(0_usize..24, 0..8),
            include: bool,
        ) {
            let chars: Vec<char> = text.chars().collect();
            let mut bounds: Vec<usize> = cuts.into_iter().map(|c| c.min(chars.len())).collect();
            bounds.extend([0, chars.len()]);
            bounds.sort_unstable();
            let pieces: Vec<String> = bounds.windows(2).map(|w| chars[w[0]..w[1]].iter().collect()).collect();
            let refs: Vec<&str> = pieces.iter().map(String::as_str).collect();
            let names: Vec<&str> = stops.iter().map(String::as_str).collect();
            let (_, all, ended) = feed(&names, include, &refs);
            let first = stops
                .iter()
                .filter_map(|s| text.find(s.as_str()).map(|at| (at + s.len(), at)))
                .min();
            prop_assert_eq!(ended, first.is_some());
            let expected = first.map_or(text.as_str(), |(end, start)| {
                &text[..if include { end } else { start }]
            });
            prop_assert_eq!(all, expected);
        }
    }

    #[test]
    fn tokens_that_stop() {
        let mut settings = Sampling {
            stop_token_ids: vec![7, 2],
            ..Sampling::default()
        };
        let tokens = StopTokens::new(&settings, &[2, 3]);
        assert_eq!(tokens.check(2), Some(FinishReason::Eos));
        assert_eq!(tokens.check(7), Some(FinishReason::StopToken));
        assert_eq!(tokens.check(4), None);
        settings.ignore_eos = true;
        let tokens = StopTokens::new(&settings, &[2, 3]);
        assert_eq!(tokens.check(2), Some(FinishReason::StopToken));
        assert_eq!(tokens.check(3), None);
    }

    #[test]
    fn names_read_back_and_are_openais_where_it_has_one() {
        use FinishReason as R;
        for (reason, name) in [
            (R::Eos, "\"stop\""),
            (R::StopToken, "\"stop_token\""),
            (R::StopString, "\"stop_string\""),
            (R::Length, "\"length\""),
            (R::Context, "\"context\""),
        ] {
            assert_eq!(serde_json::to_string(&reason).unwrap(), name);
            assert_eq!(serde_json::from_str::<R>(name).unwrap(), reason);
        }
        assert_eq!(
            (R::StopString.openai(), R::Context.openai()),
            ("stop", "length")
        );
    }
}
