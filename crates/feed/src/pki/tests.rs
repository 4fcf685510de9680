use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

#[test]
fn the_authority_is_made_once_and_kept() {
    let parent = tempfile::tempdir().expect("folder");
    let folder = parent.path().join("pki");
    let first = Authority::open_or_create(&folder).expect("made");
    let second = Authority::open_or_create(&folder).expect("read");
    assert_eq!(first.fingerprint(), second.fingerprint());
    assert_eq!(first.certificate_pem(), second.certificate_pem());
    let mode = |path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(folder.join("authority.pem")), 0o600);
    assert_eq!(mode(folder.clone()), 0o700);
    let names: Vec<_> = fs::read_dir(&folder).expect("folder").collect();
    assert_eq!(names.len(), 1, "something was left: {names:?}");
}

#[test]
fn servers_starting_together_end_with_one_authority() {
    let parent = tempfile::tempdir().expect("folder");
    let prints: Vec<Fingerprint> = std::thread::scope(|scope| {
        let open = || Authority::open_or_create(parent.path()).expect("opened").fingerprint();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        threads.into_iter().map(|thread| thread.join().expect("thread")).collect()
    });
    assert!(prints.iter().all(|print| *print == prints[0]), "{prints:?}");
}

#[test]
fn a_damaged_authority_is_refused_and_stays() {
    let folder = tempfile::tempdir().expect("folder");
    let good = Authority::generate().expect("authority").to_pem();
    let other = Authority::generate().expect("authority");
    let key_end = good.find("-----BEGIN CERTIFICATE").expect("certificate");
    let mixed = format!("{}{}", &good[..key_end], other.certificate_pem());
    let cases = [
        ("", "no private key"),
        (&good[..key_end], "no certificate"),
        (&good[key_end..], "no private key"),
        (mixed.as_str(), "not of this key"),
    ];
    for (text, why) in cases {
        let path = folder.path().join("authority.pem");
        fs::write(&path, text).expect("write");
        let error = Authority::open_or_create(folder.path()).expect_err("opened").to_string();
        assert!(error.contains(why), "'{error}' does not say '{why}'");
        assert_eq!(fs::read_to_string(&path).expect("read"), text, "it was replaced");
    }
}

#[test]
fn the_host_of_a_certificate_is_what_the_server_said() {
    let authority = Authority::generate().expect("authority");
    let request = KeyRequest::generate("asked-for-another").expect("request");
    let certificate = authority.sign_request(request.csr_der(), "h1").expect("signed");
    let identity = request.complete(&certificate, authority.certificate_pem()).expect("identity");
    assert_eq!(identity.host(), "h1");
    assert_eq!(identity.authority(), authority.fingerprint());
}

#[test]
fn a_host_name_that_could_harm_is_refused() {
    let authority = Authority::generate().expect("authority");
    let request = KeyRequest::generate("h1").expect("request");
    let long = "h".repeat(254);
    for host in ["", "..", "a/b", "a\nb", "a b", "ü", long.as_str()] {
        let refused = authority.sign_request(request.csr_der(), host);
        assert!(matches!(refused, Err(PkiError::HostName(_))), "'{host}': {refused:?}");
    }
    for host in ["compute_1", "rack7.example.org", "10.0.0.1", &"h".repeat(200)] {
        let certificate = authority.sign_request(request.csr_der(), host).expect("signed");
        assert!(certificate.contains("BEGIN CERTIFICATE"));
    }
}

#[test]
fn a_request_that_is_none_is_refused() {
    let authority = Authority::generate().expect("authority");
    let mut damaged = KeyRequest::generate("h1").expect("request").csr_der().to_vec();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    for csr in [&b""[..], b"nonsense", &damaged] {
        let refused = authority.sign_request(csr, "h1");
        assert!(matches!(refused, Err(PkiError::Request { .. })), "{refused:?}");
    }
}

#[test]
fn an_identity_is_kept_for_its_owner_only() {
    let parent = tempfile::tempdir().expect("folder");
    let folder = parent.path().join("feed");
    assert!(HostIdentity::load(&folder).expect("absent is fine").is_none());
    let authority = Authority::generate().expect("authority");
    let request = KeyRequest::generate("h1").expect("request");
    let certificate = authority.sign_request(request.csr_der(), "h1").expect("signed");
    request
        .complete(&certificate, authority.certificate_pem())
        .expect("identity")
        .save(&folder)
        .expect("kept");
    let path = folder.join("identity.pem");
    assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    assert_eq!(HostIdentity::load(&folder).expect("readable").expect("kept").host(), "h1");

    let text = fs::read_to_string(&path).expect("read");
    let key_end = text.find("-----BEGIN CERTIFICATE").expect("certificate");
    for damaged in [&text[..key_end], &text[key_end..], &text[..text.len() / 2]] {
        fs::write(&path, damaged).expect("write");
        let refused = HostIdentity::load(&folder);
        assert!(matches!(refused, Err(PkiError::Damaged { .. })), "{refused:?}");
    }
}

#[test]
fn another_keys_certificate_does_not_complete_a_request() {
    let authority = Authority::generate().expect("authority");
    let (ours, theirs) =
        (KeyRequest::generate("h1").expect("request"), KeyRequest::generate("h1").expect("request"));
    let certificate = authority.sign_request(theirs.csr_der(), "h1").expect("signed");
    let refused = ours.complete(&certificate, authority.certificate_pem());
    assert!(matches!(refused, Err(PkiError::Damaged { .. })), "{refused:?}");
}

/// N06: secrets leaked through debug output.
#[test]
fn n06_keys_and_secrets_are_not_shown() {
    let authority = Authority::generate().expect("authority");
    let token = JoinToken::generate(authority.fingerprint());
    let request = KeyRequest::generate("h1").expect("request");
    let certificate = authority.sign_request(request.csr_der(), "h1").expect("signed");
    let identity = request.complete(&certificate, authority.certificate_pem()).expect("identity");
    let shown = format!("{authority:?}{token:?}{identity:?}");
    assert!(!shown.contains("PRIVATE") && !shown.contains(token.secret()), "{shown}");
}

#[test]
fn a_token_survives_being_carried_and_nonsense_is_refused() {
    let authority = Authority::generate().expect("authority");
    let token = JoinToken::generate(authority.fingerprint());
    assert_eq!(format!(" {token}\n").parse(), Ok(token.clone()));
    assert_ne!(token, JoinToken::generate(authority.fingerprint()));
    assert_eq!(secret_digest("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    let print = authority.fingerprint().to_string();
    let unicode = format!("{}.secret", "é".repeat(32));
    for text in [
        "",
        ".",
        &print,
        &format!("{print}."),
        &format!("{}.x", &print[1..]),
        &format!("{print}.a b"),
        &unicode,
    ] {
        assert_eq!(text.parse::<JoinToken>(), Err(TokenError), "'{text}'");
    }
}
