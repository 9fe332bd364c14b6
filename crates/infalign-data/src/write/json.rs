//! A reward table as JSON Lines: `{"prompt_id", "prompt"?, "responses"?, <column>: […]…}`.

use std::io;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::Output;
use crate::RewardTable;

pub(super) fn write(output: Output<'_>, table: &RewardTable) -> io::Result<()> {
    for prompt in 0..table.prompts() {
        serde_json::to_writer(&mut *output, &Row { table, prompt })?;
        writeln!(output)?;
    }
    Ok(())
}

struct Row<'t> {
    table: &'t RewardTable,
    prompt: usize,
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { table, prompt } = *self;
        let mut row = serializer.serialize_map(None)?;
        row.serialize_entry("prompt_id", table.id(prompt))?;
        if let Some(text) = table.prompt_text(prompt) {
            row.serialize_entry("prompt", text)?;
        }
        if let Some(responses) = table.response_texts(prompt) {
            row.serialize_entry("responses", &responses.collect::<Vec<_>>())?;
        }
        for (column, name) in table.columns().iter().enumerate() {
            row.serialize_entry(name, table.rewards(column, prompt))?;
        }
        row.end()
    }
}
