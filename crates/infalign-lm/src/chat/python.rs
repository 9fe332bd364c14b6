//! How Python writes values: `str(x)` where a template prints them, `json.dumps` where it asks for JSON.

use std::fmt::Write as _;

use minijinja::{Error, Output, State, Value as Jinja, value::ValueKind};
use serde_json::Value;

/// The arguments of `json.dumps`.
pub(super) struct JsonFormat {
    pub(super) ensure_ascii: bool,
    pub(super) indent: Option<usize>,
    pub(super) sort_keys: bool,
    pub(super) separators: Option<Vec<String>>,
}

/// Prints a value as `str` does; undefined ones as nothing.
pub(super) fn format(
    out: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &Jinja,
) -> Result<(), Error> {
    let text = match value.kind() {
        ValueKind::None | ValueKind::Bool | ValueKind::Number | ValueKind::Seq | ValueKind::Map => {
            match serde_json::to_value(value) {
                Ok(value) => repr(&value),
                Err(_) => return minijinja::escape_formatter(out, state, value),
            }
        }
        _ => return minijinja::escape_formatter(out, state, value),
    };
    out.write_str(&text).map_err(Error::from)
}

/// `x | trim`, which is `str(x).strip(chars)`.
pub(super) fn trim(text: &str, chars: Option<&str>) -> String {
    match chars {
        None => text.trim_matches(is_space).to_owned(),
        Some(chars) => text.trim_matches(|c| chars.contains(c)).to_owned(),
    }
}

/// Python's white space: Unicode's, and the four separators of ASCII, which Unicode leaves out.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Methods that values lack: `strip` and its kin with Python's white space, the others by minijinja.
pub(super) fn method(
    state: &mut State<'_, '_>,
    value: &Jinja,
    name: &str,
    args: &[Jinja],
) -> Result<Jinja, Error> {
    if let (Some(text), []) = (value.as_str(), args) {
        match name {
            "strip" => return Ok(text.trim_matches(is_space).into()),
            "lstrip" => return Ok(text.trim_start_matches(is_space).into()),
            "rstrip" => return Ok(text.trim_end_matches(is_space).into()),
            _ => {}
        }
    }
    minijinja_contrib::pycompat::unknown_method_callback(state, value, name, args)
}

fn repr(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => python_number(number),
        Value::String(text) => quoted(text),
        Value::Array(list) => {
            let inner: Vec<String> = list.iter().map(repr).collect();
            format!("[{}]", inner.join(", "))
        }
        Value::Object(map) => {
            let inner: Vec<String> = map
                .iter()
                .map(|(key, value)| format!("{}: {}", quoted(key), repr(value)))
                .collect();
            format!("{{{}}}", inner.join(", "))
        }
    }
}

/// `repr` of a text: single quotes unless it holds one and no double one.
fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut result = String::from(quote);
    for c in text.chars() {
        match c {
            '\\' => result.push_str("\\\\"),
            '\n' => result.push_str("\\n"),
            '\r' => result.push_str("\\r"),
            '\t' => result.push_str("\\t"),
            c if c == quote => {
                result.push('\\');
                result.push(c);
            }
            c if u32::from(c) < 0x20 || c == '\u{7f}' => {
                let _ = write!(result, "\\x{:02x}", u32::from(c)); // a string takes everything
            }
            c => result.push(c),
        }
    }
    result.push(quote);
    result
}

/// Whole numbers as they are; others with the shortest digits, in Python's exponent form outside
/// 1e−4 ≤ |x| < 1e16.
fn python_number(number: &serde_json::Number) -> String {
    let Some(x) = number.as_f64().filter(|_| number.is_f64()) else {
        return number.to_string();
    };
    if x != 0.0 && !(1e-4..1e16).contains(&x.abs()) {
        let text = format!("{x:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, size) = match exponent.strip_prefix('-') {
            Some(size) => ('-', size),
            None => ('+', exponent),
        };
        return format!("{digits}e{sign}{size:0>2}");
    }
    format!("{x:?}")
}

/// `json.dumps`.
pub(super) fn to_json(value: &Value, format: &JsonFormat) -> String {
    let own: [&str; 2] = match (&format.separators, format.indent) {
        (Some(separators), _) => match &separators[..] {
            [item, key] => [item, key],
            _ => [", ", ": "],
        },
        (None, Some(_)) => [",", ": "],
        (None, None) => [", ", ": "],
    };
    let mut out = String::new();
    dump(value, format, own, 0, &mut out);
    out
}

fn dump(value: &Value, format: &JsonFormat, separators: [&str; 2], depth: usize, out: &mut String) {
    let [item, after_key] = separators;
    let new_line = |depth: usize, out: &mut String| {
        if let Some(indent) = format.indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent * depth));
        }
    };
    match value {
        Value::Number(number) => out.push_str(&python_number(number)),
        Value::String(text) => string(text, format.ensure_ascii, out),
        Value::Array(list) if !list.is_empty() => {
            out.push('[');
            for (i, value) in list.iter().enumerate() {
                if i > 0 {
                    out.push_str(item);
                }
                new_line(depth + 1, out);
                dump(value, format, separators, depth + 1, out);
            }
            new_line(depth, out);
            out.push(']');
        }
        Value::Object(map) if !map.is_empty() => {
            let mut fields: Vec<_> = map.iter().collect();
            if format.sort_keys {
                fields.sort_by_key(|(key, _)| *key);
            }
            out.push('{');
            for (i, (key, value)) in fields.into_iter().enumerate() {
                if i > 0 {
                    out.push_str(item);
                }
                new_line(depth + 1, out);
                string(key, format.ensure_ascii, out);
                out.push_str(after_key);
                dump(value, format, separators, depth + 1, out);
            }
            new_line(depth, out);
            out.push('}');
        }
        other => out.push_str(&other.to_string()), // null, true, false, [], {}
    }
}

fn string(text: &str, ensure_ascii: bool, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if u32::from(c) < 0x20 || ensure_ascii && !c.is_ascii() => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    let _ = write!(out, "\\u{unit:04x}"); // a string takes everything
                }
            }
            c if ensure_ascii && c == '\u{7f}' => out.push_str("\\u007f"),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_texts_are_pythons() {
        let shown = |x: f64| serde_json::Number::from_f64(x).map(|n| python_number(&n));
        for (x, text) in [
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1e16, "1e+16"),
            (1.5e-7, "1.5e-07"),
            (1e15, "1000000000000000.0"),
            (-0.0001, "-0.0001"),
        ] {
            assert_eq!(shown(x).as_deref(), Some(text));
        }
        assert_eq!(quoted("it's"), "\"it's\"");
        assert_eq!(quoted("a'\"\n\u{1}"), "'a\\'\"\\n\\x01'");
    }
}
