//! One request over the wire: a JSON value, or the fault that it ended in.

use std::{
    error::Error as _,
    sync::Arc,
    time::{Duration, SystemTime},
};

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use serde_json::Value;

use crate::{
    endpoint::Endpoint,
    error::{Error, Result},
    fault::Fault,
    key::Key,
    redact,
};

/// The most bytes that are read of a refusal.
const REFUSAL_BYTES: usize = 64 << 10;
/// The most time for a connection: a host that is off does not answer at all.
const CONNECT: Duration = Duration::from_secs(30);
/// How long a connection is kept without use: uvicorn, under most servers of models, closes it after 5 s, and a request may be on its way then.
const IDLE: Duration = Duration::from_secs(4);

/// What is asked of a server.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The path behind the base address, beginning with a slash: `/v1/completions`.
    pub path: String,
    /// What is posted; `None` for GET.
    pub body: Option<Value>,
}

impl Request {
    /// POST of a JSON value.
    pub fn post(path: impl Into<String>, body: Value) -> Self {
        Self {
            path: path.into(),
            body: Some(body),
        }
    }

    /// GET.
    pub fn get(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            body: None,
        }
    }
}

/// Connections to one server.
#[derive(Debug)]
pub(crate) struct Wire {
    http: reqwest::Client,
    endpoint: Endpoint,
    reply_bytes: usize,
}

impl Wire {
    pub(crate) fn new(endpoint: Endpoint, reply_bytes: usize) -> Result<Self> {
        let start = |what: String| Error::Start { what };
        let mut headers = HeaderMap::new();
        if let Some(key) = endpoint.key() {
            let mut value = HeaderValue::try_from(format!("Bearer {}", key.reveal()))
                .map_err(|_| start("the key cannot be sent in a header".to_owned()))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("infalign/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .tls_backend_preconfigured(tls()?)
            .redirect(reqwest::redirect::Policy::none())
            .tcp_nodelay(true)
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE);
        if endpoint.is_loopback() {
            http = http.no_proxy();
        }
        Ok(Self {
            http: http.build().map_err(|e| start(deepest(&e)))?,
            endpoint,
            reply_bytes,
        })
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// A message about a reply to `request`, fit to be shown.
    pub(crate) fn cleaned(&self, message: &str, request: &Request) -> String {
        redact::cleaned(message, self.key(), request.body.as_ref())
    }

    fn key(&self) -> Option<&str> {
        self.endpoint.key().map(Key::reveal)
    }

    /// Sends a request and reads its reply, within `time`.
    pub(crate) async fn exchange(&self, request: &Request, time: Duration) -> Result<Value, Fault> {
        tokio::time::timeout(time, self.send(request))
            .await
            .unwrap_or(Err(Fault::TimeOut { after: time }))
    }

    async fn send(&self, request: &Request) -> Result<Value, Fault> {
        let url = self.endpoint.url(&request.path);
        let asked = match &request.body {
            None => self.http.get(url),
            Some(body) => self
                .http
                .post(url)
                .header(CONTENT_TYPE, "application/json")
                .body(body.to_string()),
        };
        let mut response = asked.send().await.map_err(|e| unsent(&e))?;
        let status = response.status();
        let limit = if status.is_success() {
            self.reply_bytes
        } else {
            REFUSAL_BYTES
        };
        let mut reply = Vec::new();
        let whole = loop {
            match response.chunk().await {
                Ok(Some(more)) if reply.len() + more.len() > limit => {
                    break Err(Fault::TooLong { limit });
                }
                Ok(Some(more)) => reply.extend_from_slice(&more),
                Ok(None) => break Ok(()),
                Err(e) => break Err(Fault::CutShort { what: deepest(&e) }),
            }
        };
        if !status.is_success() {
            // What is there of a refusal's body is enough.
            return Err(self.refusal(&response, &reply, request));
        }
        whole?;
        serde_json::from_slice(&reply).map_err(|e| Fault::NotJson {
            what: e.to_string(),
        })
    }

    fn refusal(&self, response: &reqwest::Response, reply: &[u8], request: &Request) -> Fault {
        let headers = response.headers();
        let status = response.status();
        let mut message = redact::message(reply, self.key(), request.body.as_ref());
        if status.is_redirection() {
            // Only where to: paths and queries may hold secrets.
            let to = headers.get(LOCATION).and_then(|to| to.to_str().ok());
            let host = to.and_then(|to| response.url().join(to).ok());
            message = host.map_or_else(String::new, |url| {
                format!("to {}", url.origin().ascii_serialization())
            });
        }
        Fault::Status {
            status: status.as_u16(),
            message,
            retry_after: headers
                .get(RETRY_AFTER)
                .and_then(|value| value.to_str().ok())
                .and_then(|value| retry_after(value, SystemTime::now())),
        }
    }
}

/// The system's certificates; where there are none (a bare container), Mozilla's.
fn tls() -> Result<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::Start {
            what: e.to_string(),
        })?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// Seconds, or an HTTP date (RFC 9110, section 10.2.3).
fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    match value.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => httpdate::parse_http_date(value)
            .ok()
            .map(|at| at.duration_since(now).unwrap_or_default()),
    }
}

fn unsent(error: &reqwest::Error) -> Fault {
    let what = deepest(error);
    if error.is_connect() {
        Fault::Connection { what }
    } else if closed(error) || what.starts_with(CLOSED) {
        Fault::Gone { what }
    } else {
        Fault::CutShort { what }
    }
}

/// What the HTTP library says of a connection that ends where a reply should begin.
const CLOSED: &str = "connection closed before message completed";

/// Whether the other side ended the connection.
fn closed(error: &reqwest::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    let mut cause = error.source();
    while let Some(inner) = cause {
        let io = inner.downcast_ref::<std::io::Error>();
        if io.is_some_and(|e| matches!(e.kind(), BrokenPipe | ConnectionAborted | ConnectionReset))
        {
            return true;
        }
        cause = inner.source();
    }
    false
}

/// The cause of causes: what is above it says only that a request failed, and to which address.
fn deepest(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    let mut text = None;
    while let Some(inner) = cause {
        text = Some(inner.to_string());
        cause = inner.source();
    }
    text.unwrap_or_else(|| "the request could not be sent".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_in_both_forms() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let after = |text| retry_after(text, now);
        assert_eq!(after(" 120 "), Some(Duration::from_secs(120)));
        assert_eq!(
            after("Sun, 06 Nov 1994 08:49:57 GMT"),
            Some(Duration::from_secs(20))
        );
        assert_eq!(after("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        for bad in ["", "-1", "soon", "1.5"] {
            assert_eq!(after(bad), None, "{bad}");
        }
    }
}
