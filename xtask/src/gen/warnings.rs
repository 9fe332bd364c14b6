//! The page of the warnings: each kind, when it is given, and the fields that it carries in JSON.

use anyhow::{Context, Result};
use infalign::Warning;
use schemars::schema_for;
use serde_json::Value;

use super::{NOTICE, cell};

/// The whole page, in the order of the type.
pub(super) fn page() -> Result<String> {
    let mut page = format!(
        "{NOTICE}\n\n# Warnings\n\nCaveats that do not stop a computation. Each is printed once on \
         stderr and kept in the JSON result, as an object whose `kind` is one of these.\n"
    );
    let schema = schema_for!(Warning);
    let kinds = schema
        .get("oneOf")
        .and_then(Value::as_array)
        .context("Warning is not a tagged enum")?;
    for kind in kinds {
        page.push_str(&section(kind)?);
    }
    Ok(page)
}

/// One kind of warning.
fn section(kind: &Value) -> Result<String> {
    let properties = kind
        .get("properties")
        .and_then(Value::as_object)
        .context("a warning without fields")?;
    let name = properties
        .get("kind")
        .and_then(|tag| tag.get("const"))
        .and_then(Value::as_str)
        .context("a warning without `kind`")?;
    let mut text = format!("\n## `{name}`\n\n{}\n", description(kind));
    let fields: Vec<_> = properties
        .iter()
        .filter(|(field, _)| *field != "kind")
        .collect();
    if !fields.is_empty() {
        text.push_str("\n| field | meaning |\n|---|---|\n");
        for (field, schema) in fields {
            text.push_str(&format!("| `{field}` | {} |\n", cell(description(schema))));
        }
    }
    Ok(text)
}

fn description(schema: &Value) -> &str {
    schema
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_named_as_in_the_json() -> Result<()> {
        let warning = Warning::UnevenK { min: 3, max: 5 };
        let json = serde_json::to_value(warning)?;
        let page = page()?;
        let kind = json
            .get("kind")
            .and_then(Value::as_str)
            .context("no kind")?;
        assert!(page.contains(&format!("## `{kind}`")), "{page}");
        assert!(
            page.contains("| `min` | Fewest rewards of a prompt. |"),
            "{page}"
        );
        Ok(())
    }
}
