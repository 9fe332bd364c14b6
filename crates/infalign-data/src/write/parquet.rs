//! A reward table as Parquet: `prompt_id: string, prompt?: string, responses?: list<string>,
//! <column>: list<float>…`, one row per prompt.

use std::{
    io::{self, Write},
    sync::Arc,
};

use parquet::{
    basic::{Compression, ConvertedType, LogicalType, Repetition, Type as Physical, ZstdLevel},
    data_type::{ByteArray, ByteArrayType, DataType, FloatType},
    errors::{ParquetError, Result as EncodeResult},
    file::{
        metadata::KeyValue,
        properties::{EnabledStatistics, WriterProperties},
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::types::{Type, TypePtr},
};

use super::Output;
use crate::RewardTable;

const GROUP: usize = 4096; // prompts per row group: some MiB of rewards at K = 100

/// Writes the table; nothing of the bytes depends on time or machine.
pub(super) fn write(
    output: Output<'_>,
    table: &RewardTable,
    metadata: &[(&str, &str)],
) -> io::Result<()> {
    encode(output, table, metadata).map_err(refused)
}

/// What the disk said, of its own kind.
pub(crate) fn refused(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(refused) => *refused,
            Err(other) => io::Error::other(other),
        },
        other => io::Error::other(other),
    }
}

/// Settings of every file written: nothing of the bytes depends on time or machine.
pub(crate) fn properties<'m>(
    metadata: impl Iterator<Item = (&'m str, &'m str)>,
) -> WriterProperties {
    let metadata = metadata.map(|(k, v)| KeyValue::new(k.to_owned(), v.to_owned()));
    WriterProperties::builder()
        .set_created_by(concat!("infalign ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_dictionary_enabled(false) // rewards hardly repeat
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_key_value_metadata(Some(metadata.collect()))
        .build()
}

fn encode(output: Output<'_>, table: &RewardTable, metadata: &[(&str, &str)]) -> EncodeResult<()> {
    let properties = properties(metadata.iter().copied());
    let schema = schema(table)?;
    let mut writer = SerializedFileWriter::new(output, schema, Arc::new(properties))?;
    for start in (0..table.prompts()).step_by(GROUP) {
        let rows = start..(start + GROUP).min(table.prompts());
        let mut group = writer.next_row_group()?;
        let ids: Vec<ByteArray> = rows.clone().map(|row| text(table.id(row))).collect();
        column::<ByteArrayType, _>(&mut group, &ids, None)?;
        let prompts: Option<Vec<ByteArray>> = rows
            .clone()
            .map(|row| table.prompt_text(row).map(text))
            .collect();
        if let Some(prompts) = prompts {
            column::<ByteArrayType, _>(&mut group, &prompts, None)?;
        }
        let (definitions, repetitions) =
            levels(rows.clone().map(|row| table.rewards(0, row).len()));
        let levels = Some((&definitions[..], &repetitions[..]));
        if table.response_texts(0).is_some() {
            let texts = rows
                .clone()
                .filter_map(|row| table.response_texts(row))
                .flatten();
            let texts: Vec<ByteArray> = texts.map(text).collect();
            column::<ByteArrayType, _>(&mut group, &texts, levels)?;
        }
        for reward in 0..table.columns().len() {
            let values: Vec<f32> = rows
                .clone()
                .flat_map(|row| table.rewards(reward, row))
                .copied()
                .collect();
            column::<FloatType, _>(&mut group, &values, levels)?;
        }
        group.close()?;
    }
    writer.close().map(|_| ())
}

fn schema(table: &RewardTable) -> EncodeResult<TypePtr> {
    let mut fields = vec![string("prompt_id")?];
    if table.prompt_text(0).is_some() {
        fields.push(string("prompt")?);
    }
    if table.response_texts(0).is_some() {
        fields.push(list("responses", string("element")?)?);
    }
    for name in table.columns() {
        fields.push(list(name, primitive("element", Physical::FLOAT)?)?);
    }
    Ok(Arc::new(
        Type::group_type_builder("schema")
            .with_fields(fields)
            .build()?,
    ))
}

pub(crate) fn primitive(name: &str, physical: Physical) -> EncodeResult<TypePtr> {
    let builder = Type::primitive_type_builder(name, physical);
    Ok(Arc::new(
        builder.with_repetition(Repetition::REQUIRED).build()?,
    ))
}

pub(crate) fn string(name: &str) -> EncodeResult<TypePtr> {
    let builder = Type::primitive_type_builder(name, Physical::BYTE_ARRAY)
        .with_repetition(Repetition::REQUIRED)
        .with_logical_type(Some(LogicalType::String));
    Ok(Arc::new(builder.build()?))
}

/// The three-level list of parquet-format, "Lists".
pub(crate) fn list(name: &str, element: TypePtr) -> EncodeResult<TypePtr> {
    let repeated = Type::group_type_builder("list")
        .with_repetition(Repetition::REPEATED)
        .with_fields(vec![element])
        .build()?;
    let outer = Type::group_type_builder(name)
        .with_repetition(Repetition::REQUIRED)
        .with_converted_type(ConvertedType::LIST)
        .with_logical_type(Some(LogicalType::List))
        .with_fields(vec![Arc::new(repeated)])
        .build()?;
    Ok(Arc::new(outer))
}

/// Definition and repetition levels of lists of these lengths; an empty one has a level and no value.
pub(crate) fn levels(lengths: impl Iterator<Item = usize>) -> (Vec<i16>, Vec<i16>) {
    lengths
        .flat_map(|k| (0..k.max(1)).map(move |i| (i16::from(k > 0), i16::from(i > 0))))
        .unzip()
}

pub(crate) fn text(text: &str) -> ByteArray {
    ByteArray::from(text.as_bytes().to_vec())
}

pub(crate) fn column<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
    levels: Option<(&[i16], &[i16])>,
) -> EncodeResult<()> {
    let (definitions, repetitions) = levels.unzip();
    let Some(mut writer) = group.next_column()? else {
        return Err(ParquetError::General(
            "more columns than the schema has".to_owned(),
        ));
    };
    writer
        .typed::<T>()
        .write_batch(values, definitions, repetitions)?;
    writer.close()
}
