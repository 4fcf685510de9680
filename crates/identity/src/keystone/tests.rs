//! Against a small server that answers as Keystone does.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;

/// What was asked of the server.
#[derive(Default)]
struct Asked {
    logins: AtomicUsize,
    checks: AtomicUsize,
}

/// Serves one request on each connection, for as long as the test runs.
fn serve(tls: Option<Arc<ServerConfig>>) -> (u16, Arc<Asked>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let asked = Arc::new(Asked::default());
    let counted = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            match &tls {
                None => answer(stream, &counted),
                Some(config) => {
                    let Ok(connection) = ServerConnection::new(Arc::clone(config)) else { return };
                    answer(StreamOwned::new(connection, stream), &counted);
                }
            }
        }
    });
    (port, asked)
}

/// Tokens are "good", and whatever else is not; the service user's is "own-N".
fn answer(mut stream: impl Read + Write, asked: &Asked) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    let whole = |request: &[u8]| {
        let text = String::from_utf8_lossy(request).into_owned();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        (body.len() >= length.unwrap_or(0)).then(|| head.to_owned())
    };
    let head = loop {
        if let Some(head) = whole(&request) {
            break head;
        }
        match stream.read(&mut buffer) {
            Ok(read) if read > 0 => request.extend_from_slice(&buffer[..read]),
            _ => return,
        }
    };
    let (status, header, body) = if head.starts_with("POST /v3/auth/tokens") {
        let number = asked.logins.fetch_add(1, Ordering::SeqCst);
        ("201 Created", format!("X-Subject-Token: own-{number}\r\n"), "{}")
    } else {
        asked.checks.fetch_add(1, Ordering::SeqCst);
        // The first token of the service user is not good any more.
        if head.contains("x-auth-token: own-0") {
            ("401 Unauthorized", String::new(), "{}")
        } else if head.contains("x-subject-token: good") {
            let token = r#"{"token":{"user":{"id":"u"},"expires_at":"2999-01-01T00:00:00.000000Z"}}"#;
            ("200 OK", String::new(), token)
        } else {
            ("404 Not Found", String::new(), "{}")
        }
    };
    let text = format!(
        "HTTP/1.1 {status}\r\n{header}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(text.as_bytes());
    let _ = stream.flush();
}

fn config(auth_url: String, cafile: PathBuf) -> KeystoneConfig {
    KeystoneConfig {
        user: ServiceUser {
            auth_url,
            username: "isospin".to_owned(),
            password: "secret".to_owned(),
            user_domain_name: "Default".to_owned(),
            project_name: "service".to_owned(),
            project_domain_name: "Default".to_owned(),
            cafile,
        },
        cache_time: Duration::from_secs(3600),
        outage_time: Duration::from_secs(3600),
        cache_entries: 100,
        timeout: Duration::from_secs(20),
    }
}

fn plain(port: u16) -> Keystone {
    let config = config(format!("http://127.0.0.1:{port}/v3/"), PathBuf::from("/nothing"));
    Keystone::new(config).expect("a client")
}

#[tokio::test]
async fn one_question_answers_all_who_ask_for_a_token() {
    let (port, asked) = serve(None);
    let keystone = plain(port);
    let many = (0..50).map(|_| keystone.authenticate("good"));
    for caller in futures::future::join_all(many).await {
        assert_eq!(caller.expect("a caller").user_id, "u");
    }
    // The second because the service user's first token was refused.
    assert_eq!((asked.logins.load(Ordering::SeqCst), asked.checks.load(Ordering::SeqCst)), (2, 2));
    for _ in 0..10 {
        assert!(matches!(keystone.authenticate("bad").await, Err(AuthError::Invalid)));
    }
    assert_eq!(asked.checks.load(Ordering::SeqCst), 3, "a refusal is remembered for a moment");
    for odd in ["", "not a\nheader", &"g".repeat(5000)] {
        assert!(matches!(keystone.authenticate(odd).await, Err(AuthError::Invalid)), "{odd}");
    }
    assert_eq!(asked.checks.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn without_a_keystone_who_is_not_known_is_told_so() {
    // A port nobody listens at.
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let keystone = plain(port);
    for _ in 0..2 {
        assert!(matches!(keystone.authenticate("good").await, Err(AuthError::Unavailable(_))));
    }
    for url in ["", "ftp://h", "h:5000", "http://"] {
        assert!(Keystone::new(config(url.to_owned(), PathBuf::new())).is_err(), "{url}");
    }
}

#[tokio::test]
async fn k18_a_keystone_nobody_vouches_for_is_not_believed() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a server");
    let (port, asked) = serve(Some(Arc::new(tls)));
    let folder = tempfile::tempdir().expect("a folder");
    let cases = [("right.pem", made.cert.pem(), true), ("other.pem", other.cert.pem(), false)];
    for (name, pem, believed) in cases {
        let path = folder.path().join(name);
        std::fs::write(&path, pem).expect("a file");
        let keystone = Keystone::new(config(format!("https://localhost:{port}"), path)).expect("a client");
        assert_eq!(keystone.authenticate("good").await.is_ok(), believed, "{name}");
    }
    assert_eq!(asked.logins.load(Ordering::SeqCst), 2, "the password was not sent to a stranger");
    let nothing = folder.path().join("nothing.pem");
    std::fs::write(&nothing, "").expect("a file");
    assert!(Keystone::new(config(format!("https://localhost:{port}"), nothing)).is_err());
}
