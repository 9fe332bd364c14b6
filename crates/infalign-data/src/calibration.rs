//! The calibration table as a file: per prompt the base policy's rewards, sorted, and where they
//! come from.

use std::{fs::File, path::Path};

use parquet::file::{reader::FileReader, serialized_reader::SerializedFileReader};

use crate::{
    ReadOptions, RewardTable, TableBuilder,
    bulk::{CalibrationOf, RewardBatch, write_calibration_stream},
    error::{Error, Result},
    read_table,
};

pub(crate) const REWARDS: &str = "rewards";
pub(crate) const BASE_POLICY: &str = "infalign.base_policy";
pub(crate) const REWARD: &str = "infalign.reward";
pub(crate) const SAMPLING: &str = "infalign.sampling";

/// The rewards of a base policy, and what they are rewards of.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// One column, `rewards`, ascending within each prompt.
    pub table: RewardTable,
    /// The base policy, as the user named it.
    pub base_policy: String,
    /// The reward model or column.
    pub reward: String,
    /// How the responses were sampled (temperature, top-p, …), or which part of a table they are.
    pub sampling: String,
}

impl Calibration {
    /// The calibration that a column of a reward table gives; its rewards are sorted here.
    ///
    /// # Errors
    /// [`Error::Table`] when the table has no such column.
    pub fn new(
        table: &RewardTable,
        column: usize,
        base_policy: impl Into<String>,
        sampling: impl Into<String>,
    ) -> Result<Self> {
        let Some(reward) = table.columns().get(column).cloned() else {
            let what = format!("the table has no reward column number {column}");
            return Err(Error::Table { what });
        };
        let mut builder = TableBuilder::new([REWARDS])?;
        let mut sorted = Vec::new();
        for prompt in 0..table.prompts() {
            sorted.clear();
            sorted.extend_from_slice(table.rewards(column, prompt));
            sorted.sort_unstable_by(f32::total_cmp);
            builder.insert(table.id(prompt), None, &[&sorted], &[])?;
        }
        let (base_policy, sampling) = (base_policy.into(), sampling.into());
        Ok(Self {
            table: builder.finish()?,
            base_policy,
            reward,
            sampling,
        })
    }
}

/// Writes `calibration.parquet`: `prompt_id: string, k: int32, rewards: list<float>` ascending, and
/// base policy, reward and sampling in the file's metadata.
///
/// # Errors
/// The disk's refusal; an earlier file of that name then stands as it was.
pub fn write_calibration(path: impl AsRef<Path>, calibration: &Calibration) -> Result<()> {
    let table = &calibration.table;
    let of = CalibrationOf {
        base_policy: calibration.base_policy.clone(),
        reward: calibration.reward.clone(),
        sampling: calibration.sampling.clone(),
    };
    write_calibration_stream(path, &of, |sink| {
        let mut one = RewardBatch::default();
        for prompt in 0..table.prompts() {
            one.clear();
            one.push(table.id(prompt), table.rewards(0, prompt));
            sink.append(&one)?;
        }
        Ok(())
    })
}

/// Reads what [`write_calibration`] wrote. Any other table of rewards is read by [`read_table`].
///
/// # Errors
/// As [`read_table`]; [`Error::Parquet`] also for a file that does not say what it calibrates or
/// holds a prompt's rewards unsorted.
pub fn read_calibration(path: impl AsRef<Path>) -> Result<Calibration> {
    let path = path.as_ref();
    let options = ReadOptions {
        reward_column: Some(REWARDS.to_owned()),
        ..Default::default()
    };
    let table = read_table(path, &options)?;
    let name = path.display().to_string();
    let unreadable = |what: String| Error::Parquet {
        file: name.clone(),
        what,
    };
    let file = File::open(path).map_err(|e| Error::read(path, e))?;
    let reader = SerializedFileReader::new(file).map_err(|e| unreadable(e.to_string()))?;
    let metadata = reader.metadata().file_metadata().key_value_metadata();
    let entry = |key: &str| {
        metadata
            .and_then(|entries| entries.iter().find(|entry| entry.key == key)?.value.clone())
            .ok_or_else(|| unreadable(format!("its metadata lack `{key}`")))
    };
    let (base_policy, reward, sampling) = (entry(BASE_POLICY)?, entry(REWARD)?, entry(SAMPLING)?);
    for prompt in 0..table.prompts() {
        if !table.rewards(0, prompt).is_sorted() {
            return Err(unreadable(format!(
                "row {}: the rewards are not sorted",
                prompt + 1
            )));
        }
    }
    Ok(Calibration {
        table,
        base_policy,
        reward,
        sampling,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use crate::write_table;

    #[test]
    fn written_and_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("calibration.parquet");
        let mut builder = TableBuilder::new(["proxy", "gold"]).unwrap();
        builder
            .insert("a", None, &[&[3.0, -1.0, 2.0], &[0.0; 3]], &[])
            .unwrap();
        builder.insert("b", None, &[&[0.5], &[1.0]], &[]).unwrap();
        let table = builder.finish().unwrap();
        let calibration = Calibration::new(&table, 0, "my-sft", "temperature 1").unwrap();
        assert_eq!(calibration.table.rewards(0, 0), [-1.0, 2.0, 3.0]);
        assert_eq!(calibration.reward, "proxy");
        write_calibration(&path, &calibration).unwrap();
        let first = std::fs::read(&path).unwrap();
        assert_eq!(read_calibration(&path).unwrap(), calibration);
        write_calibration(&path, &calibration).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), first);
        assert!(matches!(
            Calibration::new(&table, 2, "", ""),
            Err(Error::Table { .. })
        ));
    }

    #[test]
    fn a_plain_table_does_not_pass_for_a_calibration() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rewards.parquet");
        let mut builder = TableBuilder::new([REWARDS]).unwrap();
        builder.insert("a", None, &[&[1.0]], &[]).unwrap();
        write_table(&path, &builder.finish().unwrap()).unwrap();
        let error = read_calibration(&path).unwrap_err();
        assert!(
            error.to_string().contains("infalign.base_policy"),
            "{error}"
        );
    }
}
