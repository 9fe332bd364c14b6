//! Rotary frequencies: from the fields of config.json to one angle per position and pair.
//!
//! For pair i of d/2 (d = rotary dimension), at position p, the angle is p·ωᵢ, and
//!
//! | scaling | ωᵢ | attention factor a |
//! |---|---|---|
//! | none | θ^(−2i/d) | 1 |
//! | linear | θ^(−2i/d) / s | 1 |
//! | dynamic | as none, up to `max_position_embeddings`; longer is not offered | 1 |
//! | llama3 | λ = 2π/ω; λ > L/lo: ω/s; λ < L/hi: ω; between: (1−t)ω/s + tω, t = (L/λ − lo)/(hi − lo) | 1 |
//! | yarn (arXiv 2309.00071, eqs. 17–22) | r·ω/s + (1−r)·ω, r a ramp between the pairs that turn `beta_fast` and `beta_slow` times in L | 0.1·ln s + 1 |
//!
//! cos and sin are both multiplied by a. The arithmetic is single precision in transformers' order
//! (`modeling_rope_utils.py` of 5.23), because at position 2048 an error in the last bit of ω
//! is 10⁻⁴ of a turn; only the power is taken in double and rounded, as a correct `powf` would be.
//!
//! Pairs are (j, j + d/2), the halves layout of the hub's files.

use crate::{
    error::{Error, Result},
    json::Fields,
};

/// The scalings that are known, for messages.
const KNOWN: &str = "default, linear, dynamic, llama3, yarn";

/// Rotary positions of one model.
#[derive(Debug, Clone, PartialEq)]
pub struct Rotary {
    /// How many of a head's channels turn: the first ones; even.
    pub rotary_dim: usize,
    /// ω, (`rotary_dim` / 2), in radians per position.
    pub inverse_frequencies: Vec<f32>,
    /// The factor of cos and sin.
    pub attention_factor: f32,
}

impl Rotary {
    /// From `rope_parameters` (transformers 5) or `rope_theta` and `rope_scaling` (before).
    pub(crate) fn read(
        fields: &Fields<'_>,
        head_dim: usize,
        max_positions: usize,
        theta_field: &str,
        share_field: &str,
        default_share: f64,
    ) -> Result<Self> {
        let scaling = [
            ("rope_scaling", "rope_scaling."),
            ("rope_parameters", "rope_parameters."),
        ];
        let mut inner = None;
        for (field, within) in scaling {
            if let Some(found) = fields.inner(field, within)?
                && !found.object.is_empty()
            {
                inner = Some((field, found));
                break;
            }
        }
        if let Some((field, parameters)) = &inner
            && parameters.object.values().any(serde_json::Value::is_object)
        {
            return Err(fields.bad(field, "one set of rotary parameters for all layers"));
        }
        let of = |field: &str, outer: &str| -> Result<Option<f64>> {
            match inner.as_ref().map(|(_, p)| p.positive(field)).transpose()? {
                Some(Some(value)) => Ok(Some(value)),
                _ => fields.positive(outer),
            }
        };
        let theta = of("rope_theta", theta_field)?.unwrap_or(10_000.0);
        let share = of("partial_rotary_factor", share_field)?.unwrap_or(default_share);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "positive and small; transformers truncates too"
        )]
        let rotary_dim = (head_dim as f64 * share) as usize;
        if rotary_dim == 0 || !rotary_dim.is_multiple_of(2) || rotary_dim > head_dim {
            return Err(fields.contradiction(format!(
                "{rotary_dim} of {head_dim} channels of a head turn, but rotary positions need an even \
                 number of them from 2 to the head's; check the head size and `{share_field}`"
            )));
        }
        let base = frequencies(theta, rotary_dim);
        let plain = |inverse_frequencies| Self {
            rotary_dim,
            inverse_frequencies,
            attention_factor: 1.0,
        };
        let Some((_, parameters)) = inner else {
            return Ok(plain(base));
        };
        let kind = match parameters.word("rope_type")? {
            Some(kind) => kind,
            None => parameters.word("type")?.unwrap_or("default"),
        };
        let original = || -> Result<f32> {
            let outer = fields.positive("original_max_position_embeddings")?;
            let value = match outer {
                Some(value) => value,
                None => parameters
                    .positive("original_max_position_embeddings")?
                    .unwrap_or(max_positions as f64),
            };
            Ok(value as f32)
        };
        match kind {
            // Within `max_position_embeddings` dynamic scaling is none.
            "default" | "dynamic" => Ok(plain(base)),
            "linear" => {
                let factor = parameters.needed("factor")? as f32;
                Ok(plain(base.iter().map(|w| w / factor).collect()))
            }
            "llama3" => {
                let low = parameters.needed("low_freq_factor")? as f32;
                let high = parameters.needed("high_freq_factor")? as f32;
                if high <= low {
                    return Err(parameters.bad("high_freq_factor", "more than low_freq_factor"));
                }
                let scaled = llama3(
                    &base,
                    parameters.needed("factor")? as f32,
                    low,
                    high,
                    original()?,
                );
                Ok(plain(scaled))
            }
            "yarn" => yarn(&parameters, theta, rotary_dim, max_positions, original()?),
            other => Err(Error::UnknownArchitecture {
                file: fields.file.to_owned(),
                field: "rope_type",
                found: other.to_owned(),
                known: KNOWN.to_owned(),
            }),
        }
    }
}

/// θ^(2i/d) in single precision.
fn powers(theta: f64, rotary_dim: usize) -> Vec<f32> {
    (0..rotary_dim)
        .step_by(2)
        .map(|i| {
            let exponent = i as f32 / rotary_dim as f32;
            f64::from(theta as f32).powf(f64::from(exponent)) as f32
        })
        .collect()
}

fn frequencies(theta: f64, rotary_dim: usize) -> Vec<f32> {
    powers(theta, rotary_dim).iter().map(|p| 1.0 / p).collect()
}

fn llama3(base: &[f32], factor: f32, low: f32, high: f32, original: f32) -> Vec<f32> {
    let longest = original / low;
    let shortest = original / high;
    base.iter()
        .map(|&w| {
            let wavelength = std::f32::consts::TAU / w;
            if wavelength > longest {
                w / factor
            } else if wavelength < shortest {
                w
            } else {
                let t = (original / wavelength - low) / (high - low);
                (1.0 - t) * w / factor + t * w
            }
        })
        .collect()
}

fn yarn(
    parameters: &Fields<'_>,
    theta: f64,
    rotary_dim: usize,
    max_positions: usize,
    original: f32,
) -> Result<Rotary> {
    let factor = match parameters.positive("factor")? {
        Some(factor) => factor,
        None => max_positions as f64 / f64::from(original),
    };
    let magnitude = |scale: f64, m: f64| {
        if scale <= 1.0 {
            1.0
        } else {
            0.1 * m * scale.ln() + 1.0
        }
    };
    let attention_factor = match (
        parameters.positive("attention_factor")?,
        parameters.positive("mscale")?,
        parameters.positive("mscale_all_dim")?,
    ) {
        (Some(a), ..) => a,
        (None, Some(m), Some(all)) => magnitude(factor, m) / magnitude(factor, all),
        _ => magnitude(factor, 1.0),
    };
    let fast = parameters.positive("beta_fast")?.unwrap_or(32.0);
    let slow = parameters.positive("beta_slow")?.unwrap_or(1.0);
    let d = rotary_dim as f64;
    // The pair that turns so many times within the original length.
    let pair = |turns: f64| {
        d * (f64::from(original) / (turns * std::f64::consts::TAU)).ln() / (2.0 * theta.ln())
    };
    let (mut low, mut high) = (pair(fast), pair(slow));
    if parameters.flag("truncate", true)? {
        (low, high) = (low.floor(), high.ceil());
    }
    low = low.max(0.0);
    high = high.min(d - 1.0);
    if low == high {
        high += 0.001;
    }
    let s = factor as f32;
    let inverse_frequencies = powers(theta, rotary_dim)
        .iter()
        .enumerate()
        .map(|(i, &p)| {
            let ramp = ((i as f32 - low as f32) / (high - low) as f32).clamp(0.0, 1.0);
            let keep = 1.0 - ramp;
            1.0 / (s * p) * (1.0 - keep) + 1.0 / p * keep
        })
        .collect();
    Ok(Rotary {
        rotary_dim,
        inverse_frequencies,
        attention_factor: attention_factor as f32,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use serde_json::{Value, json};

    use super::*;
    use crate::{Positions, Spec};

    fn rotary(theta: f64, max_positions: usize, scaling: &Value) -> Result<Rotary> {
        let config = json!({"model_type": "llama", "hidden_size": 64, "num_attention_heads": 4,
            "intermediate_size": 4, "num_hidden_layers": 1, "vocab_size": 4, "rope_theta": theta,
            "max_position_embeddings": max_positions, "rope_scaling": scaling});
        match Spec::from_text(&config.to_string(), "config.json")?.positions {
            Positions::Rotary(rotary) => Ok(rotary),
            Positions::Learned => Err(Error::bug("llamas turn")),
        }
    }

    /// Values of transformers 5.23 (`LlamaRotaryEmbedding.inv_freq`, `attention_scaling`): within two
    /// units in the last place, because its power is not always the nearest.
    #[track_caller]
    fn agrees(found: &Rotary, expected: [f32; 8], factor: f32) {
        for (w, e) in found.inverse_frequencies.iter().zip(expected) {
            assert!(
                (w - e).abs() <= 2.0 * f32::EPSILON * e,
                "{found:?} is not {expected:?}"
            );
        }
        assert!((found.attention_factor - factor).abs() < 1e-6, "{found:?}");
    }

    #[test]
    fn every_scaling_agrees_with_transformers() {
        let plain = [
            1.0,
            0.316_227_76,
            0.1,
            0.031_622_78,
            0.01,
            0.003_162_277_9,
            0.001,
            0.000_316_227_8,
        ];
        agrees(&rotary(1e4, 4096, &json!(null)).unwrap(), plain, 1.0);
        agrees(
            &rotary(1e4, 4096, &json!({"type": "dynamic", "factor": 4.0})).unwrap(),
            plain,
            1.0,
        );
        let linear = plain.map(|w| w / 4.0);
        agrees(
            &rotary(1e4, 4096, &json!({"type": "linear", "factor": 4.0})).unwrap(),
            linear,
            1.0,
        );
        let llama3 = json!({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": 8192});
        agrees(
            &rotary(5e5, 131_072, &llama3).unwrap(),
            [
                1.0,
                0.193_922_76,
                0.037_606_03,
                0.007_292_665,
                0.000_524_846,
                3.428_102_4e-5,
                6.647_87e-6,
                1.289_173_2e-6,
            ],
            1.0,
        );
        let yarn =
            json!({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32_768});
        agrees(
            &rotary(1e6, 131_072, &yarn).unwrap(),
            [
                1.0,
                0.177_827_94,
                0.031_622_78,
                0.004_217_56,
                0.000_5,
                4.445_698_5e-5,
                7.905_694e-6,
                1.405_853_4e-6,
            ],
            1.138_629_4,
        );
        let yarn = json!({"rope_type": "yarn", "factor": 16.0, "original_max_position_embeddings": 256,
            "beta_fast": 16, "beta_slow": 2, "mscale": 0.7, "mscale_all_dim": 1.0, "truncate": false});
        agrees(
            &rotary(1e4, 4096, &yarn).unwrap(),
            [
                1.0,
                0.285_350_08,
                0.038_330_495,
                0.001_976_423_7,
                0.000_625,
                0.000_197_642_37,
                6.25e-5,
                1.976_423_7e-5,
            ],
            0.934_878,
        );
    }

    #[test]
    fn what_cannot_turn_is_refused() {
        let error = |scaling: Value| rotary(1e4, 4096, &scaling).unwrap_err().to_string();
        assert!(error(json!({"type": "longrope"})).contains("known are default, linear"));
        assert!(error(json!({"type": "linear"})).contains("no field `rope_scaling.factor`"));
        assert!(
            error(json!({"type": "linear", "factor": -1}))
                .contains("`rope_scaling.factor` is -1, expected a positive")
        );
        assert!(error(json!({"full_attention": {}})).contains("one set"));
    }
}
