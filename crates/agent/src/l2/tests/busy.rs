//! Connections that never rest while their rule goes.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use isospin_feed::facts::{FactKey, Segment};

use super::facts::{allow_port, config, default_group, network, port};
use super::lab::{Guest, Lab, eventually};
use crate::firewall::rule::UDP;

/// Times the rule comes and goes.
const ROUNDS: usize = 40;
/// Questions without an answer, a millisecond each, after which the way is closed.
const SILENT: u32 = 100;

async fn socket(guest: &Guest, address: &'static str) -> UdpSocket {
    let bind = move || UdpSocket::bind(address).expect("bound");
    let socket = guest.ns.place().run(bind).await.expect("namespace");
    socket.set_read_timeout(Some(Duration::from_millis(1))).expect("timeout");
    socket
}

/// A packet that is let through as one of a running connection takes the mark of a cut one away
/// when it leaves, and a busy connection has one under way at nearly any moment.
#[tokio::test(flavor = "multi_thread")]
async fn n29_a_connection_that_never_rests_is_cut_too() {
    if !super::can_run() {
        return;
    }
    let mut facts = Default::default();
    let net = network(&mut facts, Segment::Local);
    let [servers, clients] = [default_group(&mut facts), default_group(&mut facts)];
    let server = port(&mut facts, net, &["10.0.0.1"], &[servers]);
    let client = port(&mut facts, net, &["10.0.0.2"], &[clients]);
    let mut lab = Lab::new(config(), facts).await;
    let [gs, gc] = lab.start([server, client]).await;
    let stop = Arc::new(AtomicBool::new(false));
    let silent = Arc::new(AtomicU32::new(0));
    let (answers, asks) = (socket(&gs, "10.0.0.1:9000").await, socket(&gc, "10.0.0.2:9000").await);
    let seen = Arc::clone(&stop);
    let echo = std::thread::spawn(move || {
        let mut packet = [0; 8];
        while !seen.load(Ordering::Relaxed) {
            if let Ok((length, from)) = answers.recv_from(&mut packet) {
                answers.send_to(&packet[..length], from).expect("sent");
            }
        }
    });
    let (seen, quiet) = (Arc::clone(&stop), Arc::clone(&silent));
    let ask = std::thread::spawn(move || {
        while !seen.load(Ordering::Relaxed) {
            asks.send_to(b"ask", "10.0.0.1:9000").expect("sent");
            match asks.recv(&mut [0; 8]) {
                Ok(_) => quiet.store(0, Ordering::Relaxed),
                Err(_) => drop(quiet.fetch_add(1, Ordering::Relaxed)),
            }
        }
    });
    for round in 0..ROUNDS {
        let rule = allow_port(&mut lab.facts, servers, UDP, 9000);
        lab.pass(&[FactKey::SecurityGroupRule(rule)], &[]).await;
        assert!(eventually(async || silent.load(Ordering::Relaxed) == 0).await, "round {round}: open");
        lab.facts.security_group_rules.remove(&rule);
        let report = lab.pass(&[FactKey::SecurityGroupRule(rule)], &[]).await;
        assert!(!report.retry, "{report:?}");
        assert!(
            eventually(async || silent.load(Ordering::Relaxed) > SILENT).await,
            "round {round}: still open"
        );
    }
    stop.store(true, Ordering::Relaxed);
    ask.join().expect("asked");
    echo.join().expect("answered");
}
