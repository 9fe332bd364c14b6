//! Where the climb begins: tilts towards either end, and the alternation at a fixed KL.

use std::sync::Arc;

use super::newton::moved;
use crate::{
    Quantile,
    deployment::Deployment,
    law::Law,
    numeric::grid::Grid,
    procedure::Shape,
    tilted::tilt_to_kl,
    transform::{Exp, Identity, Log, Transform},
};

/// How many starting policies there are.
pub(super) const ALL: usize = 6;

/// Starting policies, the likeliest first: a tilt by u, strong tilts that clear the bottom or reach for the top, best-of-N of the
/// base, and the procedure applied to the base.
pub(super) fn laws(deployment: &Deployment) -> impl Iterator<Item = Law> + use<'_> {
    let tilt = |transform: Arc<dyn Transform>, beta: f64| {
        let nodes = deployment.grid().nodes();
        let tilt: Vec<f64> = nodes.iter().map(|&u| transform.gap(u) / beta).collect();
        Law::from_log_tilt(Arc::clone(deployment.grid()), &tilt)
    };
    let exp = |t: f64| Exp::new(t).ok().map(|e| Arc::new(e) as Arc<dyn Transform>);
    let steps: [Box<dyn Fn() -> Option<Law>>; ALL] = [
        Box::new(move || Some(tilt(Arc::new(Identity), 0.3))),
        Box::new(move || exp(-10.0).map(|e| tilt(e, 0.1))),
        Box::new(move || exp(10.0).map(|e| tilt(e, 0.1))),
        Box::new(move || Some(tilt(Arc::new(Log), 0.3))),
        Box::new(move || exp(-40.0).map(|e| tilt(e, 0.01))),
        Box::new(|| Some(deployment.base_law())),
    ];
    steps.into_iter().filter_map(|step| step())
}

/// A few steps of alternation at a fixed KL (Φ from f, then f from Φ at the β that spends the budget), averaged in log density
/// where W falls. For convex W each step is the best response to a lower bound of W, so W never falls; in general it is only
/// a good place to begin. Returns the β of the last response.
pub(super) fn approach(deployment: &Deployment, law: &Law, kl: f64) -> (f64, Law) {
    let rounds = if deployment.shape() == Shape::Concave {
        4
    } else {
        12
    };
    let scale = (kl / law.kl().max(1e-12)).sqrt();
    let scaled: Vec<f64> = law.log_density().iter().map(|y| y * scale).collect();
    let (_, mut law, _) = tilt_to_kl(law.grid(), &scaled, 0.0, kl, Some(1.0));
    let mut win_rate = deployment.win_rate(&law);
    let mut beta = 1.0;
    let mut guess = None;
    for _ in 0..rounds {
        let phi = deployment.gradient(&law);
        let (b, response, miss) = tilt_to_kl(deployment.grid(), &phi, 0.0, kl, guess);
        if miss > 1e-6 {
            break;
        }
        beta = b;
        guess = Some(b);
        let direction: Vec<f64> = response
            .log_density()
            .iter()
            .zip(law.log_density())
            .map(|(r, y)| r - y)
            .collect();
        let mut step = 1.0;
        let mut moved_to = None;
        while step > 0.05 {
            let candidate = moved(&law, &direction, step);
            let w = deployment.win_rate(&candidate);
            if w > win_rate {
                moved_to = Some((candidate, w));
                break;
            }
            step *= 0.5;
        }
        let Some((candidate, w)) = moved_to else {
            break;
        };
        let settled = w - win_rate < 1e-9;
        (law, win_rate) = (candidate, w);
        if settled {
            break;
        }
    }
    (beta, law)
}

/// A law carried to another grid.
pub(super) fn on_grid(law: &Law, grid: &Arc<Grid>) -> Law {
    let at = |&u: &Quantile| law.grid().interpolate(law.log_density(), u);
    let tilt: Vec<f64> = grid.nodes().iter().map(at).collect();
    Law::from_log_tilt(Arc::clone(grid), &tilt)
}
