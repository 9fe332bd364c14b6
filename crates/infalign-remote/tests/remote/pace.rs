//! How many requests are under way: more with a good server, fewer when it pushes back, and more again.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use infalign_remote::{Client, Patience, Request};
use serde_json::json;

use crate::{
    client, quick,
    server::{Act, Server},
};

/// A server that serves so many at once, each in 3 ms, and refuses the others.
fn server(room: &Arc<AtomicUsize>, most: &Arc<AtomicUsize>) -> Server {
    let (room, most) = (room.clone(), most.clone());
    Server::start(move |asked| {
        most.fetch_max(asked.at_once, Ordering::Relaxed);
        if asked.at_once > room.load(Ordering::Relaxed) {
            return Act::Status(429, Vec::new(), String::new());
        }
        Act::After(Duration::from_millis(3), Box::new(Act::Json(json!(1))))
    })
}

fn ask(client: &Client, jobs: usize) {
    let mut failed = 0;
    let done: Result<(), Infallible> = client.all(
        0..jobs,
        |_| Request::get("/x"),
        |_, value| Ok(value),
        |_, end| {
            failed += usize::from(end.is_err());
            Ok(())
        },
    );
    assert_eq!((done, failed), (Ok(()), 0));
}

#[test]
fn rises_falls_and_recovers() {
    let room = Arc::new(AtomicUsize::new(1000));
    let most = Arc::new(AtomicUsize::new(0));
    let server = server(&room, &most);
    let patience = Patience {
        most_in_flight: 32,
        tries: 1000,
        ..quick()
    };
    let client = client(&server, patience);
    assert_eq!(client.in_flight_limit(), 8);
    ask(&client, 200);
    assert_eq!(client.in_flight_limit(), 32);
    assert!(most.load(Ordering::Relaxed) <= 32);

    room.store(4, Ordering::Relaxed);
    ask(&client, 200);
    let low = client.in_flight_limit();
    assert!(low <= 8, "{low}");

    room.store(1000, Ordering::Relaxed);
    ask(&client, 800);
    let high = client.in_flight_limit();
    assert!(high >= 20, "{high}");
}

#[test]
fn threads_that_share_a_client_share_its_limit() {
    let room = Arc::new(AtomicUsize::new(1000));
    let most = Arc::new(AtomicUsize::new(0));
    let server = server(&room, &most);
    let patience = Patience {
        most_in_flight: 5,
        ..quick()
    };
    let client = client(&server, patience);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| ask(&client, 50));
        }
    });
    assert_eq!(most.load(Ordering::Relaxed), 5);
}
