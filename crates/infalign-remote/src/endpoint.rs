//! Where a server listens, which of its models is meant, and the key it asks for.

use std::net::IpAddr;

use reqwest::Url;

use crate::{
    error::{Error, Result},
    key::Key,
};

/// A server's address with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Scheme, host, port and the path before `/v1`, without a slash at the end.
    base: String,
    loopback: bool,
    model: Option<String>,
    key: Option<Key>,
}

impl Endpoint {
    /// From an address such as `http://host:8000`, `http://host:8000/v1` or `https://host/some/prefix/v1`.
    ///
    /// # Errors
    /// [`Error::Address`] for a text that is no address, another scheme than `http` and `https`, a user name or password in it, or a query.
    pub fn parse(address: &str) -> Result<Self> {
        let address = address.trim();
        let bad = |what: String, remedy| Error::Address {
            shown: shown(address),
            what,
            remedy,
        };
        if !address.contains("://") {
            return Err(bad(
                "it names no scheme".to_owned(),
                "write http:// or https:// before it",
            ));
        }
        let example = "write it as http://localhost:8000/v1";
        let url = Url::parse(address).map_err(|e| bad(e.to_string(), example))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(bad("its scheme is not spoken here".to_owned(), example));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad(
                "it holds a user name or password".to_owned(),
                "take it out, and give the key in the variable INFALIGN_API_KEY or in a file",
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(bad(
                "it has a query or a fragment".to_owned(),
                "end it with the path; a key belongs into the variable INFALIGN_API_KEY or a file",
            ));
        }
        let loopback = url.host_str().is_some_and(|host| {
            let bare = host.trim_start_matches('[').trim_end_matches(']');
            host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        });
        let base = url.as_str().trim_end_matches('/');
        let base = base.strip_suffix("/v1").unwrap_or(base);
        Ok(Self {
            base: base.trim_end_matches('/').to_owned(),
            loopback,
            model: None,
            key: None,
        })
    }

    /// With the model that is meant, under the name that the server knows.
    #[must_use]
    pub fn with_model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// With a key, sent as `Authorization: Bearer`.
    #[must_use]
    pub fn with_key(mut self, key: impl Into<Option<Key>>) -> Self {
        self.key = key.into();
        self
    }

    /// The address without key, user or `/v1`: fit for records.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The model that was named.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    pub(crate) fn key(&self) -> Option<&Key> {
        self.key.as_ref()
    }

    /// Whether the server is on this machine: it is then asked without a proxy.
    pub(crate) fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// The address of a path that begins with a slash.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

/// An address without what stands before an @ or behind a ?: either may be a secret.
fn shown(address: &str) -> String {
    let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let between = if scheme.is_empty() { "" } else { "://" };
    format!("{scheme}{between}{rest}")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "what the tests feed in is valid")]
mod tests {
    use super::*;

    #[test]
    fn with_and_without_v1_and_with_a_prefix() {
        for (given, url) in [
            ("http://h:8000", "http://h:8000/v1/models"),
            ("http://h:8000/", "http://h:8000/v1/models"),
            ("http://h:8000/v1", "http://h:8000/v1/models"),
            (" http://h:8000/v1/ ", "http://h:8000/v1/models"),
            ("https://h/openai/v1", "https://h/openai/v1/models"),
            ("https://h/a/b/", "https://h/a/b/v1/models"),
            ("http://[::1]:80/v1", "http://[::1]/v1/models"),
        ] {
            let endpoint = Endpoint::parse(given).unwrap();
            assert_eq!(endpoint.url("/v1/models"), url, "{given}");
        }
    }

    #[test]
    fn what_is_on_this_machine() {
        for (given, is) in [
            ("http://localhost:1", true),
            ("http://127.0.0.9", true),
            ("http://[::1]", true),
            ("http://10.0.0.1", false),
            ("https://localhost.example.org", false),
        ] {
            assert_eq!(Endpoint::parse(given).unwrap().is_loopback(), is, "{given}");
        }
    }

    #[test]
    fn what_is_refused_is_shown_without_secrets() {
        for (given, what) in [
            ("localhost:8000", "names no scheme"),
            ("user:hunter2@host/v1", "names no scheme"),
            ("ftp://host", "scheme"),
            ("http://user:hunter2@host/v1", "user name or password"),
            ("http://hunter2@host/v1", "INFALIGN_API_KEY"),
            ("http://hunter2@ho st/v1", "address"),
            ("http://host/v1?key=hunter2", "query"),
            ("http://host/v1#hunter2", "fragment"),
            ("http://", "host"),
        ] {
            let error = Endpoint::parse(given).unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(text.contains(what), "{given}: {text}");
            assert!(!text.contains("hunter2"), "{given}: {text}");
        }
    }
}
