//! Numbers out of replies: each text's own, finite, and in the texts' order. A fault is told in words that follow "the reply".

use serde_json::Value;

/// A finite number of 32 bits.
pub(super) fn number(value: &Value) -> Result<f32, String> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "rewards are f32; what is beyond is caught below"
    )]
    let found = value.as_f64().map(|v| v as f32);
    found
        .filter(|v| v.is_finite())
        .ok_or_else(|| format!("has {} where a finite number belongs", short(value)))
}

/// The only number of a list; `more` says what a list of several means.
pub(super) fn alone(list: &Value, more: &str) -> Result<f32, String> {
    match list.as_array().map(Vec::as_slice) {
        Some([one]) if one.is_array() => {
            Err(format!("has lists within the list of one text; {more}"))
        }
        Some([one]) => number(one),
        Some(several) => Err(format!(
            "has {} numbers for one text; {more}",
            several.len()
        )),
        None => Err(format!(
            "has {} where a list of one number belongs",
            short(list)
        )),
    }
}

/// The list under a key, with one entry for each of `n` texts.
pub(super) fn under<'a>(reply: &'a Value, key: &str, n: usize) -> Result<&'a [Value], String> {
    let list = reply.get(key).and_then(Value::as_array);
    let list = list.ok_or_else(|| format!("has no list `{key}`: {}", short(reply)))?;
    counted(list, n)
}

/// A reply that is a list, with one entry for each of `n` texts.
pub(super) fn listed(reply: &Value, n: usize) -> Result<&[Value], String> {
    let list = reply.as_array();
    let list = list.ok_or_else(|| format!("is no list: {}", short(reply)))?;
    counted(list, n)
}

fn counted(list: &[Value], n: usize) -> Result<&[Value], String> {
    if list.len() == n {
        return Ok(list);
    }
    Err(format!("holds {} values for {n} texts", list.len()))
}

/// Entries that name their texts by `index`, put in the texts' order.
pub(super) fn indexed(
    entries: &[Value],
    read: impl Fn(&Value) -> Result<f32, String>,
) -> Result<Vec<f32>, String> {
    let mut values = vec![None; entries.len()];
    for entry in entries {
        let index = entry
            .get("index")
            .ok_or_else(|| format!("has an entry with no `index`: {}", short(entry)))?;
        let place = index
            .as_u64()
            .and_then(|i| values.get_mut(usize::try_from(i).ok()?))
            .ok_or_else(|| format!("has index {} for {} texts", short(index), entries.len()))?;
        if place.replace(read(entry)?).is_some() {
            return Err(format!(
                "is no answer to each text: index {} stands twice",
                short(index)
            ));
        }
    }
    // As many entries as places, each place once: none is empty.
    Ok(values.into_iter().flatten().collect())
}

/// A value without its texts, which may be the prompt's: messages say it.
pub(super) fn short(value: &Value) -> String {
    match value {
        // `NaN` and the like are worth telling.
        Value::String(text) if text.parse::<f64>().is_ok() => format!("the text \"{text}\""),
        Value::String(_) => "a text".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(fields) => {
            let names: Vec<String> = fields.keys().take(6).map(|k| format!("`{k}`")).collect();
            format!("an object of {}", names.join(", "))
        }
        other => other.to_string(),
    }
}
