//! One typed column of a shard: checked against the schema, read as one list a row.

use parquet::{
    basic::{ConvertedType, LogicalType, Type as Physical},
    column::reader::{ColumnReaderImpl, get_typed_column_reader},
    data_type::DataType,
    errors::{ParquetError, Result as CodeResult},
    file::reader::RowGroupReader,
    schema::types::SchemaDescriptor,
};

use super::shard::undecodable;
use crate::error::{Error, Place, Result, Spot};

/// What a shard's column must be.
#[derive(Clone, Copy)]
pub(super) struct Expected {
    pub(super) name: &'static str,
    pub(super) list: bool,
    pub(super) physical: Physical,
}

impl Expected {
    /// The index among the leaves, or what is wrong with the schema.
    pub(super) fn leaf(&self, schema: &SchemaDescriptor) -> Result<usize, String> {
        let name = self.name;
        let mut leaves =
            (0..schema.num_columns()).filter(|&leaf| schema.get_column_root(leaf).name() == name);
        let Some(leaf) = leaves.next() else {
            return Err(format!("it has no column `{name}`"));
        };
        let column = schema.column(leaf);
        let flat = schema.get_column_root(leaf).is_primitive();
        let levels = column.max_rep_level();
        let shaped = match self.list {
            false => flat && levels == 0,
            true => levels == 1,
        };
        let text = self.physical != Physical::BYTE_ARRAY
            || column.logical_type_ref() == Some(&LogicalType::String)
            || column.converted_type() == ConvertedType::UTF8;
        let alone = leaves.next().is_none();
        if shaped && alone && text && column.physical_type() == self.physical {
            return Ok(leaf);
        }
        let kind = match self.physical {
            Physical::BYTE_ARRAY => "string",
            Physical::FLOAT => "float",
            Physical::BOOLEAN => "boolean",
            _ => "int32",
        };
        Err(match self.list {
            true => format!("its column `{name}` is not a list of {kind}s"),
            false => format!("its column `{name}` is not a {kind}"),
        })
    }
}

/// Rows of values; a plain column has one value a row.
pub(super) struct Lists<T> {
    values: std::vec::IntoIter<T>,
    lengths: Vec<usize>,
}

impl<T> Lists<T> {
    pub(super) const fn rows(&self) -> usize {
        self.lengths.len()
    }

    /// The values of a row; rows are taken in order.
    pub(super) fn take(&mut self, row: usize) -> Vec<T> {
        self.values.by_ref().take(self.lengths[row]).collect()
    }
}

/// The rows of one column of one row group, in order.
pub(super) struct Column<T: DataType> {
    name: &'static str,
    reader: ColumnReaderImpl<T>,
    list: bool,
    max_definition: i16,
    list_definition: i16, // the level at which a list has an element
}

impl<T: DataType> Column<T> {
    pub(super) fn open(
        expected: Expected,
        schema: &SchemaDescriptor,
        group: &dyn RowGroupReader,
    ) -> CodeResult<Self> {
        let leaf = expected.leaf(schema).map_err(ParquetError::General)?;
        let reader = get_typed_column_reader::<T>(group.get_column_reader(leaf)?);
        let column = group.metadata().column(leaf).column_descr_ptr();
        Ok(Self {
            name: expected.name,
            reader,
            list: expected.list,
            max_definition: column.max_def_level(),
            list_definition: column.repeated_ancestor_def_level(),
        })
    }

    /// Up to `at_most` rows; `first` is the place of the first.
    pub(super) fn read(&mut self, at_most: usize, first: &Place) -> Result<Lists<T::T>> {
        let (mut values, mut definitions, mut repetitions) = (Vec::new(), Vec::new(), Vec::new());
        let levels = (Some(&mut definitions), Some(&mut repetitions));
        let (records, _, _) = self
            .reader
            .read_records(at_most, levels.0, levels.1, &mut values)
            .map_err(|e| undecodable(&first.file, &e))?;
        let count = match self.max_definition {
            0 => values.len(), // nothing can be absent: no levels are kept
            _ => definitions.len(),
        };
        let mut lengths: Vec<usize> = Vec::with_capacity(records);
        for level in 0..count {
            if !self.list || repetitions.get(level) == Some(&0) {
                lengths.push(0);
            }
            let definition = definitions.get(level).unwrap_or(&self.max_definition);
            let empty = self.list && *definition == self.list_definition - 1;
            match lengths.last_mut() {
                Some(length) if *definition == self.max_definition => *length += 1,
                Some(_) if empty => {}
                _ => {
                    let mut place = first.clone();
                    let (Spot::Row(row) | Spot::Line(row)) = first.spot;
                    place.spot = Spot::Row(row + lengths.len().saturating_sub(1) as u64);
                    return Err(Error::MissingField {
                        place,
                        column: self.name.to_owned(),
                    });
                }
            }
        }
        if lengths.len() == records && lengths.iter().sum::<usize>() == values.len() {
            return Ok(Lists {
                values: values.into_iter(),
                lengths,
            });
        }
        Err(Error::Parquet {
            file: first.file.to_string(),
            what: format!("`{}` does not hold the rows it announces", self.name),
        })
    }
}

/// The number of rows that all columns hold.
pub(super) fn same(file: &str, rows: &[usize]) -> Result<usize> {
    let first = rows.first().copied().unwrap_or(0);
    if rows.iter().all(|&other| other == first) {
        return Ok(first);
    }
    Err(Error::Parquet {
        file: file.to_owned(),
        what: "its columns differ in length".to_owned(),
    })
}
