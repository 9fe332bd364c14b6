//! A process whose pipes are served by threads, so that neither side ever waits for the other to read.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    process::{self, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

/// Longer lines are no replies.
const LONGEST_LINE: u64 = 1 << 20;
/// What is kept of standard error.
const TAIL: usize = 4096;
/// How long a process may take to end once its input has.
const FAREWELL: Duration = Duration::from_millis(300);

/// What a process says.
#[derive(Debug, PartialEq)]
pub(super) enum Said {
    /// A line of its standard output.
    Line(String),
    /// Nothing in time.
    Nothing,
    /// Its output has ended.
    End,
}

/// A process that is asked and answers by lines.
pub(super) struct Child {
    process: process::Child,
    /// To the thread that writes; dropped to end the process's input.
    requests: Option<Sender<String>>,
    lines: Receiver<String>,
    tail: Arc<Mutex<Vec<u8>>>,
    /// Hears of the end of standard error.
    hushed: Receiver<()>,
    /// Whether it has replied at least once; the caller's to keep.
    pub(super) answered: bool,
}

impl Child {
    pub(super) fn start(words: &[String]) -> io::Result<Self> {
        let (program, arguments) = words
            .split_first()
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env("PYTHONUNBUFFERED", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // Ctrl-C is for us: the unit at hand may still need rewards.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut process = command.spawn()?;
        let broken = || io::Error::from(io::ErrorKind::BrokenPipe);
        let mut stdin = process.stdin.take().ok_or_else(broken)?;
        let stdout = process.stdout.take().ok_or_else(broken)?;
        let mut stderr = process.stderr.take().ok_or_else(broken)?;

        let (requests, to_write) = channel::<String>();
        thread::spawn(move || {
            for mut line in to_write {
                line.push('\n');
                // A process that does not read any more shows by its output.
                if stdin.write_all(line.as_bytes()).is_err() {
                    return;
                }
            }
        });
        let (said, lines) = channel();
        thread::spawn(move || {
            let mut stdout = BufReader::new(stdout);
            let mut line = Vec::new();
            loop {
                line.clear();
                let read = (&mut stdout)
                    .take(LONGEST_LINE)
                    .read_until(b'\n', &mut line);
                let heard = matches!(read, Ok(n) if n > 0);
                if !heard
                    || said
                        .send(String::from_utf8_lossy(&line).into_owned())
                        .is_err()
                {
                    return;
                }
            }
        });
        let tail = Arc::new(Mutex::new(Vec::new()));
        let (hush, hushed) = channel();
        let kept = Arc::clone(&tail);
        thread::spawn(move || {
            let mut piece = [0; 1024];
            while let Ok(n @ 1..) = stderr.read(&mut piece) {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.extend_from_slice(&piece[..n]);
                let over = kept.len().saturating_sub(TAIL);
                kept.drain(..over);
            }
            drop(hush);
        });
        Ok(Self {
            process,
            requests: Some(requests),
            lines,
            tail,
            hushed,
            answered: false,
        })
    }

    /// Sends a line, without waiting for it to be read.
    pub(super) fn ask(&self, line: String) {
        if let Some(requests) = &self.requests {
            // Its end shows by its output.
            drop(requests.send(line));
        }
    }

    /// The next line, waited for so long.
    pub(super) fn listen(&self, patience: Duration) -> Said {
        match self.lines.recv_timeout(patience) {
            Ok(line) => Said::Line(line),
            Err(RecvTimeoutError::Timeout) => Said::Nothing,
            Err(RecvTimeoutError::Disconnected) => Said::End,
        }
    }

    /// Ends it; how it ended, if by itself, and the end of its standard error.
    pub(super) fn end(mut self) -> (Option<ExitStatus>, String) {
        let status = self.stop();
        // All that was said is read, unless somebody else holds the pipe.
        self.hushed.recv_timeout(FAREWELL).ok();
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&tail);
        (status, text.trim_start_matches('\u{fffd}').to_owned())
    }

    fn stop(&mut self) -> Option<ExitStatus> {
        self.requests = None;
        let begun = Instant::now();
        loop {
            match self.process.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if begun.elapsed() < FAREWELL => thread::sleep(Duration::from_millis(5)),
                _ => break,
            }
        }
        drop(self.process.kill());
        drop(self.process.wait());
        None
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.stop();
    }
}
