//! `infalign design --levels`: rewards with few values.

use serde_json::Value;

use super::folder::Folder;

fn json(flags: &str) -> Value {
    let line = format!("design {flags} --format json");
    serde_json::from_str(&Folder::new().run(&line).done().stdout).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

/// The chance of a correct answer, from the chance to win against the base with P(wrong) = `wrong`: a tie wins half.
fn pass_rate(row: &Value, wrong: f64) -> f64 {
    2.0 * number(&row["standard_win_rate"]) - wrong
}

#[test]
fn two_levels_and_best_of_n_is_training_for_pass_at_n() {
    // A correct answer is worth ½ N(1−q)^{N−1} more than a wrong one at the optimum, q being its chance there.
    let (wrong, beta) = (0.7, 0.3);
    for n in [1, 4, 16] {
        let answer = json(&format!(
            "--procedure best-of:{n} --beta {beta} --levels {wrong},0.3"
        ));
        let q = pass_rate(&answer["optimum"], wrong);
        let worth = 0.5 * f64::from(n) * (1.0 - q).powi(n - 1);
        let log_odds = |q: f64| (q / (1.0 - q)).ln();
        let moved = log_odds(q) - log_odds(1.0 - wrong);
        assert!(
            (moved - worth / beta).abs() < 1e-8,
            "N {n}: {moved} against {}",
            worth / beta
        );
        // pass@N of the policy against that of the base.
        let pass = |q: f64| 1.0 - (1.0 - q).powi(n);
        let win_rate = 0.5 + 0.5 * (pass(q) - pass(1.0 - wrong));
        assert!((number(&answer["optimum"]["win_rate"]) - win_rate).abs() < 1e-10);
    }
}

#[test]
fn on_two_levels_every_transform_gives_the_same_policy() {
    let answer = json("--procedure best-of:4 --kl 0.5 --levels 0.7,0.3");
    let optimum = number(&answer["optimum"]["win_rate"]);
    let rows = answer["transforms"].as_array().unwrap();
    assert!(rows.len() > 4);
    for row in rows {
        assert!((number(&row["win_rate"]) - optimum).abs() < 1e-10, "{row}");
    }
    assert_eq!(answer["recommended"]["transform"], "identity");
}

#[test]
fn more_levels_tell_transforms_apart() {
    let answer = json("--procedure best-of:8 --kl 0.5 --levels 0.4,0.3,0.2,0.07,0.03");
    let optimum = number(&answer["optimum"]["win_rate"]);
    assert!(number(&answer["optimum"]["certificate"]["gap"]) < 1e-8);
    let rows = answer["transforms"].as_array().unwrap();
    let of = |name: &str| {
        let row = rows.iter().find(|r| r["transform"] == name).unwrap();
        number(&row["win_rate"])
    };
    assert!(of("identity") + 0.005 < optimum && of("log") + 0.005 < optimum);
    assert!(
        rows.iter()
            .all(|r| number(&r["win_rate"]) < optimum + 1e-10)
    );
}

#[test]
fn a_budget_beyond_the_best_level_is_remarked_on_once() {
    let line = "design --procedure best-of:8 --kl 5 --levels 0.7,0.3";
    let ran = Folder::new().run(line).done();
    assert_eq!(
        ran.stderr.matches("cannot spend 5 nats").count(),
        1,
        "{}",
        ran.stderr
    );
}

#[test]
fn masses_that_are_none() {
    for (levels, says) in [
        ("0.5,0.4", "level masses sum to 0.9: they must sum to 1"),
        ("0.5,-0.5,1", "level masses[1] = -0.5"),
        ("nan,1", "level masses[0] = NaN"),
        ("0.5,inf", "level masses[1] = inf"),
        ("0,1", "level masses[0] = 0"),
        ("0.5,half", "'half'"),
        ("1", "a KL of 0.5 nats is out of reach"),
    ] {
        let line = format!("design --procedure best-of:4 --kl 0.5 --levels {levels}");
        Folder::new().run(&line).refused(2, &[says]);
    }
    let line = "design --procedure best-of:4 --kl 0.5 --levels 0.5,0.5 --calibration a.jsonl";
    Folder::new()
        .run(line)
        .refused(2, &["--levels", "--calibration"]);
}
