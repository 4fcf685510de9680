//! The body of `POST /v3/auth/tokens` as a value.

use http::StatusCode;
use serde_json::{Map, Value};

use super::methods::Method;
use crate::fault::Fault;
use crate::passwords::MAX_PASSWORD;

/// Methods one request may name; far more than there are.
const MAX_METHODS: usize = 10;

/// Something named by id or by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handle {
    Id(String),
    Name(String),
}

/// A user or project named by id, or by name within a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberHandle {
    Id(String),
    Name { name: String, domain: Handle },
}

/// An application credential named by id, or by name and its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialHandle {
    Id(String),
    Name { name: String, user: MemberHandle },
}

/// One proof of who the user is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    Password { user: MemberHandle, password: String },
    Totp { user: MemberHandle, passcode: String },
    Token(String),
    ApplicationCredential { credential: CredentialHandle, secret: String },
}

impl Proof {
    pub fn method(&self) -> Method {
        match self {
            Self::Password { .. } => Method::Password,
            Self::Totp { .. } => Method::Totp,
            Self::Token(_) => Method::Token,
            Self::ApplicationCredential { .. } => Method::ApplicationCredential,
        }
    }
}

/// The scope asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WantedScope {
    /// The user's default project, else none.
    Default,
    Unscoped,
    Project(MemberHandle),
    Domain(Handle),
    System,
    /// What the trust with this id is for.
    Trust(String),
}

/// A request for a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthRequest {
    /// At least one; each method once, however often it was named (K05).
    pub proofs: Vec<Proof>,
    pub scope: WantedScope,
}

impl AuthRequest {
    /// Reads the body.
    ///
    /// # Errors
    /// 400 for what is malformed, 401 for a method that is not known here.
    pub fn parse(body: &[u8]) -> Result<Self, Fault> {
        let document: Value = serde_json::from_slice(body).map_err(|_| {
            Fault::bad_request(
                "The request body could not be read as JSON. Send an object with the key 'auth'.",
            )
        })?;
        let auth = object(document.get("auth"), "auth", "request body")?;
        let identity = object(auth.get("identity"), "identity", "auth")?;
        let names = identity
            .get("methods")
            .and_then(Value::as_array)
            .filter(|names| !names.is_empty() && names.len() <= MAX_METHODS)
            .ok_or_else(|| Fault::missing("methods", "identity"))?;
        let mut proofs: Vec<Proof> = Vec::new();
        for name in names {
            let name = name.as_str().ok_or_else(|| Fault::missing("methods", "identity"))?;
            let method = Method::parse(name).ok_or_else(unsupported)?;
            if proofs.iter().all(|proof| proof.method() != method) {
                proofs.push(proof(method, object(identity.get(name), name, "identity")?)?);
            }
        }
        let scope = wanted_scope(auth.get("scope"))?;
        // Its scope is the credential's own.
        if scope != WantedScope::Default
            && proofs.iter().any(|proof| proof.method() == Method::ApplicationCredential)
        {
            return Err(Fault::new(
                StatusCode::UNAUTHORIZED,
                "Error authenticating with application credential: Application credentials cannot request a scope.",
            ));
        }
        Ok(Self { proofs, scope })
    }
}

fn unsupported() -> Fault {
    Fault::new(StatusCode::UNAUTHORIZED, "Attempted to authenticate with an unsupported method.")
}

fn proof(method: Method, data: &Map<String, Value>) -> Result<Proof, Fault> {
    match method {
        Method::Password => {
            let user = object(data.get("user"), "user", "password")?;
            Ok(Proof::Password { user: member(user, "user")?, password: secret(user, "password", "user")? })
        }
        Method::Totp => {
            let user = object(data.get("user"), "user", "totp")?;
            Ok(Proof::Totp { user: member(user, "user")?, passcode: text(user, "passcode", "user")? })
        }
        Method::Token => Ok(Proof::Token(text(data, "id", "token")?)),
        Method::ApplicationCredential => Ok(Proof::ApplicationCredential {
            credential: credential(data)?,
            secret: secret(data, "secret", "application_credential")?,
        }),
        Method::Ec2Credential => Err(unsupported()),
    }
}

fn credential(data: &Map<String, Value>) -> Result<CredentialHandle, Fault> {
    match handle(data, "application_credential")? {
        Handle::Id(id) => Ok(CredentialHandle::Id(id)),
        Handle::Name(name) => {
            let user = object(data.get("user"), "user", "application_credential")?;
            Ok(CredentialHandle::Name { name, user: member(user, "user")? })
        }
    }
}

/// A secret that can be hashed; a longer one is refused unread (K06).
fn secret(of: &Map<String, Value>, name: &str, place: &str) -> Result<String, Fault> {
    let secret = text(of, name, place)?;
    if secret.len() > MAX_PASSWORD {
        return Err(Fault::refused(format!(
            "The password length must be less than or equal to {MAX_PASSWORD}. The server could not comply with the \
             request because the password is invalid."
        )));
    }
    Ok(secret)
}

fn wanted_scope(scope: Option<&Value>) -> Result<WantedScope, Fault> {
    let scope = match scope {
        None | Some(Value::Null) => return Ok(WantedScope::Default),
        Some(Value::String(word)) if word == "unscoped" => return Ok(WantedScope::Unscoped),
        Some(Value::Object(scope)) => scope,
        Some(_) => return Err(Fault::missing("project, domain or system", "scope")),
    };
    if scope.len() > 1 {
        return Err(Fault::bad_request(
            "Scoping to several of project, domain and system at once is not possible; name one.",
        ));
    }
    match scope.iter().next() {
        None => Ok(WantedScope::Default),
        Some((kind, value)) => match (kind.as_str(), value) {
            ("project", Value::Object(project)) => Ok(WantedScope::Project(member(project, "project")?)),
            ("domain", Value::Object(domain)) => Ok(WantedScope::Domain(handle(domain, "domain")?)),
            ("system", Value::Object(system)) if system.get("all") == Some(&Value::Bool(true)) => {
                Ok(WantedScope::System)
            }
            ("unscoped", Value::Object(_)) => Ok(WantedScope::Unscoped),
            ("OS-TRUST:trust", Value::Object(trust)) => {
                Ok(WantedScope::Trust(text(trust, "id", "OS-TRUST:trust")?))
            }
            ("project" | "domain" | "system" | "OS-TRUST:trust", _) => Err(Fault::missing(kind, "scope")),
            _ => Err(Fault::bad_request(format!("Scoping to '{kind}' is not known here."))),
        },
    }
}

fn member(of: &Map<String, Value>, place: &str) -> Result<MemberHandle, Fault> {
    match handle(of, place)? {
        Handle::Id(id) => Ok(MemberHandle::Id(id)),
        Handle::Name(name) => {
            let domain = object(of.get("domain"), "domain", place)?;
            Ok(MemberHandle::Name { name, domain: handle(domain, "domain")? })
        }
    }
}

fn handle(of: &Map<String, Value>, place: &str) -> Result<Handle, Fault> {
    match (of.get("id"), of.get("name")) {
        (Some(Value::String(id)), _) => Ok(Handle::Id(id.clone())),
        (None, Some(Value::String(name))) => Ok(Handle::Name(name.clone())),
        _ => Err(Fault::missing("id or name", place)),
    }
}

fn object<'v>(value: Option<&'v Value>, name: &str, place: &str) -> Result<&'v Map<String, Value>, Fault> {
    value.and_then(Value::as_object).ok_or_else(|| Fault::missing(name, place))
}

fn text(of: &Map<String, Value>, name: &str, place: &str) -> Result<String, Fault> {
    of.get(name).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| Fault::missing(name, place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(auth: Value) -> Result<AuthRequest, u16> {
        AuthRequest::parse(json!({"auth": auth}).to_string().as_bytes())
            .map_err(|fault| fault.status.as_u16())
    }

    fn password(scope: Value) -> Value {
        let user = json!({"id": "u", "password": "p"});
        json!({"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope})
    }

    #[test]
    fn scopes_are_read() {
        let name = |name: &str| MemberHandle::Name {
            name: name.to_owned(),
            domain: Handle::Name("Default".to_owned()),
        };
        let cases = [
            (json!(null), Ok(WantedScope::Default)),
            (json!("unscoped"), Ok(WantedScope::Unscoped)),
            (json!({"unscoped": {}}), Ok(WantedScope::Unscoped)),
            (json!({"project": {"id": "x"}}), Ok(WantedScope::Project(MemberHandle::Id("x".to_owned())))),
            (
                json!({"project": {"name": "x", "domain": {"name": "Default"}}}),
                Ok(WantedScope::Project(name("x"))),
            ),
            (json!({"domain": {"id": "x"}}), Ok(WantedScope::Domain(Handle::Id("x".to_owned())))),
            (json!({"system": {"all": true}}), Ok(WantedScope::System)),
            (json!({"system": {"all": false}}), Err(400)),
            (json!({"project": {"name": "x"}}), Err(400)),
            (json!({"project": {"id": "x"}, "domain": {"id": "y"}}), Err(400)),
            (json!({"OS-TRUST:trust": {"id": "x"}}), Ok(WantedScope::Trust("x".to_owned()))),
            (json!({"OS-TRUST:trust": {}}), Err(400)),
            (json!({"OS-OAUTH": {"id": "x"}}), Err(400)),
            (json!(5), Err(400)),
        ];
        for (scope, expected) in cases {
            let read = parse(password(scope.clone())).map(|request| request.scope);
            assert_eq!(read, expected, "{scope}");
        }
    }

    #[test]
    fn k05_a_method_named_often_counts_once_and_lists_are_bounded() {
        let user = json!({"user": {"id": "u", "password": "p"}});
        let request = parse(json!({"identity": {"methods": ["password", "password"], "password": user}}));
        assert_eq!(request.expect("valid").proofs.len(), 1);
        let many = vec!["password"; 11];
        assert_eq!(parse(json!({"identity": {"methods": many, "password": user}})), Err(400));
    }

    #[test]
    fn application_credentials_have_a_scope_of_their_own() {
        let auth = |credential: Value, scope: Value| {
            let identity =
                json!({"methods": ["application_credential"], "application_credential": credential});
            parse(json!({"identity": identity, "scope": scope})).map(|request| request.proofs)
        };
        let by_id = Proof::ApplicationCredential {
            credential: CredentialHandle::Id("c".to_owned()),
            secret: "s".to_owned(),
        };
        let user = MemberHandle::Id("u".to_owned());
        let by_name = Proof::ApplicationCredential {
            credential: CredentialHandle::Name { name: "n".to_owned(), user },
            secret: "s".to_owned(),
        };
        let id = json!({"id": "c", "secret": "s"});
        assert_eq!(auth(id.clone(), Value::Null), Ok(vec![by_id]));
        assert_eq!(
            auth(json!({"name": "n", "secret": "s", "user": {"id": "u"}}), Value::Null),
            Ok(vec![by_name])
        );
        for scope in
            [json!("unscoped"), json!({"project": {"id": "p"}}), json!({"OS-TRUST:trust": {"id": "t"}})]
        {
            assert_eq!(auth(id.clone(), scope.clone()), Err(401), "{scope}");
        }
        assert_eq!(auth(json!({"name": "n", "secret": "s"}), Value::Null), Err(400));
        assert_eq!(auth(json!({"id": "c"}), Value::Null), Err(400));
        assert_eq!(auth(json!({"id": "c", "secret": "s".repeat(4097)}), Value::Null), Err(403));
    }

    #[test]
    fn bad_requests_are_refused() {
        let cases = [
            (json!({}), 400),
            (json!({"identity": {"methods": []}}), 400),
            (json!({"identity": {"methods": ["password"]}}), 400),
            (json!({"identity": {"methods": ["ec2credential"], "ec2credential": {}}}), 401),
            (json!({"identity": {"methods": ["totp"], "totp": {}}}), 400),
            (
                json!({"identity": {"methods": ["totp"], "totp": {"user": {"id": "u", "passcode": 123456}}}}),
                400,
            ),
            (json!({"identity": {"methods": ["password"], "password": {"user": {"id": "u"}}}}), 400),
            (
                json!({"identity": {"methods": ["password"], "password": {"user": {"name": "u", "password": "p"}}}}),
                400,
            ),
            (json!({"identity": {"methods": ["token"], "token": {"id": 5}}}), 400),
        ];
        for (auth, expected) in cases {
            assert_eq!(parse(auth.clone()).map(|_| ()), Err(expected), "{auth}");
        }
        assert!(AuthRequest::parse(b"{").is_err());
        assert!(AuthRequest::parse(b"").is_err());
    }
}
