//! `infalign design`: its text, its JSON, its pictures.

use serde_json::Value;

use super::folder::Folder;

/// The text without the size of the certificate's gap, which differs between machines in its last digits.
fn without_gap(text: &str) -> String {
    let (before, rest) = text.split_once("by more than ").unwrap();
    let (gap, after) = rest.split_once(" in win rate").unwrap();
    assert!(gap.parse::<f64>().unwrap() < 1e-8, "{gap}");
    format!("{before}by more than [gap] in win rate{after}")
}

#[test]
fn tables_of_best_and_worst_of_four() {
    for procedure in ["best-of:4", "worst-of:4"] {
        let line = format!("design --procedure {procedure} --kl 0.5 --k 100");
        let ran = Folder::new().run(&line).done();
        let name = format!("design-{}", procedure.replace(':', "-"));
        insta::assert_snapshot!(name, without_gap(&ran.stdout));
    }
}

fn json(line: &str) -> Value {
    serde_json::from_str(&Folder::new().run(line).done().stdout).unwrap()
}

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

fn close(value: &Value, want: f64) {
    let got = value.as_f64().unwrap();
    assert!((got - want).abs() < 0.5e-4, "{got} against {want}");
}

#[test]
fn json_has_the_documented_shape() {
    let answer = json("design --procedure best-of:4 --kl 0.5 --k 100 --format json");
    assert_eq!(
        keys(&answer),
        [
            "procedure",
            "kl",
            "k",
            "transforms",
            "optimum",
            "base_procedure",
            "recommended",
            "warnings"
        ]
    );
    assert_eq!(answer["procedure"], "best-of:4");
    assert_eq!(answer["k"], 100);
    let rows = answer["transforms"].as_array().unwrap();
    for row in rows {
        assert_eq!(
            keys(row),
            [
                "transform",
                "beta",
                "kl",
                "win_rate",
                "standard_win_rate",
                "share_of_optimum",
                "at_k"
            ]
        );
    }
    let row = |name: &str| rows.iter().find(|r| r["transform"] == name).unwrap();
    close(&row("identity")["win_rate"], 0.7998);
    close(&row("exp:10")["win_rate"], 0.8715);
    close(&row("log")["standard_win_rate"], 0.7682);
    for name in ["exp:2.5", "exp:5", "exp:20"] {
        close(&row(name)["kl"], 0.5);
    }
    let optimum = &answer["optimum"];
    close(&optimum["win_rate"], 0.8733);
    close(&optimum["beta"], 0.2166);
    assert!(optimum["certificate"]["gap"].as_f64().unwrap() < 1e-8);
    close(&answer["base_procedure"]["win_rate"], 0.8);
    let recommended = answer["recommended"]["transform"].as_str().unwrap();
    assert!(rows.iter().any(|r| r["transform"] == recommended));
}

#[test]
fn a_frontier_has_sixty_budgets_and_more_for_every_transform() {
    let answer = json(
        "design --procedure worst-of:4 --kl 0.5 --transforms identity,exp:-10 --frontier --format json",
    );
    let points = answer["points"].as_array().unwrap();
    for name in ["identity", "exp:-10", "optimum"] {
        let kls: Vec<f64> = points
            .iter()
            .filter(|p| p["transform"] == name)
            .map(|p| p["kl"].as_f64().unwrap())
            .collect();
        assert!(kls.len() >= 60, "{name}: {}", kls.len());
        assert!(kls.is_sorted() && kls[0] < 1.001e-3 && *kls.last().unwrap() > 3.99);
    }
}

#[test]
fn pictures_are_of_the_kind_that_their_name_says() {
    let folder = Folder::new();
    for (name, begins) in [
        ("a.html", b"<!DOCTYPE html>".as_slice()),
        ("a.svg", b"<svg"),
        ("a.png", b"\x89PNG\r\n"),
    ] {
        let line =
            format!("design --procedure best-of:4 --kl 0.5 --transforms exp:10 --plot {name}");
        let ran = folder.run(&line).done();
        assert!(
            ran.stderr.contains(&format!("wrote {name}")),
            "{}",
            ran.stderr
        );
        let bytes = std::fs::read(folder.path(name)).unwrap();
        assert!(
            bytes
                .to_ascii_lowercase()
                .starts_with(&begins.to_ascii_lowercase()),
            "{name}"
        );
    }
}

#[test]
fn threads_do_not_change_a_byte() {
    let line = "design --procedure best-of:4 --kl 0.5 --frontier --format json --threads";
    let one = Folder::new().run(&format!("{line} 1")).done().stdout;
    assert!(one == Folder::new().run(&format!("{line} 3")).done().stdout);
}
