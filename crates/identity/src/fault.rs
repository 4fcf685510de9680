//! Refusals in the form of the Identity API.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::RETRY_AFTER;
use isospin_api_kit::http::answer;
use isospin_store_kit::StoreError;
use serde_json::json;

/// A refusal, ready to be told to a client.
#[derive(Debug)]
pub struct Fault {
    pub status: StatusCode,
    pub message: String,
    /// Seconds after which to try again.
    retry_after: Option<u64>,
    /// What happened inside, for the operator's log; never sent.
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Fault {
    /// A refusal with this status.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), retry_after: None, cause: None }
    }

    /// 400 with the whole message.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 400: something is not there.
    #[must_use]
    pub fn missing(attribute: &str, place: &str) -> Self {
        Self::bad_request(format!(
            "Expecting to find {attribute} in {place}. The server could not comply with the request since it \
             is either malformed or otherwise incorrect. The client is assumed to be in error."
        ))
    }

    /// 401. Says no more than that, whatever the reason was (K12).
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "The request you have made requires authentication.")
    }

    /// 403: the rule `action` refuses, or what is asked for is not allowed.
    #[must_use]
    pub fn forbidden(action: &str) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            format!("You are not authorized to perform the requested action: {action}."),
        )
    }

    /// 403 with the whole message.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    /// 404: `kind` is "project", "user" ...
    #[must_use]
    pub fn not_found(kind: &str, id: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("Could not find {kind}: {id}."))
    }

    /// 404: what was given as a token is none, or is no longer.
    #[must_use]
    pub fn no_token() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Failed to validate token")
    }

    /// 409.
    #[must_use]
    pub fn conflict(kind: &str, details: &str) -> Self {
        Self::new(StatusCode::CONFLICT, format!("Conflict occurred attempting to store {kind} - {details}."))
    }

    /// 503: try again.
    #[must_use]
    pub fn busy() -> Self {
        let fault = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "The service is currently unable to handle the request. Try again.",
        );
        Self { retry_after: Some(1), ..fault }
    }

    /// 429: a name is being guessed at. Nothing was looked up.
    #[must_use]
    pub fn too_many_failures(wait: Duration) -> Self {
        let fault = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "Too many failed logins under this name. Try again in a minute.",
        );
        Self { retry_after: Some(wait.as_secs()), ..fault }
    }

    /// 500: `cause` goes to the log, not to the client.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            retry_after: None,
            message: "An unexpected error prevented the server from fulfilling your request.".to_owned(),
            cause: Some(cause.into()),
        }
    }

    /// The same refusal for someone who is not to learn that a thing is missing.
    #[must_use]
    pub fn hide_missing(self) -> Self {
        if self.status == StatusCode::NOT_FOUND { Self::unauthorized() } else { self }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        if error.is_unavailable() {
            Self { cause: Some(error.into()), ..Self::busy() }
        } else {
            Self::internal(error)
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        if let Some(cause) = &self.cause {
            tracing::error!(status = self.status.as_u16(), ?cause, "an identity request failed inside");
        }
        let mut response = answer(
            self.status,
            &json!({"error": {
                "code": self.status.as_u16(),
                "message": self.message,
                "title": self.status.canonical_reason().unwrap_or("Error"),
            }}),
        );
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}
