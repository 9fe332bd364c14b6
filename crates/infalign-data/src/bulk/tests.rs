//! Streams against the table that the same file gives, and files that no stream can take.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{fs::File, path::Path, sync::Arc};

use parquet::{
    basic::Compression,
    data_type::{ByteArray, ByteArrayType, DoubleType, FloatType},
    file::{
        properties::{WriterProperties, WriterVersion},
        writer::SerializedFileWriter,
    },
    schema::parser::parse_message_type,
};
use proptest::prelude::*;

use super::*;
use crate::{RewardTable, TableBuilder, read_calibration, write_table};

/// Everything that a stream gives.
fn streamed(path: &Path, options: &ReadOptions) -> Result<RewardTable> {
    let mut builder = TableBuilder::new(["rewards"])?;
    stream_rewards(path, options, 0, |batch: &mut RewardBatch| {
        assert!(batch.prompts() > 0);
        for p in 0..batch.prompts() {
            builder.insert(batch.id(p), None, &[batch.rewards(p)], &[])?;
        }
        Ok::<_, Error>(())
    })?;
    builder.finish()
}

fn table(rows: &[Vec<f32>]) -> RewardTable {
    let mut builder = TableBuilder::new(["rewards"]).unwrap();
    for (i, row) in rows.iter().enumerate() {
        builder.insert(&format!("p{i}"), None, &[row], &[]).unwrap();
    }
    builder.finish().unwrap()
}

/// How another program may write a list of floats.
#[derive(Debug, Clone)]
struct Foreign {
    schema: &'static str,
    maximum: i16,
    version: WriterVersion,
    compression: Compression,
    dictionary: bool,
    page: usize,
    group: usize,
}

const REQUIRED: &str = "message m { required binary prompt_id (STRING); required group rewards (LIST) { repeated group list { required float element; } } }";
const OPTIONAL: &str = "message m { required binary prompt_id (STRING); optional group rewards (LIST) { repeated group list { optional float element; } } }";
const TWO_LEVEL: &str = "message m { required binary prompt_id (STRING); required group rewards (LIST) { repeated float array; } }";

impl Foreign {
    fn write(&self, path: &Path, rows: &[Vec<f32>]) {
        let schema = Arc::new(parse_message_type(self.schema).unwrap());
        let properties = WriterProperties::builder()
            .set_writer_version(self.version)
            .set_compression(self.compression)
            .set_dictionary_enabled(self.dictionary)
            .set_data_page_size_limit(self.page)
            .set_write_batch_size(16)
            .build();
        let file = File::create(path).unwrap();
        let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties)).unwrap();
        for (g, rows) in rows.chunks(self.group).enumerate() {
            let mut group = writer.next_row_group().unwrap();
            let ids = (0..rows.len()).map(|i| format!("p{}", g * self.group + i));
            let ids: Vec<ByteArray> = ids.map(|id| ByteArray::from(id.into_bytes())).collect();
            let mut column = group.next_column().unwrap().unwrap();
            column
                .typed::<ByteArrayType>()
                .write_batch(&ids, None, None)
                .unwrap();
            column.close().unwrap();
            let (definitions, repetitions): (Vec<i16>, Vec<i16>) = rows
                .iter()
                .flat_map(|row| (0..row.len()).map(|i| (self.maximum, i16::from(i > 0))))
                .unzip();
            let values: Vec<f32> = rows.iter().flatten().copied().collect();
            let mut column = group.next_column().unwrap().unwrap();
            let levels = (Some(&definitions[..]), Some(&repetitions[..]));
            column
                .typed::<FloatType>()
                .write_batch(&values, levels.0, levels.1)
                .unwrap();
            column.close().unwrap();
            group.close().unwrap();
        }
        writer.close().unwrap();
    }
}

fn foreign() -> impl Strategy<Value = Foreign> {
    (
        prop_oneof![
            Just((REQUIRED, 1_i16)),
            Just((OPTIONAL, 3)),
            Just((TWO_LEVEL, 1))
        ],
        prop_oneof![
            Just(WriterVersion::PARQUET_1_0),
            Just(WriterVersion::PARQUET_2_0)
        ],
        prop_oneof![Just(Compression::UNCOMPRESSED), Just(Compression::SNAPPY)],
        any::<bool>(),
        prop_oneof![Just(64_usize), Just(300), Just(1 << 20)],
        1_usize..60,
    )
        .prop_map(
            |((schema, maximum), version, compression, dictionary, page, group)| Foreign {
                schema,
                maximum,
                version,
                compression,
                dictionary,
                page,
                group,
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_stream_gives_what_the_table_does(
        foreign in foreign(),
        rows in prop::collection::vec(prop::collection::vec(-9.0_f32..9.0, 1..40), 1..50),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.parquet");
        foreign.write(&path, &rows);
        prop_assert_eq!(streamed(&path, &ReadOptions::default()).unwrap(), table(&rows));
    }

    #[test]
    fn damaged_streams_end(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("d.parquet");
        let sound = Foreign {
            schema: OPTIONAL,
            maximum: 3,
            version: WriterVersion::PARQUET_1_0,
            compression: Compression::UNCOMPRESSED,
            dictionary: false,
            page: 64,
            group: 7,
        };
        sound.write(&path, &vec![vec![1.5; 9]; 30]);
        let mut bytes = std::fs::read(&path).unwrap();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        std::fs::write(&path, bytes).unwrap();
        let mut rows = 0;
        let _ = stream_rewards(&path, &ReadOptions::default(), 0, |batch: &mut RewardBatch| {
            rows += batch.prompts();
            Ok::<_, Error>(())
        });
        prop_assert!(rows < 1000);
    }

    #[test]
    fn batches_do_not_show_in_the_file(
        rows in prop::collection::vec(prop::collection::vec(-9.0_f32..9.0, 1..9), 1..30),
        cut in 1_usize..9,
    ) {
        let mut sorted = rows;
        sorted.iter_mut().for_each(|row| row.sort_by(f32::total_cmp));
        let folder = tempfile::tempdir().unwrap();
        let of = CalibrationOf { base_policy: "b".to_owned(), reward: "r".to_owned(), sampling: "s".to_owned() };
        let write = |name: &str, size: usize| {
            let path = folder.path().join(name);
            write_calibration_stream(&path, &of, |sink| {
                for (c, chunk) in sorted.chunks(size).enumerate() {
                    let mut batch = RewardBatch::default();
                    for (i, row) in chunk.iter().enumerate() {
                        batch.push(&format!("p{}", c * size + i), row);
                    }
                    sink.append(&batch)?;
                }
                Ok::<_, Error>(())
            }).unwrap();
            (std::fs::read(&path).unwrap(), read_calibration(&path).unwrap())
        };
        let (whole, read) = write("whole.parquet", 1000);
        prop_assert_eq!(&read.table, &table(&sorted));
        prop_assert_eq!(whole, write("cut.parquet", cut).0);
    }
}

#[test]
fn other_forms_stream_too() {
    let folder = tempfile::tempdir().unwrap();
    let rows = [vec![1.0, 2.0, 3.0], vec![4.0, 5.0]];
    for name in ["t.jsonl", "t.csv", "t.parquet"] {
        let path = folder.path().join(name);
        write_table(&path, &table(&rows)).unwrap();
        assert_eq!(
            streamed(&path, &ReadOptions::default()).unwrap(),
            table(&rows),
            "{name}"
        );
    }
    let doubles = folder.path().join("doubles.parquet");
    let schema = REQUIRED.replace("float", "double");
    let schema = Arc::new(parse_message_type(&schema).unwrap());
    let mut writer = SerializedFileWriter::new(
        File::create(&doubles).unwrap(),
        schema,
        Arc::new(WriterProperties::builder().build()),
    )
    .unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let ids = [ByteArray::from("p0"), ByteArray::from("p1")];
    column
        .typed::<ByteArrayType>()
        .write_batch(&ids, None, None)
        .unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let levels = ([1; 5], [0, 1, 1, 0, 1]);
    column
        .typed::<DoubleType>()
        .write_batch(&[1.0, 2.0, 3.0, 4.0, 5.0], Some(&levels.0), Some(&levels.1))
        .unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    assert_eq!(
        streamed(&doubles, &ReadOptions::default()).unwrap(),
        table(&rows)
    );
}

#[test]
fn numpy_arrays_are_numbered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.npy");
    let write = |shape: &str, values: &[f32]| {
        let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({shape}), }}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.bytes());
        bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
        std::fs::write(&path, bytes).unwrap();
        streamed(&path, &ReadOptions::default())
    };
    let read = write("3, 2", &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
    assert_eq!((read.id(2), read.rewards(0, 2)), ("2", &[5.0, 6.0][..]));
    let nan = write("2, 2", &[1.0, 2.0, 3.0, f32::NAN])
        .unwrap_err()
        .to_string();
    assert!(
        nan.contains("r.npy, row 2") && nan.contains("response 2"),
        "{nan}"
    );
    let short = write("3, 2", &[1.0; 5]).unwrap_err().to_string();
    assert!(short.contains("ends before prompt 3 of the 3"), "{short}");
    assert!(matches!(write("0, 2", &[]), Err(Error::Empty { .. })));
}

#[test]
fn holes_and_what_is_not_finite_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h.parquet");
    let plain = Foreign {
        schema: REQUIRED,
        maximum: 1,
        version: WriterVersion::PARQUET_1_0,
        compression: Compression::SNAPPY,
        dictionary: false,
        page: 64,
        group: 100,
    };
    let mut rows = vec![vec![0.5_f32; 7]; 40];
    rows[33][4] = f32::INFINITY;
    plain.write(&path, &rows);
    let said = streamed(&path, &ReadOptions::default())
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("row 34") && said.contains("response 5"),
        "{said}"
    );
    let wrong = ReadOptions {
        reward_column: Some("prompt_id".to_owned()),
        ..ReadOptions::default()
    };
    assert!(matches!(
        streamed(&path, &wrong),
        Err(Error::WrongType { .. } | Error::NoSuchColumn { .. } | Error::RepeatedColumn { .. })
    ));
}

#[test]
fn batches_hold_out_and_run() {
    let mut batch = RewardBatch::default();
    batch.push("a", &[1.0, 2.0, 3.0]);
    batch.push("b", &[4.0, 5.0, 6.0]);
    batch.push("c", &[7.0, 8.0]);
    let mut held = Vec::new();
    assert_eq!(batch.hold_out(2, &mut held), Err(2));
    assert_eq!((batch.responses(), held.len()), (8, 0));
    batch.hold_out(1, &mut held).unwrap();
    assert_eq!(held, [3.0, 6.0, 8.0]);
    assert_eq!(batch.rewards(1), [4.0, 5.0]);
    let runs: Vec<(usize, Vec<f32>)> = batch.runs_mut().map(|(k, v)| (k, v.to_vec())).collect();
    assert_eq!(runs, [(2, vec![1.0, 2.0, 4.0, 5.0]), (1, vec![7.0])]);
    let unsorted = write_calibration_stream(
        tempfile::tempdir().unwrap().path().join("c.parquet"),
        &CalibrationOf {
            base_policy: String::new(),
            reward: String::new(),
            sampling: String::new(),
        },
        |sink| {
            let mut batch = RewardBatch::default();
            batch.push("a", &[2.0, 1.0]);
            sink.append(&batch)
        },
    );
    assert!(matches!(unsorted, Err(Error::Table { .. })));
}
