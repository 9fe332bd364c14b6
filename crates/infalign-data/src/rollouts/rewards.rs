//! Rows of rewards in a shard: their checks and columns.

use std::sync::Arc;

use parquet::{
    basic::Type as Physical,
    data_type::{ByteArray, ByteArrayType, FloatType},
    errors::Result as CodeResult,
    file::reader::RowGroupReader,
    schema::types::{SchemaDescriptor, Type, TypePtr},
};

use super::{
    RewardRow,
    columns::{Column, Expected, same},
    rows::{ID, finite, text},
    shard::{Group, Row},
};
use crate::{
    error::{Error, Place, Result},
    write::parquet as encode,
};

const REWARDS: Expected = Expected {
    name: "rewards",
    list: true,
    physical: Physical::FLOAT,
};

pub struct Columns {
    ids: Column<ByteArrayType>,
    rewards: Column<FloatType>,
}

impl Row for RewardRow {
    const KIND: &'static str = "rewards";
    type Columns = Columns;

    fn id(&self) -> &str {
        &self.prompt_id
    }

    fn check(&self, place: &Place) -> Result<()> {
        if self.rewards.is_empty() {
            return Err(Error::EmptyList {
                place: place.clone(),
                column: REWARDS.name.to_owned(),
            });
        }
        finite(&self.rewards, REWARDS.name, place)
    }

    fn schema() -> CodeResult<TypePtr> {
        let element = encode::primitive("element", Physical::FLOAT)?;
        let fields = vec![
            encode::string(ID.name)?,
            encode::list(REWARDS.name, element)?,
        ];
        let schema = Type::group_type_builder("schema").with_fields(fields);
        Ok(Arc::new(schema.build()?))
    }

    fn encode(rows: &[&Self], group: &mut Group<'_, '_>) -> CodeResult<()> {
        let ids: Vec<ByteArray> = rows.iter().map(|r| encode::text(&r.prompt_id)).collect();
        encode::column::<ByteArrayType, _>(group, &ids, None)?;
        let (definitions, repetitions) = encode::levels(rows.iter().map(|r| r.rewards.len()));
        let values: Vec<f32> = rows.iter().flat_map(|r| &r.rewards).copied().collect();
        let levels = Some((&definitions[..], &repetitions[..]));
        encode::column::<FloatType, _>(group, &values, levels)
    }

    fn columns(schema: &SchemaDescriptor) -> Result<(), String> {
        [ID, REWARDS]
            .iter()
            .try_for_each(|column| column.leaf(schema).map(|_| ()))
    }

    fn open(schema: &SchemaDescriptor, group: &dyn RowGroupReader) -> CodeResult<Columns> {
        Ok(Columns {
            ids: Column::open(ID, schema, group)?,
            rewards: Column::open(REWARDS, schema, group)?,
        })
    }

    fn decode(columns: &mut Columns, at_most: usize, first: &Place) -> Result<Vec<Self>> {
        let mut ids = columns.ids.read(at_most, first)?;
        let mut rewards = columns.rewards.read(at_most, first)?;
        let rows = same(&first.file, &[ids.rows(), rewards.rows()])?;
        (0..rows)
            .map(|row| {
                Ok(Self {
                    prompt_id: text(ids.take(row), row, first)?,
                    rewards: rewards.take(row),
                })
            })
            .collect()
    }
}
