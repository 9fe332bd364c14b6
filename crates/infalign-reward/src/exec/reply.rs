//! A line of a program's output as a reward.

use serde_json::Value;

/// Why a line gives no reward.
#[derive(Debug, PartialEq)]
pub(super) enum Fault {
    /// It gives what is no finite number.
    NotFinite(String),
    /// It is no reply; said as a predicate.
    Said(String),
}

/// The reward that `line` gives to request `id`.
pub(super) fn reward(line: &str, id: u64) -> Result<f32, Fault> {
    let line = line.trim();
    if is_no_number(line) {
        return Err(Fault::NotFinite(line.to_owned()));
    }
    let said = |what: &str| Fault::Said(format!("is `{}`; {what}", shortened(line)));
    const SHAPE: &str = "expected {\"reward\": x} or a number, and logs on standard error";
    let value: Value = match serde_json::from_str(line) {
        Ok(value) => value,
        // What json.dumps of Python writes for them.
        Err(_) if line.starts_with('{') && (line.contains("NaN") || line.contains("Infinity")) => {
            return Err(Fault::NotFinite(shortened(line)));
        }
        Err(_) => return Err(said(SHAPE)),
    };
    let number = match &value {
        Value::Object(fields) => {
            if let Some(echoed) = fields.get("id")
                && echoed.as_u64() != Some(id)
                && echoed.as_str() != Some(&id.to_string())
            {
                return Err(said(&format!(
                    "expected id {id}: replies must come in the order of the requests"
                )));
            }
            fields.get("reward").ok_or_else(|| said(SHAPE))?
        }
        other => other,
    };
    match number {
        Value::Null => Err(Fault::NotFinite("null".to_owned())),
        Value::String(text) if is_no_number(text.trim()) => Err(Fault::NotFinite(text.clone())),
        number => {
            let number = number.as_f64().ok_or_else(|| said(SHAPE))?;
            let reward = number as f32;
            if reward.is_finite() {
                Ok(reward)
            } else {
                Err(Fault::NotFinite(number.to_string()))
            }
        }
    }
}

fn is_no_number(text: &str) -> bool {
    const WORDS: [&str; 6] = ["nan", "inf", "infinity", "none", "null", "nil"];
    let bare = text.trim_start_matches(['+', '-']);
    WORDS.iter().any(|w| bare.eq_ignore_ascii_case(w))
}

/// The beginning of a line, for messages.
pub(super) fn shortened(line: &str) -> String {
    const SHOWN: usize = 80;
    let mut text: String = line.trim().chars().take(SHOWN).collect();
    if line.trim().chars().count() > SHOWN {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies() {
        for line in [
            "0.5",
            " 0.5\r",
            "{\"reward\": 0.5}",
            "{\"id\": 7, \"reward\": 0.5, \"log\": []}",
            "{\"id\": \"7\", \"reward\": 5e-1}",
        ] {
            assert_eq!(reward(line, 7), Ok(0.5), "{line}");
        }
        for line in [
            "nan",
            "-Infinity",
            "None",
            "null",
            "{\"reward\": null}",
            "{\"reward\": NaN}",
            "{\"reward\": \"nan\"}",
            "1e39",
        ] {
            assert!(
                matches!(reward(line, 7), Err(Fault::NotFinite(_))),
                "{line}"
            );
        }
        for line in [
            "",
            "loading…",
            "[1]",
            "true",
            "\"0.5\"",
            "{}",
            "{\"score\": 1}",
            "{\"reward\": \"0.5\"}",
            "{\"id\": 8, \"reward\": 1}",
            "{\"id\": null, \"reward\": 1}",
            "1 2",
            "{\"reward\": 1",
        ] {
            assert!(matches!(reward(line, 7), Err(Fault::Said(_))), "{line}");
        }
    }
}
