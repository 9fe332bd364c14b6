//! From a raw reward to what the trainer is given: Ĉ, then Φ of it; and how Φ is changed while the service runs.

use std::{
    str::FromStr,
    sync::{Arc, PoisonError, RwLock},
};

use infalign::{
    Deployment, Procedure, ProcedureSpec, Transform, TransformSpec,
    calibration::{RankRule, calibrate_sorted},
    optimum::Solver,
    transform,
};

use crate::fault::Fault;

/// The form without a Φ, as it is typed.
const RAW: &str = "raw";

/// A reward in three forms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Shaped {
    pub(crate) raw: f32,
    pub(crate) calibrated: f64,
    pub(crate) transformed: f64,
}

/// What is applied to every reward.
#[derive(Debug)]
pub(crate) struct Phi {
    /// Φ; `None` hands raw rewards on as they are, for trainers of ordinary RLHF.
    pub(crate) transform: Option<Arc<dyn Transform>>,
    pub(crate) procedure: Option<Arc<dyn Procedure>>,
    /// The budget in nats, where `optimal` was solved for one.
    pub(crate) kl: Option<f64>,
}

impl Phi {
    /// Φ(Ĉ) of a raw reward among a prompt's rewards, which are ascending and at least one.
    pub(crate) fn shape(&self, row: &[f32], raw: f32, rule: RankRule) -> Shaped {
        let calibrated = calibrate_sorted(row, raw, rule);
        Shaped {
            raw,
            calibrated,
            transformed: match &self.transform {
                Some(phi) => transform::reward(phi.as_ref(), calibrated, row.len()),
                None => raw.into(),
            },
        }
    }

    /// Its text; `raw` without a Φ.
    pub(crate) fn text(&self) -> String {
        match &self.transform {
            Some(phi) => phi.to_string(),
            None => RAW.to_owned(),
        }
    }

    /// From texts of a client, none of which may name a file. Takes seconds where an optimum has to be solved.
    pub(crate) fn parse(
        transform: &str,
        procedure: Option<&str>,
        kl: Option<f64>,
    ) -> Result<Self, Fault> {
        let wrong = |error: infalign::Error| Fault::malformed(error.to_string());
        let file = "a file cannot be named over HTTP: start the service with it";
        let procedure = match procedure.map(ProcedureSpec::from_str).transpose() {
            Ok(Some(ProcedureSpec::Cdf(_))) => return Err(Fault::malformed(file)),
            Ok(Some(ProcedureSpec::Ready(procedure))) => Some(procedure),
            Ok(None) => None,
            Err(error) => return Err(wrong(error)),
        };
        let spec = match transform {
            RAW => None,
            text => Some(TransformSpec::from_str(text).map_err(wrong)?),
        };
        let transform = match spec {
            None => None,
            Some(TransformSpec::Ready(transform)) => Some(transform),
            Some(TransformSpec::Table(_)) => return Err(Fault::malformed(file)),
            Some(TransformSpec::Optimal) => {
                let (Some(solved_for), Some(kl)) = (&procedure, kl) else {
                    return Err(Fault::malformed(
                        "`optimal` is solved for a procedure and a budget: give `procedure` and `kl` too",
                    ));
                };
                let deployment = Deployment::new(Arc::clone(solved_for), &[]);
                let optimum = Solver::new(deployment).at_kl(kl).map_err(wrong)?;
                return Ok(Self {
                    transform: Some(Arc::new(optimum.transform)),
                    procedure,
                    kl: Some(kl),
                });
            }
        };
        if kl.is_some() {
            return Err(Fault::malformed(
                "`kl` goes with the transform `optimal` alone: leave it out",
            ));
        }
        Ok(Self {
            transform,
            procedure,
            kl: None,
        })
    }
}

/// The Φ of now.
#[derive(Debug)]
pub(crate) struct Shaping {
    now: RwLock<Arc<Phi>>,
    pub(crate) rule: RankRule,
}

impl Shaping {
    pub(crate) fn new(phi: Phi, rule: RankRule) -> Self {
        let now = RwLock::new(Arc::new(phi));
        Self { now, rule }
    }

    pub(crate) fn now(&self) -> Arc<Phi> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn change(&self, phi: Phi) {
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(phi);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    #[test]
    fn the_mathematics_is_that_of_the_library() {
        let row = [1.0, 2.0, 2.0, 4.0];
        let phi = Phi::parse("log", Some("best-of:4"), None).unwrap();
        let shaped = phi.shape(&row, 2.0, RankRule::MidRank);
        assert_eq!((shaped.calibrated, shaped.transformed), (0.5, 0.5f64.ln()));
        // An unbounded Φ is clamped half a step from the ends.
        assert_eq!(
            phi.shape(&row, 0.0, RankRule::MidRank).transformed,
            0.125f64.ln()
        );
    }

    #[test]
    fn no_file_is_named_over_http() {
        for (transform, procedure, kl, part) in [
            ("table:/etc/passwd", None, None, "over HTTP"),
            ("log", Some("cdf:../x"), None, "over HTTP"),
            ("expp:1", None, None, "did you mean"),
            ("log", None, Some(1.0), "`optimal` alone"),
            ("raw", None, Some(1.0), "`optimal` alone"),
            (
                "optimal",
                Some("best-of:4"),
                None,
                "give `procedure` and `kl`",
            ),
            ("optimal", Some("best-of:4"), Some(-1.0), "KL = -1"),
        ] {
            let fault = Phi::parse(transform, procedure, kl).unwrap_err();
            assert!(fault.message.contains(part), "{}", fault.message);
            assert!(!fault.message.contains("passwd"), "{}", fault.message);
        }
        let optimal = Phi::parse("optimal", Some("best-of:4"), Some(0.5)).unwrap();
        assert_eq!(
            (optimal.text().as_str(), optimal.kl),
            ("optimal", Some(0.5))
        );
    }
}
