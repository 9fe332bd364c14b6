//! Parquet as others write it: layouts that must read alike, and files that must be refused.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::sync::Arc;

use infalign_data::{Error, Kind, ReadOptions, RewardTable, Spot, read_parquet};
use parquet::{
    data_type::{
        BoolType, ByteArray, ByteArrayType, DoubleType, FixedLenByteArray, FixedLenByteArrayType,
        FloatType, Int32Type, Int64Type,
    },
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::parser::parse_message_type,
};

/// Values of one leaf with definition and repetition levels.
enum Leaf<'a> {
    Text(&'a [&'a [u8]], &'a [i16], &'a [i16]),
    Float(&'a [f32], &'a [i16], &'a [i16]),
    Double(&'a [f64], &'a [i16], &'a [i16]),
    Int(&'a [i32], &'a [i16], &'a [i16]),
    Long(&'a [i64], &'a [i16], &'a [i16]),
    Half(&'a [[u8; 2]], &'a [i16], &'a [i16]),
    Bool(&'a [bool], &'a [i16], &'a [i16]),
}

/// A file with one row group.
fn file(schema: &str, leaves: &[Leaf<'_>]) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(&format!("message m {{ {schema} }}")).unwrap());
    let mut bytes = Vec::new();
    let properties = Arc::new(WriterProperties::default());
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for leaf in leaves {
        let mut column = group.next_column().unwrap().unwrap();
        macro_rules! write {
            ($type:ty, $values:expr, $d:expr, $r:expr) => {
                column
                    .typed::<$type>()
                    .write_batch($values, Some($d), Some($r))
                    .unwrap()
            };
        }
        match leaf {
            Leaf::Text(v, d, r) => {
                let v: Vec<ByteArray> = v.iter().map(|t| ByteArray::from(t.to_vec())).collect();
                write!(ByteArrayType, &v, d, r)
            }
            Leaf::Half(v, d, r) => {
                let v = v.iter().map(|h| FixedLenByteArray::from(h.to_vec()));
                write!(FixedLenByteArrayType, &v.collect::<Vec<_>>(), d, r)
            }
            Leaf::Float(v, d, r) => write!(FloatType, v, d, r),
            Leaf::Double(v, d, r) => write!(DoubleType, v, d, r),
            Leaf::Int(v, d, r) => write!(Int32Type, v, d, r),
            Leaf::Long(v, d, r) => write!(Int64Type, v, d, r),
            Leaf::Bool(v, d, r) => write!(BoolType, v, d, r),
        };
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
    bytes
}

fn read(bytes: Vec<u8>) -> infalign_data::Result<RewardTable> {
    let options = ReadOptions {
        texts: true,
        ..ReadOptions::default()
    };
    read_parquet(bytes.into(), "t.parquet", &options)
}

fn refused(schema: &str, leaves: &[Leaf<'_>]) -> Error {
    let error = read(file(schema, leaves)).unwrap_err();
    assert_eq!(error.kind(), Kind::User, "{error}");
    error
}

#[track_caller]
fn says(error: &Error, message: &str) {
    assert_eq!(error.to_string(), message);
}

const ID: &str = "required binary prompt_id (UTF8);";
const LIST: &str =
    "optional group rewards (LIST) { repeated group list { optional float element; } }";

#[test]
fn every_layout_and_type_of_list() {
    // Rows [1, 2] and [3]; definition levels count what is optional or repeated on the way down.
    let layouts = [
        (LIST, 3),
        (
            "required group rewards (LIST) { repeated group list { required float item; } }",
            1,
        ),
        ("optional group rewards (LIST) { repeated float array; }", 2),
        ("repeated float rewards;", 1),
    ];
    for (schema, full) in layouts {
        let values = Leaf::Float(&[1.0, 2.0, 3.0], &[full; 3], &[0, 1, 0]);
        let table = read(file(schema, &[values])).unwrap();
        assert_eq!(
            (table.rewards(0, 0), table.rewards(0, 1)),
            (&[1.0, 2.0][..], &[3.0][..])
        );
        assert_eq!(table.id(1), "1");
    }
    let (d, r) = (&[1_i16; 3], &[0, 1, 0]);
    for (item, leaf) in [
        ("double x", Leaf::Double(&[1.0, 2.0, 3.0], d, r)),
        ("int32 x", Leaf::Int(&[1, 2, 3], d, r)),
        ("int32 x (UINT_8)", Leaf::Int(&[1, 2, 3], d, r)),
        ("int64 x (INTEGER(64,true))", Leaf::Long(&[1, 2, 3], d, r)),
        (
            "fixed_len_byte_array(2) x (FLOAT16)",
            Leaf::Half(&[[0, 0x3c], [0, 0x40], [0, 0x42]], d, r),
        ),
    ] {
        let schema = format!(
            "required group rewards (LIST) {{ repeated group list {{ required {item}; }} }}"
        );
        let table = read(file(&schema, &[leaf])).unwrap();
        assert_eq!(
            (table.rewards(0, 0), table.rewards(0, 1)),
            (&[1.0, 2.0][..], &[3.0][..]),
            "{item}"
        );
    }
}

#[test]
fn conversations_go_by_number() {
    let schema = format!(
        "required group prompt (LIST) {{ repeated group list {{ required group element {{ \
         required binary role (UTF8); required binary content (UTF8); }} }} }} {LIST}"
    );
    let text = || Leaf::Text(&[b"user", b"user"], &[1; 2], &[0; 2]);
    let rewards = || Leaf::Float(&[1.0, 2.0], &[3; 2], &[0; 2]);
    let bytes = file(&schema, &[text(), text(), rewards()]);
    let table = read(bytes.clone()).unwrap();
    assert_eq!(
        (table.id(0), table.id(1), table.prompt_text(0)),
        ("0", "1", None)
    );
    let options = ReadOptions {
        prompt_column: Some("prompt".to_owned()),
        ..ReadOptions::default()
    };
    let error = read_parquet(bytes.into(), "t.parquet", &options).unwrap_err();
    assert!(matches!(error, Error::WrongType { .. }), "{error}");
}

#[test]
fn long_form() {
    let schema = "required int64 prompt_id; optional double reward; required int32 gold;";
    let table = read(file(
        schema,
        &[
            Leaf::Long(&[5, -6, 5], &[0; 3], &[0; 3]),
            Leaf::Double(&[1.0, 2.0, 3.0], &[1; 3], &[0; 3]),
            Leaf::Int(&[7, 8, 9], &[0; 3], &[0; 3]),
        ],
    ))
    .unwrap();
    assert_eq!((table.id(0), table.id(1)), ("5", "-6"));
    assert_eq!(
        (table.rewards(0, 0), table.rewards(1, 0)),
        (&[1.0, 3.0][..], &[7.0, 9.0][..])
    );
}

#[test]
fn wrong_types() {
    let text = Leaf::Text(&[b"x"], &[0], &[0]);
    says(
        &refused(
            &format!("{ID} required binary reward (UTF8);"),
            &[text, Leaf::Text(&[b"1"], &[0], &[0])],
        ),
        "t.parquet, row 1, column `reward`: found a column of text, expected float, double or \
         int, or a list of them",
    );
    let error = refused(
        "required int32 rewards (DATE); ",
        &[Leaf::Int(&[1], &[0], &[0])],
    );
    assert!(
        matches!(error, Error::NoSuchColumn { .. }),
        "long form needs a prompt: {error}"
    );
    let schema = format!("{ID} required int32 reward (DATE);");
    let id = Leaf::Text(&[b"x"], &[0], &[0]);
    let error = refused(&schema, &[id, Leaf::Int(&[1], &[0], &[0])]);
    assert!(
        matches!(&error, Error::WrongType { found, .. } if found.contains("Date")),
        "{error}"
    );
    let schema = format!("{ID} required boolean reward;");
    let id = Leaf::Text(&[b"x"], &[0], &[0]);
    let error = refused(&schema, &[id, Leaf::Bool(&[true], &[0], &[0])]);
    assert!(matches!(error, Error::WrongType { .. }), "{error}");
    // A struct, and a gold column that is plain beside a list of rewards.
    let schema = "required group rewards { required float mean; required float sd; } ";
    let float = || Leaf::Float(&[1.0], &[0], &[0]);
    let schema = format!("{ID} {schema}");
    let error = refused(
        &schema,
        &[Leaf::Text(&[b"x"], &[0], &[0]), float(), float()],
    );
    assert!(
        matches!(&error, Error::WrongType { found, .. } if found == "a nested column"),
        "{error}"
    );
    let schema = format!("{LIST} required float gold;");
    let error = refused(&schema, &[Leaf::Float(&[1.0], &[3], &[0]), float()]);
    assert!(
        matches!(&error, Error::WrongType { column, .. } if column == "gold"),
        "{error}"
    );
}

#[test]
fn rows_that_lack_rewards() {
    let good = |d: &[i16], r: &[i16], n: usize| refused(LIST, &[Leaf::Float(&vec![1.0; n], d, r)]);
    says(
        &good(&[3, 0], &[0, 0], 1),
        "t.parquet, row 2: no value for `rewards`; give one, or drop the row",
    );
    says(
        &good(&[3, 3, 1], &[0, 1, 0], 2),
        "t.parquet, row 2, column `rewards`: the list is empty; give at least one reward, or drop \
         the prompt",
    );
    says(
        &good(&[3, 3, 2], &[0, 0, 1], 2),
        "t.parquet, row 2, column `rewards`, response 2: the reward is null, expected a finite \
         number below 3.4e38; drop the response or score it again",
    );
    let error = refused(LIST, &[Leaf::Float(&[1.0, f32::NAN], &[3, 3], &[0, 0])]);
    assert!(
        matches!(&error, Error::NotFinite { place, response: Some(1), .. } if place.spot == Spot::Row(2)),
        "{error}"
    );
    let schema = format!("{ID} optional double reward;");
    let ids = Leaf::Text(&[b"x", b"y"], &[0; 2], &[0; 2]);
    let error = refused(&schema, &[ids, Leaf::Double(&[1.0], &[1, 0], &[0; 2])]);
    assert!(
        matches!(&error, Error::NotFinite { value, .. } if value == "null"),
        "{error}"
    );
    let ids = Leaf::Text(&[b"x"], &[0], &[0]);
    let error = refused(&schema, &[ids, Leaf::Double(&[1e300], &[1], &[0])]);
    assert!(
        matches!(error, Error::NotFinite { response: None, .. }),
        "{error}"
    );
}

#[test]
fn ids_that_are_not_text_or_not_there() {
    let schema = "optional binary prompt_id; required float reward;";
    let rewards = || Leaf::Float(&[1.0, 2.0], &[0; 2], &[0; 2]);
    let error = refused(
        schema,
        &[Leaf::Text(&[b"a", b"\xff"], &[1, 1], &[0; 2]), rewards()],
    );
    assert!(
        matches!(&error, Error::NotUtf8 { place } if place.spot == Spot::Row(2)),
        "{error}"
    );
    let error = refused(schema, &[Leaf::Text(&[b"a"], &[1, 0], &[0; 2]), rewards()]);
    assert!(
        matches!(&error, Error::MissingField { place, .. } if place.spot == Spot::Row(2)),
        "{error}"
    );
}

#[test]
fn no_rows_and_no_columns() {
    let error = refused(LIST, &[Leaf::Float(&[], &[], &[])]);
    assert!(matches!(error, Error::Empty { .. }), "{error}");
    let error = refused("required float x;", &[Leaf::Float(&[1.0], &[0], &[0])]);
    assert!(
        matches!(&error, Error::NoSuchColumn { found, .. } if found == &["x"]),
        "{error}"
    );
}

#[test]
fn a_file_cut_short_anywhere() {
    let schema = format!("{ID} {LIST}");
    let ids = Leaf::Text(&[b"x"], &[0], &[0]);
    let whole = file(&schema, &[ids, Leaf::Float(&[1.0], &[3], &[0])]);
    assert_eq!(read(whole.clone()).unwrap().rewards(0, 0), [1.0]);
    for cut in 0..whole.len() {
        let error = read(whole[..cut].to_vec()).unwrap_err();
        assert!(
            matches!(error, Error::Parquet { .. }),
            "cut at {cut}: {error}"
        );
    }
}
