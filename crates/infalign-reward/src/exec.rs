//! `exec:COMMAND`: a long-lived program of the user's, in any language, that gives the rewards.
//!
//! ```text
//! to its standard input,   one line each:  {"id": 17, "prompt_id": "p3", "prompt": "…", "messages": [{"role": "…", "content": "…"}, …] or null,
//!                                           "response": "…", "answer": "…" or null}
//! from its standard output, one line each: {"reward": 0.25}  or  {"id": 17, "reward": 0.25}  or  0.25
//! ```
//!
//! Replies come in the order of the requests; a reply that repeats `id` is checked against it. Many requests may be on their way before the
//! first reply: a program may gather them, but has to reply without waiting for more. It flushes its output after every line
//! (`PYTHONUNBUFFERED` is set), writes whatever else it has to say to standard error, and ends when its input does. The command's words are
//! split as a POSIX shell splits them, but no shell is started: `exec:sh -c '…'` starts one.
//! Processes that it starts are its own to end: they see the end of their input when it does.
//!
//! | case | outcome |
//! |---|---|
//! | no reply in time (the first one of a process has longer), or the process ends | it is started again and asked what is open, at most [`ExecLimits::restarts`] times in a batch; then an error with the end of its standard error |
//! | a line that is no reply; the `id` of another request; a line that nobody asked for | an error with the line |
//! | NaN, ±∞, `null`, `None`, beyond f32 | an error that names response and prompt |
//! | no responses to reward | the process is neither started nor asked |
//!
//! The first request of a process goes alone, and the next ones a moment after its reply: a program that prints two lines for one is found out
//! even when its replies carry no ids.

mod child;
mod reply;

use std::time::Duration;

use infalign_data::{Fingerprint, Message};
use serde::Serialize;

use crate::{Asked, Entry, Error, RawReward, Result, Reward, checked};
use child::{Child, Said};
use reply::{Fault, reward};

pub(crate) const ENTRY: Entry = Entry {
    name: "exec",
    syntax: "exec:COMMAND",
    example: "exec:python3 judge.py",
    summary: "a program that reads a JSON line for each response and prints its reward",
};

/// How long two lines for one request may take to arrive.
const MOMENT: Duration = Duration::from_millis(20);

/// The patience with a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExecLimits {
    /// For a reply, from the one before on.
    pub reply: Duration,
    /// For the first reply of a process, which may have models to load.
    pub first: Duration,
    /// How often it is started again for one batch of responses.
    pub restarts: u32,
}

impl Default for ExecLimits {
    fn default() -> Self {
        Self {
            reply: Duration::from_secs(60),
            first: Duration::from_secs(600),
            restarts: 2,
        }
    }
}

/// Asks a program.
pub struct ExecReward {
    name: String,
    identity: String,
    words: Vec<String>,
    limits: ExecLimits,
    running: Option<Child>,
    /// Responses rewarded so far: ids go on.
    rewarded: u64,
}

#[derive(Serialize)]
struct Request<'a> {
    id: u64,
    prompt_id: &'a str,
    prompt: &'a str,
    messages: Option<&'a [Message]>,
    response: &'a str,
    answer: Option<&'a str>,
}

/// Why a round ended early.
enum Stopped {
    /// A new process may do better.
    Died(String),
    /// It would do the same again.
    Wrong(Error),
}

impl ExecReward {
    /// Splits the command and hashes the files among its words; the program is started when it is first asked.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a command without words or with an open quote; a file among its words that cannot be read.
    pub fn open(command: &str, limits: ExecLimits) -> Result<Self> {
        let words = Self::words(command)?;
        let name = format!("exec:{command}");
        let mut identity = name.clone();
        for word in &words {
            let path = std::path::Path::new(word);
            if path.is_file() {
                identity.push_str(&format!(" {word} {}", Fingerprint::of_file(path)?));
            }
        }
        Ok(Self {
            name,
            identity,
            words,
            limits,
            running: None,
            rewarded: 0,
        })
    }

    /// The words of a command, at least one.
    pub(crate) fn words(command: &str) -> Result<Vec<String>> {
        let words = shlex::split(command).filter(|words| !words.is_empty());
        words.ok_or_else(|| Error::Malformed {
            given: format!("exec:{command}"),
            why: "a quote is not closed, or there is no program".to_owned(),
            example: ENTRY.example,
        })
    }

    fn start(&self) -> Result<Child, Stopped> {
        Child::start(&self.words).map_err(|source| {
            Stopped::Wrong(Error::Start {
                reward: self.name.clone(),
                program: self.words[0].clone(),
                source,
            })
        })
    }

    /// Asks one process until all are answered or it stops; `values` has those that are, in order.
    fn round(&mut self, asked: &[Asked<'_>], values: &mut Vec<f32>) -> Result<(), Stopped> {
        let mut child = match self.running.take() {
            Some(child) => child,
            None => self.start()?,
        };
        let done = self.ask(&mut child, asked, values);
        match done {
            Ok(()) => {
                self.running = Some(child);
                Ok(())
            }
            Err(Stopped::Died(what)) => {
                let (status, stderr) = child.end();
                let status = status.map_or_else(String::new, |s| format!(" ({s})"));
                Err(Stopped::Died(format!("{what}{status}\n{stderr}")))
            }
            Err(Stopped::Wrong(Error::Exec { reward, what, .. })) => {
                let stderr = child.end().1;
                Err(Stopped::Wrong(Error::Exec {
                    reward,
                    what,
                    stderr,
                }))
            }
            Err(other) => Err(other),
        }
    }

    fn ask(
        &self,
        child: &mut Child,
        asked: &[Asked<'_>],
        values: &mut Vec<f32>,
    ) -> Result<(), Stopped> {
        self.nothing_unasked(child)?;
        let first = values.len();
        for (row, a) in asked.iter().enumerate().skip(first) {
            let request = Request {
                id: self.rewarded + row as u64,
                prompt_id: a.prompt_id,
                prompt: a.prompt,
                messages: a.messages,
                response: a.response,
                answer: a.answer,
            };
            let line = serde_json::to_string(&request).map_err(|e| {
                Stopped::Wrong(Error::Bug {
                    what: format!("a request has no JSON: {e}"),
                })
            })?;
            child.ask(line);
            // A new process is asked once before it is asked for many.
            if !child.answered {
                values.push(self.reply(child, asked, row)?);
                child.answered = true;
                std::thread::sleep(MOMENT);
                self.nothing_unasked(child)?;
            }
        }
        for row in values.len()..asked.len() {
            let value = self.reply(child, asked, row)?;
            values.push(value);
        }
        self.nothing_unasked(child)
    }

    fn reply(&self, child: &Child, asked: &[Asked<'_>], row: usize) -> Result<f32, Stopped> {
        let patience = if child.answered {
            self.limits.reply
        } else {
            self.limits.first
        };
        let prompt = asked[row].prompt_id;
        let response = || format!("response {row} of this batch (prompt {prompt})");
        let line = match child.listen(patience) {
            Said::Line(line) => line,
            Said::Nothing => {
                return Err(Stopped::Died(format!(
                    "no reply to {} within {} s",
                    response(),
                    patience.as_secs_f64()
                )));
            }
            Said::End => {
                return Err(Stopped::Died(format!(
                    "it ended before it replied to {}",
                    response()
                )));
            }
        };
        reward(&line, self.rewarded + row as u64).map_err(|fault| {
            Stopped::Wrong(match fault {
                Fault::NotFinite(value) => Error::NotFinite {
                    reward: self.name.clone(),
                    row,
                    prompt: prompt.to_owned(),
                    value,
                },
                Fault::Said(why) => self.broken(format!("its reply to {} {why}", response())),
            })
        })
    }

    fn nothing_unasked(&self, child: &Child) -> Result<(), Stopped> {
        match child.listen(Duration::ZERO) {
            Said::Line(line) => Err(Stopped::Wrong(self.broken(format!(
                "it printed a line that nobody asked for, `{}`; it must print one line for each that it reads, and logs to standard error",
                reply::shortened(&line)
            )))),
            // An end is noticed when the next reply is waited for.
            Said::Nothing | Said::End => Ok(()),
        }
    }

    fn broken(&self, what: String) -> Error {
        Error::Exec {
            reward: self.name.clone(),
            what,
            stderr: String::new(),
        }
    }
}

impl Reward for ExecReward {
    fn name(&self) -> &str {
        &self.name
    }

    fn rewards(&mut self, asked: &[Asked<'_>]) -> Result<Vec<RawReward>> {
        let mut values = Vec::with_capacity(asked.len());
        let mut failures = 0;
        while values.len() < asked.len() {
            match self.round(asked, &mut values) {
                Ok(()) => {}
                Err(Stopped::Wrong(error)) => return Err(error),
                Err(Stopped::Died(what)) => {
                    failures += 1;
                    if failures > self.limits.restarts {
                        let (what, stderr) = what.split_once('\n').unwrap_or((&what, ""));
                        let times = match failures {
                            1 => String::new(),
                            n => format!(", {n} times in this batch"),
                        };
                        return Err(Error::Exec {
                            reward: self.name.clone(),
                            what: format!("{what}{times}"),
                            stderr: stderr.to_owned(),
                        });
                    }
                }
            }
        }
        self.rewarded += asked.len() as u64;
        checked(&self.name, asked, &values)
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }
}

#[cfg(all(test, unix))]
mod tests;
