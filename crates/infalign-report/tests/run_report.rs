//! The page of a run: its words, its safety, and what it does with little or broken input.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops where its expectation fails"
)]

#[path = "fixture/design.rs"]
mod fixture;
#[path = "fixture/run.rs"]
mod runs;

use std::sync::OnceLock;

use infalign::design::Design;
use infalign_report::{Error, RunReport, SampleText, compare_report, run_report};

const REWARDS: [(&str, Option<&str>); 3] = [
    ("raw", None),
    ("identity", Some("standard")),
    ("exp:-10", Some("worst-of:4")),
];

const SMALL: runs::Setting<'static> = runs::Setting {
    prompts: 60,
    samples: 16,
    rewards: &REWARDS,
    procedures: &["standard", "worst-of:4"],
    budgets: &[0.5],
    seeds: &[1],
    missed: 0.0,
    threshold: Some(-0.5),
    duels: false,
    steps: 40,
};

fn designs() -> &'static [Design] {
    static DESIGNS: OnceLock<Vec<Design>> = OnceLock::new();
    DESIGNS.get_or_init(|| fixture::designs("worst-of:4", &[0.5]))
}

fn small() -> RunReport {
    static RUN: OnceLock<RunReport> = OnceLock::new();
    let run = RUN.get_or_init(|| {
        let mut run = runs::report(&SMALL, designs());
        run.samples.truncate(2);
        run
    });
    run.clone()
}

/// Two budgets and three seeds.
fn sweep() -> RunReport {
    static RUN: OnceLock<RunReport> = OnceLock::new();
    let run = RUN.get_or_init(|| {
        runs::report(
            &runs::Setting {
                budgets: &[0.25, 0.5],
                seeds: &[1, 2, 3],
                threshold: None,
                ..SMALL
            },
            designs(),
        )
    });
    run.clone()
}

fn page(run: &RunReport) -> String {
    run_report(run).unwrap()
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

/// What a reader reads: no style, scripts, pictures.
fn words(page: &str) -> String {
    let page = without(page, "<style>", "</style>");
    let page = without(&page, "<svg", "</svg>");
    without(&page, "<script", "</script>")
}

/// The answers in plain text.
fn answers(page: &str) -> Vec<String> {
    page.split("<p class=\"answer ")
        .skip(1)
        .map(|rest| {
            let answer = rest
                .split_once('>')
                .unwrap()
                .1
                .split_once("</p>")
                .unwrap()
                .0;
            without(answer, "<", ">")
        })
        .collect()
}

#[test]
fn structure() {
    insta::assert_snapshot!(words(&page(&small())));
}

#[test]
fn duels_and_votes_are_shown() {
    let run = runs::report(
        &runs::Setting {
            procedures: &["standard", "voting:3", "voting:5"],
            seeds: &[1, 2],
            duels: true,
            ..SMALL
        },
        designs(),
    );
    let text = page(&run);
    well_formed(&text);
    let words = words(&text);
    // One row per pair of rewards, whichever their seeds; what was not made for any procedure comes as it was asked.
    let (_, duels) = words.split_once("<h2 id=\"duels\">").unwrap();
    let (duels, _) = duels.split_once("<h2").unwrap();
    assert_eq!(duels.matches("<tr><th scope=\"row\">").count(), 3 * 3);
    let pair = "<code>exp:-10</code> against <code>raw</code>";
    assert_eq!(duels.matches(pair).count(), 3);
    let mean = |right: &str, procedure: &str| {
        let duels = run.evaluation.duels.iter();
        let met: Vec<f64> = duels
            .filter(|d| d.left.starts_with("exp:-10") && d.right.starts_with(right))
            .filter(|d| d.judge == "proxy" && d.procedure == procedure)
            .map(|d| d.win_rate.mean)
            .collect();
        met.iter().sum::<f64>() / met.len() as f64
    };
    let standard = format!("{:.1}%", 100.0 * mean("raw", "standard"));
    let (_, row) = duels
        .split_once("Deployed with <code>standard</code>")
        .unwrap();
    let (_, row) = row.split_once(pair).unwrap();
    assert!(
        row.starts_with(&format!("</th><td class=\"off\">{standard} ")),
        "{row}"
    );
    assert!(text.contains("Deployed with voting:N"));
    assert!(words.contains("<details open>\n<summary><strong>Deployed with <code>voting:5</code>"));
}

#[test]
fn verdicts_on_texts_are_shown() {
    let mut run = small();
    let policy = run.evaluation.policies[0].name.clone();
    let best = "best-of:2".parse().unwrap();
    let outcomes = infalign::evaluation::Outcomes {
        wins: 2,
        losses: 0,
        ties: 1,
        inconsistent: 1,
        unparsed: 2,
    };
    let shares = [
        vec![Some(1.0), Some(1.0)],
        vec![Some(0.5), Some(0.5)],
        vec![None, None],
    ];
    let named = (policy.as_str(), &best, "judge:http://h#<m>");
    let found = infalign::evaluation::Pairwise::new(named, &shares, outcomes).unwrap();
    assert!(!page(&run).contains("id=\"pairwise\""));
    run.evaluation.pairwise = vec![found];
    let text = page(&run);
    well_formed(&text);
    let words = words(&text);
    let (_, table) = words.split_once("<h2 id=\"pairwise\">").unwrap();
    let (table, _) = table.split_once("<h2").unwrap();
    assert_eq!(table.matches("<tr><th scope=\"row\">").count(), 1);
    let cells = "<td>6</td><td>1</td><td>1</td><td>2</td><td>1</td></tr>";
    assert!(table.contains(cells), "{table}");
    assert!(
        table.contains("<td>75.0% ") && table.contains("judge:http://h#&"),
        "{table}"
    );
}

#[test]
fn what_was_designed_for_comes_first_and_plain_sampling_last() {
    let text = page(&small());
    let at = |title: &str| text.find(title).unwrap();
    for place in ["Deployed with worst-of:4", "Deployed with <code>worst-of:4"] {
        assert!(
            at(place) < at(&place.replace("worst-of:4", "standard")),
            "{place}"
        );
    }
}

#[test]
fn comparison() {
    let (one, many) = (small(), sweep());
    let page = compare_report(&[("one", &one), ("many", &many)]).unwrap();
    insta::assert_snapshot!(words(&page));
    assert_eq!(
        page,
        compare_report(&[("one", &one), ("many", &many)]).unwrap()
    );
    well_formed(&page);
    let error = compare_report(&[("one", &one)]).unwrap_err();
    assert!(matches!(error, Error::Empty { .. }), "{error}");
}

/// The page as XML, which HTML is once its void elements and bare attributes are written out.
fn well_formed(page: &str) {
    let scriptless = without(page, "<script", "</script>");
    let mut xml = without(&scriptless, "<style>", "</style>").replace("<!doctype html>", "");
    for bare in [" hidden", " open"] {
        xml = xml.replace(&format!("{bare}>"), &format!("{bare}=\"\">"));
    }
    let mut closed = String::new();
    let mut rest = &*xml;
    while let Some(at) = ["<meta", "<input"]
        .iter()
        .filter_map(|tag| rest.find(tag))
        .min()
    {
        let end = at + rest[at..].find('>').unwrap();
        closed.push_str(&rest[..end]);
        closed.push_str("/>");
        rest = &rest[end + 1..];
    }
    closed.push_str(rest);
    let tree = roxmltree::Document::parse(&closed).unwrap();
    // Links within the page lead somewhere; ids are unique.
    let mut ids: Vec<&str> = tree
        .descendants()
        .filter_map(|node| node.attribute("id"))
        .collect();
    for link in tree.descendants().filter_map(|node| node.attribute("href")) {
        if let Some(id) = link.strip_prefix('#') {
            assert!(ids.contains(&id), "nothing has the id {id}");
        }
    }
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all);
    // Rows of a table are as wide as its head, so that sorting finds its column.
    for table in tree.descendants().filter(|node| node.has_tag_name("table")) {
        let width = |row: roxmltree::Node<'_, '_>| -> usize {
            row.children()
                .filter(roxmltree::Node::is_element)
                .map(|cell| {
                    cell.attribute("colspan")
                        .map_or(1, |span| span.parse().unwrap())
                })
                .sum()
        };
        let widths: Vec<usize> = table
            .descendants()
            .filter(|node| node.has_tag_name("tr"))
            .map(width)
            .collect();
        assert!(widths.iter().all(|other| *other == widths[0]), "{widths:?}");
    }
    for picture in tree
        .descendants()
        .filter(|node| node.attribute("role") == Some("img"))
    {
        let title = picture
            .children()
            .find(|node| node.has_tag_name("title"))
            .unwrap();
        assert!(title.text().is_some_and(|text| text.len() > 20));
    }
}

#[test]
fn pages_are_well_formed() {
    well_formed(&page(&small()));
    well_formed(&page(&sweep()));
}

#[test]
fn the_answer_says_what_was_measured() {
    let run = small();
    let page = page(&run);
    let found = answers(&page);
    assert_eq!(found.len(), 1, "{found:?}");
    let won = run.evaluation.policies[2]
        .win_rates
        .iter()
        .find(|rate| rate.procedure == "worst-of:4" && rate.judge == "proxy")
        .unwrap();
    let over = |right: &str| {
        let comparison = run.evaluation.comparisons.iter().find(|c| {
            (&*c.left, &*c.right) == ("exp:-10", right)
                && c.procedure == "worst-of:4"
                && c.judge == "proxy"
        });
        let e = comparison.unwrap().difference;
        format!(
            "{:.1} points ({:.1}–{:.1}) more than",
            100.0 * e.mean,
            100.0 * e.low,
            100.0 * e.high
        )
    };
    let wanted = format!(
        "Under worst-of:4 at KL 0.50, the policy trained on exp:-10 beats the base in {:.1}% of comparisons (95% interval {:.1}–{:.1}), {} plain RLHF on the raw reward and {} calibration alone.",
        100.0 * won.win_rate.mean,
        100.0 * won.win_rate.low,
        100.0 * won.win_rate.high,
        over("raw"),
        over("identity")
    );
    assert!(found[0].contains(&wanted), "{}\n{wanted}", found[0]);
    assert!(page.contains("<p class=\"answer yes\">"));
}

#[test]
fn an_advantage_that_is_not_there_is_said_plainly() {
    let run = runs::report(
        &runs::Setting {
            missed: 1.0,
            ..SMALL
        },
        &[],
    );
    let text = page(&run);
    assert!(text.contains("<p class=\"answer open\">"));
    let found = answers(&text);
    let wanted = "At this size and with one seed it does not show an advantage over plain RLHF on the raw reward: ";
    assert!(found[0].contains(wanted), "{}", found[0]);
    // Swapped rewards: a loss, said as such.
    let mut swapped = small();
    for policy in &mut swapped.evaluation.policies {
        policy.reward = match &*policy.reward {
            "raw" => "exp:-10".to_owned(),
            "exp:-10" => "raw".to_owned(),
            other => other.to_owned(),
        };
        policy.designed_for = (policy.reward == "exp:-10").then(|| "worst-of:4".to_owned());
    }
    let text = page(&swapped);
    assert!(text.contains("<p class=\"answer no\">"));
    assert!(answers(&text)[0].contains("less than plain RLHF on the raw reward"));
}

#[test]
fn seeds_are_summed_up() {
    let page = page(&sweep());
    // Six arms of three seeds, in the table of each of two procedures.
    assert_eq!(page.matches("(3 seeds)").count(), 12);
    let pictures: Vec<&str> = page.split("<div class=\"panel\">").skip(1).collect();
    // A mark for each arm and for each of its seeds, by name in the values of the pointer.
    let (_, values) = pictures[1].split_once("application/json\">").unwrap();
    let (values, _) = values.split_once("</script>").unwrap();
    assert_eq!(values.matches("\"exp:-10 at KL 0.25\"").count(), 4);
    assert_eq!(answers(&page).len(), 2);
    assert!(page.contains("over prompts and seeds"));
}

#[test]
fn several_n_make_a_curve_and_two_do_not() {
    let run = runs::report(
        &runs::Setting {
            procedures: &["standard", "worst-of:4", "worst-of:2", "best-of:2"],
            ..SMALL
        },
        &[],
    );
    let text = page(&run);
    well_formed(&text);
    let (_, section) = text.split_once("id=\"draws\"").unwrap();
    let (section, _) = section.split_once("<h2").unwrap();
    assert_eq!(section.matches("<div class=\"panel\">").count(), 1);
    // Three policies at N = 1, 2, 4, as curves and as marks, in the order of N.
    assert_eq!(section.matches("N = 4\\n").count(), 6);
    let first = section.find("N = 1\\n").unwrap();
    assert!(first < section.find("N = 2\\n").unwrap());
    assert!(!page(&small()).contains("id=\"draws\""));
}

#[test]
fn unequal_kl_is_not_hidden() {
    let mut run = small();
    for policy in &mut run.evaluation.policies {
        if policy.reward == "raw"
            && let Some(kl) = &mut policy.kl
            && let Some(exact) = &mut kl.rao_blackwell
        {
            exact.mean = 0.7;
        }
    }
    let page = page(&run);
    assert!(page.contains("<strong>Not at equal KL</strong>: this policy spent 0.50 nats, plain RLHF on the raw reward 0.70"));
    assert!(page.contains("0.700 nats of KL where 0.5 were asked for"));
}

#[test]
fn only_a_sure_best_is_marked() {
    let marked = |run: &RunReport| page(run).matches("edge best\">").count();
    let mut run = small();
    assert!(marked(&run) > 0);
    for comparison in &mut run.evaluation.comparisons {
        (comparison.difference.low, comparison.difference.high) = (-1.0, 1.0);
    }
    assert_eq!(marked(&run), 0);
    run.evaluation.comparisons.clear();
    assert_eq!(marked(&run), 0);
    assert!(page(&run).contains("were not compared prompt by prompt"));
}

#[test]
fn nothing_is_loaded_and_bytes_repeat() {
    let text = page(&small());
    for (at, _) in text.match_indices("http") {
        let rest = &text[at..];
        let allowed = rest.starts_with("http://www.w3.org/2000/svg")
            || rest.starts_with("https://arxiv.org/abs/2412.19792")
            || rest.starts_with("http-equiv");
        assert!(allowed, "{}", &rest[..rest.len().min(60)]);
    }
    assert_eq!(text, page(&small()));
    let again: RunReport = serde_json::from_str(&serde_json::to_string(&small()).unwrap()).unwrap();
    assert_eq!(text, page(&again));
}

#[test]
fn hostile_texts_stay_text() {
    let hostile = "</script><script>alert(1)</script><img src=x onerror=\"alert(1)\">'&\u{1}";
    let mut run = small();
    run.title = hostile.to_owned();
    run.question = hostile.to_owned();
    run.reproduce = vec![
        (hostile.to_owned(), hostile.to_owned()),
        (hostile.to_owned(), format!("{hostile}\n{hostile}")),
    ];
    let base = run.evaluation.base.clone();
    run.evaluation.base = hostile.to_owned();
    for set in &mut run.samples {
        set.prompt = hostile.to_owned();
        set.prompt_id = hostile.to_owned();
        for response in &mut set.responses {
            response.text = format!("{hostile}{}", response.text);
            response.policy = response.policy.replace(&base, hostile);
        }
    }
    let renamed = |name: &mut String| *name = format!("{hostile}{name}");
    let evaluation = &mut run.evaluation;
    for judge in &mut evaluation.judges {
        renamed(&mut judge.name);
    }
    evaluation.procedures.iter_mut().for_each(renamed);
    for comparison in &mut evaluation.comparisons {
        renamed(&mut comparison.judge);
        renamed(&mut comparison.procedure);
        renamed(&mut comparison.left);
        renamed(&mut comparison.right);
    }
    for attack in &mut evaluation.base_behaviour.attacks {
        renamed(&mut attack.judge);
    }
    for policy in &mut evaluation.policies {
        renamed(&mut policy.name);
        renamed(&mut policy.reward);
        for rate in &mut policy.win_rates {
            renamed(&mut rate.judge);
            renamed(&mut rate.procedure);
        }
        for gap in &mut policy.gap {
            renamed(&mut gap.procedure);
        }
        for attack in &mut policy.behaviour.attacks {
            renamed(&mut attack.judge);
        }
    }
    for curve in &mut run.curves {
        renamed(&mut curve.policy);
        let values = vec![0.0; curve.step.len()];
        curve.series.insert(hostile.to_owned(), values);
    }
    if let Some(diagnostics) = &mut run.evaluation.diagnostics {
        for needed in &mut diagnostics.needed_k {
            renamed(&mut needed.transform);
            renamed(&mut needed.procedure);
        }
    }
    run.evaluation.warnings = vec![infalign::Warning::PromptsLeftOut {
        count: 1,
        why: hostile.to_owned(),
    }];
    let text = page(&run);
    // Values for the pointer, and the page's own script.
    let values = text.matches("<script type=\"application/json\">").count();
    assert_eq!(text.matches("<script").count(), values + 1);
    assert!(!text.contains("<img"));
    assert!(text.contains("&lt;img") || text.contains("&#60;img"));
    let compared = compare_report(&[(hostile, &run), ("other", &small())]).unwrap();
    assert!(!compared.contains("<img") && !compared.contains("<script>alert"));
}

#[test]
fn little_input_is_shown() {
    let mut one = small();
    one.designs.clear();
    one.curves.clear();
    one.samples.clear();
    one.reproduce.clear();
    let evaluation = &mut one.evaluation;
    evaluation.policies.truncate(1);
    evaluation.comparisons.clear();
    evaluation.diagnostics = None;
    evaluation.judges.truncate(1);
    evaluation.base_behaviour.attacks.clear();
    let policy = &mut evaluation.policies[0];
    policy.kl = None;
    policy.kl_efficiency = None;
    policy.kl_budget = None;
    policy.seed = None;
    policy.gap.clear();
    for rate in &mut policy.win_rates {
        rate.win_rate.low = f64::NEG_INFINITY;
        rate.win_rate.high = f64::INFINITY;
        rate.win_rate.standard_error = f64::INFINITY;
        rate.predicted = None;
        rate.predicted_at_measured_kl = None;
        rate.optimum = None;
    }
    policy.law.standard_error.fill(f64::INFINITY);
    policy.law.expected = None;
    policy.law.target = None;
    let text = page(&one);
    well_formed(&text);
    assert!(text.contains("no claim to test"));
    assert!(!words(&text).contains("NaN") && !words(&text).contains("inf<"));
    assert!(!text.contains("id=\"samples\"") && !text.contains("id=\"training\""));
    assert!(text.contains("Only the training reward judges"));
}

#[test]
fn broken_input_is_an_error() {
    let broken = |change: fn(&mut RunReport)| {
        let mut run = small();
        change(&mut run);
        run_report(&run).unwrap_err()
    };
    let error = broken(|run| run.evaluation.policies.clear());
    assert!(
        matches!(
            error,
            Error::Empty {
                name: "policies",
                ..
            }
        ),
        "{error}"
    );
    let error = broken(|run| run.evaluation.judges.clear());
    assert!(
        matches!(error, Error::Empty { name: "judges", .. }),
        "{error}"
    );
    let error = broken(|run| run.evaluation.procedures.clear());
    assert!(
        matches!(
            error,
            Error::Empty {
                name: "procedures",
                ..
            }
        ),
        "{error}"
    );
    let error = broken(|run| run.evaluation.policies[1].win_rates[0].win_rate.mean = f64::NAN);
    assert_eq!(
        error.to_string(),
        "win_rate.mean of identity is NaN: only finite numbers can be drawn"
    );
    let error = broken(|run| {
        run.evaluation.policies[0]
            .win_rates
            .retain(|r| r.judge != "gold");
    });
    assert!(matches!(error, Error::MissingJudge { .. }), "{error}");
    let error = broken(|run| {
        let _ = run.evaluation.policies[0].law.density.pop();
    });
    assert!(matches!(error, Error::Lengths { .. }), "{error}");
    let error = broken(|run| run.curves[0].step.truncate(3));
    assert_eq!(
        error.to_string(),
        "beta of raw has 40 values where 3 belong"
    );
    // A metric that diverges is no reason to have no page: its values are left out.
    let mut run = small();
    for values in run.curves[0].series.values_mut() {
        values.fill(f64::NAN);
    }
    assert!(!words(&page(&run)).contains("NaN"));
}

#[test]
fn a_large_sweep_stays_small() {
    let mut run = sweep();
    let policies = run.evaluation.policies.clone();
    let (curves, samples) = (run.curves.clone(), run.samples.clone());
    for copy in 4..8_u64 {
        run.evaluation
            .policies
            .extend(policies.iter().map(|policy| {
                let mut policy = policy.clone();
                let seed = policy.seed.unwrap_or(0);
                policy.name = policy
                    .name
                    .replace(&format!("seed{seed}"), &format!("seed{}", seed + 3 * copy));
                policy.seed = Some(seed + 3 * copy);
                policy
            }));
        run.curves.extend(curves.iter().map(|curve| {
            let mut curve = curve.clone();
            let (stem, seed) = curve.policy.split_once("seed").unwrap();
            curve.policy = format!("{stem}seed{}", seed.parse::<u64>().unwrap() + 3 * copy);
            // A long run.
            curve.step = (0..5_000).collect();
            for values in curve.series.values_mut() {
                *values = (0..5_000).map(f64::from).collect();
            }
            curve
        }));
    }
    for i in 0..400 {
        let mut set = samples[i % samples.len()].clone();
        set.responses.extend((0..4).map(|_| SampleText {
            policy: "raw@0.25/seed1".to_owned(),
            text: "A long answer, as careless rewards like them. ".repeat(60),
            raw: 1.0,
            quantile: None,
        }));
        run.samples.push(set);
    }
    let text = page(&run);
    assert!(text.len() < 3_000_000, "{} bytes", text.len());
    assert!(text.contains("left out, to keep this page small"));
}

#[test]
fn samples_of_unknown_policies_make_no_claim_of_training() {
    let mut run = small();
    run.designs.clear();
    run.curves.clear();
    run.evaluation.diagnostics = None;
    for judge in &mut run.evaluation.judges {
        judge.training = false;
    }
    for (number, policy) in run.evaluation.policies.iter_mut().enumerate() {
        policy.reward = format!("policy {number}");
        policy.designed_for = None;
        policy.seed = None;
        policy.kl_budget = None;
        policy.beta = None;
        policy.kl = None;
        policy.kl_efficiency = None;
        policy.kl_efficiency_ceiling = None;
        policy.gap.clear();
    }
    let page = run_report(&run).unwrap();
    for absent in [
        "trained on)",
        "never saw",
        "Advantage",
        "training seed",
        "KL(π‖p) spent",
    ] {
        assert!(!page.contains(absent), "{absent}");
    }
    for there in [
        "there is no claim to test",
        "quantile KL, nats",
        "Jailbreak view",
    ] {
        assert!(page.contains(there), "{there}");
    }
}
