//! Tests of the filter: against transformers' warpers written plainly, by χ², at ties and at the edges.

#![expect(clippy::unwrap_used, reason = "what the tests feed in is valid")]

use proptest::prelude::*;

use super::*;
use crate::sample::Stream;

fn draw(settings: &Sampling, row: &[f32], uniform: f64) -> Result<Drawn, Unusable> {
    Filter::new(settings).draw(row, uniform, &mut Scratch::default())
}

/// Which tokens transformers' warpers keep, by their definition: full sorts.
fn warped(settings: &Sampling, row: &[f32]) -> Vec<bool> {
    let t = settings.temperature as f32;
    let mut scores: Vec<f32> = row.iter().map(|&l| l / t).collect();
    let softmax = |scores: &[f32]| -> Vec<f64> {
        let max = scores.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
        let e: Vec<f64> = scores.iter().map(|&s| f64::from(s - max).exp()).collect();
        let z: f64 = e.iter().sum();
        e.into_iter().map(|e| e / z).collect()
    };
    if settings.top_k > 0 {
        let mut sorted = scores.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let kth = sorted[settings.top_k.min(sorted.len()) - 1];
        for s in &mut scores {
            if *s < kth {
                *s = f32::NEG_INFINITY;
            }
        }
    }
    if settings.top_p < 1.0 {
        let p = softmax(&scores);
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b])); // stable, as torch.sort on a CPU
        let mut cumulative = 0.0;
        let last = order.len() - 1;
        for &i in &order[..last] {
            cumulative += p[i];
            if cumulative as f32 <= (1.0 - settings.top_p) as f32 {
                scores[i] = f32::NEG_INFINITY;
            }
        }
    }
    if settings.min_p > 0.0 {
        let p = softmax(&scores);
        let most = p.iter().fold(0.0, |a: f64, &b| a.max(b));
        for (s, p) in scores.iter_mut().zip(p) {
            // In f64 the equality of ties at the boundary would hang on the last bit.
            if (p as f32) < (settings.min_p * most) as f32 * (1.0 - 3.0 * f32::EPSILON) {
                *s = f32::NEG_INFINITY;
            }
        }
    }
    scores.iter().map(|&s| s > f32::NEG_INFINITY).collect()
}

fn kept(settings: &Sampling, row: &[f32]) -> Vec<bool> {
    let all = Filter::new(settings)
        .log_probs(row, &mut Scratch::default())
        .unwrap();
    let mass: f64 = all.iter().map(|l| f64::from(l.nats()).exp()).sum();
    assert!((mass - 1.0).abs() < 1e-5, "{mass}");
    all.iter().map(|l| l.nats() > f32::NEG_INFINITY).collect()
}

fn settings(temperature: f64, top_k: usize, top_p: f64, min_p: f64) -> Sampling {
    Sampling {
        temperature,
        top_k,
        top_p,
        min_p,
        ..Sampling::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    /// Logits on a coarse grid, so that many tie.
    #[test]
    fn the_kept_set_is_that_of_transformers(
        row in prop::collection::vec(-12_i8..12, 1..400),
        temperature in prop::sample::select(vec![0.5, 1.0, 1.7]),
        top_k in 0_usize..50,
        top_p in prop::sample::select(vec![0.05, 0.317, 0.5, 0.913, 0.9989, 1.0]),
        min_p in prop::sample::select(vec![0.0, 0.013, 0.21, 1.0]),
    ) {
        let row: Vec<f32> = row.into_iter().map(|l| f32::from(l) * 0.5).collect();
        let settings = settings(temperature, top_k, top_p, min_p);
        prop_assert_eq!(kept(&settings, &row), warped(&settings, &row));
    }

    #[test]
    fn and_without_ties(
        row in prop::collection::vec(-8.0_f32..8.0, 1..3000),
        top_k in prop::sample::select(vec![0_usize, 1, 5, 40, 400]),
        top_p in 0.01_f64..1.0,
        min_p in prop::sample::select(vec![0.0, 0.05]),
    ) {
        let settings = settings(0.8, top_k, top_p, min_p);
        prop_assert_eq!(kept(&settings, &row), warped(&settings, &row));
    }

    /// A draw has the log-probabilities that the two distributions say.
    #[test]
    fn a_draw_tells_the_truth(
        row in prop::collection::vec(-8.0_f32..8.0, 1..600),
        temperature in prop::sample::select(vec![0.0, 0.6, 1.0, 1.3]),
        top_k in prop::sample::select(vec![0_usize, 7]),
        uniform in 0.0_f64..1.0,
    ) {
        let settings = settings(temperature, top_k, 0.95, 0.0);
        let drawn = draw(&settings, &row, uniform).unwrap();
        let at = drawn.token as usize;
        let all = Filter::new(&settings).log_probs(&row, &mut Scratch::default()).unwrap();
        prop_assert_eq!(drawn.log_prob, all[at]);
        prop_assert!(drawn.log_prob.nats() > f32::NEG_INFINITY);
        let z: f64 = row.iter().map(|&l| f64::from(l).exp()).sum();
        let exact = f64::from(row[at]) - z.ln();
        prop_assert!((f64::from(drawn.untempered.nats()) - exact).abs() < 5e-6);
    }
}

#[test]
fn the_models_own_distribution_has_one_log_probability() {
    let row: Vec<f32> = (0..777).map(|i| ((i * 31) % 97) as f32 * 0.1).collect();
    for u in 0..100 {
        let drawn = draw(&Sampling::default(), &row, f64::from(u) / 100.0).unwrap();
        assert_eq!(drawn.log_prob.nats(), drawn.untempered.nats());
        let tempered = draw(&settings(0.9, 0, 1.0, 0.0), &row, f64::from(u) / 100.0).unwrap();
        assert_ne!(tempered.log_prob.nats(), tempered.untempered.nats());
    }
}

#[test]
fn greedy_is_certain_and_takes_the_first_of_equals() {
    let row = [0.0, 3.0, 1.0, 3.0];
    let drawn = draw(&settings(0.0, 0, 1.0, 0.0), &row, 0.999).unwrap();
    assert_eq!((drawn.token, drawn.log_prob), (1, SampledLogProb(0.0)));
    let z: f64 = row.iter().map(|&l: &f32| f64::from(l).exp()).sum();
    assert!((f64::from(drawn.untempered.nats()) - (3.0 - z.ln())).abs() < 1e-6);
}

#[test]
fn ties_as_transformers_has_them() {
    let row = [1.0, 0.0, 1.0, 0.0, -1.0];
    // All that tie with the k-th stay.
    assert_eq!(
        kept(&settings(1.0, 3, 1.0, 0.0), &row),
        [true, true, true, true, false]
    );
    assert_eq!(
        kept(&settings(1.0, 1, 1.0, 0.0), &row),
        [true, false, true, false, false]
    );
    // The lower ids of a tie go first: 1 − p = 0.1 is reached exactly by one of ten.
    let mut nine = [true; 10];
    nine[0] = false;
    assert_eq!(kept(&settings(1.0, 0, 0.9, 0.0), &[2.0; 10]), nine);
    assert_eq!(
        kept(&settings(1.0, 0, 1e-12, 0.0), &[2.0; 3]),
        [false, false, true]
    );
    assert_eq!(
        kept(&settings(1.0, 0, 1e-12, 0.0), &[-0.0, 0.0]),
        [false, true]
    );
    assert_eq!(
        kept(&settings(1.0, 0, 1.0, 1.0), &row),
        [true, false, true, false, false]
    );
    // Top-p sees what top-k left, renormalised: 0.5 and 0.5, of which the first goes at p = 0.5.
    assert_eq!(
        kept(&settings(1.0, 2, 0.5, 0.0), &row),
        [false, false, true, false, false]
    );
}

/// χ² of 10⁵ draws against the distribution that the filter says it draws from, in 20 tokens of which some are cut off.
#[test]
fn draws_follow_the_distribution() {
    let row: Vec<f32> = (0..20).map(|i| ((i * 7) % 11) as f32 * 0.4).collect();
    for settings in [
        settings(1.0, 0, 1.0, 0.0),
        settings(0.7, 15, 0.98, 0.02),
        settings(2.5, 0, 0.9, 0.0),
    ] {
        let filter = Filter::new(&settings);
        let mut scratch = Scratch::default();
        let expected = filter.log_probs(&row, &mut scratch).unwrap();
        let mut stream = Stream::new(11, "chi-square", 0);
        let n = 100_000;
        let mut counts = vec![0_u32; row.len()];
        for t in 0..n {
            let drawn = filter.draw(&row, stream.uniform(t), &mut scratch).unwrap();
            counts[drawn.token as usize] += 1;
        }
        let mut chi2 = 0.0;
        let mut cells = 0;
        for (&count, log_prob) in counts.iter().zip(&expected) {
            let mean = n as f64 * f64::from(log_prob.nats()).exp();
            if mean == 0.0 {
                assert_eq!(count, 0);
            } else {
                chi2 += (f64::from(count) - mean).powi(2) / mean;
                cells += 1;
            }
        }
        // The 1 − 10⁻⁴ quantile of χ² (Wilson and Hilferty).
        let d = f64::from(cells - 1);
        let c = 2.0 / (9.0 * d);
        assert!(
            chi2 < d * (1.0 - c + 3.719 * c.sqrt()).powi(3),
            "{chi2} with {d}"
        );
    }
}

#[test]
fn logits_that_are_no_distribution() {
    let inf = f32::INFINITY;
    for temperature in [0.0, 1.0, 0.5] {
        for (top_k, top_p) in [(0, 1.0), (2, 0.9), (0, 0.5)] {
            let settings = settings(temperature, top_k, top_p, 0.0);
            let wrong = |row: &[f32]| draw(&settings, row, 0.5).unwrap_err();
            assert_eq!(wrong(&[]), Unusable::Empty);
            assert_eq!(
                wrong(&[0.0, f32::NAN, 1.0]),
                Unusable::NotANumber { token: 1 }
            );
            assert_eq!(wrong(&[f32::NAN; 100]), Unusable::NotANumber { token: 0 });
            assert_eq!(wrong(&[0.0, 1.0, inf]), Unusable::Infinite { token: 2 });
            assert_eq!(wrong(&[-inf, -inf]), Unusable::Impossible);
            let one = draw(&settings, &[-inf, -1e30, -inf], 0.999).unwrap();
            assert_eq!(
                (one.token, one.log_prob.nats(), one.untempered.nats()),
                (1, 0.0, 0.0)
            );
        }
    }
}
