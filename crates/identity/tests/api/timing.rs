//! K12: nothing of who there is, who is locked, disabled or exempt, is to be heard from an
//! answer or from the time it takes. The rule asks for 10,000 samples of each case:
//! `ISOSPIN_LOGIN_SAMPLES=10000 cargo nextest run -p isospin-identity --no-capture k12_times`.

use std::time::{Duration, Instant};

use isospin_identity::IdentityConfig;
use isospin_identity::config::Lockout;
use serde_json::{Value, json};

use crate::service::{Service, by_password, on_each_with, project};

/// Samples of a case, and how far the middle of their times may be from that of a name nobody
/// has: what the rule says, and what is quick enough for every day on a busy machine.
const MANY: (usize, f64) = (10_000, 0.05);
const FEW: (usize, f64) = (100, 0.25);
const ATTEMPTS: usize = 5;

fn samples() -> (usize, f64) {
    let asked = std::env::var("ISOSPIN_LOGIN_SAMPLES").ok().map(|text| text.parse().expect("a number"));
    match asked {
        Some(count) if count >= MANY.0 => (count, MANY.1),
        Some(count) => (count, FEW.1),
        None => FEW,
    }
}

/// Logins that are all refused, by what they are. The first is that of a name nobody has.
type Cases = Vec<(&'static str, Value)>;

/// The middle of the times of each case. They take turns, each time in another order.
async fn medians(service: &Service, cases: &Cases, samples: usize) -> Vec<Duration> {
    let mut times = vec![Vec::new(); cases.len()];
    for round in 0..samples {
        for turn in 0..cases.len() {
            // Both directions, from every start.
            let place = if round % 2 == 0 { turn } else { cases.len() - 1 - turn };
            let index = (place + round / 2) % cases.len();
            let started = Instant::now();
            let answer = service.auth(cases[index].1.clone()).await;
            times[index].push(started.elapsed());
            assert_eq!(answer.status, 401, "{}", cases[index].0);
        }
    }
    times
        .into_iter()
        .map(|mut times| {
            times.sort();
            times[times.len() / 2]
        })
        .collect()
}

#[expect(clippy::print_stdout, reason = "the figures are what is asked for")]
async fn check(service: &Service, cases: Cases) {
    let unknown = service.auth(cases[0].1.clone()).await.body;
    for (name, login) in &cases {
        assert_eq!(service.auth(login.clone()).await.body, unknown, "{name}");
    }
    let (samples, allowed) = samples();
    let mut apart = Vec::new();
    for _ in 0..ATTEMPTS {
        let medians = medians(service, &cases, samples).await;
        apart.clear();
        for ((name, _), median) in cases.iter().zip(&medians) {
            let difference = median.as_secs_f64() / medians[0].as_secs_f64() - 1.0;
            println!("{name}: {median:?}, {:+.2} %", difference * 100.0);
            if difference.abs() >= allowed {
                apart.push(format!("{name}: {median:?}, a name nobody has: {:?}", medians[0]));
            }
        }
        if apart.is_empty() {
            return;
        }
    }
    panic!("{apart:?}");
}

async fn user(service: &Service, name: &str, more: Value) -> String {
    let mut body = json!({"user": {"name": name}});
    body["user"].as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    service.create("/v3/users", body).await
}

#[tokio::test]
async fn k12_times_of_wrong_passwords_and_of_unknown_names() {
    let cheap = |config: &mut IdentityConfig| config.passwords.rounds = 5;
    on_each_with(cheap, |service| async move {
        user(&service, "without", json!({})).await;
        user(&service, "disabled", json!({"password": "p", "enabled": false})).await;
        let login = |name: &str, password: &str| by_password(name, password, project("demo"));
        let cases = vec![
            ("unknown name", login("nobody", "wrong")),
            ("wrong password", login("demo", "wrong")),
            ("no password", login("without", "wrong")),
            ("disabled", login("disabled", "wrong")),
            ("unknown id", {
                let user = json!({"id": "f".repeat(32), "password": "wrong"});
                json!({"identity": {"methods": ["password"], "password": {"user": user}}})
            }),
        ];
        check(&service, cases).await;
    })
    .await;
}

#[tokio::test]
async fn k12_times_of_locked_users_and_of_unknown_names() {
    let locking = |config: &mut IdentityConfig| {
        config.passwords.rounds = 5;
        config.passwords.lockout = Some(Lockout { attempts: 3, duration: Duration::from_secs(36_000) });
    };
    on_each_with(locking, |service| async move {
        user(
            &service,
            "exempt",
            json!({"password": "p", "options": {"ignore_lockout_failure_attempts": true}}),
        )
        .await;
        let login = |name: &str, password: &str| by_password(name, password, project("demo"));
        for name in ["demo", "nobody"] {
            for _ in 0..3 {
                service.auth(login(name, "wrong")).await;
            }
        }
        let cases = vec![
            ("unknown name", login("nobody", "wrong")),
            ("locked, wrong password", login("demo", "wrong")),
            ("locked, right password", login("demo", "demo-secret")),
            ("exempt, wrong password", login("exempt", "wrong")),
        ];
        check(&service, cases).await;
    })
    .await;
}

/// Hashes of several kinds take several times. Names nobody has take the same ones: each
/// that of the same user every time.
#[tokio::test]
async fn k12_names_nobody_has_take_the_times_users_take() {
    on_each_with(
        |config| config.passwords.rounds = 4,
        |service| async move {
            // Costs many times a hash of this service.
            let slow =
                "$scrypt$ln=9,r=8,p=1$xyvDMd6RRgR/j2RSbH8EBg$uVuh9gfcX4Jwhw8d5O0sUvz9y9hZXZXcuerbbi9Shnw";
            let time = async |name: &str| {
                let mut times = Vec::new();
                for _ in 0..5 {
                    let started = Instant::now();
                    assert_eq!(service.auth(by_password(name, "wrong", Value::Null)).await.status, 401);
                    times.push(started.elapsed());
                }
                times.sort();
                times[2]
            };
            let quick = time("demo").await;
            service.sql(&format!("UPDATE users SET password_hash = '{slow}'")).await;
            let known = time("demo").await;
            assert!(known > quick * 4, "{known:?} is not much longer than {quick:?}");
            for name in ["a", "b", "c", "d", "e", "f"] {
                let unknown = time(name).await;
                assert!(unknown > known / 2, "{name} takes {unknown:?}, a user {known:?}");
            }
        },
    )
    .await;
}
