//! Rewards from Parquet: list columns, one row per prompt; or plain columns, one row per response.
//!
//! Columns are read through the format's own levels (parquet-format, "Nested Encoding"), so that
//! list, large list, fixed-size list and the older two-level lists are one case.

mod leaf;
mod pages;
mod runs;
mod stream;

use std::panic::{AssertUnwindSafe, catch_unwind};

use parquet::{
    errors::ParquetError,
    file::{
        reader::{ChunkReader, FileReader},
        serialized_reader::SerializedFileReader,
    },
};

use super::{ReadOptions, columns::Columns};
use crate::{
    RewardTable,
    error::{Error, Result, Spot},
    table::Cells,
};
use leaf::{Leaf, LeafReader};
pub(crate) use runs::Runs;
pub(crate) use stream::stream;

const WIDE_ROWS: usize = 64; // per read: bounds memory where responses are long
const LONG_ROWS: usize = 8192;

/// Reads a table from a file or from memory.
pub(super) fn read<R: ChunkReader + 'static>(
    input: R,
    file: &str,
    options: &ReadOptions,
) -> Result<RewardTable> {
    // On hostile bytes the decoder may panic (it checks most lengths, not all). Nothing of ours is
    // shared with it, so that a panic there leaves no broken state: it is the file's fault. The
    // panic hook still speaks; a program that wants silence sets its own.
    catch_unwind(AssertUnwindSafe(|| read_unguarded(input, file, options))).unwrap_or_else(|_| {
        Err(Error::Parquet {
            file: file.to_owned(),
            what: "the decoder gave up".to_owned(),
        })
    })
}

fn read_unguarded<R: ChunkReader + 'static>(
    input: R,
    file: &str,
    options: &ReadOptions,
) -> Result<RewardTable> {
    let undecodable = |e: ParquetError| undecodable(file, &e);
    let reader = SerializedFileReader::new(input).map_err(undecodable)?;
    let schema = reader.metadata().file_metadata().schema_descr();
    let found: Vec<String> = schema
        .root_schema()
        .get_fields()
        .iter()
        .map(|field| field.name().to_owned())
        .collect();
    let columns = Columns::choose(file, &found, options)?;

    let plan = |name: &String| Leaf::find(schema, name);
    let rewards: Vec<Leaf> = columns.rewards.iter().map(plan).collect();
    let wide = rewards[0].is_list();
    if !wide {
        columns.id_of_long(file, &found)?;
    }
    // Conversations (lists of messages) under the usual name are neither an id nor a text: one row
    // per prompt then goes by number, and the text is left out.
    let usual = |leaf: &Leaf| options.prompt_column.is_some() || !leaf.is_nested() || !wide;
    let id = columns.id.as_ref().map(plan).filter(usual);
    let prompt = columns
        .prompt
        .as_ref()
        .map(plan)
        .filter(|leaf| !leaf.is_nested());
    let responses = columns.responses.as_ref().map(plan);

    let mut cells = Cells::new(file, columns.rewards.clone());
    let place = cells.place(Spot::Row(1));
    for leaf in &rewards {
        leaf.expect_numbers(wide, &place)?;
    }
    for leaf in id.iter().chain(&prompt) {
        leaf.expect_texts(false, &place)?;
    }
    if let Some(leaf) = &responses {
        leaf.expect_texts(wide, &place)?;
    }

    let mut row: u64 = 0; // rows before this batch
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group).map_err(undecodable)?;
        let open = |leaf| LeafReader::open(leaf, &*group).map_err(undecodable);
        let mut rewards = rewards.iter().map(open).collect::<Result<Vec<_>>>()?;
        let mut id = id.as_ref().map(open).transpose()?;
        let mut prompt = prompt.as_ref().map(open).transpose()?;
        let mut responses = responses.as_ref().map(open).transpose()?;
        loop {
            let at_most = if wide { WIDE_ROWS } else { LONG_ROWS };
            let place = cells.place(Spot::Row(row + 1));
            let numbers = rewards.iter_mut();
            let numbers = numbers
                .map(|reader| reader.numbers(at_most, &place))
                .collect::<Result<Vec<_>>>()?;
            let rows = numbers[0].rows();
            let ids = id.as_mut().map(|r| r.texts(at_most, &place)).transpose()?;
            let prompts = prompt
                .as_mut()
                .map(|r| r.texts(at_most, &place))
                .transpose()?;
            let answers = responses
                .as_mut()
                .map(|r| r.texts(at_most, &place))
                .transpose()?;
            let text_rows = ids
                .iter()
                .chain(&prompts)
                .chain(&answers)
                .map(leaf::Lists::rows);
            if numbers
                .iter()
                .map(leaf::Lists::rows)
                .chain(text_rows)
                .any(|other| other != rows)
            {
                let what = "its columns differ in length".to_owned();
                return Err(Error::Parquet {
                    file: file.to_owned(),
                    what,
                });
            }
            if rows == 0 {
                break;
            }
            let mut values = vec![0.0; numbers.len()];
            for i in 0..rows {
                let spot = Spot::Row(row + 1);
                let number; // lives as long as the id
                let id = if let Some(ids) = &ids {
                    &ids.row(i)[0]
                } else {
                    number = row.to_string();
                    &number
                };
                let prompt = prompts.as_ref().map(|p| p.row(i)[0].as_str());
                let answers = answers.as_ref().map(|a| a.row(i));
                if wide {
                    let lists: Vec<&[f32]> = numbers.iter().map(|n| n.row(i)).collect();
                    cells.prompt(spot, id, prompt, &lists, answers)?;
                } else {
                    for (value, column) in values.iter_mut().zip(&numbers) {
                        *value = column.row(i)[0];
                    }
                    let answer = answers.map(|a| a[0].as_str());
                    cells.response(spot, id, prompt, &values, answer)?;
                }
                row += 1;
            }
        }
    }
    cells.finish()
}

fn undecodable(file: &str, error: &ParquetError) -> Error {
    Error::Parquet {
        file: file.to_owned(),
        what: error.to_string(),
    }
}
