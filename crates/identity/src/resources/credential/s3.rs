//! Signatures of S3 requests: the service sends the text that was signed.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use super::signature::{hex, hmac, v4_key};

/// Services version 4 signs for.
const SERVICES: [&str; 3] = ["s3", "iam", "sts"];

/// The signed text, from its base64 in either alphabet.
pub fn signed_text(token: &str) -> Option<String> {
    let bytes = URL_SAFE.decode(token).or_else(|_| STANDARD.decode(token)).ok()?;
    String::from_utf8(bytes).ok()
}

/// The signature this secret gives, and when it was signed; version 4 only: older ones
/// sign with SHA-1.
pub fn signature<'t>(secret: &str, text: &'t str) -> Option<(String, &'t str)> {
    let lines: Vec<&str> = text.split('\n').collect();
    let ["AWS4-HMAC-SHA256", time, scope, _] = lines.as_slice() else { return None };
    let parts: Vec<&str> = scope.split('/').collect();
    let [date, region, service, "aws4_request"] = parts.as_slice() else { return None };
    if !SERVICES.contains(service) || !time.starts_with(date) {
        return None;
    }
    Some((hex(&hmac(&v4_key(secret, date, region, service), text.as_bytes())), time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_version_4_for_known_services_is_signed() {
        let text = |service: &str| {
            format!("AWS4-HMAC-SHA256\n20260101T000000Z\n20260101/r/{service}/aws4_request\nabc")
        };
        let s3 = text("s3");
        let (signed, time) = signature("secret", &s3).expect("signed");
        assert_eq!((signed.len(), time), (64, "20260101T000000Z"));
        assert!(signature("secret", &text("ec2")).is_none());
        assert!(signature("secret", "GET\n\n\ndate\n/bucket").is_none());
        assert_eq!(signed_text("aGk="), Some("hi".to_owned()));
        assert_eq!(signed_text("not base64!"), None);
    }
}
