//! Rewards from Parquet in one row per prompt, page by page: memory is that of a page, whatever the file's length.

use std::sync::Arc;

use parquet::{
    basic::Type as Physical,
    errors::Result as DecodeResult,
    file::{
        reader::{ChunkReader, FileReader, RowGroupReader},
        serialized_reader::SerializedFileReader,
    },
};

use super::{
    LONG_ROWS, ReadOptions, WIDE_ROWS,
    leaf::{Leaf, LeafReader},
    pages::{Found, Pages},
    undecodable,
};
use crate::{
    bulk::{BATCH, RewardBatch, all_finite},
    error::{Error, Place, Result, Spot},
    read::columns::Columns,
    rollouts::guarded,
};

/// Streams the training reward; `false` for a table of one row per response, which cannot be streamed.
pub(crate) fn stream<R: ChunkReader + 'static, E: From<Error>>(
    input: R,
    file: &str,
    options: &ReadOptions,
    first: u64,
    each: &mut impl FnMut(&mut RewardBatch) -> Result<(), E>,
) -> Result<bool, E> {
    let decoded = |error| undecodable(file, &error);
    let reader = guarded(file, || SerializedFileReader::new(input).map_err(decoded))?;
    let schema = reader.metadata().file_metadata().schema_descr();
    let fields = schema.root_schema().get_fields().iter();
    let found: Vec<String> = fields.map(|field| field.name().to_owned()).collect();
    let columns = Columns::choose(file, &found, options)?;
    let name: Arc<str> = file.into();
    let place = |row: u64| Place {
        file: Arc::clone(&name),
        spot: Spot::Row(row + 1),
    };
    let rewards = Leaf::find(schema, &columns.rewards[0]);
    if !rewards.is_list() {
        return Ok(false);
    }
    rewards.expect_numbers(true, &place(0))?;
    let id = columns.id.as_ref().map(|id| Leaf::find(schema, id));
    let id = id.filter(|leaf| options.prompt_column.is_some() || !leaf.is_nested());
    if let Some(leaf) = &id {
        leaf.expect_texts(false, &place(0))?;
    }
    let mut row = 0;
    let mut batch = RewardBatch::default();
    for at in 0..reader.num_row_groups() {
        let group = guarded(file, || reader.get_row_group(at).map_err(decoded))?;
        let mut values = guarded(file, || Values::open(&rewards, &*group).map_err(decoded))?;
        let open = |leaf| guarded(file, || LeafReader::open(leaf, &*group).map_err(decoded));
        let mut ids = id.as_ref().map(open).transpose()?;
        loop {
            batch.clear();
            let here = place(row);
            let more = guarded(file, || values.read(&mut batch, &rewards, &*group, &here))?;
            let rows = batch.rows().1.len();
            match &mut ids {
                None => {
                    for i in row..row + rows as u64 {
                        batch.name(&(first + i).to_string());
                    }
                }
                Some(ids) => guarded(file, || name_rows(ids, rows, &mut batch, &here))?,
            }
            row += rows as u64;
            if rows > 0 {
                each(&mut batch)?;
            }
            if !more {
                break;
            }
        }
    }
    if row == 0 {
        let file = file.to_owned();
        return Err(Error::Empty { file }.into());
    }
    Ok(true)
}

/// Reads the ids of the batch's rows.
fn name_rows(
    ids: &mut LeafReader<'_>,
    rows: usize,
    batch: &mut RewardBatch,
    first: &Place,
) -> Result<()> {
    let mut read = 0;
    while read < rows {
        let mut place = first.clone();
        let (Spot::Row(start) | Spot::Line(start)) = first.spot;
        place.spot = Spot::Row(start + read as u64);
        let lists = ids.texts((rows - read).min(LONG_ROWS), &place)?;
        if lists.rows() == 0 {
            return Err(Error::Parquet {
                file: first.file.to_string(),
                what: "its columns differ in length".to_owned(),
            });
        }
        for i in 0..lists.rows() {
            let id = &lists.row(i)[0];
            if id.is_empty() {
                place.spot = Spot::Row(start + (read + i) as u64);
                let column = ids.name().to_owned();
                return Err(Error::EmptyText { place, column });
            }
            batch.name(id);
        }
        read += lists.rows();
    }
    Ok(())
}

/// The rewards of a row group: as they lie while pages are simple, by the decoder of every column from the first that is not.
enum Values<'l> {
    Pages { pages: Pages, rows: usize },
    Decoded(Box<LeafReader<'l>>),
}

impl<'l> Values<'l> {
    fn open(leaf: &'l Leaf, group: &dyn RowGroupReader) -> DecodeResult<Self> {
        let Some(index) = leaf.index() else {
            return Ok(Self::Decoded(Box::new(LeafReader::open(leaf, group)?)));
        };
        let column = group.metadata().column(index).column_descr();
        if column.physical_type() != Physical::FLOAT {
            return Ok(Self::Decoded(Box::new(LeafReader::open(leaf, group)?)));
        }
        let pages = Pages::new(group.get_column_page_reader(index)?, column.max_def_level());
        Ok(Self::Pages { pages, rows: 0 })
    }

    /// Adds rows to an empty batch; whether there may be more.
    fn read(
        &mut self,
        batch: &mut RewardBatch,
        leaf: &'l Leaf,
        group: &dyn RowGroupReader,
        first: &Place,
    ) -> Result<bool> {
        let decoded = |error| undecodable(&first.file, &error);
        let (values, ends) = batch.rows();
        if let Self::Pages { pages, rows } = self {
            loop {
                match pages.read(values, ends).map_err(decoded)? {
                    Found::Rows if ends.is_empty() => {}
                    Found::Rows => {
                        *rows += ends.len();
                        all_finite(values, ends, leaf.name(), first)?;
                        return Ok(true);
                    }
                    Found::End => return Ok(false),
                    Found::Other => break,
                }
            }
            let mut reader = LeafReader::open(leaf, group).map_err(decoded)?;
            let mut behind = *rows;
            while behind > 0 {
                let read = reader.numbers(behind.min(WIDE_ROWS), first)?;
                if read.rows() == 0 {
                    break;
                }
                behind -= read.rows();
            }
            *self = Self::Decoded(Box::new(reader));
        }
        let Self::Decoded(reader) = self else {
            return Ok(false);
        };
        let mut more = true;
        while more && values.len() < BATCH {
            let mut place = first.clone();
            let (Spot::Row(start) | Spot::Line(start)) = first.spot;
            place.spot = Spot::Row(start + ends.len() as u64);
            let lists = reader.numbers(WIDE_ROWS, &place)?;
            more = lists.rows() > 0;
            for i in 0..lists.rows() {
                values.extend_from_slice(lists.row(i));
                ends.push(values.len());
            }
        }
        Ok(more)
    }
}
