//! A reward table as comma-separated values, one row per response: `prompt_id, prompt?, response?,
//! <column>…`.

use std::io;

use super::Output;
use crate::RewardTable;

pub(super) fn write(output: Output<'_>, table: &RewardTable) -> io::Result<()> {
    rows(output, table).map_err(|error| match error.into_kind() {
        // What the disk said, of its own kind: the remedy depends on it.
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    })
}

fn rows(output: Output<'_>, table: &RewardTable) -> csv::Result<()> {
    let mut writer = csv::Writer::from_writer(output);
    let texts = [
        ("prompt", table.prompt_text(0).is_some()),
        ("response", table.response_texts(0).is_some()),
    ];
    writer.write_field("prompt_id")?;
    for (name, _) in texts.iter().filter(|(_, there)| *there) {
        writer.write_field(name)?;
    }
    for column in table.columns() {
        writer.write_field(column)?;
    }
    writer.write_record(None::<&[u8]>)?;
    for prompt in 0..table.prompts() {
        let mut responses = table.response_texts(prompt);
        for response in 0..table.rewards(0, prompt).len() {
            writer.write_field(table.id(prompt))?;
            if let Some(text) = table.prompt_text(prompt) {
                writer.write_field(text)?;
            }
            if let Some(text) = responses.as_mut().and_then(Iterator::next) {
                writer.write_field(text)?;
            }
            for column in 0..table.columns().len() {
                // The shortest decimal that reads back as the same f32.
                writer.write_field(table.rewards(column, prompt)[response].to_string())?;
            }
            writer.write_record(None::<&[u8]>)?;
        }
    }
    Ok(writer.flush()?)
}
