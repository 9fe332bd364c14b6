//! The bytes of a connection, watched: when a request began, and what the HTTP library says by itself.
//!
//! A head that cannot be read is answered by the HTTP library before any of our code sees a request, with a status and no body. Every answer of
//! ours has a body, so such an answer is recognised by its being a bare head, and gets the shape of all our faults.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::fault::{FaultBody, FaultText};

/// Where a connection is between two requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
enum Phase {
    /// Waiting for a request.
    Idle,
    /// A head is being received.
    Head,
    /// A request is being answered.
    Busy,
}

/// The phase of a connection and since when, read by who closes it.
#[derive(Debug)]
pub(crate) struct Watch {
    born: Instant,
    /// Milliseconds since `born`, times four, plus the phase.
    since: AtomicU64,
}

impl Watch {
    /// A new connection has to send a head.
    pub(crate) fn new() -> Self {
        Self {
            born: Instant::now(),
            since: AtomicU64::new(Phase::Head as u64),
        }
    }

    fn enter(&self, phase: Phase) {
        let now = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX >> 2);
        self.since.store(now << 2 | phase as u64, Ordering::Relaxed);
    }

    pub(crate) fn busy(&self) {
        self.enter(Phase::Busy);
    }

    pub(crate) fn idle(&self) {
        self.enter(Phase::Idle);
    }

    /// Ends when the connection has had its time.
    pub(crate) async fn overdue(&self, head: Duration, idle: Duration) {
        loop {
            let since = self.since.load(Ordering::Relaxed);
            let limit = match since & 3 {
                0 => idle,
                1 => head,
                // It will be asked again: no phase that follows is shorter.
                _ => {
                    tokio::time::sleep(head.min(idle)).await;
                    continue;
                }
            };
            let deadline = self.born + Duration::from_millis(since >> 2) + limit;
            if deadline <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(deadline.min(Instant::now() + head.min(idle)).into()).await;
        }
    }
}

/// A stream that keeps its watch.
#[derive(Debug)]
pub(crate) struct Watched<S> {
    stream: S,
    watch: Arc<Watch>,
    /// What is written instead of a bare head, and how much of it is written.
    instead: Option<(Vec<u8>, usize)>,
}

impl<S> Watched<S> {
    pub(crate) fn new(stream: S, watch: Arc<Watch>) -> Self {
        Self {
            stream,
            watch,
            instead: None,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let idle = self.watch.since.load(Ordering::Relaxed) & 3 == Phase::Idle as u64;
        if idle && buffer.filled().len() > before {
            self.watch.enter(Phase::Head);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.instead.is_none() {
            this.instead = with_body(bytes).map(|text| (text, 0));
        }
        let Some((text, written)) = &mut this.instead else {
            return Pin::new(&mut this.stream).poll_write(context, bytes);
        };
        while *written < text.len() {
            let more = ready!(Pin::new(&mut this.stream).poll_write(context, &text[*written..]))?;
            if more == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            *written += more;
        }
        this.instead = None;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// A refusal of the HTTP library with a body; `None` for everything else that is written.
fn with_body(bytes: &[u8]) -> Option<Vec<u8>> {
    let head = bytes.strip_prefix(b"HTTP/1.1 4")?;
    if !head.ends_with(b"\r\n\r\n") {
        return None;
    }
    let bare = b"content-length: 0\r\n";
    head.windows(bare.len()).find(|line| line == bare)?;
    let line = bytes.split(|&byte| byte == b'\r').next()?;
    let status = std::str::from_utf8(line).ok()?.strip_prefix("HTTP/1.1 ")?;
    let (code, message) = match status.get(..3)? {
        "431" => (
            "head_too_large",
            "the head of the request is too large, or has too many fields",
        ),
        "414" => ("address_too_long", "the address is too long"),
        _ => ("bad_head", "the head of the request is not HTTP/1.1"),
    };
    let body = serde_json::to_string(&FaultBody {
        error: FaultText {
            message: message.to_owned(),
            class: "invalid_request_error".to_owned(),
            code: code.to_owned(),
        },
    });
    let body = body.ok()?;
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    Some(text.into_bytes())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn bare_refusals_get_a_body_and_nothing_else_changes() {
        let bare =
            b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\ndate: x\r\n\r\n";
        let own = b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}";
        let head = b"HTTP/1.1 404 Not Found\r\ncontent-length: 20\r\n\r\n";
        for (bytes, changes) in [(&bare[..], true), (own, false), (head, false), (b"", false)] {
            assert_eq!(with_body(bytes).is_some(), changes);
        }
        // Through a pipe of three bytes.
        let (ours, mut theirs) = tokio::io::duplex(3);
        let writing = tokio::spawn(async move {
            let mut stream = Watched::new(ours, Arc::new(Watch::new()));
            stream.write_all(bare).await.unwrap();
            stream.write_all(b"after").await.unwrap();
        });
        let mut text = String::new();
        theirs.read_to_string(&mut text).await.unwrap();
        writing.await.unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let body = body.strip_suffix("after").unwrap();
        assert!(
            head.contains(&format!("content-length: {}", body.len())),
            "{head}"
        );
        assert!(body.contains(r#""code":"head_too_large""#), "{body}");
    }

    #[tokio::test]
    async fn a_connection_is_overdue_by_its_phase() {
        let watch = Watch::new();
        let (head, idle) = (Duration::from_millis(20), Duration::from_millis(60));
        watch.overdue(head, idle).await;
        watch.busy();
        let busy = tokio::time::timeout(Duration::from_millis(200), watch.overdue(head, idle));
        assert!(busy.await.is_err());
    }
}
