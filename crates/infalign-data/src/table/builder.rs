//! Filling a reward table: whole prompts (wide), or single responses in any order (long).

use std::sync::Arc;

use super::{RewardTable, Texts};
use crate::error::{Error, Place, Result, Spot};

/// Fills a [`RewardTable`] prompt by prompt.
#[derive(Debug)]
pub struct TableBuilder {
    cells: Cells,
}

impl TableBuilder {
    /// An empty table with these reward columns, the training reward first.
    ///
    /// # Errors
    /// No column, or one named twice.
    pub fn new<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Result<Self> {
        let columns: Vec<String> = columns.into_iter().map(Into::into).collect();
        if columns.is_empty() {
            return Err(Error::Table {
                what: "a reward table needs a reward column".to_owned(),
            });
        }
        for (i, column) in columns.iter().enumerate() {
            if columns[..i].contains(column) {
                let file = "the table".to_owned();
                return Err(Error::RepeatedColumn {
                    file,
                    column: column.clone(),
                });
            }
        }
        Ok(Self {
            cells: Cells::new("the table", columns),
        })
    }

    /// Adds one prompt: its id, its text (for all prompts or for none), its rewards by column, and
    /// its responses (all K, or an empty slice for every prompt).
    ///
    /// # Errors
    /// As for a file that holds this row: empty or unequal lists, a reward that is not finite, an id
    /// given before. The builder is then left without the prompt.
    pub fn insert(
        &mut self,
        id: &str,
        text: Option<&str>,
        rewards: &[&[f32]],
        responses: &[&str],
    ) -> Result<()> {
        let row = Spot::Row(self.cells.index.len() as u64 + 1);
        let place = self.cells.place(row);
        if rewards.len() != self.cells.columns.len() {
            let what = format!(
                "{place}: {} reward lists for {} reward columns",
                rewards.len(),
                self.cells.columns.len()
            );
            return Err(Error::Table { what });
        }
        for (column, list) in self.cells.columns.iter().zip(rewards) {
            for (i, &reward) in list.iter().enumerate() {
                finite(f64::from(reward), &place, column, Some(i))?;
            }
        }
        let responses = (!responses.is_empty()).then_some(responses);
        self.cells.prompt(row, id, text, rewards, responses)
    }

    /// The table.
    ///
    /// # Errors
    /// [`Error::Empty`] without a prompt.
    pub fn finish(self) -> Result<RewardTable> {
        self.cells.finish()
    }
}

/// A reward as f32, or the error that says why not. `response` is 0-based.
#[expect(
    clippy::cast_possible_truncation,
    reason = "rewards are kept in single precision"
)]
pub(crate) fn finite(
    value: f64,
    place: &Place,
    column: &str,
    response: Option<usize>,
) -> Result<f32> {
    let single = value as f32;
    if single.is_finite() {
        return Ok(single);
    }
    Err(Error::NotFinite {
        place: place.clone(),
        column: column.to_owned(),
        response: response.map(|r| r + 1),
        value: format!("{value:e}").replace("inf", "infinite"),
    })
}

#[expect(
    clippy::disallowed_types,
    reason = "looked up only; prompts are kept in order of arrival"
)]
type Index = std::collections::HashMap<Box<str>, (u32, Spot)>;

/// The rows of a file as they arrive, of either form; one form per table.
#[derive(Debug)]
pub(crate) struct Cells {
    file: Arc<str>,
    pub(crate) columns: Vec<String>,
    index: Index, // id → prompt, and where it stood first
    ids: Texts,
    prompts: Texts,
    values: Vec<Vec<f32>>,
    responses: Texts,
    ends: Vec<usize>, // wide
    owners: Vec<u32>, // long: the prompt of each response
}

impl Cells {
    pub(crate) fn new(file: &str, columns: Vec<String>) -> Self {
        Self {
            file: file.into(),
            values: vec![Vec::new(); columns.len()],
            columns,
            index: Index::default(),
            ids: Texts::default(),
            prompts: Texts::default(),
            responses: Texts::default(),
            ends: vec![0],
            owners: Vec::new(),
        }
    }

    pub(crate) fn place(&self, spot: Spot) -> Place {
        Place {
            file: Arc::clone(&self.file),
            spot,
        }
    }

    /// A whole prompt; rewards are finite already.
    pub(crate) fn prompt<V: AsRef<[f32]>, S: AsRef<str>>(
        &mut self,
        spot: Spot,
        id: &str,
        text: Option<&str>,
        rewards: &[V],
        responses: Option<&[S]>,
    ) -> Result<()> {
        let length = rewards[0].as_ref().len();
        if length == 0 {
            let column = self.columns[0].clone();
            return Err(Error::EmptyList {
                place: self.place(spot),
                column,
            });
        }
        let lists = rewards
            .iter()
            .map(|list| list.as_ref().len())
            .zip(&self.columns);
        let texts = responses.iter().map(|list| list.len());
        let name = "responses".to_owned();
        for (found, column) in lists.chain(texts.zip(std::iter::once(&name))) {
            if found != length {
                return Err(Error::UnequalLengths {
                    place: self.place(spot),
                    column: column.clone(),
                    length: found,
                    other: self.columns[0].clone(),
                    other_length: length,
                });
            }
        }
        if let Some((_, first)) = self.index.get(id) {
            return Err(Error::DuplicatePrompt {
                place: self.place(spot),
                id: shortened(id),
                first: self.place(*first),
            });
        }
        self.same_texts(spot, text.is_some(), responses.is_some())?;
        self.add_id(spot, id, text)?;
        for (column, list) in self.values.iter_mut().zip(rewards) {
            column.extend_from_slice(list.as_ref());
        }
        for response in responses.unwrap_or_default() {
            self.responses.push(response.as_ref());
        }
        self.ends.push(self.values[0].len());
        Ok(())
    }

    /// One response; rewards (one per column) are finite already.
    pub(crate) fn response(
        &mut self,
        spot: Spot,
        id: &str,
        text: Option<&str>,
        rewards: &[f32],
        response: Option<&str>,
    ) -> Result<()> {
        self.same_texts(spot, text.is_some(), response.is_some())?;
        // Rows of one prompt usually stand together.
        let owner = match self.owners.last() {
            Some(&last) if self.ids.get(last as usize) == id => last,
            _ => match self.index.get(id) {
                Some(&(owner, _)) => owner,
                None => self.add_id(spot, id, text)?,
            },
        };
        self.owners.push(owner);
        for (column, &reward) in self.values.iter_mut().zip(rewards) {
            column.push(reward);
        }
        if let Some(response) = response {
            self.responses.push(response);
        }
        Ok(())
    }

    fn add_id(&mut self, spot: Spot, id: &str, text: Option<&str>) -> Result<u32> {
        if id.is_empty() {
            let column = "the prompt's id".to_owned();
            return Err(Error::MissingField {
                place: self.place(spot),
                column,
            });
        }
        let owner = u32::try_from(self.ids.len()).map_err(|_| Error::Table {
            what: format!("{} holds more than 2^32 prompts; split it", self.file),
        })?;
        self.index.insert(id.into(), (owner, spot));
        self.ids.push(id);
        if let Some(text) = text {
            self.prompts.push(text);
        }
        Ok(owner)
    }

    /// Texts are there for every row or for none.
    fn same_texts(&self, spot: Spot, prompt: bool, response: bool) -> Result<()> {
        if self.ids.len() == 0 {
            return Ok(());
        }
        for (column, now, before) in [
            ("prompt", prompt, self.prompts.len() > 0),
            ("response", response, self.responses.len() > 0),
        ] {
            if now != before {
                let column = column.to_owned();
                return Err(Error::MissingField {
                    place: self.place(spot),
                    column,
                });
            }
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<RewardTable> {
        if self.ids.len() == 0 {
            return Err(Error::Empty {
                file: self.file.to_string(),
            });
        }
        let mut table = RewardTable {
            columns: self.columns,
            prompts: (self.prompts.len() > 0).then_some(self.prompts),
            responses: (self.responses.len() > 0).then_some(self.responses),
            ids: self.ids,
            ends: self.ends,
            values: self.values,
        };
        if !self.owners.is_empty() {
            group(&mut table, &self.owners);
        }
        Ok(table)
    }
}

/// Brings the responses of each prompt together by a counting sort, keeping their order.
fn group(table: &mut RewardTable, owners: &[u32]) {
    let mut ends = vec![0; table.ids.len() + 1];
    for &owner in owners {
        ends[owner as usize + 1] += 1;
    }
    for i in 1..ends.len() {
        ends[i] += ends[i - 1];
    }
    if !owners.is_sorted() {
        let mut next = ends.clone();
        let mut from = vec![0; owners.len()]; // from[sorted position] = arrival position
        for (arrival, &owner) in owners.iter().enumerate() {
            from[next[owner as usize]] = arrival;
            next[owner as usize] += 1;
        }
        for column in &mut table.values {
            *column = from.iter().map(|&i| column[i]).collect();
        }
        if let Some(responses) = &mut table.responses {
            let mut sorted = Texts::default();
            for &i in &from {
                sorted.push(responses.get(i));
            }
            *responses = sorted;
        }
    }
    table.ends = ends;
}

/// An id as an error shows it: prompts that serve as their own id are long.
pub(crate) fn shortened(id: &str) -> String {
    const SHOWN: usize = 60; // characters
    match id.char_indices().nth(SHOWN) {
        Some((cut, _)) => format!("{}…", &id[..cut]),
        None => id.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    #[test]
    fn scattered_rows_are_grouped_in_order_of_first_appearance() {
        let mut cells = Cells::new("f", vec!["r".to_owned()]);
        for (line, (id, reward)) in [("b", 1.0), ("a", 2.0), ("b", 3.0), ("a", 4.0), ("b", 5.0)]
            .into_iter()
            .enumerate()
        {
            let text = format!("{id}{reward}");
            cells
                .response(Spot::Line(line as u64), id, None, &[reward], Some(&text))
                .unwrap();
        }
        let table = cells.finish().unwrap();
        assert_eq!(
            (table.id(0), table.rewards(0, 0)),
            ("b", &[1.0, 3.0, 5.0][..])
        );
        assert_eq!((table.id(1), table.rewards(0, 1)), ("a", &[2.0, 4.0][..]));
        assert_eq!(
            table.response_texts(0).unwrap().collect::<Vec<_>>(),
            ["b1", "b3", "b5"]
        );
    }

    #[test]
    fn refusals_leave_the_builder_usable() {
        let mut builder = TableBuilder::new(["r", "g"]).unwrap();
        builder.insert("a", None, &[&[1.0], &[1.0]], &[]).unwrap();
        assert!(matches!(
            builder.insert("a", None, &[&[1.0], &[1.0]], &[]),
            Err(Error::DuplicatePrompt { .. })
        ));
        assert!(matches!(
            builder.insert("b", None, &[&[], &[]], &[]),
            Err(Error::EmptyList { .. })
        ));
        assert!(matches!(
            builder.insert("b", None, &[&[1.0], &[1.0, 2.0]], &[]),
            Err(Error::UnequalLengths {
                length: 2,
                other_length: 1,
                ..
            })
        ));
        assert!(matches!(
            builder.insert("b", None, &[&[f32::NAN], &[1.0]], &[]),
            Err(Error::NotFinite {
                response: Some(1),
                ..
            })
        ));
        assert!(matches!(
            builder.insert("b", None, &[&[1.0], &[1.0]], &["text"]),
            Err(Error::MissingField { .. })
        ));
        assert!(matches!(
            builder.insert("b", None, &[&[1.0]], &[]),
            Err(Error::Table { .. })
        ));
        assert_eq!(builder.finish().unwrap().prompts(), 1);
        assert!(matches!(
            TableBuilder::new(["r", "r"]),
            Err(Error::RepeatedColumn { .. })
        ));
        assert!(matches!(
            TableBuilder::new(["r"]).unwrap().finish(),
            Err(Error::Empty { .. })
        ));
    }
}
