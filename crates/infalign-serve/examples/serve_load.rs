//! Requests per second, answer times and memory of the service on loopback: `cargo run --release -p infalign-serve --example serve_load`.
//!
//! It starts itself a second time as the service, so that the memory is the service's alone, and asks it for single samples in OpenRLHF's shape over
//! connections that are kept: first as fast as it can, then 5000 and 10000 evenly spaced requests to a second, then over a connection to each
//! request, as OpenRLHF's client does, then until a million more are done.
//! Answer times at a rate count from the moment when a request was due, so that a stall is seen by all that were due in it; those "from
//! sending" leave out how late the generator was. Generator and service share the machine's cores.
#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use infalign_data::{Calibration, Lookup, TableBuilder};
use infalign_serve::{Asked, Parts, Rewarder, Settings, run, switch};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

const PROMPTS: usize = 1000;
const ROLLOUTS: u16 = 64;

struct Length;

impl Rewarder for Length {
    fn raw(&mut self, asked: &[Asked]) -> Result<Vec<f32>, String> {
        Ok(asked
            .iter()
            .map(|asked| asked.response.len() as f32)
            .collect())
    }

    fn name(&self) -> &'static str {
        "length"
    }
}

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("service") => service(),
        connections => load(connections.map_or(Ok(64), str::parse)?),
    }
}

/// Serves a table of 1000 prompts until it is killed.
fn service() -> Outcome<()> {
    let mut builder = TableBuilder::new(["length"])?;
    let rewards: Vec<f32> = (0..ROLLOUTS).map(|k| f32::from(k) * 10.0).collect();
    for i in 0..PROMPTS {
        builder.insert(&format!("p{i}"), None, &[&rewards], &[])?;
    }
    let calibration = Calibration::new(&builder.finish()?, 0, "base", "")?;
    let parts = Parts {
        calibration: Some(Lookup::new(calibration)?),
        reward: Some(Box::new(|| Ok(Box::new(Length)))),
        ..Parts::default()
    };
    let settings = Settings {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        ..Settings::default()
    };
    let (_switch, stopped) = switch();
    run(settings, parts, |address| println!("{address}"), stopped)?;
    Ok(())
}

fn load(connections: usize) -> Outcome<()> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("service")
        .stdout(Stdio::piped())
        .spawn()?;
    let mut address = String::new();
    let out = child.stdout.take().ok_or("no output of the service")?;
    BufReader::new(out).read_line(&mut address)?;
    let address: SocketAddr = address.trim().parse()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(async {
        let rate = measure(address, connections, child.id()).await?;
        println!("{rate:.0} requests/s at most, over {connections} connections");
        Ok(())
    });
    child.kill()?;
    child.wait()?;
    outcome
}

async fn measure(address: SocketAddr, connections: usize, service: u32) -> Outcome<f64> {
    let seconds = Duration::from_secs(5);
    drop(asked(address, connections, Goal::Time(seconds / 5), None).await?);
    let begun = Instant::now();
    let times = asked(address, connections, Goal::Time(seconds), None).await?;
    let most = times.len() as f64 / begun.elapsed().as_secs_f64();
    report("as fast as it can", &times);
    for rate in [5_000, 10_000] {
        let every = Duration::from_secs(connections as u64) / rate;
        let times = asked(address, connections, Goal::Time(seconds), Some(every)).await?;
        report(&format!("{rate} to a second"), &times);
    }
    let begun = Instant::now();
    let times = asked(address, connections, Goal::Connections(10_000), None).await?;
    let rate = times.len() as f64 / begun.elapsed().as_secs_f64();
    report(
        &format!("a connection to each, {rate:.0} to a second"),
        &times,
    );
    println!("resident memory: {} KiB", resident(service)?);
    for _ in 0..4 {
        drop(asked(address, connections, Goal::Requests(250_000), None).await?);
        println!("… after 250000 more requests: {} KiB", resident(service)?);
    }
    Ok(most)
}

#[derive(Clone, Copy)]
enum Goal {
    Time(Duration),
    Requests(u64),
    /// As many requests, each over a connection of its own, as OpenRLHF's client does.
    Connections(u64),
}

/// Answer times of all requests, from when they were due and from when they were sent; `every`: how far apart those of one connection are due.
async fn asked(
    address: SocketAddr,
    connections: usize,
    goal: Goal,
    every: Option<Duration>,
) -> Outcome<Vec<[Duration; 2]>> {
    let done = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let asking: Vec<_> = (0..connections)
        .map(|connection| {
            let done = Arc::clone(&done);
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                let mut times = Vec::new();
                let mut due =
                    begun + every.unwrap_or_default() * connection as u32 / connections as u32;
                loop {
                    let enough = match goal {
                        Goal::Time(time) => begun.elapsed() >= time,
                        Goal::Requests(most) | Goal::Connections(most) => {
                            done.fetch_add(1, Ordering::Relaxed) >= most
                        }
                    };
                    if enough {
                        return Outcome::Ok(times);
                    }
                    let mut sent = Instant::now();
                    if let Some(every) = every {
                        tokio::time::sleep_until(due.into()).await;
                        sent = Instant::now();
                        due += every;
                    } else {
                        due = sent;
                    }
                    if matches!(goal, Goal::Connections(_)) {
                        stream = TcpStream::connect(address).await?;
                    }
                    once(&mut stream, connection + times.len()).await?;
                    let from = due - every.unwrap_or_default();
                    times.push([from.elapsed(), sent.elapsed()]);
                }
            })
        })
        .collect();
    let mut times = Vec::new();
    for one in asking {
        times.extend(one.await??);
    }
    Ok(times)
}

/// One sample, as OpenRLHF sends it.
async fn once(stream: &mut TcpStream, number: usize) -> Outcome<()> {
    let prompt = format!("<|user|>Question {number}, of the usual length of a line?<|assistant|>");
    let response = "An answer of a few words. ".repeat(number % 20);
    let body = format!(
        r#"{{"query":["{prompt}{response}</s>"],"prompts":["{prompt}"],"labels":["p{}"]}}"#,
        number % PROMPTS
    );
    let request = format!(
        "POST /get_reward HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = [0; 4096];
    let mut length = 0;
    while !answer[..length].ends_with(b"}}") {
        let more = stream.read(&mut answer[length..]).await?;
        if more == 0 {
            return Err("the service hung up".into());
        }
        length += more;
    }
    if answer.starts_with(b"HTTP/1.1 200 OK") {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&answer[..length])
        .into_owned()
        .into())
}

fn report(what: &str, times: &[[Duration; 2]]) {
    println!("{what}: {} requests", times.len());
    for (which, from) in ["from when it was due", "from sending"].iter().enumerate() {
        let mut sorted: Vec<Duration> = times.iter().map(|pair| pair[which]).collect();
        sorted.sort_unstable();
        let at = |share: f64| {
            let place = (sorted.len() as f64 * share) as usize;
            sorted
                .get(place)
                .map_or(0.0, |time| 1e3 * time.as_secs_f64())
        };
        let (half, most, nearly) = (at(0.5), at(0.99), at(0.999));
        println!("  {from}: median {half:.2} ms, 99% {most:.2} ms, 99.9% {nearly:.2} ms");
    }
}

/// Memory of the service in KiB, as Linux says it.
fn resident(process: u32) -> Outcome<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.ok_or("no VmRSS")?.parse()?)
}
