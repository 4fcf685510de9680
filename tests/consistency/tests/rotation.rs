//! Three servers on one PostgreSQL whose keys are rotated while clients get tokens from
//! one and use them at the others: none is refused.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use isospin_conformance::Api;
use isospin_consistency::Lab;
use serde_json::json;

const CONFIG: &str = "[identity]\npassword_rounds = 4\nkey_repository = \"database\"\nmax_active_keys = 8\n";
const CLIENTS: usize = 6;
const ROTATIONS: usize = 6;
/// Tokens every client must have got between two rotations.
const BETWEEN: usize = 3;
const PATIENCE: Duration = Duration::from_secs(60);

/// Another token for the one that is shown.
fn exchange(server: &Api, token: &str) -> Result<String> {
    let body = json!({"auth": {"identity": {"methods": ["token"], "token": {"id": token}},
        "scope": {"project": {"id": server.project}}}});
    let reply = server.identity_with("POST", "/v3/auth/tokens", &[], &body.to_string())?;
    ensure!(reply.status == 201, "no token at {}: {} {}", server.identity, reply.status, reply.text);
    Ok(reply.headers.get("x-subject-token").context("no token")?.clone())
}

/// The token works at both APIs of the server.
fn check(server: &Api, token: &str) -> Result<()> {
    let user = Api { token: token.to_owned(), ..server.clone() };
    let reply = user.network("GET", "/networks?limit=1", "")?;
    ensure!(reply.status == 200, "refused at {}: {} {}", server.network, reply.status, reply.text);
    let reply = user.identity_with("GET", "/v3/auth/tokens?nocatalog", &[("X-Subject-Token", token)], "")?;
    ensure!(reply.status == 200, "refused at {}: {} {}", server.identity, reply.status, reply.text);
    Ok(())
}

/// Gets tokens and uses each everywhere, at once, until all is rotated.
fn work(servers: &[Api], number: usize, made: &AtomicUsize, over: &AtomicBool) -> Result<()> {
    let first = servers[0].token.as_str();
    let mut turn = number;
    while !over.load(Ordering::Relaxed) {
        turn += 1;
        let token = exchange(&servers[turn % servers.len()], first)?;
        for server in servers {
            check(server, &token)?;
        }
        made.fetch_add(1, Ordering::Relaxed);
    }
    for server in servers {
        check(server, first).context("the token of before all rotations")?;
    }
    Ok(())
}

fn rotate(lab: &Lab, made: &[AtomicUsize]) -> Result<()> {
    for rotation in 0..ROTATIONS {
        let printed = lab.servers[rotation % lab.servers.len()].run(&["keys", "rotate"])?;
        ensure!(printed.starts_with(&format!("Key {} seals", rotation + 2)), "{printed}");
        let before: Vec<usize> = made.iter().map(|made| made.load(Ordering::Relaxed)).collect();
        let deadline = Instant::now() + PATIENCE;
        while made.iter().zip(&before).any(|(made, before)| made.load(Ordering::Relaxed) < before + BETWEEN) {
            ensure!(Instant::now() < deadline, "clients do not get on after rotation {rotation}");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }
    Ok(())
}

#[test]
fn keys_are_rotated_under_load_and_no_token_is_refused() -> Result<()> {
    let lab = Lab::configured(3, CONFIG)?;
    let servers = lab.servers.iter().map(isospin_consistency::Server::api).collect::<Result<Vec<_>>>()?;
    let made: Vec<AtomicUsize> = (0..CLIENTS).map(|_| AtomicUsize::new(0)).collect();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let clients: Vec<_> = made
            .iter()
            .enumerate()
            .map(|(number, made)| {
                let (servers, over) = (&servers, &over);
                scope.spawn(move || {
                    let worked = work(servers, number, made, over);
                    // Nobody waits for a client that has found something wrong.
                    if worked.is_err() {
                        made.store(usize::MAX / 2, Ordering::Relaxed);
                    }
                    worked
                })
            })
            .collect();
        let rotated = rotate(&lab, &made);
        over.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().map_err(|_| anyhow::anyhow!("a client panicked"))??;
        }
        rotated
    })?;
    // The next one would end tokens that are valid.
    let refused = lab.servers[0].run(&["keys", "rotate"]).expect_err("key 1 has sealed valid tokens");
    ensure!(refused.to_string().contains("--force"), "{refused}");
    lab.servers[0].run(&["keys", "rotate", "--force"])?;
    Ok(())
}
