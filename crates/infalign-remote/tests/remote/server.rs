//! An HTTP server on loopback whose replies are acts: also those that no well-behaved server has.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::Value;

/// What was asked of the server.
pub(crate) struct Asked {
    pub(crate) path: String,
    /// All header lines, in lower case.
    pub(crate) headers: String,
    /// Null for GET.
    pub(crate) body: Value,
    /// How many requests came before it.
    pub(crate) number: usize,
    /// How many are being answered at present, this one included.
    pub(crate) at_once: usize,
}

/// What the server does.
pub(crate) enum Act {
    Json(Value),
    /// A status with further headers and a body.
    Status(u16, Vec<(&'static str, String)>, String),
    /// Half of a reply that says it is whole.
    Truncated(Value),
    /// Closes within the body.
    CutBody(Value),
    /// Closes without a word.
    Drop,
    /// Says nothing as long as the client is there.
    Never,
    /// A body without end; counts what was taken of it.
    Endless(Arc<AtomicUsize>),
    After(Duration, Box<Self>),
}

/// A server that stops when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: Arc<AtomicBool>,
    pub(crate) requests: Arc<AtomicUsize>,
}

impl Server {
    pub(crate) fn start(act: impl Fn(&Asked) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let requests = Arc::new(AtomicUsize::new(0));
        let (stopped, counted, act) = (stop.clone(), requests.clone(), Arc::new(act));
        thread::spawn(move || {
            let under_way = Arc::new(AtomicUsize::new(0));
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let (act, counted, under_way) = (act.clone(), counted.clone(), under_way.clone());
                let Ok(stream) = stream else { continue };
                // An error here is a client that has gone.
                thread::spawn(move || drop(serve(&stream, &*act, &counted, &under_way)));
            }
        });
        Self {
            address,
            stop,
            requests,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(self.address));
    }
}

/// Answers the requests of one connection.
fn serve(
    stream: &TcpStream,
    act: &dyn Fn(&Asked) -> Act,
    counted: &AtomicUsize,
    under_way: &AtomicUsize,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let mut headers = String::new();
        while reader.read_line(&mut headers)? > 2 {}
        headers.make_ascii_lowercase();
        let length = headers
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .map_or(0, |text| text.trim().parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let asked = Asked {
            path: first.split(' ').nth(1).unwrap_or_default().to_owned(),
            headers,
            body: serde_json::from_slice(&body).unwrap_or_default(),
            number: counted.fetch_add(1, Ordering::Relaxed),
            at_once: under_way.fetch_add(1, Ordering::Relaxed) + 1,
        };
        let goes_on = perform(stream, act(&asked));
        under_way.fetch_sub(1, Ordering::Relaxed);
        if !goes_on? {
            return Ok(());
        }
    }
}

/// Whether the connection is still good.
fn perform(mut stream: &TcpStream, act: Act) -> std::io::Result<bool> {
    let mut send = |status: u16, headers: &[(&str, String)], body: &[u8], length: usize| {
        let mut reply = format!(
            "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n"
        );
        for (name, value) in headers {
            reply += &format!("{name}: {value}\r\n");
        }
        reply += "\r\n";
        stream.write_all(&[reply.as_bytes(), body].concat())
    };
    match act {
        Act::Json(value) => {
            let body = value.to_string();
            send(200, &[], body.as_bytes(), body.len())?;
        }
        Act::Status(status, headers, body) => send(status, &headers, body.as_bytes(), body.len())?,
        Act::Truncated(value) => {
            let body = value.to_string();
            let half = body.len() / 2;
            send(200, &[], &body.as_bytes()[..half], half)?;
        }
        Act::CutBody(value) => {
            let body = value.to_string();
            send(200, &[], &body.as_bytes()[..body.len() / 2], body.len())?;
            return Ok(false);
        }
        Act::Drop => return Ok(false),
        Act::Never => {
            drop(stream.read(&mut [0]));
            return Ok(false);
        }
        Act::Endless(taken) => {
            send(200, &[], b"", 1 << 30)?;
            let piece = [b' '; 1 << 16];
            while stream.write_all(&piece).is_ok() {
                taken.fetch_add(piece.len(), Ordering::Relaxed);
            }
            return Ok(false);
        }
        Act::After(wait, then) => {
            thread::sleep(wait);
            return perform(stream, *then);
        }
    }
    Ok(true)
}
