//! One column of a Parquet file: where its values are, of what type, and its rows batch by batch.

use parquet::{
    basic::{ConvertedType, LogicalType, Type as Physical},
    column::reader::ColumnReader,
    errors::Result as DecodeResult,
    file::reader::RowGroupReader,
    schema::types::{SchemaDescriptor, Type},
};

use crate::{
    error::{Error, Place, Result, Spot},
    table::finite,
};

/// A column that was chosen, and what its schema says.
pub(super) struct Leaf {
    name: String,
    shape: Shape,
    /// The type in words, for errors.
    found: String,
}

enum Shape {
    /// One value per row, or a list of them.
    Values { leaf: usize, list: bool, item: Item },
    /// Anything else: structs, maps, lists of lists.
    Nested,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Item {
    Number,
    Unsigned, // stored as a signed integer of the same width
    Half,     // two bytes, little-endian
    Text,
    Other,
}

impl Leaf {
    pub(super) fn find(schema: &SchemaDescriptor, name: &str) -> Self {
        let mut leaves =
            (0..schema.num_columns()).filter(|&leaf| schema.get_column_root(leaf).name() == name);
        let (leaf, more) = (leaves.next(), leaves.next());
        let nested = Self {
            name: name.to_owned(),
            shape: Shape::Nested,
            found: "a nested column".to_owned(),
        };
        let (Some(leaf), None) = (leaf, more) else {
            return nested;
        };
        let column = schema.column(leaf);
        let list = match column.max_rep_level() {
            0 if schema.get_column_root(leaf).is_primitive() => false,
            1 => true,
            _ => return nested,
        };
        let item = item(column.self_type());
        let kind = match column.logical_type_ref() {
            _ if item == Item::Text => "text".to_owned(),
            Some(logical) => format!("{logical:?}"),
            None => column.physical_type().to_string(),
        };
        let found = if list {
            format!("a list of {kind}")
        } else {
            format!("a column of {kind}")
        };
        Self {
            name: name.to_owned(),
            shape: Shape::Values { leaf, list, item },
            found,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The column's place among the leaves, unless it is nested.
    pub(super) const fn index(&self) -> Option<usize> {
        match self.shape {
            Shape::Values { leaf, .. } => Some(leaf),
            Shape::Nested => None,
        }
    }

    pub(super) const fn is_list(&self) -> bool {
        matches!(self.shape, Shape::Values { list: true, .. })
    }

    pub(super) const fn is_nested(&self) -> bool {
        matches!(self.shape, Shape::Nested)
    }

    pub(super) fn expect_numbers(&self, lists: bool, place: &Place) -> Result<()> {
        let expected = if lists {
            "a list of float, double or int, like the training reward"
        } else {
            "float, double or int, or a list of them"
        };
        let number = |item| matches!(item, Item::Number | Item::Unsigned | Item::Half);
        self.expect(lists, number, place, expected)
    }

    pub(super) fn expect_texts(&self, lists: bool, place: &Place) -> Result<()> {
        let expected = if lists {
            "a list of strings"
        } else {
            "strings or integers"
        };
        let text = |item| matches!(item, Item::Text | Item::Number | Item::Unsigned);
        self.expect(lists, text, place, expected)
    }

    fn expect(
        &self,
        lists: bool,
        fits: impl Fn(Item) -> bool,
        place: &Place,
        expected: &'static str,
    ) -> Result<()> {
        match self.shape {
            Shape::Values { list, item, .. } if list == lists && fits(item) => Ok(()),
            _ => Err(Error::WrongType {
                place: place.clone(),
                column: self.name.clone(),
                found: self.found.clone(),
                expected,
            }),
        }
    }
}

fn item(column: &Type) -> Item {
    let info = column.get_basic_info();
    let plain = info.logical_type_ref().is_none() && info.converted_type() == ConvertedType::NONE;
    match (
        column.get_physical_type(),
        info.logical_type_ref(),
        info.converted_type(),
    ) {
        (Physical::FLOAT | Physical::DOUBLE, ..) => Item::Number,
        (Physical::INT32 | Physical::INT64, Some(LogicalType::Integer(int)), _) => {
            if int.is_signed {
                Item::Number
            } else {
                Item::Unsigned
            }
        }
        (Physical::INT32 | Physical::INT64, None, converted) => match converted {
            ConvertedType::NONE
            | ConvertedType::INT_8
            | ConvertedType::INT_16
            | ConvertedType::INT_32
            | ConvertedType::INT_64 => Item::Number,
            ConvertedType::UINT_8
            | ConvertedType::UINT_16
            | ConvertedType::UINT_32
            | ConvertedType::UINT_64 => Item::Unsigned,
            _ => Item::Other, // dates, times, decimals
        },
        (Physical::FIXED_LEN_BYTE_ARRAY, Some(LogicalType::Float16), _) => Item::Half,
        (Physical::BYTE_ARRAY, Some(LogicalType::String), _)
        | (Physical::BYTE_ARRAY, _, ConvertedType::UTF8) => Item::Text,
        (Physical::BYTE_ARRAY, ..) if plain => Item::Text,
        _ => Item::Other,
    }
}

/// Rows of values; a plain column has one value per row.
pub(super) struct Lists<T> {
    values: Vec<T>,
    ends: Vec<usize>,
}

impl<T> Lists<T> {
    pub(super) const fn rows(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn row(&self, row: usize) -> &[T] {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.values[start..self.ends[row]]
    }
}

/// The rows of one column of one row group, in order.
pub(super) struct LeafReader<'l> {
    leaf: &'l Leaf,
    item: Item,
    reader: ColumnReader,
    max_definition: i16,
    list_definition: i16, // the level at which a list has an element
    definitions: Vec<i16>,
    repetitions: Vec<i16>,
}

/// Reads records into `$raw` and turns each value into `f64` or text with `$convert`.
macro_rules! read_into {
    ($self:ident, $reader:ident, $rows:ident, $convert:expr) => {{
        let mut raw = Vec::new();
        let levels = (&mut $self.definitions, &mut $self.repetitions);
        let (records, _, _) =
            $reader.read_records($rows, Some(levels.0), Some(levels.1), &mut raw)?;
        Ok((records, raw.iter().map($convert).collect()))
    }};
}

impl<'l> LeafReader<'l> {
    pub(super) fn open(leaf: &'l Leaf, group: &dyn RowGroupReader) -> DecodeResult<Self> {
        let (index, item) = match leaf.shape {
            Shape::Values { leaf, item, .. } => (leaf, item),
            Shape::Nested => (usize::MAX, Item::Other), // refused before
        };
        let reader = group.get_column_reader(index)?;
        let column = group.metadata().column(index).column_descr_ptr();
        Ok(Self {
            leaf,
            item,
            reader,
            max_definition: column.max_def_level(),
            list_definition: column.repeated_ancestor_def_level(),
            definitions: Vec::new(),
            repetitions: Vec::new(),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.leaf.name
    }

    /// Up to `at_most` rows of finite numbers; `place` is that of the first.
    pub(super) fn numbers(&mut self, at_most: usize, place: &Place) -> Result<Lists<f32>> {
        let read = self
            .read_numbers(at_most)
            .map_err(|e| super::undecodable(&place.file, &e));
        let (records, values) = read?;
        let leaf = self.leaf;
        self.split(records, values, place, |value, place, position| {
            finite(value, place, &leaf.name, position)
        })
    }

    /// Up to `at_most` rows of texts; `place` is that of the first.
    pub(super) fn texts(&mut self, at_most: usize, place: &Place) -> Result<Lists<String>> {
        let read = self
            .read_texts(at_most)
            .map_err(|e| super::undecodable(&place.file, &e));
        let (records, values) = read?;
        self.split(records, values, place, |value, place, _| {
            String::from_utf8(value).map_err(|_| Error::NotUtf8 {
                place: place.clone(),
            })
        })
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "rewards become f32"
    )]
    fn read_numbers(&mut self, rows: usize) -> DecodeResult<(usize, Vec<f64>)> {
        let unsigned = self.item == Item::Unsigned;
        match &mut self.reader {
            ColumnReader::FloatColumnReader(r) => read_into!(self, r, rows, |&v| f64::from(v)),
            ColumnReader::DoubleColumnReader(r) => read_into!(self, r, rows, |&v| v),
            ColumnReader::Int32ColumnReader(r) => read_into!(self, r, rows, |&v: &i32| {
                if unsigned {
                    f64::from(v as u32)
                } else {
                    f64::from(v)
                }
            }),
            ColumnReader::Int64ColumnReader(r) => read_into!(self, r, rows, |&v: &i64| {
                if unsigned { v as u64 as f64 } else { v as f64 }
            }),
            ColumnReader::FixedLenByteArrayColumnReader(r) => {
                read_into!(self, r, rows, |v| match v.data() {
                    &[low, high] => half::f16::from_le_bytes([low, high]).to_f64(),
                    _ => f64::NAN,
                })
            }
            _ => Err(unexpected_type()),
        }
    }

    #[expect(clippy::cast_sign_loss, reason = "the column is unsigned")]
    fn read_texts(&mut self, rows: usize) -> DecodeResult<(usize, Vec<Vec<u8>>)> {
        let unsigned = self.item == Item::Unsigned;
        match &mut self.reader {
            ColumnReader::ByteArrayColumnReader(r) => {
                read_into!(self, r, rows, |v| v.data().to_vec())
            }
            ColumnReader::Int32ColumnReader(r) => read_into!(self, r, rows, |&v: &i32| {
                if unsigned {
                    (v as u32).to_string()
                } else {
                    v.to_string()
                }
                .into_bytes()
            }),
            ColumnReader::Int64ColumnReader(r) => read_into!(self, r, rows, |&v: &i64| {
                if unsigned {
                    (v as u64).to_string()
                } else {
                    v.to_string()
                }
                .into_bytes()
            }),
            _ => Err(unexpected_type()),
        }
    }

    /// Puts values into their rows by the levels just read, and refuses nulls.
    fn split<V, T>(
        &mut self,
        records: usize,
        values: Vec<V>,
        place: &Place,
        convert: impl Fn(V, &Place, Option<usize>) -> Result<T>,
    ) -> Result<Lists<T>> {
        let list = self.leaf.is_list();
        let levels = if self.max_definition > 0 {
            self.definitions.len()
        } else {
            values.len()
        };
        let mut rows = Lists {
            values: Vec::with_capacity(values.len()),
            ends: Vec::new(),
        };
        let mut values = values.into_iter();
        let first = match place.spot {
            Spot::Row(row) | Spot::Line(row) => row,
        };
        let mut place = place.clone();
        let mut start = 0; // of the current row
        for level in 0..levels {
            if level > 0 && (!list || self.repetitions.get(level) == Some(&0)) {
                rows.ends.push(rows.values.len());
                start = rows.values.len();
                place.spot = Spot::Row(first + rows.ends.len() as u64);
            }
            let definition = self
                .definitions
                .get(level)
                .copied()
                .unwrap_or(self.max_definition);
            let position = list.then(|| rows.values.len() - start);
            if definition == self.max_definition
                && let Some(value) = values.next()
            {
                rows.values.push(convert(value, &place, position)?);
            } else {
                return Err(self.absent(definition, place, position));
            }
        }
        if levels > 0 {
            rows.ends.push(rows.values.len());
        }
        self.definitions.clear();
        self.repetitions.clear();
        if rows.rows() == records && values.next().is_none() {
            return Ok(rows);
        }
        let what = format!("`{}` does not hold the rows it announces", self.leaf.name);
        Err(Error::Parquet {
            file: place.file.to_string(),
            what,
        })
    }

    fn absent(&self, definition: i16, place: Place, position: Option<usize>) -> Error {
        let column = self.leaf.name.clone();
        match position {
            Some(_) if definition == self.list_definition - 1 => Error::EmptyList { place, column },
            Some(at) if definition >= self.list_definition => {
                let value = "null".to_owned();
                Error::NotFinite {
                    place,
                    column,
                    response: Some(at + 1),
                    value,
                }
            }
            None if self.item != Item::Text => Error::NotFinite {
                place,
                column,
                response: None,
                value: "null".to_owned(),
            },
            _ => Error::MissingField { place, column },
        }
    }
}

fn unexpected_type() -> parquet::errors::ParquetError {
    parquet::errors::ParquetError::General("a column is not of the type it announces".to_owned())
}
