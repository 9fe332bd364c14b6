//! The page of the JSON shapes: one table of field paths per result type, from its JSON Schema.

use anyhow::{Context, Result, bail};
use infalign::{design::Design, evaluation::Evaluation, recorded::Recorded};
use schemars::{Schema, schema_for};
use serde_json::{Map, Value};

use super::{NOTICE, cell};

/// The schema files, by their names.
pub(super) fn schemas() -> [(&'static str, Schema); 3] {
    [
        ("design.schema.json", schema_for!(Design)),
        ("recorded.schema.json", schema_for!(Recorded)),
        ("evaluation.schema.json", schema_for!(Evaluation)),
    ]
}

/// The whole page.
pub(super) fn page() -> Result<String> {
    let mut page = format!(
        "{NOTICE}\n\n# JSON shapes\n\nThe JSON that the program prints with `--format json`, and \
         writes into result files. The shapes are stable: fields are added, never renamed or \
         removed, within a major version. A field marked *optional* may be absent; `null` \
         appears only where the type says so.\n"
    );
    for ((file, schema), (title, introduction)) in schemas().into_iter().zip([
        (
            "`infalign design --format json`",
            "The answer of `infalign design`.",
        ),
        (
            "`results.json` of `infalign run --rollouts`",
            "What a run on recorded rollouts found.",
        ),
        (
            "`results.json` of `infalign evaluate`",
            "How policies fare under procedures, by judges, beside the theory.",
        ),
    ]) {
        page.push_str(&format!(
            "\n## {title}\n\n{introduction} JSON Schema: [{file}]({file}).\n\n\
             | field | type | meaning |\n|---|---|---|\n"
        ));
        for row in rows(schema.as_value())? {
            page.push_str(&row);
        }
    }
    Ok(page)
}

/// One table row per field, parents before children, in the order of the Rust type.
fn rows(schema: &Value) -> Result<Vec<String>> {
    let definitions = schema
        .get("$defs")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    let mut rows = Vec::new();
    fields(schema, "", &definitions, &mut rows)?;
    Ok(rows)
}

/// Appends the rows of the fields of an object schema, under the path `parent`.
fn fields(
    object: &Value,
    parent: &str,
    definitions: &Map<String, Value>,
    rows: &mut Vec<String>,
) -> Result<()> {
    let Some(properties) = object.get("properties").and_then(Value::as_object) else {
        return Ok(());
    };
    let required: Vec<_> = object
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    for (name, property) in properties {
        let path = format!("{parent}{name}");
        let shape = Shape::of(property, definitions)
            .with_context(|| format!("the JSON Schema of field `{path}`"))?;
        let optional = if required.contains(&name.as_str()) {
            ""
        } else {
            ", optional"
        };
        let meaning = property
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or_default();
        rows.push(format!(
            "| `{path}` | {}{optional} | {} |\n",
            shape.name,
            cell(&in_json(meaning))
        ));
        if let Some(object) = shape.object {
            fields(
                object,
                &format!("{path}{}.", shape.suffix),
                definitions,
                rows,
            )?;
        }
    }
    Ok(())
}

/// Rust's word for "nothing" as the reader of JSON sees it.
fn in_json(meaning: &str) -> String {
    meaning.replace("`None`", "`null`")
}

/// A field's type in words, and the object inside it whose fields are listed below it.
struct Shape<'a> {
    name: String,
    /// `[]` where the object is an element of a list.
    suffix: &'static str,
    object: Option<&'a Value>,
}

impl<'a> Shape<'a> {
    fn of(schema: &'a Value, definitions: &'a Map<String, Value>) -> Result<Self> {
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let name = reference.trim_start_matches("#/$defs/");
            if name == "Warning" {
                return Ok(Self::plain("[warning](warnings.md)"));
            }
            let object = definitions.get(name).context("a reference to nothing")?;
            if object.get("properties").is_none() {
                return Self::of(object, definitions);
            }
            return Ok(Self {
                name: "object".to_owned(),
                suffix: "",
                object: Some(object),
            });
        }
        if let Some(alternatives) = schema.get("anyOf").and_then(Value::as_array) {
            let mut kept = alternatives
                .iter()
                .filter(|schema| schema.get("type").and_then(Value::as_str) != Some("null"));
            let (Some(one), None) = (kept.next(), kept.next()) else {
                bail!("only `T or null` is supported: {schema}");
            };
            let inner = Self::of(one, definitions)?;
            return Ok(Self {
                name: format!("{} or null", inner.name),
                ..inner
            });
        }
        if let Some(words) = schema.get("oneOf").and_then(Value::as_array) {
            let word = |w: &Value| {
                w.get("const")
                    .and_then(Value::as_str)
                    .map(|w| format!("`{w}`"))
            };
            let words: Option<Vec<String>> = words.iter().map(word).collect();
            let words = words.with_context(|| format!("a choice of more than words: {schema}"))?;
            return Ok(Self::plain(&words.join(" or ")));
        }
        match schema.get("type") {
            Some(Value::String(kind)) if kind == "array" => {
                let items = schema.get("items").context("a list without element type")?;
                let inner = Self::of(items, definitions)?;
                Ok(Self {
                    name: format!("list of {}", inner.name),
                    suffix: "[]",
                    ..inner
                })
            }
            Some(Value::String(kind)) => Ok(Self::plain(kind)),
            Some(Value::Array(kinds)) => {
                let kinds: Vec<_> = kinds.iter().filter_map(Value::as_str).collect();
                Ok(Self::plain(&kinds.join(" or ")))
            }
            _ => bail!("no type: {schema}"),
        }
    }

    fn plain(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            suffix: "",
            object: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_lists_and_optional_objects_are_flattened() -> Result<()> {
        let rows = rows(schema_for!(Design).as_value())?.concat();
        for row in [
            "| `procedure` | string | The procedure, as typed: `best-of:4`. |\n",
            "| `k` | integer or null, optional |",
            "| `transforms` | list of object |",
            "| `transforms[].beta` | number |",
            "| `transforms[].at_k` | object or null, optional |",
            "| `transforms[].at_k.win_rate` | number |",
            "| `optimum.certificate.gap` | number or null, optional |",
            "| `warnings` | list of [warning](warnings.md) |",
        ] {
            assert!(rows.contains(row), "missing {row}\nin\n{rows}");
        }
        Ok(())
    }

    #[test]
    fn every_field_says_what_it_means() -> Result<()> {
        for (file, schema) in schemas() {
            for row in rows(schema.as_value())? {
                assert!(!row.ends_with("|  |\n"), "{file}: no description: {row}");
            }
        }
        Ok(())
    }
}
