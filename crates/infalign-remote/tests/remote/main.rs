//! The client and the policies against servers within the process: well-behaved ones of every kind, and ones that are not.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod chaos;
mod client;
mod pace;
mod policies;
mod secrets;
mod served;
mod server;

use std::time::Duration;

use infalign_remote::{Client, Endpoint, Patience};
use server::Server;

/// Patience for a server on the same machine.
fn quick() -> Patience {
    Patience {
        deadline: Duration::from_secs(20),
        time_out: Duration::from_secs(5),
        tries: 4,
        first_wait: Duration::from_millis(1),
        longest_wait: Duration::from_millis(20),
        ..Patience::default()
    }
}

fn client(server: &Server, patience: Patience) -> Client {
    Client::new(Endpoint::parse(&server.url()).unwrap(), patience).unwrap()
}
