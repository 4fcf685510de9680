//! What a token says, as Keystone packs it: a MessagePack array whose first element
//! is the version of its layout (reference/identity-api.md §4).
//!
//! Layouts 0, 1, 2 and 8 are read and written. Those of trusts, federation, OAuth
//! and application credentials are refused: what they grant is not known here.

use rmpv::Value;

use super::fernet::BASE64;
use super::scope::ScopeId;
use base64::Engine as _;

/// How a user proved who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    Password,
    Token,
}

impl Method {
    pub const ALL: [Self; 2] = [Self::Password, Self::Token];

    pub fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Token => "token",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }

    /// Its bit in the mask, counted along Keystone's default list of methods.
    fn bit(self) -> u64 {
        match self {
            Self::Password => 2,
            Self::Token => 4,
        }
    }
}

/// An audit id: 16 random bytes.
pub type AuditId = [u8; 16];

/// The text form of an audit id: 22 characters.
pub fn audit_text(id: &AuditId) -> String {
    BASE64.encode(id)
}

/// The content of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    pub user_id: String,
    pub methods: Vec<Method>,
    pub scope: ScopeId,
    /// Seconds since 1970.
    pub expires_at: i64,
    /// Its own, then that of the first token of its chain.
    pub audit_ids: Vec<AuditId>,
}

impl Payload {
    /// The bytes that go into the envelope.
    #[expect(clippy::cast_precision_loss, reason = "seconds of this era are exact as float64")]
    pub fn pack(&self) -> Vec<u8> {
        let mask = self.methods.iter().fold(0, |mask, method| mask | method.bit());
        let (version, scope) = match &self.scope {
            ScopeId::Unscoped => (0, None),
            ScopeId::Domain(id) => (1, Some(bare_id(id))),
            ScopeId::Project(id) => (2, Some(tagged_id(id))),
            ScopeId::System => (8, Some(Value::from("all"))),
        };
        let mut fields = vec![Value::from(version), tagged_id(&self.user_id), Value::from(mask)];
        fields.extend(scope);
        fields.push(Value::F64(self.expires_at as f64));
        fields.push(Value::Array(self.audit_ids.iter().map(|id| Value::Binary(id.to_vec())).collect()));
        let mut bytes = Vec::with_capacity(128);
        // Writing to memory cannot fail.
        let _ = rmpv::encode::write_value(&mut bytes, &Value::Array(fields));
        bytes
    }

    /// Reads the bytes of an envelope; `None` for anything not written as above.
    pub fn unpack(mut bytes: &[u8]) -> Option<Self> {
        let value = rmpv::decode::read_value_with_max_depth(&mut bytes, 16).ok()?;
        if !bytes.is_empty() {
            return None;
        }
        let fields = value.as_array()?;
        let (version, rest) = fields.split_first()?;
        let (user, methods, scope, expires, audit) = match (version.as_u64()?, rest) {
            (0, [user, methods, expires, audit]) => (user, methods, ScopeId::Unscoped, expires, audit),
            (1, [user, methods, domain, expires, audit]) => {
                (user, methods, ScopeId::Domain(read_bare(domain)?), expires, audit)
            }
            (2, [user, methods, project, expires, audit]) => {
                (user, methods, ScopeId::Project(read_tagged(project)?), expires, audit)
            }
            (8, [user, methods, system, expires, audit]) if text(system)? == "all" => {
                (user, methods, ScopeId::System, expires, audit)
            }
            _ => return None,
        };
        Some(Self {
            user_id: read_tagged(user)?,
            methods: read_methods(methods.as_u64()?)?,
            scope,
            expires_at: seconds(expires)?,
            audit_ids: audit.as_array()?.iter().map(audit_id).collect::<Option<Vec<_>>>()?,
        })
        .filter(|payload| matches!(payload.audit_ids.len(), 1 | 2))
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

fn read_methods(mask: u64) -> Option<Vec<Method>> {
    let methods: Vec<Method> = Method::ALL.into_iter().filter(|method| mask & method.bit() != 0).collect();
    let known = methods.iter().fold(0, |known, method| known | method.bit());
    (known == mask && !methods.is_empty()).then_some(methods)
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
    fn other_layouts_and_methods_are_refused() {
        let good = payload(ScopeId::Unscoped).pack();
        for version in [3, 4, 5, 6, 7, 9, 10, 11] {
            let mut bytes = good.clone();
            bytes[1] = version;
            assert_eq!(Payload::unpack(&bytes), None, "version {version}");
        }
        for mask in [0, 1, 8, 16, 34] {
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
