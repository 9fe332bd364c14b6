//! The program as its users meet it: a process with arguments, two streams, files and an exit code.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod arguments;
mod bad_files;
mod bad_numbers;
mod data;
mod design;
mod folder;
mod help;
mod interrupted;
mod invariance;
mod judges;
mod killed;
mod levels;
mod lists;
mod loose;
mod main_job;
mod main_job_config;
#[cfg(unix)]
mod main_job_disk;
mod main_job_killed;
mod main_job_pages;
mod main_job_place;
#[cfg(unix)]
mod main_job_side_by_side;
mod main_job_votes;
mod model_mistakes;
mod over_http;
mod pipes;
mod pretrain;
mod reward;
mod run_directory;
mod run_summary;
mod sample;
mod score;
#[path = "../../../infalign-remote/tests/remote/served.rs"]
#[expect(
    dead_code,
    reason = "the servers of the crate's own tests; these want one of them"
)]
mod served;
#[path = "../../../infalign-remote/tests/remote/server.rs"]
#[expect(dead_code, reason = "likewise")]
mod server;
mod sft;
mod tiny;
