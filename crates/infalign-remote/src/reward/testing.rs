//! Servers inside the test's process: a closure answers, and what was asked is kept.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, StatusCode, Uri, header::AUTHORIZATION},
};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use crate::Patience;

/// A request that came.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// `null` for GET.
    pub(super) body: Value,
    pub(super) authorization: Option<String>,
}

/// Answers on a port of its own until it is dropped.
pub(super) struct Server {
    pub(super) address: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    _runtime: Runtime,
}

impl Server {
    /// `answer` gets path and body, and gives status and body.
    pub(super) fn start(
        answer: impl Fn(&str, &Value) -> (u16, String) + Send + Sync + 'static,
    ) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = seen.clone();
        let answer = Arc::new(answer);
        let handle = move |uri: Uri, headers: HeaderMap, body: Bytes| async move {
            let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
            let (status, reply) = answer(uri.path(), &body);
            kept.lock().unwrap().push(Seen {
                body,
                authorization: headers
                    .get(AUTHORIZATION)
                    .map(|v| v.to_str().unwrap().to_owned()),
            });
            (StatusCode::from_u16(status).unwrap(), reply)
        };
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(async move {
            axum::serve(listener, Router::new().fallback(handle))
                .await
                .unwrap();
        });
        Self {
            address,
            seen,
            _runtime: runtime,
        }
    }

    /// What was asked so far.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// What was posted so far.
    pub(super) fn posted(&self) -> Vec<Value> {
        let posted = self.seen().into_iter().filter(|seen| !seen.body.is_null());
        posted.map(|seen| seen.body).collect()
    }
}

/// Status 404.
pub(super) fn nothing() -> (u16, String) {
    (404, json!({"detail": "Not Found"}).to_string())
}

/// Status 200.
pub(super) fn ok(reply: &Value) -> (u16, String) {
    (200, reply.to_string())
}

/// Three quick tries.
pub(super) fn patience() -> Patience {
    Patience {
        tries: 3,
        time_out: Duration::from_secs(5),
        first_wait: Duration::from_millis(1),
        longest_wait: Duration::from_millis(5),
        ..Patience::default()
    }
}
