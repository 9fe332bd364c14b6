//! Damaged data files of every format and form: reading, looking and converting end, in rows or errors.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use infalign_data::{
    ConvertOptions, FORMATS, OnBadRow, RecordOptions, RewardRow, RolloutRow, Target, convert,
    inspect, read_records, write_rewards, write_rollouts,
};
use proptest::prelude::*;

/// A Parquet file that a row of rollouts or of rewards makes.
fn shard(path: &std::path::Path, rollouts: bool) {
    let metadata = [("reward".to_owned(), "r".to_owned())].into();
    if rollouts {
        let row = RolloutRow {
            prompt_id: "a".to_owned(),
            prompt: "p".to_owned(),
            responses: vec!["x".to_owned(), "é".to_owned()],
            log_probs: vec![-1.0, -2.0],
            tokens: vec![vec![1, 2], vec![3]],
            truncated: vec![false, true],
        };
        write_rollouts(path, &[row], &metadata).unwrap();
    } else {
        let row = RewardRow {
            prompt_id: "a".to_owned(),
            rewards: vec![1.0, 2.0],
        };
        write_rewards(path, &[row], &metadata).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn end_in_rows_or_errors(
        format in 0..FORMATS.len() + 2,
        twice: bool,
        name in prop::sample::select(vec!["f.jsonl", "f.json", "f.csv", "f.txt"]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..3), 0..5),
        to in prop::sample::select(Target::ALL.to_vec()),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (path, mut bytes) = match FORMATS.get(format) {
            Some(known) => {
                let row = known.example;
                let text = if twice { format!("{row}\n{row}\n") } else { row.to_owned() };
                (folder.path().join(name), text.into_bytes())
            }
            None => {
                let path = folder.path().join("f.parquet");
                shard(&path, format == FORMATS.len());
                let bytes = std::fs::read(&path).unwrap();
                (path, bytes)
            }
        };
        for (at, byte, how) in changes {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => { bytes.remove(at); }
            }
        }
        std::fs::write(&path, &bytes).unwrap();
        // A file has fewer rows than bytes.
        let most = bytes.len() + 1;
        for on_bad in [OnBadRow::Fail, OnBadRow::Skip] {
            let options = RecordOptions { on_bad, ..RecordOptions::default() };
            if let Ok(records) = read_records(&path, &options) {
                prop_assert!(records.take(most + 1).count() <= most);
            }
            if let Ok(found) = inspect(&path, &options) {
                prop_assert!(found.rows > 0 && found.rows <= most as u64);
                prop_assert!(found.bad.count <= found.rows);
            }
            let out = folder.path().join("out.jsonl");
            let options = ConvertOptions { on_bad, ..ConvertOptions::default() };
            // A file is there exactly when it was converted.
            let done = convert(&path, &out, to, &options);
            prop_assert_eq!(done.is_ok(), out.exists());
            if let Ok(done) = done {
                prop_assert!(done.rows > 0);
                std::fs::remove_file(&out).unwrap();
            }
        }
    }
}
