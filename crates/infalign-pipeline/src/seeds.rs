//! Seeds of a run's parts: functions of the run's seed and the part's name, so that no two parts share draws.

use infalign_data::Fingerprint;

/// The seed of a part.
pub(crate) fn seed(run: u64, part: &str) -> u64 {
    let hex = Fingerprint::new()
        .bytes("seed", &run.to_le_bytes())
        .bytes("part", part.as_bytes())
        .hex();
    // 16 hexadecimal digits of SHA-256 are 64 bits.
    u64::from_str_radix(hex.get(..16).unwrap_or("0"), 16).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::seed;

    #[test]
    fn parts_and_runs_have_seeds_of_their_own() {
        assert_eq!(seed(1, "a"), seed(1, "a"));
        assert_ne!(seed(1, "a"), seed(1, "b"));
        assert_ne!(seed(1, "a"), seed(2, "a"));
    }
}
