//! Numbers in words: percentages, nats, prices and intervals, the same everywhere.

use infalign::estimate::Estimate;

/// A win rate as percent with one decimal.
pub(crate) fn percent(rate: f64) -> String {
    format!("{:.1}%", 100.0 * rate)
}

/// A difference of win rates in percentage points, signed.
pub(crate) fn points(difference: f64) -> String {
    let points = 100.0 * difference;
    // Rounded first, so that −0.04 does not read "−0.0".
    let tenths = (points * 10.0).round() / 10.0;
    match tenths {
        t if t > 0.0 => format!("+{t:.1}"),
        t if t < 0.0 => format!("−{:.1}", -t),
        _ => "0.0".to_owned(),
    }
}

/// An interval of win rates as `82.1–85.9`; `None` where an end is unknown (a single prompt).
pub(crate) fn interval(rate: &Estimate) -> Option<String> {
    (rate.low.is_finite() && rate.high.is_finite())
        .then(|| format!("{:.1}–{:.1}", 100.0 * rate.low, 100.0 * rate.high))
}

/// A win rate with its interval, in a sentence.
pub(crate) fn with_interval(rate: &Estimate) -> String {
    match interval(rate) {
        Some(interval) => format!("{} (95% interval {interval})", percent(rate.mean)),
        None => format!("{} (no interval from one prompt)", percent(rate.mean)),
    }
}

/// A KL budget as it would be typed.
pub(crate) fn nats(kl: f64) -> String {
    // Below a millionth of the smallest budget there is: rounding, not KL.
    if kl.abs() < 1e-12 {
        "0".to_owned()
    } else {
        significant(kl, 3)
    }
}

/// A KL with its unit.
pub(crate) fn in_nats(kl: f64) -> String {
    let number = nats(kl);
    if number == "1" {
        "1 nat".to_owned()
    } else {
        format!("{number} nats")
    }
}

/// A positive number to so many significant digits, without trailing zeros.
pub(crate) fn significant(value: f64, digits: i32) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    let magnitude = value.abs().log10().floor() as i32;
    if !(-3..6).contains(&magnitude) {
        let mantissa = (digits - 1).max(0) as usize;
        return format!("{value:.mantissa$e}");
    }
    let decimals = (digits - 1 - magnitude).max(0) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(percent(0.8401), "84.0%");
        assert_eq!(points(0.0123), "+1.2");
        assert_eq!(points(-0.0123), "−1.2");
        assert_eq!(points(-0.0004), "0.0");
        assert_eq!(nats(0.5), "0.5");
        assert_eq!(nats(2.0), "2");
        assert_eq!(nats(100.0), "100");
        assert_eq!(nats(0.0), "0");
        assert_eq!(nats(9.9e-32), "0");
        assert_eq!(significant(0.012_345, 3), "0.0123");
        assert_eq!(significant(1234.5, 3), "1234");
        assert_eq!(significant(0.000_958_5, 3), "9.59e-4");
        assert_eq!(significant(1.5e-9, 3), "1.50e-9");
        assert_eq!(in_nats(1.0), "1 nat");
        assert_eq!(in_nats(0.1), "0.1 nats");
    }
}
