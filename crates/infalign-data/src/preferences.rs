//! Preferences as a stream of typed rows, from any format that has them.

use std::path::Path;

use crate::{
    error::{Error, Place, Result},
    formats::{Content, Preference, Record, RecordOptions, Records, Target, read_records},
    texts::{BadRows, Turns},
};

/// Two responses to a prompt, one of them preferred.
#[derive(Debug, Clone, PartialEq)]
pub struct PreferenceRow {
    /// Where it stands.
    pub place: Place,
    /// Names the prompt, where the file does; several rows may have one prompt.
    pub prompt_id: Option<String>,
    /// The prompt: a text, or the conversation so far.
    pub prompt: Turns,
    /// The preferred response: texts follow a text, messages follow messages.
    pub chosen: Turns,
    /// The other response.
    pub rejected: Turns,
    /// The judge's value of the chosen one minus that of the rejected one, where it gave values.
    pub margin: Option<f64>,
    /// Whether neither is preferred: marked so, a margin of 0, or twice the same response.
    pub tie: bool,
}

/// Opens the preferences of a file: TRL (explicit or implicit prompt, texts or messages),
/// UltraFeedback, HH transcripts; in JSON Lines, JSON or CSV (also `.gz` and `.zst`) or Parquet.
///
/// # Errors
/// When the file cannot be opened, is of no known format, or of one without preferences.
pub fn read_preferences(path: impl AsRef<Path>, options: &RecordOptions) -> Result<Preferences> {
    let records = read_records(path, options)?;
    gives(&records, Target::Preferences)?;
    Ok(Preferences { records })
}

/// Whether a file's format holds what is asked for.
pub(crate) fn gives(records: &Records, target: Target) -> Result<()> {
    let format = records.format();
    if format.gives.contains(&target) {
        return Ok(());
    }
    let names: Vec<&str> = format.gives.iter().map(|target| target.name()).collect();
    Err(Error::CannotConvert {
        file: records.file().to_owned(),
        format: format.name,
        to: target.name(),
        gives: match names.as_slice() {
            [] => "can only be looked at".to_owned(),
            names => format!("can become {}", names.join(", ")),
        },
    })
}

/// The preferences of a file, in its order; ends after the first error. Memory is that of some rows.
///
/// # Errors
/// Items: as [`Records`].
pub struct Preferences {
    records: Records,
}

impl Preferences {
    /// What the file is, and the rows left out so far.
    #[must_use]
    pub const fn records(&self) -> &Records {
        &self.records
    }

    /// The rows left out so far.
    #[must_use]
    pub const fn bad(&self) -> &BadRows {
        self.records.bad()
    }
}

impl Iterator for Preferences {
    type Item = Result<PreferenceRow>;

    fn next(&mut self) -> Option<Self::Item> {
        self.records.usable(preference)
    }
}

/// A record's preference.
pub(crate) fn preference(record: Record) -> Result<PreferenceRow> {
    let (Some(prompt), Content::Preference(preference)) = (record.prompt, record.content) else {
        return Err(Error::UnusableRow {
            place: record.place,
            column: "chosen".to_owned(),
            what: "the row holds no preference; drop it",
        });
    };
    let Preference {
        chosen,
        rejected,
        margin,
        tie,
    } = preference;
    Ok(PreferenceRow {
        place: record.place,
        prompt_id: record.id,
        prompt,
        chosen,
        rejected,
        margin,
        tie,
    })
}
