//! Rows of a Parquet file as JSON values, whatever their nesting.
//!
//! | value | becomes |
//! |---|---|
//! | number, boolean, text, null, list, struct | the same in JSON |
//! | float that is NaN or infinite | its name as a text: no reader takes it for a number |
//! | map | an object |
//! | bytes that are text | the text |
//! | dates, decimals, other bytes | their text as the decoder writes them |

use std::{fs::File, sync::Arc};

use parquet::{
    file::{reader::FileReader, serialized_reader::SerializedFileReader},
    record::{Field, List, Row, reader::RowIter},
};
use serde_json::{Map, Value};

use crate::{
    error::{Error, Place, Result, Spot},
    rollouts::{guarded, undecodable},
};

const BATCH: usize = 64; // values per column and read: texts may be long

/// The rows of a file, one after the other.
pub(super) struct ParquetRows {
    rows: RowIter<'static>,
    file: Arc<str>,
    row: u64,
}

impl ParquetRows {
    pub(super) fn open(file: File, name: Arc<str>) -> Result<Self> {
        let rows = guarded(&name, || {
            let reader = SerializedFileReader::new(file).map_err(|e| undecodable(&name, &e))?;
            if reader.metadata().file_metadata().num_rows() < 1 {
                return Err(Error::NoTexts {
                    file: name.to_string(),
                    what: "rows",
                });
            }
            Ok(RowIter::from_file_into(Box::new(reader)).with_batch_size(BATCH))
        })?;
        Ok(Self {
            rows,
            file: name,
            row: 0,
        })
    }

    pub(super) fn advance(&mut self) -> Option<Result<(Place, Value)>> {
        let next = guarded(&self.file, || {
            let row = self.rows.next().transpose();
            row.map_err(|e| undecodable(&self.file, &e))
        });
        self.row += 1;
        let place = Place {
            file: Arc::clone(&self.file),
            spot: Spot::Row(self.row),
        };
        Some(next.transpose()?.map(|row| (place, object(&row))))
    }
}

fn object(row: &Row) -> Value {
    let fields = row.get_column_iter();
    Value::Object(
        fields
            .map(|(name, field)| (name.clone(), value(field)))
            .collect(),
    )
}

fn list(list: &List) -> Value {
    Value::Array(list.elements().iter().map(value).collect())
}

fn float(x: f64) -> Value {
    serde_json::Number::from_f64(x).map_or_else(|| Value::String(x.to_string()), Value::Number)
}

fn value(field: &Field) -> Value {
    match field {
        Field::Null => Value::Null,
        Field::Bool(truth) => Value::Bool(*truth),
        Field::Byte(n) => (*n).into(),
        Field::Short(n) => (*n).into(),
        Field::Int(n) => (*n).into(),
        Field::Long(n) => (*n).into(),
        Field::UByte(n) => (*n).into(),
        Field::UShort(n) => (*n).into(),
        Field::UInt(n) => (*n).into(),
        Field::ULong(n) => (*n).into(),
        Field::Float16(x) => float(x.to_f64()),
        Field::Float(x) => float(f64::from(*x)),
        Field::Double(x) => float(*x),
        Field::Str(text) => Value::String(text.clone()),
        Field::Bytes(bytes) => match bytes.as_utf8() {
            Ok(text) => Value::String(text.to_owned()),
            Err(_) => Value::String(field.to_string()),
        },
        Field::Group(row) => object(row),
        Field::ListInternal(inner) => list(inner),
        Field::MapInternal(map) => {
            let mut fields = Map::new();
            for (key, inner) in map.entries() {
                let key = match value(key) {
                    Value::String(key) => key,
                    other => other.to_string(),
                };
                fields.insert(key, value(inner));
            }
            Value::Object(fields)
        }
        other => Value::String(other.to_string()),
    }
}
