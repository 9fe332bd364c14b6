//! A service on a free port, and a client that says exactly the bytes it is told.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{Arc, Mutex, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use infalign_data::{Calibration, Lookup, TableBuilder, Turns};
use infalign_serve::{
    Asked, KnownPrompt, Log, Parts, Result, Rewarder, Roller, Settings, Switch, Tokens, run, switch,
};
use serde_json::Value;

pub(crate) const TOKEN: &str = "token-that-nobody-may-see";

/// Prompts `p0`, `p1`, … whose K = 4 rewards are 0, 1, 2, 3.
pub(crate) fn table(prompts: usize) -> Lookup {
    let mut builder = TableBuilder::new(["length"]).unwrap();
    for i in 0..prompts {
        let rewards: &[f32] = &[3.0, 1.0, 0.0, 2.0];
        builder
            .insert(&format!("p{i}"), None, &[rewards], &[])
            .unwrap();
    }
    let table = builder.finish().unwrap();
    Lookup::new(Calibration::new(&table, 0, "base", "temperature 1").unwrap()).unwrap()
}

/// `p0` asks `prompt 0 of the file`, and so on.
pub(crate) fn prompts(count: usize) -> Vec<KnownPrompt> {
    let one = |i: usize| KnownPrompt {
        id: format!("p{i}"),
        prompt: Turns::Text(format!("prompt {i} of the file")),
        answer: None,
    };
    (0..count).map(one).collect()
}

/// The length of a response in bytes; a few responses do something else.
#[derive(Debug, Default)]
pub(crate) struct Length {
    /// What it was asked.
    pub(crate) asked: Arc<Mutex<Vec<Asked>>>,
}

impl Rewarder for Length {
    fn raw(&mut self, asked: &[Asked]) -> std::result::Result<Vec<f32>, String> {
        self.asked.lock().unwrap().extend_from_slice(asked);
        let one = |asked: &Asked| match asked.response.as_str() {
            "slow" => {
                std::thread::sleep(Duration::from_millis(400));
                Ok(4.0)
            }
            "refused" => Err("no reward for this".to_owned()),
            "broken" => unreachable!("a reward that breaks down"),
            response => Ok(response.len() as f32),
        };
        asked.iter().map(one).collect()
    }

    fn name(&self) -> &'static str {
        "length"
    }
}

/// Responses of the lengths 0, 1, …, K − 1, after a while; writes down for which prompts.
#[derive(Debug, Default)]
pub(crate) struct Counting(pub(crate) Arc<Mutex<Vec<String>>>);

impl Roller for Counting {
    fn rollouts(
        &mut self,
        prompt_id: &str,
        _prompt: &Turns,
        k: usize,
        _seed: u64,
    ) -> std::result::Result<Vec<String>, String> {
        self.0.lock().unwrap().push(prompt_id.to_owned());
        std::thread::sleep(Duration::from_millis(100));
        if prompt_id.contains("unanswerable") {
            return Err("no policy".to_owned());
        }
        Ok((0..k).map(|n| "x".repeat(n)).collect())
    }
}

/// Settings under which tests of time limits end soon.
pub(crate) fn settings() -> Settings {
    let mut settings = Settings {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        threads: 2,
        ..Settings::default()
    };
    settings.limits.head = Duration::from_millis(300);
    settings.limits.receive = Duration::from_millis(300);
    settings
}

pub(crate) fn guarded() -> Settings {
    Settings {
        tokens: Tokens::new([TOKEN]).unwrap(),
        ..settings()
    }
}

/// A table of three prompts, their texts, and the length as reward.
pub(crate) fn parts() -> Parts {
    Parts {
        calibration: Some(table(3)),
        prompts: prompts(3),
        reward: Some(Box::new(|| Ok(Box::new(Length::default())))),
        ..Parts::default()
    }
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) switch: Switch,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Server {
    /// Starts, and waits until it is ready.
    pub(crate) fn start(settings: Settings, parts: Parts) -> Self {
        let server = Self::opening(settings, parts);
        while server.get("/readyz").status != 200 {
            std::thread::sleep(Duration::from_millis(5));
        }
        server
    }

    /// Starts, and waits until it listens.
    pub(crate) fn opening(settings: Settings, parts: Parts) -> Self {
        let (switch, stopped) = switch();
        let (listening, bound) = mpsc::channel();
        let tell = move |address| listening.send(address).unwrap();
        let thread = std::thread::spawn(move || run(settings, parts, tell, stopped));
        Self {
            address: bound.recv().unwrap(),
            switch,
            thread: Some(thread),
        }
    }

    pub(crate) fn stop(mut self) -> Result<()> {
        self.switch.stop();
        self.thread.take().unwrap().join().unwrap()
    }

    /// Waits until it ends by itself.
    pub(crate) fn end(mut self) -> Result<()> {
        self.thread.take().unwrap().join().unwrap()
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(15)))
            .unwrap();
        stream
    }

    /// Sends bytes on a connection of their own, and reads one answer.
    pub(crate) fn say(&self, bytes: &[u8]) -> Answer {
        let mut stream = self.connect();
        // The service may refuse before it has read everything.
        let _ = stream.write_all(bytes);
        read_answer(&mut stream)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.say(
            format!("GET {path} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {TOKEN}\r\n\r\n")
                .as_bytes(),
        )
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, body.to_string().as_bytes())
    }

    pub(crate) fn send(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        let authorization = format!("Authorization: Bearer {TOKEN}\r\n");
        self.say(&request(method, path, &authorization, body))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.switch.stop();
    }
}

pub(crate) fn request(method: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut bytes = format!(
        "{method} {path} HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n{headers}Content-Length: {length}\r\n\r\n"
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| unreachable!("no JSON: {self:?}"))
    }

    /// The status, and the code of a fault in its one shape.
    pub(crate) fn fault(&self) -> (u16, String) {
        let json = self.json();
        let error = json["error"].as_object().unwrap();
        assert!(
            error["message"].is_string() && error["type"].is_string(),
            "{json}"
        );
        (self.status, error["code"].as_str().unwrap().to_owned())
    }
}

/// One answer, by its content-length. A connection that is closed without one gives status 0.
pub(crate) fn read_answer(stream: &mut impl Read) -> Answer {
    let mut bytes = Vec::new();
    let mut one = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return Answer {
                    status: head[9..12].parse().unwrap(),
                    body: body.to_owned(),
                    head,
                };
            }
        }
        match stream.read(&mut one) {
            Ok(n) if n > 0 => bytes.extend_from_slice(&one[..n]),
            _ => {
                return Answer {
                    status: 0,
                    head: String::new(),
                    body: String::from_utf8_lossy(&bytes).into_owned(),
                };
            }
        }
    }
}

/// A log that keeps its lines.
pub(crate) fn keeping() -> (Log, Arc<Mutex<Vec<String>>>) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&lines);
    let log: Log = Arc::new(move |line| {
        let line = serde_json::to_string(line).unwrap();
        kept.lock().unwrap().push(line);
    });
    (log, lines)
}
