//! What a token says, as Keystone packs it: a MessagePack array whose first element
//! is the version of its layout (reference/identity-api.md §4).
//!
//! Layouts 0 to 3, 8 and 9 are read and written. Those of federation (4 to 6), OAuth 1
//! (7) and OAuth 2 with mutual TLS (10) are refused: what they grant is not known here.

use rmpv::Value;

use super::fernet::BASE64;
use super::methods::{self, Method};
use super::scope::ScopeId;
use base64::Engine as _;

/// An audit id: 16 random bytes.
pub type AuditId = [u8; 16];

/// The text form of an audit id: 22 characters.
pub fn audit_text(id: &AuditId) -> String {
    BASE64.encode(id)
}

/// What a token was got with, beside the user's own right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DelegationId {
    Trust(String),
    ApplicationCredential(String),
}

/// The content of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    pub user_id: String,
    pub methods: Vec<Method>,
    pub scope: ScopeId,
    /// By whose leave the user is there, when it is not the user's own right.
    pub delegation: Option<DelegationId>,
    /// Seconds since 1970.
    pub expires_at: i64,
    /// Its own, then that of the first token of its chain.
    pub audit_ids: Vec<AuditId>,
}

impl Payload {
    /// The bytes that go into the envelope.
    #[expect(clippy::cast_precision_loss, reason = "seconds of this era are exact as float64")]
    pub fn pack(&self) -> Vec<u8> {
        let (version, scope, delegation) = match (&self.delegation, &self.scope) {
            (Some(DelegationId::Trust(id)), scope) => (3, Some(tagged_project(scope)), Some(bare_id(id))),
            (Some(DelegationId::ApplicationCredential(id)), scope) => {
                (9, Some(tagged_project(scope)), Some(tagged_id(id)))
            }
            (None, ScopeId::Unscoped) => (0, None, None),
            (None, ScopeId::Domain(id)) => (1, Some(bare_id(id)), None),
            (None, ScopeId::Project(id)) => (2, Some(tagged_id(id)), None),
            (None, ScopeId::System) => (8, Some(Value::from("all")), None),
        };
        let mask = methods::mask(&self.methods);
        let mut fields = vec![Value::from(version), tagged_id(&self.user_id), Value::from(mask)];
        fields.extend(scope);
        fields.push(Value::F64(self.expires_at as f64));
        fields.push(Value::Array(self.audit_ids.iter().map(|id| Value::Binary(id.to_vec())).collect()));
        fields.extend(delegation);
        write(fields)
    }

    /// Reads the bytes of an envelope; `None` for anything not written as above.
    pub fn unpack(bytes: &[u8]) -> Option<Self> {
        let fields = read(bytes)?;
        let (version, rest) = fields.split_first()?;
        let (user, methods, scope, expires, audit, delegation) = match (version.as_u64()?, rest) {
            (0, [user, methods, expires, audit]) => (user, methods, ScopeId::Unscoped, expires, audit, None),
            (1, [user, methods, domain, expires, audit]) => {
                (user, methods, ScopeId::Domain(read_bare(domain)?), expires, audit, None)
            }
            (2, [user, methods, project, expires, audit]) => {
                (user, methods, ScopeId::Project(read_tagged(project)?), expires, audit, None)
            }
            (3, [user, methods, project, expires, audit, trust]) => {
                let trust = DelegationId::Trust(read_bare(trust)?);
                (user, methods, read_project(project)?, expires, audit, Some(trust))
            }
            (8, [user, methods, system, expires, audit]) if text(system)? == "all" => {
                (user, methods, ScopeId::System, expires, audit, None)
            }
            (9, [user, methods, project, expires, audit, credential]) => {
                let credential = DelegationId::ApplicationCredential(read_tagged(credential)?);
                (user, methods, read_project(project)?, expires, audit, Some(credential))
            }
            _ => return None,
        };
        Some(Self {
            user_id: read_tagged(user)?,
            methods: methods::read(methods.as_u64()?)?,
            scope,
            delegation,
            expires_at: seconds(expires)?,
            audit_ids: audit.as_array()?.iter().map(audit_id).collect::<Option<Vec<_>>>()?,
        })
        .filter(|payload| matches!(payload.audit_ids.len(), 1 | 2))
    }
}

/// What a receipt says: who has shown part of what a login needs. It has no version,
/// so neither can be taken for the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptPayload {
    pub user_id: String,
    pub methods: Vec<Method>,
    /// Seconds since 1970.
    pub expires_at: i64,
}

impl ReceiptPayload {
    /// The bytes that go into the envelope.
    #[expect(clippy::cast_precision_loss, reason = "seconds of this era are exact as float64")]
    pub fn pack(&self) -> Vec<u8> {
        let mask = Value::from(methods::mask(&self.methods));
        write(vec![tagged_id(&self.user_id), mask, Value::F64(self.expires_at as f64)])
    }

    /// Reads the bytes of an envelope.
    pub fn unpack(bytes: &[u8]) -> Option<Self> {
        let fields = read(bytes)?;
        let [user, methods, expires] = fields.as_slice() else { return None };
        Some(Self {
            user_id: read_tagged(user)?,
            methods: methods::read(methods.as_u64()?)?,
            expires_at: seconds(expires)?,
        })
    }
}

fn write(fields: Vec<Value>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(128);
    // Writing to memory cannot fail.
    let _ = rmpv::encode::write_value(&mut bytes, &Value::Array(fields));
    bytes
}

/// The fields of an array that is all there is.
fn read(mut bytes: &[u8]) -> Option<Vec<Value>> {
    match rmpv::decode::read_value_with_max_depth(&mut bytes, 16).ok()? {
        Value::Array(fields) if bytes.is_empty() => Some(fields),
        _ => None,
    }
}

/// The project of a delegation; `[false, nil]` for a trust without one.
fn tagged_project(scope: &ScopeId) -> Value {
    match scope {
        ScopeId::Project(id) => tagged_id(id),
        ScopeId::Unscoped | ScopeId::Domain(_) | ScopeId::System => {
            Value::Array(vec![Value::from(false), Value::Nil])
        }
    }
}

fn read_project(value: &Value) -> Option<ScopeId> {
    match value.as_array()?.as_slice() {
        [tag, Value::Nil] if !tag.as_bool()? => Some(ScopeId::Unscoped),
        _ => read_tagged(value).map(ScopeId::Project),
    }
}

/// The 16 bytes behind 32 hexadecimal digits. Only the canonical form: what is read
/// back must be the same id.
fn uuid_bytes(id: &str) -> Option<Vec<u8>> {
    let uuid = uuid::Uuid::try_parse(id).ok()?;
    (uuid.simple().to_string() == id).then(|| uuid.as_bytes().to_vec())
}

/// `[true, 16 bytes]` for a UUID, else `[false, text]`.
fn tagged_id(id: &str) -> Value {
    match uuid_bytes(id) {
        Some(bytes) => Value::Array(vec![Value::from(true), Value::Binary(bytes)]),
        None => Value::Array(vec![Value::from(false), Value::from(id)]),
    }
}

/// 16 bytes for a UUID, else the text ("default").
fn bare_id(id: &str) -> Value {
    uuid_bytes(id).map_or_else(|| Value::from(id), Value::Binary)
}

fn read_tagged(value: &Value) -> Option<String> {
    match value.as_array()?.as_slice() {
        [tag, id] if tag.as_bool()? => hex(id),
        [_, id] => text(id),
        _ => None,
    }
}

fn read_bare(value: &Value) -> Option<String> {
    hex(value).or_else(|| text(value))
}

fn hex(value: &Value) -> Option<String> {
    let Value::Binary(bytes) = value else { return None };
    Some(uuid::Uuid::from_slice(bytes).ok()?.simple().to_string())
}

/// A text, which older Keystones wrote as bytes.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => text.as_str().map(str::to_owned),
        Value::Binary(bytes) => String::from_utf8(bytes.clone()).ok(),
        _ => None,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "checked to be within the range")]
fn seconds(value: &Value) -> Option<i64> {
    let seconds = value.as_f64()?;
    (0.0..1e12).contains(&seconds).then_some(seconds as i64)
}

fn audit_id(value: &Value) -> Option<AuditId> {
    let Value::Binary(bytes) = value else { return None };
    bytes.as_slice().try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn payload(scope: ScopeId) -> Payload {
        Payload {
            user_id: "fbd99e2a2f6d481b910911626a20c1d7".to_owned(),
            methods: vec![Method::Password],
            scope,
            delegation: None,
            expires_at: 1_795_165_440,
            audit_ids: vec![[7; 16], [9; 16]],
        }
    }

    fn hexed(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn layouts_are_those_of_keystone() {
        let user = "92c3c410fbd99e2a2f6d481b910911626a20c1d7";
        let end =
            "cb41dac0034000000092c41007070707070707070707070707070707c41009090909090909090909090909090909";
        let project = "1872a3387cb248dcb22c08d4382a9820";
        let cases = [
            (ScopeId::Unscoped, format!("9500{user}02{end}")),
            (ScopeId::Project(project.to_owned()), format!("9602{user}0292c3c410{project}{end}")),
            (ScopeId::Domain(project.to_owned()), format!("9601{user}02c410{project}{end}")),
            (ScopeId::Domain("default".to_owned()), format!("9601{user}02a764656661756c74{end}")),
            (ScopeId::System, format!("9608{user}02a3616c6c{end}")),
        ];
        for (scope, expected) in cases {
            let bytes = payload(scope.clone()).pack();
            assert_eq!(hexed(&bytes), expected, "{scope:?}");
            assert_eq!(Payload::unpack(&bytes), Some(payload(scope)));
        }
    }

    #[test]
    fn layouts_of_delegations_are_those_of_keystone() {
        let user = "92c3c410fbd99e2a2f6d481b910911626a20c1d7";
        let end =
            "cb41dac0034000000092c41007070707070707070707070707070707c41009090909090909090909090909090909";
        let (project, other) = ("1872a3387cb248dcb22c08d4382a9820", "63d73417926b4a7bac0072d4697e3446");
        let scope = ScopeId::Project(project.to_owned());
        let trust = DelegationId::Trust(other.to_owned());
        let credential = DelegationId::ApplicationCredential(other.to_owned());
        let cases = [
            (scope.clone(), trust.clone(), format!("9703{user}0292c3c410{project}{end}c410{other}")),
            (ScopeId::Unscoped, trust, format!("9703{user}0292c2c0{end}c410{other}")),
            (scope, credential, format!("9709{user}0292c3c410{project}{end}92c3c410{other}")),
        ];
        for (scope, delegation, expected) in cases {
            let payload = Payload { delegation: Some(delegation), ..payload(scope) };
            assert_eq!(hexed(&payload.pack()), expected, "{payload:?}");
            assert_eq!(Payload::unpack(&payload.pack()), Some(payload));
        }
    }

    #[test]
    fn a_receipt_is_no_token_and_a_token_no_receipt() {
        let receipt = ReceiptPayload {
            user_id: "fbd99e2a2f6d481b910911626a20c1d7".to_owned(),
            methods: vec![Method::Password],
            expires_at: 1_795_165_440,
        };
        let bytes = receipt.pack();
        assert_eq!(hexed(&bytes), "9392c3c410fbd99e2a2f6d481b910911626a20c1d702cb41dac00340000000");
        assert_eq!(Payload::unpack(&bytes), None);
        assert_eq!(ReceiptPayload::unpack(&bytes), Some(receipt));
        assert_eq!(ReceiptPayload::unpack(&payload(ScopeId::Unscoped).pack()), None);
    }

    #[test]
    fn other_layouts_and_methods_are_refused() {
        let good = payload(ScopeId::Unscoped).pack();
        for version in [3, 4, 5, 6, 7, 9, 10, 11] {
            let mut bytes = good.clone();
            bytes[1] = version;
            assert_eq!(Payload::unpack(&bytes), None, "version {version}");
        }
        for mask in [0, 1, 8, 16, 18] {
            let mut bytes = good.clone();
            bytes[22] = mask;
            assert_eq!(Payload::unpack(&bytes), None, "methods {mask}");
        }
        let mut longer = good;
        longer.push(0);
        assert_eq!(Payload::unpack(&longer), None);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_no_harm(bytes: Vec<u8>) {
            let _ = Payload::unpack(&bytes);
        }

        #[test]
        fn any_id_comes_back_the_same(id in "[a-zA-Z0-9-]{1,64}") {
            for scope in [ScopeId::Project(id.clone()), ScopeId::Domain(id.clone())] {
                let packed = Payload { user_id: id.clone(), ..payload(scope) };
                prop_assert_eq!(Payload::unpack(&packed.pack()), Some(packed));
            }
        }
    }
}
