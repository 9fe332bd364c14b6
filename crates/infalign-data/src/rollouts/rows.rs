//! Rows of rollouts in a shard: their checks and columns.

use std::sync::Arc;

use parquet::{
    basic::Type as Physical,
    data_type::{BoolType, ByteArray, ByteArrayType, FloatType, Int32Type},
    errors::Result as CodeResult,
    file::reader::RowGroupReader,
    schema::types::{SchemaDescriptor, Type, TypePtr},
};

use super::{
    RolloutRow,
    columns::{Column, Expected, same},
    shard::{Group, Row},
};
use crate::{
    error::{Error, Place, Result, Spot},
    write::parquet as encode,
};

const fn plain(name: &'static str) -> Expected {
    Expected {
        name,
        list: false,
        physical: Physical::BYTE_ARRAY,
    }
}

const fn list(name: &'static str, physical: Physical) -> Expected {
    Expected {
        name,
        list: true,
        physical,
    }
}

pub(super) const ID: Expected = plain("prompt_id");
const PROMPT: Expected = plain("prompt");
const RESPONSES: Expected = list("responses", Physical::BYTE_ARRAY);
const LOG_PROBS: Expected = list("logprobs", Physical::FLOAT);
const TOKENS: Expected = list("tokens", Physical::INT32);
const TOKEN_IDS: Expected = list("token_ids", Physical::INT32);
const TRUNCATED: Expected = list("truncated", Physical::BOOLEAN);

pub struct Columns {
    ids: Column<ByteArrayType>,
    prompts: Column<ByteArrayType>,
    responses: Column<ByteArrayType>,
    log_probs: Column<FloatType>,
    tokens: Column<Int32Type>,
    token_ids: Column<Int32Type>,
    truncated: Column<BoolType>,
}

impl Row for RolloutRow {
    const KIND: &'static str = "rollouts";
    type Columns = Columns;

    fn id(&self) -> &str {
        &self.prompt_id
    }

    fn check(&self, place: &Place) -> Result<()> {
        let k = self.responses.len();
        if k == 0 {
            return Err(Error::EmptyList {
                place: place.clone(),
                column: RESPONSES.name.to_owned(),
            });
        }
        for (column, length, may_lack) in [
            (LOG_PROBS, self.log_probs.len(), true),
            (TOKENS, self.tokens.len(), true),
            (TRUNCATED, self.truncated.len(), false),
        ] {
            if length != k && !(may_lack && length == 0) {
                return Err(Error::UnequalLengths {
                    place: place.clone(),
                    column: column.name.to_owned(),
                    length,
                    other: RESPONSES.name.to_owned(),
                    other_length: k,
                });
            }
        }
        if self
            .tokens
            .iter()
            .flatten()
            .any(|&id| i32::try_from(id).is_err())
        {
            return Err(bad_token(place));
        }
        finite(&self.log_probs, LOG_PROBS.name, place)
    }

    fn schema() -> CodeResult<TypePtr> {
        let of = |column: Expected, physical| {
            encode::list(column.name, encode::primitive("element", physical)?)
        };
        let fields = vec![
            encode::string(ID.name)?,
            encode::string(PROMPT.name)?,
            encode::list(RESPONSES.name, encode::string("element")?)?,
            of(LOG_PROBS, Physical::FLOAT)?,
            of(TOKENS, Physical::INT32)?,
            of(TOKEN_IDS, Physical::INT32)?,
            of(TRUNCATED, Physical::BOOLEAN)?,
        ];
        let schema = Type::group_type_builder("schema").with_fields(fields);
        Ok(Arc::new(schema.build()?))
    }

    #[expect(
        clippy::cast_possible_wrap,
        clippy::cast_possible_truncation,
        reason = "`check` let token ids below 2^31 pass; so many tokens of one response fit no memory"
    )]
    fn encode(rows: &[&Self], group: &mut Group<'_, '_>) -> CodeResult<()> {
        let texts = |of: fn(&Self) -> &String| -> Vec<ByteArray> {
            rows.iter().map(|row| encode::text(of(row))).collect()
        };
        encode::column::<ByteArrayType, _>(group, &texts(|r| &r.prompt_id), None)?;
        encode::column::<ByteArrayType, _>(group, &texts(|r| &r.prompt), None)?;

        let lists = |of: fn(&Self) -> usize| encode::levels(rows.iter().map(|r| of(r)));
        let per_response = lists(|r| r.responses.len());
        let per_response = Some((&per_response.0[..], &per_response.1[..]));
        let responses: Vec<ByteArray> = rows
            .iter()
            .flat_map(|r| r.responses.iter().map(|text| encode::text(text)))
            .collect();
        encode::column::<ByteArrayType, _>(group, &responses, per_response)?;
        let log_probs: Vec<f32> = rows.iter().flat_map(|r| &r.log_probs).copied().collect();
        let known = lists(|r| r.log_probs.len());
        encode::column::<FloatType, _>(group, &log_probs, Some((&known.0[..], &known.1[..])))?;
        let each = || rows.iter().flat_map(|r| &r.tokens);
        let counts: Vec<i32> = each().map(|tokens| tokens.len() as i32).collect();
        let known = lists(|r| r.tokens.len());
        encode::column::<Int32Type, _>(group, &counts, Some((&known.0[..], &known.1[..])))?;

        let lengths = rows.iter().map(|r| r.tokens.iter().map(Vec::len).sum());
        let per_token = encode::levels(lengths);
        let per_token = Some((&per_token.0[..], &per_token.1[..]));
        let ids: Vec<i32> = each().flatten().map(|&id| id as i32).collect();
        encode::column::<Int32Type, _>(group, &ids, per_token)?;

        let truncated: Vec<bool> = rows.iter().flat_map(|r| &r.truncated).copied().collect();
        encode::column::<BoolType, _>(group, &truncated, per_response)
    }

    fn columns(schema: &SchemaDescriptor) -> Result<(), String> {
        [
            ID, PROMPT, RESPONSES, LOG_PROBS, TOKENS, TOKEN_IDS, TRUNCATED,
        ]
        .iter()
        .try_for_each(|column| column.leaf(schema).map(|_| ()))
    }

    fn open(schema: &SchemaDescriptor, group: &dyn RowGroupReader) -> CodeResult<Columns> {
        Ok(Columns {
            ids: Column::open(ID, schema, group)?,
            prompts: Column::open(PROMPT, schema, group)?,
            responses: Column::open(RESPONSES, schema, group)?,
            log_probs: Column::open(LOG_PROBS, schema, group)?,
            tokens: Column::open(TOKENS, schema, group)?,
            token_ids: Column::open(TOKEN_IDS, schema, group)?,
            truncated: Column::open(TRUNCATED, schema, group)?,
        })
    }

    fn decode(columns: &mut Columns, at_most: usize, first: &Place) -> Result<Vec<Self>> {
        let mut ids = columns.ids.read(at_most, first)?;
        let mut prompts = columns.prompts.read(at_most, first)?;
        let mut responses = columns.responses.read(at_most, first)?;
        let mut log_probs = columns.log_probs.read(at_most, first)?;
        let mut tokens = columns.tokens.read(at_most, first)?;
        let mut token_ids = columns.token_ids.read(at_most, first)?;
        let mut truncated = columns.truncated.read(at_most, first)?;
        let counts = [
            ids.rows(),
            prompts.rows(),
            responses.rows(),
            log_probs.rows(),
            tokens.rows(),
            token_ids.rows(),
            truncated.rows(),
        ];
        (0..same(&first.file, &counts)?)
            .map(|row| {
                let place = nth(first, row);
                Ok(Self {
                    prompt_id: text(ids.take(row), row, first)?,
                    prompt: text(prompts.take(row), row, first)?,
                    responses: responses
                        .take(row)
                        .into_iter()
                        .map(|bytes| utf8(&bytes, &place))
                        .collect::<Result<_>>()?,
                    log_probs: log_probs.take(row),
                    tokens: split(&tokens.take(row), &token_ids.take(row), &place)?,
                    truncated: truncated.take(row),
                })
            })
            .collect()
    }
}

/// The tokens of each response, from how many there are of each.
fn split(counts: &[i32], ids: &[i32], place: &Place) -> Result<Vec<Vec<u32>>> {
    let announced = counts.iter().map(|&n| i64::from(n)).sum();
    let unequal = || Error::TokenCount {
        place: place.clone(),
        announced,
        held: ids.len(),
    };
    let mut rest = ids;
    let mut lists = Vec::with_capacity(counts.len());
    for &count in counts {
        let count = usize::try_from(count).map_err(|_| unequal())?;
        let (own, after) = rest.split_at_checked(count).ok_or_else(unequal)?;
        let own = own
            .iter()
            .map(|&id| u32::try_from(id).map_err(|_| bad_token(place)));
        lists.push(own.collect::<Result<_>>()?);
        rest = after;
    }
    match rest {
        [] => Ok(lists),
        _ => Err(unequal()),
    }
}

fn bad_token(place: &Place) -> Error {
    Error::UnusableRow {
        place: place.clone(),
        column: TOKEN_IDS.name.to_owned(),
        what: "a token id is negative or from 2^31 on; take the ids of the tokenizer",
    }
}

/// All values of a list are finite.
pub(super) fn finite(values: &[f32], column: &str, place: &Place) -> Result<()> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) if column == LOG_PROBS.name => Err(Error::NotALogProbability {
            place: place.clone(),
            column: column.to_owned(),
            response: at + 1,
            value: values[at],
        }),
        Some(at) => Err(Error::NotFinite {
            place: place.clone(),
            column: column.to_owned(),
            response: Some(at + 1),
            value: values[at].to_string(),
        }),
    }
}

/// The one text of a plain column's row, `row` rows after the first.
pub(super) fn text(values: Vec<ByteArray>, row: usize, first: &Place) -> Result<String> {
    let bytes = values.into_iter().next().unwrap_or_default();
    utf8(&bytes, &nth(first, row))
}

fn utf8(bytes: &ByteArray, place: &Place) -> Result<String> {
    // A value without bytes may have no buffer at all.
    if bytes.is_empty() {
        return Ok(String::new());
    }
    let text = std::str::from_utf8(bytes.data());
    text.map(str::to_owned).map_err(|_| Error::NotUtf8 {
        place: place.clone(),
    })
}

fn nth(first: &Place, row: usize) -> Place {
    let (Spot::Row(start) | Spot::Line(start)) = first.spot;
    Place {
        file: Arc::clone(&first.file),
        spot: Spot::Row(start + row as u64),
    }
}
