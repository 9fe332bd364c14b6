//! What a request can be answered instead of a reward: each kind once, with its status, code and type.

use std::borrow::Cow;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    BadJson,
    NotUtf8,
    SlowBody,
    TooLarge,
    MediaType,
    Malformed,
    TooManyItems,
    UnknownPrompt,
    NoPromptText,
    NotSplit,
    NoReward,
    AlreadyCalibrated,
    Unauthorized,
    NotChangeable,
    NoSuchRoute,
    NoSuchMethod,
    RewardFailed,
    RolloutFailed,
    Full,
    NotReady,
    Stopping,
    TooSlow,
    Storage,
}

impl Kind {
    /// Status, code.
    const fn parts(self) -> (StatusCode, &'static str) {
        match self {
            Self::BadJson => (StatusCode::BAD_REQUEST, "bad_json"),
            Self::NotUtf8 => (StatusCode::BAD_REQUEST, "not_utf8"),
            Self::SlowBody => (StatusCode::REQUEST_TIMEOUT, "slow_body"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::MediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json"),
            Self::Malformed => (StatusCode::UNPROCESSABLE_ENTITY, "bad_value"),
            Self::TooManyItems => (StatusCode::UNPROCESSABLE_ENTITY, "too_many_items"),
            Self::UnknownPrompt => (StatusCode::UNPROCESSABLE_ENTITY, "unknown_prompt"),
            Self::NoPromptText => (StatusCode::UNPROCESSABLE_ENTITY, "no_prompt_text"),
            Self::NotSplit => (StatusCode::UNPROCESSABLE_ENTITY, "prompt_not_found"),
            Self::NoReward => (StatusCode::UNPROCESSABLE_ENTITY, "no_reward"),
            Self::AlreadyCalibrated => (StatusCode::CONFLICT, "already_calibrated"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::NotChangeable => (StatusCode::FORBIDDEN, "not_changeable"),
            Self::NoSuchRoute => (StatusCode::NOT_FOUND, "no_such_route"),
            Self::NoSuchMethod => (StatusCode::METHOD_NOT_ALLOWED, "no_such_method"),
            Self::RewardFailed => (StatusCode::BAD_GATEWAY, "reward_failed"),
            Self::RolloutFailed => (StatusCode::BAD_GATEWAY, "rollout_failed"),
            Self::Full => (StatusCode::SERVICE_UNAVAILABLE, "full"),
            Self::NotReady => (StatusCode::SERVICE_UNAVAILABLE, "not_ready"),
            Self::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
            Self::TooSlow => (StatusCode::GATEWAY_TIMEOUT, "too_slow"),
            Self::Storage => (StatusCode::INSUFFICIENT_STORAGE, "storage_full"),
        }
    }

    pub(crate) const fn code(self) -> &'static str {
        self.parts().1
    }

    fn class(self) -> &'static str {
        match self.parts().0 {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "authentication_error",
            StatusCode::SERVICE_UNAVAILABLE => "overloaded_error",
            status if status.is_server_error() => "server_error",
            _ => "invalid_request_error",
        }
    }
}

/// A fault with what to say of it. It is said to whoever asked, and never logged: it may name a prompt's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    pub(crate) message: Cow<'static, str>,
}

impl Fault {
    pub(crate) fn new(kind: Kind, message: impl Into<Cow<'static, str>>) -> Self {
        let message = message.into();
        Self { kind, message }
    }

    pub(crate) fn malformed(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Malformed, message)
    }

    pub(crate) fn body(&self) -> FaultBody {
        FaultBody {
            error: FaultText {
                message: self.message.to_string(),
                class: self.kind.class().to_owned(),
                code: self.kind.code().to_owned(),
            },
        }
    }
}

/// What a fault looks like.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct FaultBody {
    pub(crate) error: FaultText,
}

/// Its text and names.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct FaultText {
    /// For people.
    pub(crate) message: String,
    /// `invalid_request_error`, `authentication_error`, `overloaded_error`, `server_error`.
    #[serde(rename = "type")]
    pub(crate) class: String,
    /// For programs.
    pub(crate) code: String,
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response = (self.kind.parts().0, axum::Json(self.body())).into_response();
        if self.kind.parts().0 == StatusCode::SERVICE_UNAVAILABLE {
            let second = HeaderValue::from_static("1");
            response.headers_mut().insert(header::RETRY_AFTER, second);
        }
        if self.kind == Kind::Unauthorized {
            let scheme = HeaderValue::from_static("Bearer");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, scheme);
        }
        response.extensions_mut().insert(self.kind);
        response
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    #[test]
    fn one_shape() {
        let fault = Fault::new(Kind::Full, "come again");
        let text = serde_json::to_string(&fault.body()).unwrap();
        assert_eq!(
            text,
            r#"{"error":{"message":"come again","type":"overloaded_error","code":"full"}}"#
        );
        let response = fault.into_response();
        assert_eq!(response.status().as_u16(), 503);
        assert_eq!(response.headers()["retry-after"], "1");
    }
}
