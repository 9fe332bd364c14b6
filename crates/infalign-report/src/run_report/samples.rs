//! Sample texts side by side, searchable; shortened and counted where they would make the page too large.

use infalign::evaluation::Evaluation;

use super::{arm::Arm, input::SampleSet};
use crate::tone::{Palette, Tone};

/// Bytes of texts that a page shows at most, and the longest text in characters.
const MOST_BYTES: usize = 900_000;
const LONGEST: usize = 1_500;

/// What is shown of the samples.
pub(crate) struct Samples {
    pub(crate) sets: Vec<Set>,
    /// Prompts left out for the page's size.
    pub(crate) left_out: usize,
}

/// Responses to one prompt.
pub(crate) struct Set {
    pub(crate) prompt_id: String,
    pub(crate) prompt: String,
    pub(crate) responses: Vec<Text>,
    /// Whether it is shown unfolded.
    pub(crate) open: bool,
}

/// One response.
pub(crate) struct Text {
    pub(crate) policy: String,
    pub(crate) colour: String,
    pub(crate) text: String,
    pub(crate) raw: String,
    /// Ĉ in words, and in percent of a bar's length.
    pub(crate) quantile: Option<(String, String)>,
}

impl Samples {
    pub(crate) fn new(
        samples: &[SampleSet],
        evaluation: &Evaluation,
        arms: &[Arm<'_>],
        palette: &Palette,
    ) -> Self {
        let mut bytes = 0;
        let mut sets = Vec::new();
        for set in samples {
            let responses: Vec<Text> = set
                .responses
                .iter()
                .map(|response| Text {
                    policy: response.policy.clone(),
                    colour: colour(&response.policy, evaluation, arms, palette),
                    text: shortened(&response.text),
                    raw: if response.raw.is_finite() {
                        format!("{:.3}", response.raw).replace('-', "−")
                    } else {
                        "–".to_owned()
                    },
                    quantile: response
                        .quantile
                        .filter(|u| (0.0..=1.0).contains(u))
                        .map(|u| (format!("{u:.3}"), format!("{:.1}", 100.0 * u))),
                })
                .collect();
            let prompt = shortened(&set.prompt);
            bytes += prompt.len()
                + responses
                    .iter()
                    .map(|text| text.text.len() + 400)
                    .sum::<usize>();
            if bytes > MOST_BYTES {
                break;
            }
            sets.push(Set {
                prompt_id: set.prompt_id.clone(),
                prompt,
                responses,
                open: sets.len() < 2,
            });
        }
        Self {
            left_out: samples.len() - sets.len(),
            sets,
        }
    }
}

fn colour(name: &str, evaluation: &Evaluation, arms: &[Arm<'_>], palette: &Palette) -> String {
    if name == evaluation.base {
        return Tone::Ink.hex();
    }
    arms.iter()
        .find(|arm| arm.policies.iter().any(|policy| policy.name == name))
        .map_or(Tone::Muted, |arm| palette.tone(arm.reward))
        .hex()
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{} […]", &text[..at]),
        None => text.to_owned(),
    }
}
