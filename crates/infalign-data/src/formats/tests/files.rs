//! Whole files: compressed, delimited, plain, Parquet, several records to a row.

use std::{fs::File, io::Write, sync::Arc};

use ::parquet::{
    data_type::{ByteArray, ByteArrayType, Int64Type},
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::parser::parse_message_type,
};

use super::*;
use crate::write::parquet as encode;

#[test]
fn rlhflow_is_read_instance_by_instance() {
    let instances: Vec<String> = (0..3000)
        .map(|i| format!("{{\"prompt\": \"p{i} ]}}\\\"\", \"responses\": [\"a\", \"b\"], \"rewards\": [{i}, 0.5]}}"))
        .collect();
    let list = instances.join(",\n");
    for whole in [
        format!("{{\"type\": \"text_only\", \"instances\": [\n{list}]}}"),
        format!("\u{feff} {{\"instances\":[\n{list}\n], \"type\": \"text_only\"}}\n"),
    ] {
        for name in ["f.json", "f.jsonl"] {
            let files = Files::new();
            let path = files.write(name, &whole);
            let records = read_records(path, &RecordOptions::default()).unwrap();
            assert_eq!(records.format().name, "rlhflow");
            let all: Vec<Record> = records.map(Result::unwrap).collect();
            assert_eq!(all.len(), 3000);
            assert_eq!(all[2999].prompt, Some(text("p2999 ]}\"")));
            assert_eq!(all[2999].place.spot, Spot::Line(3001));
        }
    }
    for (bad, says) in [
        (format!("{{\"instances\": [{list}"), "the file ends within"),
        (
            format!("{{\"instances\": [{list}] {{}}"),
            "the object does not end as it should",
        ),
        (
            format!("{{\"instances\": [{list}]"),
            "the object does not end as it should",
        ),
    ] {
        let (records, _files) = open(&bad).unwrap();
        let error = records.last().unwrap().unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn compressed_delimited_and_plain_files() {
    let files = Files::new();
    let line = "{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"c\"}\n";
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(line.as_bytes()).unwrap();
    let zst = zstd::encode_all(line.as_bytes(), 1).unwrap();
    for (name, bytes) in [
        ("a.jsonl.gz", gz.finish().unwrap()),
        ("a.jsonl.zst", zst.clone()),
        ("a.json", format!("[{line}]").into_bytes()),
        ("a.csv", b"prompt,chosen,rejected\na,b,c\n".to_vec()),
        ("a.tsv", b"prompt\tchosen\trejected\na\tb\tc\n".to_vec()),
    ] {
        let path = files.write(name, bytes);
        let records = read_records(path, &RecordOptions::default()).unwrap();
        assert_eq!(records.format().name, "trl-preference", "{name}");
        assert_eq!(records.map(Result::unwrap).count(), 1, "{name}");
    }
    let csv = "prompt_id,reward,rewards\nx,,\"[1, -2.5]\"\ny,0.5,\nz,nan,\nz\n";
    let path = files.write("r.csv", csv);
    let options = RecordOptions {
        format: None,
        on_bad: OnBadRow::Skip,
        ..RecordOptions::default()
    };
    let mut records = read_records(path, &options).unwrap();
    let found: Vec<Content> = records.by_ref().map(|r| r.unwrap().content).collect();
    assert_eq!(
        found,
        [Content::Rewards(vec![1.0, -2.5]), Content::Reward(0.5)]
    );
    let bad: Vec<String> = records.bad().first.iter().map(Error::to_string).collect();
    assert!(
        bad[0].contains("r.csv, line 4") && bad[0].contains("the reward is NaN"),
        "{bad:?}"
    );
    assert!(
        bad[1].contains("r.csv, line 5: 1 fields, expected 3"),
        "{bad:?}"
    );
    let path = files.write("twice.csv", "prompt,prompt\na,b\n");
    let error = read_records(path, &RecordOptions::default()).err().unwrap();
    assert!(matches!(error, Error::RepeatedColumn { .. }), "{error}");

    let path = files.write("p.txt", "one\n\ntwo\n");
    let records = read_records(path, &RecordOptions::default()).unwrap();
    let prompts: Vec<Turns> = records.map(|r| r.unwrap().prompt.unwrap()).collect();
    assert_eq!(prompts, [text("one"), text("two")]);

    let path = files.write("cut.jsonl.zst", &zst[..zst.len() - 4]);
    let error = read_records(path, &RecordOptions::default())
        .and_then(|mut records| records.next().unwrap())
        .unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
}

#[test]
fn verl_in_parquet() {
    let schema = "message schema {
        required binary data_source (STRING);
        required group prompt (LIST) { repeated group list { required group element {
            required binary role (STRING); required binary content (STRING); } } }
        required group reward_model { required binary ground_truth (STRING); }
        required group extra_info { optional int64 index; }
    }";
    let files = Files::new();
    let path = files.0.path().join("v.parquet");
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let properties = Arc::new(WriterProperties::builder().build());
    let file = File::create(&path).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let texts =
        |texts: &[&str]| -> Vec<ByteArray> { texts.iter().map(|t| encode::text(t)).collect() };
    encode::column::<ByteArrayType, _>(&mut group, &texts(&["gsm8k", "math"]), None).unwrap();
    let levels = encode::levels([2, 1].into_iter());
    let levels = Some((&levels.0[..], &levels.1[..]));
    encode::column::<ByteArrayType, _>(&mut group, &texts(&["system", "user", "user"]), levels)
        .unwrap();
    encode::column::<ByteArrayType, _>(&mut group, &texts(&["s", "é", "b"]), levels).unwrap();
    encode::column::<ByteArrayType, _>(&mut group, &texts(&["72", "x"]), None).unwrap();
    let index = Some((&[1, 0][..], &[0, 0][..]));
    encode::column::<Int64Type, _>(&mut group, &[7], index).unwrap();
    group.close().unwrap();
    writer.close().unwrap();

    let records = read_records(&path, &RecordOptions::default()).unwrap();
    assert_eq!(records.format().name, "verl");
    let all: Vec<Record> = records.map(Result::unwrap).collect();
    let system = Message {
        role: "system".to_owned(),
        content: "s".to_owned(),
    };
    assert_eq!(
        all[0].prompt,
        Some(Turns::Messages(vec![system, user("é")]))
    );
    assert_eq!(all[0].id.as_deref(), Some("gsm8k/7"));
    assert_eq!(all[1].answer.as_deref(), Some("x"));
    assert_eq!(
        (all[1].id.as_ref(), all[1].place.spot),
        (None, Spot::Row(2))
    );

    let mut bytes = std::fs::read(&path).unwrap();
    bytes.truncate(bytes.len() - 5);
    let path = files.write("cut.parquet", bytes);
    let error = read_records(path, &RecordOptions::default()).err().unwrap();
    assert!(matches!(error, Error::Parquet { .. }), "{error}");
}
