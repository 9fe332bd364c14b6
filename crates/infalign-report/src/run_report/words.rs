//! Figures of a run in words: intervals beside their means, names as code.

use infalign::estimate::Estimate;

use crate::{figures::points, html::escape};

/// A name as code.
pub(crate) fn code(name: &str) -> String {
    format!("<code>{}</code>", escape(name))
}

/// Whether both ends are known.
pub(crate) fn bounded(estimate: &Estimate) -> bool {
    estimate.low.is_finite() && estimate.high.is_finite()
}

/// `+4.1 points (+2.9 to +5.3)`.
pub(crate) fn points_with_interval(difference: &Estimate) -> String {
    format!("{} points ({})", points(difference.mean), span(difference))
}

/// `+2.9 to +5.3`, of a difference of win rates in points.
fn span(difference: &Estimate) -> String {
    if bounded(difference) {
        format!("{} to {}", points(difference.low), points(difference.high))
    } else {
        "no interval from one prompt".to_owned()
    }
}

/// A KL in nats with three decimals.
pub(crate) fn kl(value: f64) -> String {
    format!("{value:.3}").replace('-', "−")
}

/// `0.503 ± 0.012`: the greater half of the 95% interval.
pub(crate) fn plus_minus(estimate: &Estimate, decimals: usize) -> String {
    let mean = format!("{:.decimals$}", estimate.mean).replace('-', "−");
    if bounded(estimate) {
        let half = (estimate.high - estimate.mean).max(estimate.mean - estimate.low);
        format!("{mean} <small>± {half:.decimals$}</small>")
    } else {
        mean
    }
}

/// A cell of a table for something that is not known.
pub(crate) fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "–".to_owned())
}

/// `one seed` or `5 seeds`.
pub(crate) fn counted(count: usize, one: &str, many: &str) -> String {
    if count == 1 {
        format!("1 {one}")
    } else {
        format!("{count} {many}")
    }
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
