//! Preferences of a file as the pairs of tokens that a reward model learns from.

use std::{collections::BTreeMap, path::Path};

use infalign_data::{PreferenceRow, Preferences, Turns, read_preferences};
use infalign_reward::Reading;
use infalign_train::preference::Pair;

use crate::{
    commands::bad_rows,
    error::{Error, Result},
    print,
};

/// Prompts by what names them: their id, else their text.
#[derive(Default)]
pub(super) struct Prompts(BTreeMap<String, u64>);

impl Prompts {
    pub(super) fn number(&mut self, row: &PreferenceRow) -> u64 {
        let name = match (&row.prompt_id, &row.prompt) {
            (Some(id), _) => format!("id {id}"),
            (None, Turns::Text(text)) => format!("text {text}"),
            (None, Turns::Messages(all)) => all
                .iter()
                .map(|m| format!("{}\u{0}{}\u{0}", m.role, m.content))
                .collect(),
        };
        let next = self.0.len() as u64;
        *self.0.entry(name).or_insert(next)
    }
}

/// Opens preferences.
pub(super) fn open(data: &Path, skip_bad_rows: bool) -> Result<Preferences> {
    Ok(read_preferences(data, &bad_rows::reading(skip_bad_rows))?)
}

/// All pairs of a file; `margins` takes the rows' margins, which are 0 else.
pub(super) fn pairs(
    data: &Path,
    reading: &Reading,
    margins: bool,
    skip_bad_rows: bool,
) -> Result<Vec<Pair>> {
    let mut rows = open(data, skip_bad_rows)?;
    let mut prompts = Prompts::default();
    let (mut pairs, mut unread) = (Vec::new(), Vec::new());
    for row in &mut rows {
        let row = row?;
        let prompt = prompts.number(&row);
        let read = |response: &Turns| reading.tokens(&row.prompt, response);
        match (read(&row.chosen), read(&row.rejected)) {
            (Ok(chosen), Ok(rejected)) => pairs.push(Pair {
                prompt,
                chosen,
                rejected,
                margin: if margins {
                    row.margin.unwrap_or(0.0) as f32
                } else {
                    0.0
                },
                tie: row.tie,
            }),
            (Err(error), _) | (_, Err(error)) => {
                let told = format!("{}: {error}", row.place);
                if !skip_bad_rows {
                    return Err(Error::Usage(told));
                }
                unread.push(told);
            }
        }
    }
    bad_rows::tell(rows.bad());
    if let Some(first) = unread.first() {
        print::caveat(format!(
            "{} pairs cannot be read by the model and are left out; the first: {first}",
            unread.len()
        ));
    }
    Ok(pairs)
}
