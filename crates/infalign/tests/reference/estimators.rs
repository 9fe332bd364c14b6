//! Estimators from samples against the enumeration of all subsets.

use infalign::estimate::{OrderLaw, selected_reward, win_rate};

use super::{Largest, record::REFERENCE};

fn law(text: &str, m: usize) -> OrderLaw {
    let (kind, parameters) = text.split_once(':').unwrap();
    let number = |text: &str| text.parse().unwrap();
    match kind {
        "best-of" => OrderLaw::best_of(number(parameters), m),
        "worst-of" => OrderLaw::worst_of(number(parameters), m),
        "order" => {
            let (j, n) = parameters.split_once('/').unwrap();
            OrderLaw::order(number(j), number(n), m)
        }
        other => panic!("{other} has no estimator in the reference"),
    }
    .unwrap()
}

#[test]
fn win_rates_and_selected_rewards_are_the_averages_over_subsets() {
    let mut rate = Largest::new("win rate", 1e-14);
    let mut mean = Largest::new("mean selected reward", 1e-13);
    for want in &REFERENCE.estimators {
        let (of_a, of_b) = (
            law(&want.procedure, want.a.len()),
            law(&want.procedure, want.b.len()),
        );
        let at = format!("{} of {:?} and {:?}", want.procedure, want.a, want.b);
        let got = win_rate(&want.a, &of_a, &want.b, &of_b).unwrap();
        rate.insert(got, want.win_rate, &at);
        mean.insert(
            selected_reward(&want.a, &of_a).unwrap(),
            want.mean_of_a,
            &at,
        );
    }
    rate.finish();
    mean.finish();
}
