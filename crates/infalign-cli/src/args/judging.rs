//! Flags of every command that takes rewards: what judges (`judge:http://…`) are told, and where their verdicts are kept.

use std::path::PathBuf;

use infalign_remote::reward::Scale;

/// The heading of these flags.
const JUDGES: &str = "Language models that judge";

#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Judging {
    /// What a judge is asked about a response: a file with {prompt} and {response} (and {answer}) in it. Default: a rubric that comes along.
    #[arg(long, value_name = "FILE", help_heading = JUDGES)]
    pub(crate) rubric: Option<PathBuf>,
    /// The worst and the best rating. Default: 1:10.
    #[arg(long, value_name = "LEAST:MOST", value_parser = scale, allow_hyphen_values = true, help_heading = JUDGES)]
    pub(crate) scale: Option<Scale>,
    /// The most tokens of a judge's reply; what the server can hold beside the question. Default: 2048.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(8..), help_heading = JUDGES)]
    pub(crate) judge_tokens: Option<u32>,
    /// A folder that keeps verdicts, so that no question is paid for twice, also by a command that was killed. Default: beside --out, where there is one.
    #[arg(long, value_name = "FOLDER", help_heading = JUDGES)]
    pub(crate) keep_verdicts: Option<PathBuf>,
}

fn scale(text: &str) -> Result<Scale, &'static str> {
    let ends = text.split_once(':').and_then(|(least, most)| {
        let (least, most) = (least.trim().parse().ok()?, most.trim().parse().ok()?);
        Some(Scale { least, most })
    });
    ends.ok_or("write LEAST:MOST, as in 1:5")
}
