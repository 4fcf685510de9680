//! Signatures of EC2 requests, version 2 and 4, as services send them here to be checked.
//! Versions 0 and 1 sign too little and are refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// A signed request.
pub struct Signed<'r> {
    pub verb: &'r str,
    pub host: &'r str,
    pub path: &'r str,
    pub params: &'r Map<String, Value>,
    pub headers: &'r Map<String, Value>,
    pub body_hash: &'r str,
}

/// HMAC-SHA256.
pub fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    // Any length of key will do.
    Hmac::<Sha256>::new_from_slice(key)
        .map(|mut mac| {
            mac.update(text);
            mac.finalize().into_bytes().to_vec()
        })
        .unwrap_or_default()
}

/// The key version 4 signs with.
pub fn v4_key(secret: &str, date: &str, region: &str, service: &str) -> Vec<u8> {
    [date, region, service, "aws4_request"]
        .iter()
        .fold(format!("AWS4{secret}").into_bytes(), |key, part| hmac(&key, part.as_bytes()))
}

/// Two hexadecimal digits a byte.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether both are the same; takes as long where they differ early.
pub fn same(one: &str, other: &str) -> bool {
    Sha256::digest(one.as_bytes()) == Sha256::digest(other.as_bytes())
}

impl Signed<'_> {
    /// The signature this secret gives; `None` for what is not signed in a known way.
    pub fn signature(&self, secret: &str) -> Option<String> {
        if self.param("SignatureVersion") == Some("2") {
            return (self.param("SignatureMethod") == Some("HmacSHA256")).then(|| self.version_2(secret));
        }
        self.version_4(secret)
    }

    /// The time it was signed at, as the request gives it.
    pub fn time(&self) -> Option<&str> {
        self.param("Timestamp").or_else(|| self.header("x-amz-date")).or_else(|| self.param("X-Amz-Date"))
    }

    fn param(&self, name: &str) -> Option<&str> {
        self.params.get(name).and_then(Value::as_str)
    }

    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.trim().eq_ignore_ascii_case(name));
        found.and_then(|(_, value)| value.as_str()).map(str::trim)
    }

    fn version_2(&self, secret: &str) -> String {
        let text = format!("{}\n{}\n{}\n{}", self.verb, self.host, self.path, self.query());
        STANDARD.encode(hmac(secret.as_bytes(), text.as_bytes()))
    }

    fn version_4(&self, secret: &str) -> Option<String> {
        let authorization = self.header("authorization");
        let by_header = authorization.is_some_and(|text| text.starts_with("AWS4-HMAC-SHA256"));
        if !by_header && self.param("X-Amz-Algorithm") != Some("AWS4-HMAC-SHA256") {
            return None;
        }
        let part = |name: &str| match authorization.filter(|_| by_header) {
            Some(text) => text.split_once(&format!("{name}="))?.1.split(',').next().map(str::trim),
            None => self.param(&format!("X-Amz-{name}")),
        };
        let scope: Vec<&str> = part("Credential")?.split('/').collect();
        let [_, date, region, service, _] = scope.as_slice() else { return None };
        let time = self.header("x-amz-date").or_else(|| self.param("X-Amz-Date"))?;
        if !time.starts_with(date) {
            return None;
        }
        let signed = part("SignedHeaders")?;
        let headers: Vec<String> =
            signed.split(';').filter_map(|name| Some(format!("{name}:{}", self.header(name)?))).collect();
        // The parameters of a POST are its body.
        let query = if self.verb.eq_ignore_ascii_case("POST") { String::new() } else { self.query() };
        let request = format!(
            "{}\n{}\n{query}\n{}\n\n{signed}\n{}",
            self.verb.to_uppercase(),
            self.path,
            headers.join("\n"),
            self.body_hash
        );
        let text = format!(
            "AWS4-HMAC-SHA256\n{time}\n{date}/{region}/{service}/aws4_request\n{}",
            hex(&Sha256::digest(request.as_bytes()))
        );
        Some(hex(&hmac(&v4_key(secret, date, region, service), text.as_bytes())))
    }

    /// The parameters in order, encoded; the signature itself is not among them.
    fn query(&self) -> String {
        let mut names: Vec<&String> = self.params.keys().collect();
        names.sort();
        let pair = |name: &String| {
            let value = match self.params.get(name) {
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
                None => String::new(),
            };
            format!("{}={}", encode(name), encode(&value))
        };
        names.into_iter().map(pair).collect::<Vec<_>>().join("&")
    }
}

/// Percent-encoding that leaves letters, digits and `-_.~` alone.
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    /// The examples of keystoneclient's own tests, which come from Amazon's documents.
    #[test]
    fn known_requests_have_their_known_signatures() {
        let params = object(json!({
            "AWSAccessKeyId": "AKIDEXAMPLE", "Action": "Test", "SignatureMethod": "HmacSHA256",
            "SignatureVersion": "2", "Timestamp": "2013-01-01T00:00:00Z"
        }));
        let none = Map::new();
        let signed = Signed {
            verb: "GET",
            host: "example.com",
            path: "/v2/",
            params: &params,
            headers: &none,
            body_hash: "",
        };
        let first = signed.signature("secret").expect("version 2");
        assert_eq!(first.len(), 44);
        assert_ne!(signed.signature("other"), Some(first));
        assert_eq!(signed.time(), Some("2013-01-01T00:00:00Z"));

        let params = object(json!({"Action": "ListUsers", "Version": "2010-05-08"}));
        let headers = object(json!({
            "Content-type": "application/x-www-form-urlencoded; charset=utf-8",
            "X-Amz-Date": "20110909T233600Z",
            "Host": "iam.amazonaws.com",
            "Authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20110909/us-east-1/iam/aws4_request,\
                SignedHeaders=content-type;host;x-amz-date,"
        }));
        let signed = Signed {
            verb: "POST",
            host: "iam.amazonaws.com",
            path: "/",
            params: &params,
            headers: &headers,
            body_hash: "b6359072c78d70ebee1e81adcbab4f01bf2c23245fa365ef83fe8f1f955085e2",
        };
        assert_eq!(
            signed.signature("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY").as_deref(),
            Some("ced6826de92d2bdeed8f846f0bf508e8559e98e4b0199114b84c54174deb456c")
        );
    }

    #[test]
    fn weak_and_unknown_versions_sign_nothing() {
        let none = Map::new();
        for params in [
            json!({}),
            json!({"SignatureVersion": "1"}),
            json!({"SignatureVersion": "2", "SignatureMethod": "HmacSHA1"}),
            json!({"X-Amz-Algorithm": "AWS4-HMAC-SHA256"}),
        ] {
            let params = object(params);
            let signed =
                Signed { verb: "GET", host: "h", path: "/", params: &params, headers: &none, body_hash: "" };
            assert_eq!(signed.signature("secret"), None, "{params:?}");
        }
    }
}
