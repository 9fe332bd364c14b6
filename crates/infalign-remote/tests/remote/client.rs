//! One request at a time: what every fault of a server becomes, how often it is tried, and when it is given up.

use std::{
    cell::Cell,
    io::{Read, Write},
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use infalign_remote::{Client, Endpoint, Fault, GivenUp, Patience, Request, Why};
use serde_json::{Value, json};

use crate::{
    client, quick,
    server::{Act, Server},
};

fn refusal(status: u16) -> Act {
    Act::Status(
        status,
        Vec::new(),
        json!({"error": {"message": "so it is"}}).to_string(),
    )
}

fn end_of(act: impl Fn() -> Act + Send + Sync + 'static) -> GivenUp {
    let server = Server::start(move |_| act());
    let patience = Patience {
        time_out: Duration::from_millis(200),
        ..quick()
    };
    client(&server, patience)
        .post("/v1/x", json!({"a": 1}))
        .unwrap_err()
}

#[test]
fn passing_faults_are_tried_again_and_then_answered() {
    let answer = || json!({"answer": 42});
    let server = Server::start(move |asked| match asked.number {
        0 => refusal(500),
        1 => Act::Drop,
        2 => Act::Truncated(answer()),
        3 => Act::CutBody(answer()),
        4 => refusal(429),
        _ => Act::Json(answer()),
    });
    let patience = Patience {
        tries: 6,
        ..quick()
    };
    let client = client(&server, patience);
    assert_eq!(client.post("/v1/x", json!({})).unwrap(), answer());
    assert_eq!(server.requests.load(Ordering::Relaxed), 6);
}

#[test]
fn every_fault_has_its_type() {
    let end = end_of(|| Act::Drop);
    assert!(matches!(end.fault, Fault::Gone { .. }), "{end}");
    assert_eq!((end.tries, end.why), (4, Why::Tries));
    let end = end_of(|| Act::Truncated(json!({"a": "bcdefghi"})));
    assert!(
        matches!(&end.fault, Fault::NotJson { what } if what.contains("EOF")),
        "{end}"
    );
    let end = end_of(|| Act::CutBody(json!({"a": "bcdefghi"})));
    assert!(matches!(end.fault, Fault::CutShort { .. }), "{end}");
    let end = end_of(|| Act::Never);
    assert_eq!(
        end.fault,
        Fault::TimeOut {
            after: Duration::from_millis(200)
        }
    );
    let end = end_of(|| Act::Status(200, Vec::new(), "[".repeat(100_000)));
    assert!(
        matches!(&end.fault, Fault::NotJson { what } if what.contains("recursion")),
        "{end}"
    );
    let end = end_of(|| Act::Status(200, Vec::new(), "{\"a\": NaN}".to_owned()));
    assert!(matches!(end.fault, Fault::NotJson { .. }), "{end}");
    let end = end_of(|| refusal(500));
    assert_eq!(
        end.to_string(),
        "given up after 4 tries: status 500 (so it is)"
    );
}

#[test]
fn what_cannot_pass_is_not_tried_again() {
    for (status, remedy) in [
        (400, ""),
        (401, "INFALIGN_API_KEY"),
        (403, "rights"),
        (404, "/v1/models"),
        (422, ""),
    ] {
        let end = end_of(move || refusal(status));
        assert_eq!((end.tries, end.why), (1, Why::Hopeless));
        let text = end.to_string();
        assert!(
            text.starts_with(&format!("status {status} (so it is)")) && text.contains(remedy),
            "{text}"
        );
    }
}

/// As while a server of models starts again, behind a proxy or not.
#[test]
fn a_server_that_is_away_is_waited_for_until_the_deadline() {
    for away in [
        (|| refusal(502)) as fn() -> Act,
        || refusal(503),
        || refusal(504),
        || Act::Drop,
    ] {
        // Longer away than four tries last.
        let server = Server::start(move |asked| match asked.number {
            1..12 => away(),
            _ => Act::Json(json!(1)),
        });
        let client = client(&server, quick());
        client.get("/x").unwrap();
        client.get("/x").unwrap();
        assert_eq!(server.requests.load(Ordering::Relaxed), 13);
        // What is no absence counts as before.
        let server = Server::start(move |asked| match asked.number {
            0 => Act::Json(json!(1)),
            n if n % 2 == 0 => away(),
            _ => refusal(500),
        });
        let client = self::client(&server, quick());
        client.get("/x").unwrap();
        let end = client.get("/x").unwrap_err();
        assert_eq!((end.tries, end.why), (7, Why::Tries), "{end}");
    }
}

#[test]
fn a_server_that_starts_again_at_its_port() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = |listener: &TcpListener| {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = [0; 1024];
        assert!(stream.read(&mut asked).unwrap() > 0);
        let reply = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 1\r\n\r\n1";
        stream.write_all(reply.as_bytes()).unwrap();
    };
    let endpoint = Endpoint::parse(&format!("http://{address}")).unwrap();
    let client = Client::new(endpoint, quick()).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| answer(&listener));
        assert_eq!(client.get("/x").unwrap(), 1);
    });
    drop(listener);
    thread::scope(|scope| {
        scope.spawn(|| {
            // Four tries would be over within 80 ms.
            thread::sleep(Duration::from_millis(600));
            answer(&TcpListener::bind(address).unwrap());
        });
        assert_eq!(client.get("/x").unwrap(), 1);
    });
}

#[test]
fn a_host_that_is_not_there() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let endpoint = Endpoint::parse(&format!("http://{free}")).unwrap();
    let end = Client::new(endpoint, quick())
        .unwrap()
        .get("/v1/models")
        .unwrap_err();
    assert!(matches!(end.fault, Fault::Connection { .. }), "{end}");
    assert_eq!(end.tries, 4);
}

/// TLS is set up without a provider of the process, and a server that does not speak it is no connection.
#[test]
fn a_server_without_tls() {
    let server = Server::start(|_| Act::Json(json!(1)));
    let endpoint = Endpoint::parse(&format!("https://{}", server.address)).unwrap();
    let patience = Patience {
        time_out: Duration::from_secs(1),
        tries: 1,
        ..quick()
    };
    let end = Client::new(endpoint, patience)
        .unwrap()
        .get("/x")
        .unwrap_err();
    assert!(matches!(end.fault, Fault::Connection { .. }), "{end}");
}

#[test]
fn a_reply_without_end_is_cut_off() {
    let taken = Arc::new(AtomicUsize::new(0));
    let count = taken.clone();
    let server = Server::start(move |_| Act::Endless(count.clone()));
    let patience = Patience {
        reply_bytes: 1 << 20,
        ..quick()
    };
    let end = client(&server, patience).get("/x").unwrap_err();
    assert_eq!(end.fault, Fault::TooLong { limit: 1 << 20 });
    assert_eq!(end.tries, 1);
    // What is beyond the limit is what stands in the buffers of two sockets.
    let taken = taken.load(Ordering::Relaxed);
    assert!(taken < 32 << 20, "{taken} bytes were taken");
}

#[test]
fn the_deadline_is_over_all_tries() {
    for act in [(|| Act::Never) as fn() -> Act, || refusal(500)] {
        let server = Server::start(move |_| act());
        let patience = Patience {
            deadline: Duration::from_millis(300),
            tries: 1000,
            time_out: Duration::from_millis(120),
            first_wait: Duration::from_millis(20),
            ..quick()
        };
        let start = Instant::now();
        let end = client(&server, patience).get("/x").unwrap_err();
        let took = start.elapsed();
        assert_eq!(end.why, Why::Deadline);
        assert!(
            took < Duration::from_millis(600) && end.tries > 1,
            "{took:?} {end}"
        );
    }
}

#[test]
fn retry_after_is_kept_to_in_both_forms() {
    type Header = fn() -> String;
    let date: Header = || httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(2));
    for (header, least) in [((|| "1".to_owned()) as Header, 1000), (date, 900)] {
        let server = Server::start(move |asked| match asked.number {
            0 => Act::Status(429, vec![("retry-after", header())], String::new()),
            _ => Act::Json(json!(1)),
        });
        let start = Instant::now();
        client(&server, quick()).get("/x").unwrap();
        let took = start.elapsed().as_millis();
        assert!((least..5000).contains(&took), "{took} ms");
    }
    // Longer than there is time for: at once.
    let end = end_of(|| {
        Act::Status(
            503,
            vec![("retry-after", u64::MAX.to_string())],
            String::new(),
        )
    });
    assert_eq!((end.tries, end.why), (1, Why::Deadline));
}

#[test]
fn a_reply_that_is_refused_is_asked_for_again() {
    let server = Server::start(|asked| Act::Json(json!(asked.number)));
    let read = |_: &(), value: Value| match value.as_u64() {
        Some(number) if number >= 2 => Ok(number),
        _ => Err("too small".to_owned()),
    };
    let mut seen = Vec::new();
    let done: Result<(), GivenUp> = client(&server, quick()).all(
        [()],
        |()| Request::get("/x"),
        read,
        |(), end| {
            seen.push(end?);
            Ok(())
        },
    );
    done.unwrap();
    assert_eq!(seen, [2]);
}

#[test]
fn an_error_of_the_caller_stops_everything() {
    let server = Server::start(|asked| {
        Act::After(
            Duration::from_millis(5),
            Box::new(Act::Json(json!(asked.number))),
        )
    });
    let taken = Cell::new(0);
    let jobs = (0_u64..).inspect(|_| taken.set(taken.get() + 1));
    let mut handed = 0;
    let patience = Patience {
        most_in_flight: 4,
        ..quick()
    };
    let end = client(&server, patience).all(
        jobs,
        |_| Request::get("/x"),
        |_, value| Ok(value),
        |_, _| {
            handed += 1;
            if handed == 10 { Err("enough") } else { Ok(()) }
        },
    );
    assert_eq!((end, handed), (Err("enough"), 10));
    assert!(taken.get() <= 20, "{} jobs were taken", taken.get());
    let so_far = server.requests.load(Ordering::Relaxed);
    thread::sleep(Duration::from_millis(30));
    assert!(server.requests.load(Ordering::Relaxed) <= so_far + 4);
}

#[test]
fn jobs_may_bring_further_jobs() {
    let server = Server::start(|asked| Act::Json(asked.body.clone()));
    let queue = std::cell::RefCell::new(vec![3_u64]);
    let mut seen = Vec::new();
    let done: Result<(), GivenUp> = client(&server, quick()).all(
        std::iter::from_fn(|| queue.borrow_mut().pop()),
        |job| Request::post("/x", json!(job)),
        |_, value| Ok(value),
        |job, end| {
            end?;
            seen.push(job);
            queue.borrow_mut().extend(job.checked_sub(1));
            Ok(())
        },
    );
    done.unwrap();
    assert_eq!(seen, [3, 2, 1, 0]);
}
