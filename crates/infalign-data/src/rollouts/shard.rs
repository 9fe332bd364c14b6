//! A shard as such: rows written group by group into a file that is whole or not there, and read
//! again a few at a time.

use std::{
    borrow::Borrow,
    collections::BTreeMap,
    fs::File,
    io,
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
};

use parquet::{
    errors::{ParquetError, Result as CodeResult},
    file::{
        reader::{FileReader, RowGroupReader},
        serialized_reader::SerializedFileReader,
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::types::{SchemaDescriptor, TypePtr},
};

use super::Metadata;
use crate::{
    error::{Error, Place, Result, Spot},
    table::shortened,
    write::{Output, parquet as encode, write_atomic},
};

const GROUP: usize = 256; // prompts per row group: some 25 MiB at K = 100 responses of 128 tokens
const BATCH: usize = 32; // rows per read: bounds memory where another program wrote long groups
const ARROW: &str = "ARROW:schema"; // the arrow programs' note to themselves

pub(super) type Group<'g, 'o> = SerializedRowGroupWriter<'g, Output<'o>>;

/// A row that has a shard of its own kind. Implemented here alone.
pub trait ShardRow: Row {}
impl<R: Row> ShardRow for R {}

/// How a kind of row is checked, written and read.
pub trait Row: Sized + sealed::Sealed {
    /// What a shard of them is called.
    #[doc(hidden)]
    const KIND: &'static str;
    /// The open columns of a row group.
    #[doc(hidden)]
    type Columns;
    #[doc(hidden)]
    fn id(&self) -> &str;
    #[doc(hidden)]
    fn check(&self, place: &Place) -> Result<()>;
    #[doc(hidden)]
    fn schema() -> CodeResult<TypePtr>;
    #[doc(hidden)]
    fn encode(rows: &[&Self], group: &mut Group<'_, '_>) -> CodeResult<()>;
    /// What is missing or of another type.
    #[doc(hidden)]
    fn columns(schema: &SchemaDescriptor) -> Result<(), String>;
    #[doc(hidden)]
    fn open(schema: &SchemaDescriptor, group: &dyn RowGroupReader) -> CodeResult<Self::Columns>;
    /// Up to `at_most` rows; `first` is the place of the first.
    #[doc(hidden)]
    fn decode(columns: &mut Self::Columns, at_most: usize, first: &Place) -> Result<Vec<Self>>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for crate::RolloutRow {}
    impl Sealed for crate::RewardRow {}
}

/// Writes rows as they come; the first error ends it and leaves no file.
pub(crate) fn write<R: ShardRow, B: Borrow<R>>(
    path: &Path,
    rows: impl Iterator<Item = Result<B>>,
    metadata: &Metadata,
) -> Result<()> {
    let mut failure = None;
    let file: Arc<str> = path.display().to_string().into();
    let checked = Checked::<R>::new(&file);
    let written = write_atomic(path, |output| {
        encode_rows::<R, B>(output, rows, metadata, checked).map_err(|error| match error {
            Stop::Row(error) => {
                failure = Some(error);
                io::Error::other("a row cannot be written")
            }
            Stop::Code(error) => encode::refused(error),
        })
    });
    match failure {
        Some(error) => Err(error),
        None => written,
    }
}

enum Stop {
    Row(Error),
    Code(ParquetError),
}

impl From<ParquetError> for Stop {
    fn from(error: ParquetError) -> Self {
        Self::Code(error)
    }
}

fn encode_rows<R: ShardRow, B: Borrow<R>>(
    output: Output<'_>,
    mut rows: impl Iterator<Item = Result<B>>,
    metadata: &Metadata,
    mut checked: Checked<R>,
) -> Result<(), Stop> {
    let metadata = metadata.iter().map(|(k, v)| (k.as_str(), v.as_str()));
    let properties = Arc::new(encode::properties(metadata));
    let mut writer = SerializedFileWriter::new(output, R::schema()?, properties)?;
    loop {
        let chunk: Vec<B> = rows
            .by_ref()
            .take(GROUP)
            .map(|row| row.and_then(|row| checked.pass(row)))
            .collect::<Result<_>>()
            .map_err(Stop::Row)?;
        if chunk.is_empty() {
            break;
        }
        let chunk: Vec<&R> = chunk.iter().map(Borrow::borrow).collect();
        let mut group = writer.next_row_group()?;
        R::encode(&chunk, &mut group)?;
        group.close()?;
    }
    writer.close()?;
    Ok(())
}

/// Lets sound rows pass, each id once.
struct Checked<R> {
    place: Place,
    rows: u64,
    ids: BTreeMap<String, u64>,
    kind: PhantomData<R>,
}

impl<R: ShardRow> Checked<R> {
    fn new(file: &Arc<str>) -> Self {
        Self {
            place: Place {
                file: Arc::clone(file),
                spot: Spot::Row(1),
            },
            rows: 0,
            ids: BTreeMap::new(),
            kind: PhantomData,
        }
    }

    fn pass<B: Borrow<R>>(&mut self, row: B) -> Result<B> {
        self.rows += 1;
        self.place.spot = Spot::Row(self.rows);
        let id = row.borrow().id();
        if id.is_empty() {
            return Err(Error::EmptyText {
                place: self.place.clone(),
                column: "prompt_id".to_owned(),
            });
        }
        if let Some(&first) = self.ids.get(id) {
            return Err(Error::DuplicatePrompt {
                place: self.place.clone(),
                id: shortened(id),
                first: Place {
                    file: Arc::clone(&self.place.file),
                    spot: Spot::Row(first),
                },
            });
        }
        row.borrow().check(&self.place)?;
        self.ids.insert(id.to_owned(), self.rows);
        Ok(row)
    }
}

/// The rows of a shard, in order; ends after the first error.
pub struct Shard<R: ShardRow> {
    reader: SerializedFileReader<File>,
    metadata: Metadata,
    file: Arc<str>,
    next_group: usize,
    columns: Option<R::Columns>,
    batch: std::vec::IntoIter<R>,
    read: u64, // rows of the batches so far
    checked: Checked<R>,
    done: bool,
}

impl<R: ShardRow> Shard<R> {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|e| Error::read(path, e))?;
        guarded(&name, || {
            SerializedFileReader::new(file).map_err(|e| undecodable(&name, &e))
        })
        .and_then(|reader| Self::new(reader, name.as_str().into()))
    }

    fn new(reader: SerializedFileReader<File>, file: Arc<str>) -> Result<Self> {
        let about = reader.metadata().file_metadata();
        R::columns(about.schema_descr()).map_err(|what| Error::Shard {
            file: file.to_string(),
            kind: R::KIND,
            what,
        })?;
        let metadata = about.key_value_metadata().into_iter().flatten();
        let metadata = metadata
            .filter(|entry| entry.key != ARROW)
            .map(|entry| (entry.key.clone(), entry.value.clone().unwrap_or_default()))
            .collect();
        Ok(Self {
            metadata,
            checked: Checked::new(&file),
            reader,
            file,
            next_group: 0,
            columns: None,
            batch: Vec::new().into_iter(),
            read: 0,
            done: false,
        })
    }

    /// What the shard says about itself.
    #[must_use]
    pub const fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// How many rows the file announces.
    #[must_use]
    pub fn announced(&self) -> u64 {
        let rows = self.reader.metadata().file_metadata().num_rows();
        u64::try_from(rows).unwrap_or(0)
    }

    /// All rows, and the metadata.
    pub(super) fn read(mut self) -> Result<(Vec<R>, Metadata)> {
        let rows = self.by_ref().collect::<Result<_>>()?;
        Ok((rows, self.metadata))
    }

    fn find(&mut self) -> Result<Option<R>> {
        loop {
            if let Some(row) = self.batch.next() {
                return self.checked.pass(row).map(Some);
            }
            let first = Place {
                file: Arc::clone(&self.file),
                spot: Spot::Row(self.read + 1),
            };
            if let Some(columns) = &mut self.columns {
                let rows = guarded(&self.file, || R::decode(columns, BATCH, &first))?;
                if rows.is_empty() {
                    self.columns = None;
                }
                self.read += rows.len() as u64;
                self.batch = rows.into_iter();
            } else if self.next_group < self.reader.num_row_groups() {
                let (reader, at) = (&self.reader, self.next_group);
                self.columns = Some(guarded(&self.file, || {
                    let group = reader.get_row_group(at);
                    let schema = reader.metadata().file_metadata().schema_descr();
                    group
                        .and_then(|group| R::open(schema, &*group))
                        .map_err(|e| undecodable(&first.file, &e))
                })?);
                self.next_group += 1;
            } else if self.read != self.announced() {
                return Err(Error::Parquet {
                    file: self.file.to_string(),
                    what: format!("{} rows instead of {}", self.read, self.announced()),
                });
            } else {
                return Ok(None);
            }
        }
    }
}

impl<R: ShardRow> Iterator for Shard<R> {
    type Item = Result<R>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let found = self.find();
        self.done = !matches!(found, Ok(Some(_)));
        found.transpose()
    }
}

/// The decoder may panic on hostile bytes (it checks most lengths, not all); nothing of ours is
/// left broken then, for the reading ends: it is the file's fault.
pub(crate) fn guarded<T>(file: &str, decode: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|_| {
        Err(Error::Parquet {
            file: file.to_owned(),
            what: "the decoder gave up".to_owned(),
        })
    })
}

pub(crate) fn undecodable(file: &str, error: &ParquetError) -> Error {
    Error::Parquet {
        file: file.to_owned(),
        what: error.to_string(),
    }
}
