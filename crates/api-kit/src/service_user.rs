//! The user as whom we ask other services, and its login.

use std::fmt;
use std::path::PathBuf;

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::Full;
use serde_json::json;

use crate::outgoing::OutgoingError;

/// A user of another cloud's Identity API, in the project it acts for.
#[derive(Clone, PartialEq, Eq)]
pub struct ServiceUser {
    /// Root of the Identity API, with or without `/v3`.
    pub auth_url: String,
    pub username: String,
    pub password: String,
    pub user_domain_name: String,
    pub project_name: String,
    pub project_domain_name: String,
    /// Authorities whose certificates are believed, in PEM.
    pub cafile: PathBuf,
}

impl ServiceUser {
    /// `http://host:5000/v3/auth/tokens`.
    #[must_use]
    pub fn tokens_url(&self) -> String {
        let root = self.auth_url.trim_end_matches('/');
        format!("{}/v3/auth/tokens", root.strip_suffix("/v3").unwrap_or(root))
    }

    /// The request for a token (Identity API v3, password method, scoped to the project).
    ///
    /// # Errors
    /// `auth_url` makes no URL.
    pub fn login(&self, with_catalog: bool) -> Result<Request<Full<Bytes>>, OutgoingError> {
        let user = json!({"name": self.username, "password": self.password,
            "domain": {"name": self.user_domain_name}});
        let project = json!({"name": self.project_name, "domain": {"name": self.project_domain_name}});
        let body = json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": project},
        }});
        let query = if with_catalog { "" } else { "?nocatalog" };
        Request::builder()
            .method(Method::POST)
            .uri(format!("{}{query}", self.tokens_url()))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json")
            .body(Full::new(Bytes::from(body.to_string())))
            .map_err(|_| OutgoingError::Url(self.auth_url.clone()))
    }
}

impl fmt::Debug for ServiceUser {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceUser")
            .field("auth_url", &self.auth_url)
            .field("username", &self.username)
            .field("user_domain_name", &self.user_domain_name)
            .field("project_name", &self.project_name)
            .field("project_domain_name", &self.project_domain_name)
            .field("cafile", &self.cafile)
            .finish_non_exhaustive()
    }
}
