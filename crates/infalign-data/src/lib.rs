//! Records and files of infalign: rollout shards, reward tables, calibration tables, the run directory.
//!
//! [`read_table`] takes what people have (JSONL, CSV, Parquet; one row per prompt with lists, or one
//! row per response) to one [`RewardTable`]; [`write_table`] and [`write_calibration`] write files
//! whose bytes depend on nothing but the table; [`RunDir`] holds a run that may be killed at any
//! moment and ends with the same bytes when it is started again. Training texts, conversations and
//! prompts come as streams ([`read_documents`], [`read_examples`], [`read_prompts`],
//! [`read_scoring`]). [`write_rollouts`] and [`write_rewards`] make shards with one row per prompt;
//! [`Lookup`] answers by prompt id, from memory or from a mapped file.
//! [`read_records`] and [`read_preferences`] read the data files of other programs ([`FORMATS`]), whose
//! format is recognised; [`inspect`] says what such a file holds, [`convert`] brings it into a form of
//! ours.

mod as_text;
mod bulk;
mod calibration;
mod convert;
mod error;
mod formats;
mod inspect;
mod lookup;
mod preferences;
mod read;
mod rollouts;
mod run;
mod samples;
mod table;
mod texts;
mod verdicts;
mod write;

pub use bulk::{
    CalibrationOf, CalibrationSink, RewardBatch, stream_rewards, write_calibration_stream,
};
pub use calibration::{Calibration, read_calibration, write_calibration};
pub use convert::{BadList, ConvertOptions, Converted, convert};
pub use error::{Error, Kind, Place, Result, Role, Spot};
pub use formats::{
    Content, FORMATS, Format, Preference, Record, RecordOptions, Records, Response, Sampled,
    Target, Verdict, format_named, read_records,
};
pub use inspect::{Gap, Inspection, PreferenceSummary, RewardSummary, Spread, inspect};
pub use lookup::Lookup;
pub use preferences::{PreferenceRow, Preferences, read_preferences};
pub use read::{ReadOptions, read_csv, read_jsonl, read_parquet, read_table};
pub use rollouts::{
    Metadata, REWARD_KEY, RewardRow, RolloutRow, Shard, ShardRow, open_rewards, open_rollouts,
    read_rewards, read_rollouts, write_rewards, write_rollouts,
};
pub use run::{Existing, Fingerprint, Identity, Manifest, Outcome, RunDir, StageRecord};
pub use samples::{SampledPrompt, Samples, read_samples};
pub use table::{ResponseCounts, RewardTable, TableBuilder};
pub use texts::{
    BadRows, DOCUMENT_SEPARATOR, Document, DocumentOptions, Documents, Example, Examples, Message,
    OnBadRow, PromptRow, Prompts, Scoring, ScoringRow, TextForm, Turns, read_documents,
    read_documents_from, read_examples, read_examples_from, read_prompts, read_prompts_from,
    read_scoring, read_scoring_from, transcript,
};
pub use verdicts::{VerdictRow, read_verdicts};
pub use write::{Compression, TableFormat, write_atomic, write_table, write_table_to};
