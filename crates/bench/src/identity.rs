//! The Identity API: tokens checked and issued, what a login costs, and whether a
//! flood of bad logins is felt by those who have a token.

use std::cell::Cell;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::future::{join_all, try_join_all};
use http::StatusCode;
use serde_json::{Value, json};

use crate::driver::{Call, Measured, answer, connect, drive};
use crate::report::Results;
use crate::server::{Engine, Server};

const VALIDATES: usize = 200_000;
const ISSUES: usize = 20_000;
/// Tokens that are checked in turn.
const TOKENS: usize = 100;
const LOGINS: usize = 12;
/// Cost of bcrypt as servers have it by default.
const ROUNDS: u32 = 12;
/// Clients that guess passwords, and for how long.
const GUESSERS: usize = 1000;
const FLOOD: Duration = Duration::from_secs(10);
/// Clients that check tokens meanwhile.
const CHECKERS: usize = 4;
const TOKENS_PATH: &str = "/v3/auth/tokens";

/// Runs all loads on one server.
pub async fn run(server: &Server, engine: Engine, concurrency: usize, results: &mut Results) -> Result<()> {
    let address = server.identity_address()?;
    let admin = server.session("admin").await?.token().to_owned();
    let demo = server.session("demo").await?.token().to_owned();
    let exchange = json!({"auth": {
        "identity": {"methods": ["token"], "token": {"id": demo}},
        "scope": {"project": {"name": "demo", "domain": {"id": "default"}}}}});
    let issue = Call::post(TOKENS_PATH, exchange);
    let mut tokens = Vec::with_capacity(TOKENS);
    let mut connection = connect(&address).await?;
    for _ in 0..TOKENS {
        let answer = answer(&mut connection, &address, "", &issue).await?;
        let token = answer.header("x-subject-token").context("no token")?;
        tokens.push(token.to_owned());
    }
    let validate = |index: usize| {
        Call::get(TOKENS_PATH).with_header("x-subject-token", tokens[index % tokens.len()].clone())
    };
    let calls: Vec<Call> = (0..VALIDATES).map(validate).collect();
    results.rate(engine, "token validate", &drive(&address, &admin, &calls, concurrency, false).await?, 1);
    let issues = vec![issue; ISSUES];
    results.rate(engine, "token issue by token", &drive(&address, "", &issues, concurrency, false).await?, 1);
    logins(server, engine, &address, results).await?;
    let calls: Vec<Call> = (0..TOKENS).map(validate).collect();
    let what = format!("token validate during {GUESSERS} bad logins");
    results.rate(engine, &what, &flooded(&address, &admin, &calls).await?, 1);
    Ok(())
}

/// Logins one after the other, and the hash alone.
async fn logins(server: &Server, engine: Engine, address: &str, results: &mut Results) -> Result<()> {
    let password = server.password("demo")?;
    let login = Call::post(TOKENS_PATH, login("demo", &password));
    let measured = drive(address, "", &vec![login; LOGINS], 1, false).await?;
    results.latency(engine, "password login", &measured);
    let hash = bcrypt::hash(&password, ROUNDS)?;
    let mut latencies = Vec::with_capacity(LOGINS);
    let started = Instant::now();
    for _ in 0..LOGINS {
        let began = Instant::now();
        ensure!(bcrypt::verify(&password, &hash)?, "bcrypt says no");
        latencies.push(began.elapsed());
    }
    latencies.sort_unstable();
    let alone = Measured { elapsed: started.elapsed(), latencies, answers: Vec::new() };
    results.latency(engine, "its hash alone", &alone);
    Ok(())
}

fn login(user: &str, password: &str) -> Value {
    let user = json!({"name": user, "domain": {"id": "default"}, "password": password});
    json!({"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}})
}

/// Checks of tokens while passwords are guessed on connections beside.
async fn flooded(address: &str, token: &str, calls: &[Call]) -> Result<Measured> {
    let mut guessers = Vec::with_capacity(GUESSERS);
    for _ in 0..GUESSERS {
        guessers.push(connect(address).await?);
    }
    let end = Instant::now() + FLOOD;
    let refused = Cell::new(0_u64);
    let guesses = join_all(guessers.into_iter().enumerate().map(|(number, mut connection)| {
        let refused = &refused;
        async move {
            let guess = Call::post(TOKENS_PATH, login(&format!("user-{number}"), "guess"));
            while Instant::now() < end {
                // Whoever is told to come back does so when told.
                let Ok(answer) = answer(&mut connection, address, "", &guess).await else { return };
                match answer.status {
                    StatusCode::UNAUTHORIZED => refused.set(refused.get() + 1),
                    _ => tokio::time::sleep(Duration::from_secs(1)).await,
                }
            }
        }
    }));
    let checks = async {
        let checkers = (0..CHECKERS).map(|number| checker(address, token, &calls[number..], end));
        let began = Instant::now();
        let mut latencies: Vec<Duration> = try_join_all(checkers).await?.into_iter().flatten().collect();
        latencies.sort_unstable();
        anyhow::Ok(Measured { elapsed: began.elapsed(), latencies, answers: Vec::new() })
    };
    // Guesses that wait for their hash when the time is over are not waited for.
    let measured = tokio::select! {
        measured = checks => measured?,
        _ = guesses => anyhow::bail!("the guessers gave up"),
    };
    ensure!(refused.get() > 0, "no guess came to its end");
    Ok(measured)
}

async fn checker(address: &str, token: &str, calls: &[Call], end: Instant) -> Result<Vec<Duration>> {
    let mut connection = connect(address).await?;
    let mut latencies = Vec::new();
    for call in calls.iter().cycle() {
        let began = Instant::now();
        if began >= end {
            break;
        }
        let answer = answer(&mut connection, address, token, call).await?;
        ensure!(answer.status.is_success(), "a token was refused: {}", answer.status);
        latencies.push(began.elapsed());
        // As services do: one after the other, with something else in between.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(latencies)
}
