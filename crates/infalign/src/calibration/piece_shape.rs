//! What a compressed calibration does between two anchors.

use core::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::named;
use crate::{Error, Result};

/// The shape of a piece between two anchors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PieceShape {
    /// The middle of the scores between the two anchors.
    Step,
    /// The score is linear in the reward.
    #[default]
    Linear,
    /// The logarithm of the score is linear in the reward.
    LogLinear,
}

impl PieceShape {
    /// Every shape.
    pub const ALL: [Self; 3] = [Self::Step, Self::Linear, Self::LogLinear];

    const fn name(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Linear => "linear",
            Self::LogLinear => "log-linear",
        }
    }
}

impl fmt::Display for PieceShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for PieceShape {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        named::find(
            "interpolation",
            &Self::ALL.map(|shape| (shape.name(), shape)),
            text,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for shape in PieceShape::ALL {
            assert_eq!(shape.to_string().parse(), Ok(shape));
        }
        assert!(matches!(
            "cubic".parse::<PieceShape>(),
            Err(Error::Unknown { nearest: None, .. })
        ));
    }
}
