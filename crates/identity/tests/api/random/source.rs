//! Where the randomness comes from: the same seed gives the same requests.

use serde_json::{Map, Value, json};

/// splitmix64.
#[derive(Clone)]
pub struct Source(u64);

/// Texts that have broken services before, as they stand in a URL.
const SEGMENTS: &[&str] = &[
    "%00",
    "a%00b",
    "%FF",
    "%2F",
    "%2e%2e",
    "..",
    ".",
    "%20",
    "%F0%9F%92%A5",
    "null",
    "0",
    "-1",
    "%25",
    "%27%3B--",
    "*",
    "default",
    "nothing",
    "ffffffffffffffffffffffffffffffff",
    "00000000-0000-0000-0000-000000000000",
    "%C3%A4,b",
];

const KEYS: &[&str] = &[
    "name",
    "name__contains",
    "name__startswith",
    "name__iendswith",
    "name__iexact",
    "name__regex",
    "enabled",
    "domain_id",
    "limit",
    "marker",
    "password_expires_at",
    "tags",
    "tags-any",
    "not-tags",
    "not-tags-any",
    "user.id",
    "group.id",
    "role.id",
    "scope.project.id",
    "scope.domain.id",
    "scope.system",
    "scope.OS-INHERIT:inherited_to",
    "effective",
    "include_names",
    "include_subtree",
    "parents_as_list",
    "parents_as_ids",
    "subtree_as_list",
    "subtree_as_ids",
    "include_limits",
    "is_domain",
    "parent_id",
    "parent_region_id",
    "type",
    "interface",
    "region_id",
    "service_id",
    "nocatalog",
    "allow_expired",
    "user_id",
    "project_id",
    "resource_name",
    "trustor_user_id",
    "trustee_user_id",
    "idp_id",
    "default_project_id",
    "sort_key",
    "%00",
    "",
];

impl Source {
    pub fn new(seed: usize) -> Self {
        Self(seed as u64)
    }

    pub fn fresh_seed() -> usize {
        jiff::Timestamp::now().subsec_nanosecond().unsigned_abs() as usize
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        value ^ (value >> 31)
    }

    /// A number from 0 up to this one, not included.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub fn one_of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// An id, as a part of a path.
    pub fn segment(&mut self, ids: &[String]) -> String {
        match self.below(10) {
            0 => (*self.one_of(SEGMENTS)).to_owned(),
            1 => "a".repeat(1 + self.below(400)),
            _ => encoded(self.one_of::<String>(ids)),
        }
    }

    pub fn query(&mut self, ids: &[String]) -> String {
        let pairs = (0..=self.below(3)).map(|_| {
            let value = match self.below(4) {
                0 => self.segment(ids),
                1 => (*self.one_of(&[
                    "1",
                    "0",
                    "true",
                    "-1",
                    "99999999999999999999",
                    "lt:2030-01-01T00:00:00Z",
                ]))
                .to_owned(),
                2 => (*self.one_of(SEGMENTS)).to_owned(),
                _ => String::new(),
            };
            format!("{}={value}", self.one_of(KEYS))
        });
        pairs.collect::<Vec<_>>().join("&")
    }

    /// A body as it should be, or something like it, or something else.
    pub fn body(&mut self, valid: &Value) -> Vec<u8> {
        let mut body = valid.clone();
        for _ in 0..self.below(4) {
            self.mutate(&mut body);
        }
        let mut bytes = body.to_string().into_bytes();
        match self.below(25) {
            0 => bytes.truncate(self.below(bytes.len() + 1)),
            1 => bytes.insert(self.below(bytes.len() + 1), 0xFF),
            2 => bytes = [b"[".repeat(2000), b"]".repeat(2000)].concat(),
            3 => bytes.clear(),
            4 => bytes.extend(vec![b' '; 120_000]),
            _ => {}
        }
        bytes
    }

    fn mutate(&mut self, value: &mut Value) {
        match value {
            Value::Object(object) if !object.is_empty() && self.below(6) > 0 => {
                let keys: Vec<String> = object.keys().cloned().collect();
                let key = self.one_of(&keys).clone();
                match self.below(8) {
                    0 => {
                        object.remove(&key);
                    }
                    1 => {
                        let value = self.value();
                        object.insert(format!("{key}_more"), value);
                    }
                    _ => self.mutate(&mut object[&key]),
                }
            }
            Value::Array(items) if !items.is_empty() && self.below(4) > 0 => {
                let index = self.below(items.len());
                match self.below(4) {
                    0 => items.push(items[index].clone()),
                    _ => self.mutate(&mut items[index]),
                }
            }
            _ => *value = self.value(),
        }
    }

    /// Any JSON.
    fn value(&mut self) -> Value {
        match self.below(24) {
            0 => Value::Null,
            1 => json!(true),
            2 => json!(false),
            3 => json!(0),
            4 => json!(-1),
            5 => json!(i64::MAX),
            6 => json!(u64::MAX),
            7 => json!(i64::MIN),
            8 => json!(0.5),
            9 => json!(1e300),
            10 => json!(""),
            11 => json!(" \t\n"),
            12 => json!("a\u{0}b"),
            13 => json!("\u{0}"),
            14 => json!("💥".repeat(1 + self.below(100))),
            15 => json!("x".repeat(self.below(6000))),
            16 => json!("2030-01-01T00:00:00Z"),
            17 => json!("9999-12-31T23:59:59.999999Z"),
            18 => json!("-9999-01-01T00:00:00"),
            19 => json!([]),
            20 => Value::Object(Map::new()),
            21 => json!([null, {"id": {}}, ["a"]]),
            22 => json!({"id": null, "name": [], "domain": {"id": 1}}),
            _ => json!("default"),
        }
    }
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
