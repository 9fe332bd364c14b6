//! Win rate against KL for every transform and the optimum: the curves of the frontier plot.

use std::sync::Arc;

use super::{Point, Question, rows::win_rate};
use crate::{
    Error, Result, deployment::Deployment, numeric::grid::Grid, optimum::Solver, tilted::Family,
    transform::Transform,
};

/// KLs of a curve: 96 from 10⁻³ to 4 nats, evenly in log KL.
const KLS: usize = 96;
const LOWEST: f64 = 1e-3;
const HIGHEST: f64 = 4.0;

/// The KLs of every curve, in nats.
#[must_use]
pub(super) fn kls() -> Vec<f64> {
    kls_to(HIGHEST)
}

/// The KLs of curves that end at `highest` nats, or at 4 where that is less.
#[must_use]
pub(super) fn kls_to(highest: f64) -> Vec<f64> {
    let highest = highest.min(HIGHEST);
    let lowest = LOWEST.min(0.01 * highest);
    let ratio = (highest / lowest).ln() / (KLS - 1) as f64;
    (0..KLS)
        .map(|i| lowest * (ratio * i as f64).exp())
        .collect()
}

/// All points: the optimum first, then the transforms in their order. A curve ends at the largest KL that its transform can spend.
pub(super) fn points(
    question: &Question,
    solver: &mut Solver,
    transforms: &[Arc<dyn Transform>],
) -> Result<Vec<Point>> {
    let mut points = Vec::with_capacity((transforms.len() + 2) * KLS);
    *solver = solver.clone().with_starts(1);
    for kl in kls() {
        let optimum = solver.at_kl(kl)?;
        points.push(Point {
            transform: "optimum".to_owned(),
            beta: Some(optimum.beta),
            kl: optimum.kl,
            win_rate: optimum.win_rate,
            standard_win_rate: optimum.standard_win_rate,
        });
    }
    let curves: Vec<&Arc<dyn Transform>> = transforms
        .iter()
        .filter(|t| t.to_string() != "optimal")
        .collect();
    for curve in in_parallel(&curves, question.threads, |t| curve(solver.deployment(), t)) {
        points.extend(curve?);
    }
    if let Some(raw) = &question.raw {
        let raw = raw.under(&question.procedure)?;
        for kl in kls() {
            match raw.at_kl(kl) {
                Ok(at) => points.push(Point {
                    transform: "raw".to_owned(),
                    beta: Some(at.beta),
                    kl: at.kl,
                    win_rate: at.win_rate,
                    standard_win_rate: at.standard_win_rate,
                }),
                Err(Error::KlUnreachable { .. }) => break,
                Err(other) => return Err(other),
            }
        }
    }
    Ok(points)
}

/// `work` on every item over at most `threads` threads; results in the order of the items, so that they do not depend on the threads.
pub(super) fn in_parallel<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let share = items.len().div_ceil(threads.max(1)).max(1);
    if share >= items.len() {
        return items.iter().map(work).collect();
    }
    std::thread::scope(|scope| {
        let work = &work;
        let workers: Vec<_> = items
            .chunks(share)
            .map(|chunk| scope.spawn(move || chunk.iter().map(work).collect::<Vec<R>>()))
            .collect();
        let joined = workers.into_iter().map(|w| {
            w.join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        joined.flatten().collect()
    })
}

/// One transform over all KLs, each β from the one before.
fn curve(deployment: &Deployment, transform: &Arc<dyn Transform>) -> Result<Vec<Point>> {
    let bounded = transform.bounds().1.is_finite() && transform.breakpoints().is_empty();
    let grid = if bounded {
        Arc::clone(deployment.grid())
    } else {
        let mut edges = transform.breakpoints().to_vec();
        edges.extend_from_slice(deployment.procedure().anchors());
        Arc::new(if bounded {
            Grid::new(&edges)
        } else {
            Grid::wide(&edges)
        })
    };
    let mut on_own = Deployment::on_grid(Arc::clone(deployment.procedure()), Arc::clone(&grid));
    let mut family = Family::new(Arc::clone(transform), grid);
    let mut points = Vec::with_capacity(KLS);
    let mut guess: Option<f64> = None;
    for kl in kls() {
        let (beta, law) = match family.at_kl(kl, guess) {
            Err(Error::KlUnreachable { .. }) => break,
            other => other?,
        };
        if !std::ptr::eq(law.grid().as_ref(), on_own.grid().as_ref()) {
            on_own =
                Deployment::on_grid(Arc::clone(deployment.procedure()), Arc::clone(law.grid()));
        }
        // Along a curve KL falls about as β⁻²: the next KL's β is foreseen.
        guess = Some(match (points.last(), guess) {
            (
                Some(Point {
                    beta: Some(last), ..
                }),
                Some(_),
            ) => beta * (beta / last).min(1.0),
            _ => beta,
        });
        points.push(Point {
            transform: transform.to_string(),
            beta: Some(beta),
            kl: law.kl(),
            win_rate: win_rate(&on_own, &law),
            standard_win_rate: law.standard_win_rate(),
        });
    }
    Ok(points)
}
