//! The probe at opening: two texts alone and among others, and what their numbers say about a server.
//!
//! | found | outcome |
//! |---|---|
//! | no answer, or no single finite number | refused, with the command that starts such a server |
//! | one text is answered, several are not | refused: `:single` |
//! | the same number for both texts | refused: an activation that saturates |
//! | the numbers of several texts in another order | refused: `:single` |
//! | another number among others than alone, beyond rounding | refused |
//! | both numbers in [0, 1], and a request can turn the activation on: it does not turn r into 1/(1 + e⁻ʳ) | refused: the activation stays on |
//! | both in [0, 1], a model that no request can switch, one of them exactly 0 or 1 | refused: the mark of a saturated activation |
//! | both in [0, 1] and nothing to tell by | taken, with a [`Caveat`] |
//!
//! What lies outside [0, 1] has not gone through a sigmoid or a softmax, so most reward models need no second look.
//!
//! **Rounding.** A server may compute in bfloat16, whose numbers lie 2⁻⁷ apart, relatively, and sum in another order in a batch. Four such
//! steps, 2⁻⁵ of the larger number, are taken as rounding; what padding does to a model that sees it is larger.

use super::{Asked, Dialect, Refusal};

/// The two texts of the probe. A reward that knows only certain prompts, or looks at their answers, needs two of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// What both respond to.
    pub prompt: String,
    /// Its answer.
    pub answer: Option<String>,
    /// A response that any reward should like.
    pub good: String,
    /// One that it should not.
    pub bad: String,
}

impl Default for Probe {
    /// A sum, whose answer rules of many kinds find, and a rambling that has none.
    fn default() -> Self {
        Self {
            prompt: "What is 2 + 3? Put the result into \\boxed{}.\n".to_owned(),
            answer: Some("5".to_owned()),
            good: "2 + 3 = 5, so the result is \\boxed{5}.".to_owned(),
            bad: "go away banana banana the the the #### \\boxed{banana".to_owned(),
        }
    }
}

/// What a user should know of a server that was taken.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Caveat {
    /// Nothing tells whether the numbers have gone through a sigmoid.
    #[error(
        "the server gives {good} and {bad} to a good and a bad response: if it applies a sigmoid, large rewards tie; its kind offers no way to ask ({mend})"
    )]
    Unit {
        /// For the good response.
        good: f32,
        /// For the bad one.
        bad: f32,
        /// What turns a sigmoid off.
        mend: &'static str,
    },
}

/// Four steps of bfloat16.
const ROUNDING: f32 = 0.031_25;
/// Two steps of bfloat16 below 1: a sigmoid that is computed there.
const SIGMOID_ROUNDING: f32 = 0.015_625;

impl Probe {
    fn asked(&self) -> [Asked<'_>; 2] {
        [&self.good, &self.bad].map(|response| Asked {
            prompt_id: "of the probe",
            prompt: &self.prompt,
            messages: None,
            response,
            answer: self.answer.as_deref(),
        })
    }

    /// Asks by `ask(texts, most in a request, activation)`, and judges.
    pub(super) fn run(
        &self,
        dialect: &Dialect,
        single: bool,
        unit: bool,
        ask: impl Fn(&[Asked<'_>], usize, bool) -> Result<Vec<f32>, Refusal>,
    ) -> Result<Option<Caveat>, Refusal> {
        let [good, bad] = self.asked();
        // One after the other: a server may put requests that come together into one batch.
        let one = |a, activation| {
            let values = ask(&[a], 1, activation)?;
            Ok(values.first().copied().unwrap_or(f32::NAN))
        };
        let alone = [one(good, false)?, one(bad, false)?];
        // Neither reversing nor sorting leaves this order as it is.
        let most = if single { 1 } else { 4 };
        let together =
            ask(&[good, bad, good, bad], most, false).map_err(|refusal| match refusal {
                Refusal::Unreadable { what, .. } if !single => Refusal::Several { what },
                Refusal::Unanswered { given_up, .. } if !single => Refusal::Several {
                    what: format!("is missing ({given_up})"),
                },
                other => other,
            })?;
        steady(dialect, alone, &together)?;
        let within = alone.iter().all(|v| (0.0..=1.0).contains(v));
        if unit || !within {
            return Ok(None);
        }
        if dialect.switch {
            let active = [one(good, true)?, one(bad, true)?];
            return switched(dialect, alone, active).map(|()| None);
        }
        unswitched(dialect, alone).map(Some)
    }
}

/// Different texts apart, the same text alike, and in order.
fn steady(dialect: &Dialect, alone: [f32; 2], together: &[f32]) -> Result<(), Refusal> {
    let [good, bad] = alone;
    #[expect(
        clippy::float_cmp,
        reason = "a saturated activation gives the very same number"
    )]
    if good == bad {
        return Err(Refusal::Same {
            value: good,
            mend: dialect.unsaturate,
        });
    }
    let wanted = [good, bad, good, bad];
    let apart = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f32>();
    let sorted = |values: &[f32]| {
        let mut values = values.to_vec();
        values.sort_by(f32::total_cmp);
        values
    };
    // The same numbers at other places explain what came four times better than rounding does.
    if apart(&sorted(together), &sorted(&wanted)) * 4.0 < apart(together, &wanted) {
        return Err(Refusal::Reorders);
    }
    let tolerance = ROUNDING * good.abs().max(bad.abs());
    let off = wanted
        .iter()
        .zip(together)
        .find(|(a, b)| (*a - *b).abs() > tolerance);
    off.map_or(Ok(()), |(&alone, &together)| {
        Err(Refusal::Unsteady {
            alone,
            together,
            tolerance,
        })
    })
}

/// Whether turning the activation on does what it does to raw numbers: a sigmoid, or the softmax over one label.
fn switched(dialect: &Dialect, raw: [f32; 2], active: [f32; 2]) -> Result<(), Refusal> {
    let sigmoid = |r: f32| 1.0 / (1.0 + (-r).exp());
    let by_sigmoid = raw
        .iter()
        .zip(active)
        .all(|(&r, a)| (sigmoid(r) - a).abs() <= SIGMOID_ROUNDING);
    let by_softmax = active == [1.0; 2];
    if by_sigmoid || by_softmax {
        return Ok(());
    }
    Err(Refusal::Saturates {
        good: raw[0],
        bad: raw[1],
        sign: "and asking it to turn the activation on changes nothing that raw numbers would show",
        mend: dialect.unsaturate,
    })
}

fn unswitched(dialect: &Dialect, [good, bad]: [f32; 2]) -> Result<Caveat, Refusal> {
    let mend = dialect.unsaturate;
    if dialect.model && [good, bad].iter().any(|v| [0.0, 1.0].contains(v)) {
        return Err(Refusal::Saturates {
            good,
            bad,
            sign: "one of them at its very end",
            mend,
        });
    }
    Ok(Caveat::Unit { good, bad, mend })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use crate::reward::DIALECTS;

    fn sigmoid(r: f32) -> f32 {
        1.0 / (1.0 + (-r).exp())
    }

    /// A server whose numbers are `value(is good, activation, its place and the number of texts in its request)`, in the order of `place`.
    fn run(
        name: &str,
        value: impl Fn(bool, bool, usize, usize) -> f32,
        order: impl Fn(&mut Vec<f32>),
    ) -> Result<Option<Caveat>, String> {
        let probe = Probe::default();
        let dialect = DIALECTS.iter().find(|d| d.name == name).unwrap();
        let ask = |asked: &[Asked<'_>], most: usize, activation: bool| {
            let mut values: Vec<f32> = asked
                .iter()
                .enumerate()
                .map(|(at, a)| value(a.response == probe.good, activation, at, most))
                .collect();
            if most > 1 {
                order(&mut values);
            }
            Ok(values)
        };
        probe
            .run(dialect, false, false, ask)
            .map_err(|r| r.to_string())
    }

    fn honest(good: f32, bad: f32) -> impl Fn(bool, bool, usize, usize) -> f32 {
        move |is_good, activation, _, _| {
            let raw = if is_good { good } else { bad };
            if activation { sigmoid(raw) } else { raw }
        }
    }

    #[test]
    fn honest_servers_are_taken() {
        for (good, bad) in [
            (7.25, -11.5),
            (0.9, 0.1),
            (0.31, 0.3),
            (1.0, 0.0),
            (-3.0, 2.0),
        ] {
            assert_eq!(run("vllm", honest(good, bad), |_| ()), Ok(None));
            assert_eq!(run("tei", honest(good, bad), |_| ()), Ok(None));
            assert!(run("openrlhf", honest(good, bad), |_| ()).is_ok());
        }
        // Rounding that depends on the batch.
        let bfloat = |is_good: bool, _: bool, at: usize, most: usize| {
            let raw: f32 = if is_good { 7.25 } else { -11.5 };
            raw + if most > 1 && at > 1 { 0.062_5 } else { 0.0 }
        };
        assert_eq!(run("vllm", bfloat, |_| ()), Ok(None));
        // Two texts that are hardly told apart, with noise that is larger: no sign of another order.
        let close = |is_good: bool, _: bool, at: usize, most: usize| {
            let raw = if is_good { 4.0 } else { 4.001 };
            raw + if most > 1 {
                [0.01, -0.02, 0.0, 0.015][at]
            } else {
                0.0
            }
        };
        assert_eq!(run("vllm", close, |_| ()), Ok(None));
        // An older server takes the softmax of one label.
        let softmax =
            |is_good: bool, activation: bool, _: usize, _: usize| match (activation, is_good) {
                (true, _) => 1.0,
                (_, true) => 0.7,
                _ => 0.2,
            };
        assert_eq!(run("vllm", softmax, |_| ()), Ok(None));
    }

    #[test]
    fn rewards_in_the_unit_interval_without_a_switch_are_taken_with_a_caveat() {
        let told = run("openrlhf", honest(1.0, 0.0), |_| ()).unwrap().unwrap();
        assert!(told.to_string().contains("1 and 0"), "{told}");
        assert!(run("sglang", honest(0.9, 0.1), |_| ()).unwrap().is_some());
        let probe = Probe::default();
        let sglang = DIALECTS.iter().find(|d| d.name == "sglang").unwrap();
        let at_the_end = |asked: &[Asked<'_>], _: usize, _: bool| {
            Ok(asked
                .iter()
                .map(|a| f32::from(u8::from(a.response == probe.good)))
                .collect())
        };
        assert!(probe.run(sglang, false, false, at_the_end).is_err());
        assert_eq!(probe.run(sglang, false, true, at_the_end), Ok(None));
    }

    #[test]
    fn each_refusal_says_what_mends_it() {
        let always =
            |is_good: bool, _: bool, _: usize, _: usize| sigmoid(if is_good { 6.0 } else { -4.0 });
        let inverted = |is_good: bool, activation: bool, _: usize, _: usize| {
            let raw = if is_good { 6.0 } else { -4.0 };
            if activation { raw } else { sigmoid(raw) }
        };
        let padded = |is_good: bool, _: bool, _: usize, most: usize| {
            let raw = if is_good { 7.0 } else { -11.0 };
            if most > 1 && is_good { raw * 0.5 } else { raw }
        };
        let one = |_: bool, _: bool, _: usize, _: usize| 1.0;
        for (name, told, named) in [
            (
                "vllm",
                run("vllm", always, |_| ()),
                "override-pooler-config",
            ),
            (
                "vllm-pooling",
                run("vllm-pooling", inverted, |_| ()),
                "use_activation",
            ),
            ("tei", run("tei", always, |_| ()), "raw_scores"),
            ("sglang", run("sglang", one, |_| ()), "not `/v1/classify`"),
            (
                "sglang",
                run("sglang", honest(1.0, 0.25), |_| ()),
                "very end",
            ),
            (
                "vllm",
                run("vllm", honest(7.0, -11.0), |v| v.reverse()),
                "order",
            ),
            (
                "vllm",
                run("vllm", honest(7.0, -11.0), |v| v.sort_by(f32::total_cmp)),
                "order",
            ),
            (
                "vllm",
                run("vllm", honest(0.001, 0.002), |v| {
                    v.sort_by(|a, b| b.total_cmp(a));
                }),
                ":single",
            ),
            ("openrlhf", run("openrlhf", padded, |_| ()), "3.5 among"),
        ] {
            let told = told.unwrap_err();
            assert!(told.contains(named), "{name}: {told}");
        }
    }
}
