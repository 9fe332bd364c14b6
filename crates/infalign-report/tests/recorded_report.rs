//! The report: its structure, its safety, and what it does with little or broken input.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops where its expectation fails"
)]

#[path = "fixture/design.rs"]
mod fixture;
#[path = "fixture/recorded.rs"]
mod rollouts;

use std::sync::OnceLock;

use infalign::{design::Design, recorded::Recorded};
use infalign_report::{Error, Meta, recorded_plot, recorded_report};

fn designs() -> &'static [Design] {
    static DESIGNS: OnceLock<Vec<Design>> = OnceLock::new();
    DESIGNS.get_or_init(|| {
        let mut designs = fixture::designs("best-of:4", &[0.1, 1.0]);
        designs.extend(fixture::designs("worst-of:4", &[0.1, 1.0]));
        designs
    })
}

fn recorded() -> Recorded {
    rollouts::recorded(designs(), &["proxy", "gold"])
}

fn meta() -> Meta {
    Meta {
        title: "Rollouts of a fixture".to_owned(),
        entries: vec![
            (
                "command".to_owned(),
                "infalign run --rollouts rollouts.parquet".to_owned(),
            ),
            (
                "sha256 of rollouts.parquet".to_owned(),
                "0123456789abcdef".to_owned(),
            ),
        ],
    }
}

fn report(recorded: &Recorded) -> String {
    recorded_report(recorded, designs(), &meta()).unwrap()
}

/// The page without what is between `from` and `to`.
fn without(page: &str, from: &str, to: &str) -> String {
    let mut rest = page;
    let mut kept = String::new();
    while let Some((before, after)) = rest.split_once(from) {
        kept.push_str(before);
        rest = after.split_once(to).unwrap().1;
    }
    kept + rest
}

#[test]
fn structure() {
    let mut small = recorded();
    small.measurements.retain(|row| {
        row.procedure == "best-of:4" && ["optimal", "raw", "exp:10"].contains(&&*row.transform)
    });
    let page = report(&small);
    let page = without(&page, "<style>", "</style>");
    let page = without(&page, "<svg", "</svg>");
    insta::assert_snapshot!(without(&page, "<script", "</script>"));
}

#[test]
fn two_judges_share_their_axes_and_one_needs_no_second_panel() {
    let page = report(&recorded());
    assert_eq!(page.matches("<div class=\"panel\">").count(), 4);
    // The ticks of the two panels of a procedure are the same.
    let ticks: Vec<Vec<String>> = page
        .split("<div class=\"panel\">")
        .skip(1)
        .map(|panel| {
            let svg = &panel[..panel.find("</svg>").unwrap() + 6];
            let xml = roxmltree::Document::parse(svg).unwrap();
            xml.descendants()
                .filter(|node| node.has_tag_name("text"))
                .filter_map(|node| node.text().map(|text| text.trim().to_owned()))
                .filter(|text| text.parse::<f64>().is_ok())
                .collect()
        })
        .collect();
    assert!(ticks[0].len() > 6);
    assert_eq!(ticks[0], ticks[1]);
    assert_eq!(ticks[2], ticks[3]);
    let one = recorded_report(
        &rollouts::recorded(designs(), &["reward"]),
        designs(),
        &meta(),
    );
    let one = one.unwrap();
    assert_eq!(one.matches("<div class=\"panel\">").count(), 2);
    assert!(!one.contains("hollow mark"));
}

#[test]
fn the_best_row_by_the_gold_judge_is_marked() {
    let recorded = recorded();
    let page = report(&recorded);
    assert_eq!(page.matches("<tr class=\"best\">").count(), 4);
    let first = recorded
        .measurements
        .iter()
        .filter(|row| row.procedure == "best-of:4" && row.kl_budget == 0.1);
    let best = first
        .max_by(|a, b| {
            a.judged[1]
                .win_rate
                .mean
                .total_cmp(&b.judged[1].win_rate.mean)
        })
        .unwrap();
    let marked = page.split("<tr class=\"best\">").nth(1).unwrap();
    assert!(marked.starts_with(&format!("<td title=\"{}\">", best.transform)));
}

#[test]
fn the_first_picture_stands_alone() {
    let recorded = recorded();
    let svg = recorded_plot(&recorded, designs(), "worst-of:4").unwrap();
    let xml = roxmltree::Document::parse(&svg).unwrap();
    let texts: Vec<&str> = xml
        .descendants()
        .filter(|node| node.has_tag_name("text"))
        .filter_map(|node| node.text().map(str::trim))
        .collect();
    for wanted in ["By proxy (trained on)", "By gold", "optimum", "raw"] {
        assert!(texts.contains(&wanted), "{wanted} is not there: {texts:?}");
    }
    assert_eq!(
        svg,
        recorded_plot(&recorded, designs(), "worst-of:4").unwrap()
    );
    let error = recorded_plot(&recorded, designs(), "order:2/3").unwrap_err();
    assert!(matches!(error, Error::Empty { .. }), "{error}");
}

#[test]
fn nothing_is_loaded_and_bytes_repeat() {
    let page = report(&recorded());
    for (at, _) in page.match_indices("http") {
        let rest = &page[at..];
        let allowed = rest.starts_with("http://www.w3.org/2000/svg")
            || rest.starts_with("https://arxiv.org/abs/2412.19792")
            || rest.starts_with("http-equiv");
        assert!(allowed, "{}", &rest[..rest.len().min(60)]);
    }
    assert_eq!(page, report(&recorded()));
}

#[test]
fn hostile_names_stay_text() {
    let hostile = "</script><script>alert(1)</script><img src=x onerror=\"alert(1)\">'&\u{1}";
    let mut recorded = recorded();
    let scripts = report(&recorded).matches("<script").count();
    for row in &mut recorded.measurements {
        if row.transform == "exp:10" {
            row.transform = hostile.to_owned();
        }
        if row.procedure == "best-of:4" {
            row.procedure = hostile.to_owned();
        }
        for judged in &mut row.judged {
            judged.reward = format!("{hostile}{}", judged.reward);
        }
    }
    for judge in &mut recorded.judges {
        *judge = format!("{hostile}{judge}");
    }
    recorded.training_reward = format!("{hostile}{}", recorded.training_reward);
    recorded.warnings = vec![infalign::Warning::PromptsLeftOut {
        count: 1,
        why: hostile.to_owned(),
    }];
    let meta = Meta {
        title: hostile.to_owned(),
        entries: vec![(hostile.to_owned(), hostile.to_owned())],
    };
    let page = recorded_report(&recorded, designs(), &meta).unwrap();
    assert_eq!(page.matches("<script").count(), scripts);
    assert!(!page.contains("<img"));
    assert!(page.contains("&lt;img"));
}

#[test]
fn little_input_is_shown() {
    // One measurement, of one prompt (no interval), at no KL, without a design.
    let mut one = recorded();
    one.measurements.truncate(1);
    let row = &mut one.measurements[0];
    (row.kl_budget, row.kl.mean) = (0.0, 0.0);
    for judged in &mut row.judged {
        judged.win_rate.low = f64::NEG_INFINITY;
        judged.win_rate.high = f64::INFINITY;
        judged.win_rate.standard_error = f64::INFINITY;
        judged.win_rate.prompts = 1;
    }
    let page = recorded_report(&one, &[], &Meta::default()).unwrap();
    assert!(page.contains("no interval from one prompt"));
    assert!(!page.contains("NaN") && !page.contains(">inf"));
    assert!(!page.contains("Lines: the frontier"));
}

/// Two prompts give an interval far beyond \[0, 1\] (Student's t of one degree of freedom).
#[test]
fn wide_intervals_stay_in_the_frame() {
    let mut two = recorded();
    for judged in two.measurements.iter_mut().flat_map(|row| &mut row.judged) {
        (judged.win_rate.low, judged.win_rate.high) = (-3.0, 4.4);
    }
    let page = report(&two);
    let svg = &page[page.find("<svg xmlns").unwrap()..];
    let xml = roxmltree::Document::parse(&svg[..svg.find("</svg>").unwrap() + 6]).unwrap();
    for line in xml
        .descendants()
        .filter(|node| node.has_tag_name("polyline"))
    {
        for place in line.attribute("points").unwrap().split_whitespace() {
            let y: f64 = place.split_once(',').unwrap().1.parse().unwrap();
            assert!((600.0..=3440.0).contains(&y), "{place}");
        }
    }
}

#[test]
fn broken_input_is_an_error() {
    let mut none = recorded();
    none.measurements.clear();
    let error = recorded_report(&none, designs(), &meta()).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Empty {
                name: "measurements",
                ..
            }
        ),
        "{error}"
    );
    let mut nobody = recorded();
    nobody.judges.clear();
    let error = recorded_report(&nobody, designs(), &meta()).unwrap_err();
    assert!(
        matches!(error, Error::Empty { name: "judges", .. }),
        "{error}"
    );
    let mut missing = recorded();
    missing.measurements[3].judged.pop();
    let error = recorded_report(&missing, designs(), &meta()).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("has no win rate by `gold`, which `judges` lists")
    );
    let mut nan = recorded();
    nan.measurements[2].judged[1].win_rate.mean = f64::NAN;
    let error = recorded_report(&nan, designs(), &meta()).unwrap_err();
    assert!(
        matches!(
            error,
            Error::NotFinite {
                name: "win_rate.mean",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn many_procedures_stay_small() {
    let mut recorded = recorded();
    let mut all = designs().to_vec();
    for n in 5..11 {
        for design in designs() {
            let procedure = design.procedure.replace('4', &n.to_string());
            all.push(Design {
                procedure,
                ..design.clone()
            });
        }
        let again = recorded
            .measurements
            .iter()
            .filter(|row| row.procedure.ends_with(":4"));
        let again: Vec<_> = again
            .map(|row| {
                let mut row = row.clone();
                row.procedure = row.procedure.replace('4', &n.to_string());
                row
            })
            .collect();
        recorded.measurements.extend(again);
    }
    let page = recorded_report(&recorded, &all, &meta()).unwrap();
    assert_eq!(page.matches("<div class=\"panel\">").count(), 28);
    assert!(page.len() < 3 << 20, "{} bytes", page.len());
}
