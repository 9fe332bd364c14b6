//! From raw rewards to what is trained on: the raw reward itself, or Φ of its quantile among the base's rollouts (calibrate and transform).
//!
//! Calibration is pointwise in (prompt, reward): Ĉ(x, y) compares with the prompt's K base rewards alone, never with the batch. A strictly
//! increasing function of the reward changes no Ĉ, so it changes no bit of a calibrated run.

use std::sync::Arc;

use infalign::{Transform, calibration::Calibrator, transform::reward as transformed};

/// A form of the reward, with the calibration of every training prompt.
#[derive(Debug, Clone)]
pub struct Shape {
    transform: Option<Arc<dyn Transform>>,
    calibrators: Vec<Calibrator>,
}

/// A group's rewards in every form.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Rewards {
    pub(super) raw: Vec<f64>,
    pub(super) calibrated: Vec<f64>,
    /// R: what is trained on, before it is divided by β.
    pub(super) reward: Vec<f64>,
}

impl Shape {
    /// Plain RLHF: the raw reward; the calibration serves the metrics alone.
    #[must_use]
    pub fn raw(calibrators: Vec<Calibrator>) -> Self {
        Self {
            transform: None,
            calibrators,
        }
    }

    /// Φ(Ĉ).
    #[must_use]
    pub fn transformed(transform: Arc<dyn Transform>, calibrators: Vec<Calibrator>) -> Self {
        Self {
            transform: Some(transform),
            calibrators,
        }
    }

    /// Φ, unless the reward stays raw.
    #[must_use]
    pub fn transform(&self) -> Option<&Arc<dyn Transform>> {
        self.transform.as_ref()
    }

    /// Prompts whose calibration is known.
    #[must_use]
    pub fn prompts(&self) -> usize {
        self.calibrators.len()
    }

    /// The rewards of a group of responses to prompt `prompt`.
    pub(super) fn apply(&self, prompt: usize, raw: &[f32]) -> Rewards {
        let calibrator = &self.calibrators[prompt];
        let raw: Vec<f64> = raw.iter().copied().map(f64::from).collect();
        let calibrated: Vec<f64> = raw.iter().map(|&r| calibrator.calibrate(r)).collect();
        let reward = match &self.transform {
            None => raw.clone(),
            Some(t) => calibrated
                .iter()
                .map(|&u| transformed(t.as_ref(), u, calibrator.k()))
                .collect(),
        };
        Rewards {
            raw,
            calibrated,
            reward,
        }
    }
}
