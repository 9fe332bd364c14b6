//! Rotary frequencies: from the fields of config.json to one angle per position and pair.
//!
//! For pair i of d/2 (d = rotary dimension), at position p, the angle is p·ω_i, and
//!
//! | scaling | ω_i | attention factor a |
//! |---|---|---|
//! | none | θ^(−2i/d) | 1 |
//! | linear | θ^(−2i/d) / s | 1 |
//! | dynamic | as none, up to `max_position_embeddings`; longer is not offered | 1 |
//! | llama3 | λ = 2π/ω; λ > L/lo: ω/s; λ < L/hi: ω; between: (1−t)ω/s + tω, t = (L/λ − lo)/(hi − lo) | 1 |
//! | yarn (arXiv 2309.00071, eqs. 17–22) | r·ω/s + (1−r)·ω, r a ramp between the pairs that turn β_fast and β_slow times in L | 0.1·ln s + 1 |
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
