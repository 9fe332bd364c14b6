//! Writing a calibration as it streams by: `prompt_id`, `k`, `rewards` ascending, in row groups that depend on the rows alone.
//!
//! Rewards are written as one plain, uncompressed page a row group: floats hardly compress, and a page whose levels are runs (one for
//! all definitions, two for each prompt) costs little more than a copy.

use std::{io, path::Path, sync::Arc};

use bytes::Bytes;
use parquet::{
    basic::{Compression, Encoding, Type as Physical},
    column::{
        page::{CompressedPage, Page, PageWriter},
        writer::ColumnCloseResult,
    },
    data_type::{ByteArray, ByteArrayType, Int32Type},
    errors::{ParquetError, Result as EncodeResult},
    file::{
        metadata::ColumnChunkMetaData,
        writer::{SerializedFileWriter, SerializedPageWriter, TrackedWrite},
    },
    schema::types::{Type, TypePtr},
};

use super::RewardBatch;
use crate::{
    calibration::{BASE_POLICY, REWARD, REWARDS, SAMPLING},
    error::{Error, Result},
    read::Runs,
    write::{Output, parquet as encode, write_atomic},
};

const GROUP: usize = 4096; // prompts per row group
const MOST: usize = 1 << 20; // rewards after which a group ends

/// What a calibration is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalibrationOf {
    /// The base policy, as the user named it.
    pub base_policy: String,
    /// The reward model or column.
    pub reward: String,
    /// How the responses were sampled, or which part of a table they are.
    pub sampling: String,
}

/// Takes the prompts of a calibration in turn.
pub struct CalibrationSink<'o> {
    path: &'o Path,
    writer: SerializedFileWriter<Output<'o>>,
    group: RewardBatch,
}

/// Writes `calibration.parquet` from what `fill` appends; the same prompts give the same bytes, however they come in batches.
///
/// # Errors
/// Whatever `fill` says, or the disk; an earlier file of that name then stands as it was.
pub fn write_calibration_stream<E: From<Error>>(
    path: impl AsRef<Path>,
    of: &CalibrationOf,
    fill: impl FnOnce(&mut CalibrationSink<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let path = path.as_ref();
    let mut failure = None;
    let written = write_atomic(path, |output| {
        let mut sink = CalibrationSink::new(path, output, of).map_err(encode::refused)?;
        if let Err(error) = fill(&mut sink) {
            failure = Some(error);
            return Err(io::Error::other("the calibration could not be made"));
        }
        sink.finish().map_err(encode::refused)
    });
    match failure {
        Some(error) => Err(error),
        None => Ok(written?),
    }
}

impl<'o> CalibrationSink<'o> {
    fn new(path: &'o Path, output: Output<'o>, of: &CalibrationOf) -> EncodeResult<Self> {
        let metadata = [
            (BASE_POLICY, of.base_policy.as_str()),
            (REWARD, &of.reward),
            (SAMPLING, &of.sampling),
        ];
        let properties = encode::properties(metadata.into_iter());
        Ok(Self {
            path,
            writer: SerializedFileWriter::new(output, schema()?, Arc::new(properties))?,
            group: RewardBatch::default(),
        })
    }

    /// Adds prompts whose rewards are sorted.
    ///
    /// # Errors
    /// The disk's refusal; [`Error::Table`] for rewards of a prompt that are not ascending.
    pub fn append(&mut self, batch: &RewardBatch) -> Result<()> {
        for prompt in 0..batch.prompts() {
            let rewards = batch.rewards(prompt);
            if !rewards.is_sorted() {
                return Err(Error::Table {
                    what: format!("the rewards of `{}` are not sorted", batch.id(prompt)),
                });
            }
            self.group.push(batch.id(prompt), rewards);
            if self.group.prompts() >= GROUP || self.group.responses() >= MOST {
                let path = self.path;
                self.flush()
                    .map_err(|e| Error::write(path, encode::refused(e)))?;
            }
        }
        Ok(())
    }

    fn finish(mut self) -> EncodeResult<()> {
        if self.group.prompts() > 0 {
            self.flush()?;
        }
        self.writer.close().map(|_| ())
    }

    fn flush(&mut self) -> EncodeResult<()> {
        let batch = &self.group;
        let rows = 0..batch.prompts();
        let mut group = self.writer.next_row_group()?;
        let ids: Vec<ByteArray> = rows.clone().map(|p| encode::text(batch.id(p))).collect();
        encode::column::<ByteArrayType, _>(&mut group, &ids, None)?;
        let k = rows.map(|p| i32::try_from(batch.rewards(p).len()));
        let k: Vec<i32> = k
            .collect::<Result<_, _>>()
            .map_err(|e| ParquetError::General(e.to_string()))?;
        encode::column::<Int32Type, _>(&mut group, &k, None)?;
        let (bytes, close) = rewards(batch, &k)?;
        group.append_column(&bytes, close)?;
        group.close()?;
        self.group.clear();
        Ok(())
    }
}

fn schema() -> EncodeResult<TypePtr> {
    let fields = vec![
        encode::string("prompt_id")?,
        encode::primitive("k", Physical::INT32)?,
        encode::list(REWARDS, encode::primitive("element", Physical::FLOAT)?)?,
    ];
    let schema = Type::group_type_builder("schema").with_fields(fields);
    Ok(Arc::new(schema.build()?))
}

/// The column of rewards as one page, and what is to be said of it.
fn rewards(batch: &RewardBatch, k: &[i32]) -> EncodeResult<(Bytes, ColumnCloseResult)> {
    let values = batch.responses();
    let count = u32::try_from(values).map_err(|e| ParquetError::General(e.to_string()))?;
    let mut repetitions = Runs::default();
    for &k in k {
        repetitions.push(0, 1);
        repetitions.push(1, k as usize - 1);
    }
    let mut definitions = Runs::default();
    definitions.push(1, values);
    let mut page = Vec::with_capacity(8 + 8 * k.len() + 4 * values);
    for levels in [repetitions, definitions] {
        let levels = levels.bytes();
        page.extend_from_slice(&(levels.len() as u32).to_le_bytes());
        page.extend_from_slice(levels);
    }
    let plain = page.len();
    page.resize(plain + 4 * values, 0);
    let all = (0..batch.prompts()).flat_map(|p| batch.rewards(p));
    for (bytes, value) in page[plain..].as_chunks_mut().0.iter_mut().zip(all) {
        *bytes = value.to_le_bytes();
    }
    let size = page.len();
    let page = Page::DataPage {
        buf: Bytes::from(page),
        num_values: count,
        encoding: Encoding::PLAIN,
        def_level_encoding: Encoding::RLE,
        rep_level_encoding: Encoding::RLE,
        statistics: None,
    };
    let mut sink = TrackedWrite::new(Vec::with_capacity(size + 64));
    let spec = SerializedPageWriter::new(&mut sink).write_page(CompressedPage::new(page, size))?;
    let descriptor = parquet::schema::types::SchemaDescriptor::new(schema()?).column(2);
    let metadata = ColumnChunkMetaData::builder(descriptor)
        .set_compression(Compression::UNCOMPRESSED)
        .set_encodings(vec![Encoding::PLAIN, Encoding::RLE])
        .set_num_values(i64::from(count))
        .set_total_compressed_size(spec.compressed_size as i64)
        .set_total_uncompressed_size(spec.uncompressed_size as i64)
        .set_data_page_offset(0)
        .build()?;
    let bytes = Bytes::from(sink.into_inner()?);
    let close = ColumnCloseResult {
        bytes_written: bytes.len() as u64,
        rows_written: k.len() as u64,
        metadata,
        bloom_filter: None,
        column_index: None,
        offset_index: None,
    };
    Ok((bytes, close))
}
