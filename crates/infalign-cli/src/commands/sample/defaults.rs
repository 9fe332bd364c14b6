//! Settings of sampling: what was typed, else what the model's `generation_config.json` says, else the model's own distribution.
//!
//! | `generation_config.json` | taken |
//! |---|---|
//! | `temperature`, `top_k`, `top_p`, `min_p`, `max_new_tokens` | where nothing was typed, and told |
//! | `do_sample: false` | temperature 0, where none was typed |
//! | `repetition_penalty` other than 1 and the like | not applied, and told |

use infalign_lm::{Folder, sample::Sampling};
use serde_json::Value;

use crate::{
    args::Sample,
    error::{Error, Result},
    print,
};

/// Settings that change a distribution, are not known here, and the value at which they do nothing.
const UNKNOWN: [(&str, f64); 4] = [
    ("repetition_penalty", 1.0),
    ("typical_p", 1.0),
    ("no_repeat_ngram_size", 0.0),
    ("encoder_repetition_penalty", 1.0),
];

pub(super) fn settings(args: &Sample, folder: &Folder) -> Result<Sampling> {
    let given = folder.generation_config();
    let file = folder.path().join("generation_config.json");
    let mut taken = Vec::new();
    let mut number = |typed: Option<f64>, field: &str| -> Result<Option<f64>> {
        match (typed, given.get(field).filter(|v| !v.is_null())) {
            (Some(typed), _) => Ok(Some(typed)),
            (None, None) => Ok(None),
            (None, Some(value)) => {
                let found = value.as_f64().ok_or_else(|| {
                    Error::Usage(format!(
                        "{}: `{field}` is {value}, expected a number; mend it, or type the setting",
                        file.display()
                    ))
                })?;
                taken.push(format!("{field} {value}"));
                Ok(Some(found))
            }
        }
    };
    let greedy = given.get("do_sample") == Some(&Value::Bool(false));
    let base = Sampling::default();
    let temperature = match args.temperature {
        None if greedy => None,
        typed => number(typed, "temperature")?,
    };
    let count = |value: Option<f64>| value.map(|v| v.max(0.0) as usize);
    let top_k = match args.top_k {
        Some(k) => Some(k),
        None if greedy => None,
        None => count(number(None, "top_k")?),
    };
    let (top_p, min_p) = if greedy {
        (args.top_p, args.min_p)
    } else {
        (number(args.top_p, "top_p")?, number(args.min_p, "min_p")?)
    };
    let max_tokens = match args.max_tokens {
        Some(n) => Some(n),
        None => count(number(None, "max_new_tokens")?),
    };
    let greedy = greedy && args.temperature.is_none();
    if greedy {
        taken.push("do_sample false (always the likeliest token)".to_owned());
    }
    if !taken.is_empty() {
        print::note(&format!(
            "from generation_config.json: {}",
            taken.join(", ")
        ));
    }
    for (field, off) in UNKNOWN {
        if let Some(value) = given.get(field).and_then(Value::as_f64)
            && value != off
        {
            print::caveat(format!(
                "{field} {value} of generation_config.json is not applied: infalign does not know it"
            ));
        }
    }
    Ok(Sampling {
        temperature: if greedy {
            0.0
        } else {
            temperature.unwrap_or(base.temperature)
        },
        top_k: top_k.unwrap_or(base.top_k),
        top_p: top_p.unwrap_or(base.top_p),
        min_p: min_p.unwrap_or(base.min_p),
        max_tokens: max_tokens.unwrap_or(base.max_tokens),
        stop: args.stop.clone(),
        ignore_eos: args.ignore_eos,
        ..base
    })
}
