//! Sessions with servers, one after the other.

use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};
use tracing::{info, warn};

use super::{Backoff, ConnectError, connect};
use crate::pki::HostIdentity;
use crate::proto::feed_client::FeedClient;
use crate::proto::{
    Change, FromAgent, FromServer, Heartbeat, Hello, Report, Welcome, from_agent::Message as Said,
};
use crate::replica::{CompleteSnapshot, Intake, IntakeError, Step};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Between two looks for a server while none is known.
const LOOK: Duration = Duration::from_millis(10);
/// For the answer to `Hello`.
const WELCOME: Duration = Duration::from_secs(15);
/// Until the server says otherwise.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// A change may be large: a group with ten thousand members.
const LARGEST_MESSAGE: usize = 64 << 20;
/// Reports that may wait for the network.
const OUTBOX: usize = 16;

/// Whom to talk to, and as whom.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// `https://host:port` of each server; tried in turn.
    pub servers: Vec<String>,
    /// This host's certificate.
    pub identity: HostIdentity,
    /// What to say first in every session.
    pub hello: Hello,
}

/// What the task that owns the replica is told.
#[derive(Debug)]
pub enum FeedEvent {
    /// A server has read our `Hello`. A snapshot follows.
    Connected {
        /// Its URL.
        server: String,
        /// Where this session takes reports.
        outbox: Outbox,
    },
    /// Everything, anew.
    Snapshot(CompleteSnapshot),
    /// What changed since, and when it arrived.
    Change {
        /// The change.
        change: Change,
        /// When its last byte was read.
        received: Instant,
    },
    /// The session ended. The host keeps working with what it knows.
    Disconnected {
        /// Why, for people.
        reason: String,
    },
}

/// The way for reports of one session.
#[derive(Debug, Clone)]
pub struct Outbox(mpsc::Sender<FromAgent>);

impl Outbox {
    /// An outbox and what comes out of it.
    #[must_use]
    pub fn channel() -> (Self, mpsc::Receiver<FromAgent>) {
        let (sender, receiver) = mpsc::channel(OUTBOX);
        (Self(sender), receiver)
    }

    /// Hands a report over without waiting. `false` when the session is behind or
    /// has ended: nothing was taken.
    #[must_use]
    pub fn offer(&self, report: Report) -> bool {
        self.0.try_send(FromAgent { message: Some(Said::Report(report)) }).is_ok()
    }

    /// Returns when [`Outbox::offer`] may succeed again; never once the session has ended.
    pub async fn ready(&self) {
        if self.0.reserve().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum SessionError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the server ended the session: {}", .0.message())]
    Ended(#[from] Status),
    #[error("the server closed the stream")]
    Closed,
    #[error("the server did not answer Hello within {} s", WELCOME.as_secs())]
    Silent,
    #[error("the server did not begin with Welcome")]
    NoWelcome,
    #[error("the server broke the order of the stream: {0}")]
    Order(#[from] IntakeError),
    #[error("this agent is ending")]
    Ending,
}

/// Where servers are now: `https://host:port` of each.
pub type Lookup = Box<dyn Fn() -> Vec<String> + Send + Sync>;

/// Talks to servers until `shutdown`, or until nobody takes `events` any more.
/// `applied` is the version wholly applied to the host, for heartbeats.
pub async fn run(
    config: ClientConfig,
    applied: watch::Receiver<u64>,
    events: mpsc::Sender<FeedEvent>,
    shutdown: CancellationToken,
) {
    if config.servers.is_empty() {
        return;
    }
    let servers = config.servers.clone();
    run_where(Box::new(move || servers.clone()), config, applied, events, shutdown).await;
}

/// As [`run`], with servers that are looked up before each try instead of those of
/// `config`: one beside the agent may start later, and at another address.
pub async fn run_where(
    servers: Lookup,
    config: ClientConfig,
    applied: watch::Receiver<u64>,
    events: mpsc::Sender<FeedEvent>,
    shutdown: CancellationToken,
) {
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    let mut last_reason = String::new();
    for turn in 0.. {
        let server = tokio::select! {
            server = next(&servers, turn) => server,
            () = shutdown.cancelled() => return,
        };
        let mut link = Link { config: &config, applied: &applied, events: &events, backoff: &mut backoff };
        let ended = tokio::select! {
            ended = link.session(&server) => ended,
            () = shutdown.cancelled() => return,
        };
        let Err(error) = ended;
        if matches!(error, SessionError::Ending) {
            return;
        }
        let reason = with_causes(&error);
        // The same failure again and again is said once.
        if reason != last_reason {
            warn!(server, reason, "no session with the server; the host goes on with what it knows");
        }
        last_reason.clone_from(&reason);
        if events.send(FeedEvent::Disconnected { reason }).await.is_err() {
            return;
        }
        tokio::select! {
            () = sleep(backoff.next_pause()) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

/// The server whose turn it is, once there is any.
async fn next(servers: &Lookup, turn: usize) -> String {
    loop {
        let mut known = servers();
        if !known.is_empty() {
            return known.swap_remove(turn % known.len());
        }
        sleep(LOOK).await;
    }
}

/// What one session needs.
struct Link<'a> {
    config: &'a ClientConfig,
    applied: &'a watch::Receiver<u64>,
    events: &'a mpsc::Sender<FeedEvent>,
    backoff: &'a mut Backoff,
}

impl Link<'_> {
    async fn session(&mut self, server: &str) -> Result<std::convert::Infallible, SessionError> {
        let channel = connect::with_identity(server, &self.config.identity).await?;
        let (outbox, said) = Outbox::channel();
        let hello = FromAgent { message: Some(Said::Hello(self.config.hello.clone())) };
        // The queue is new and empty.
        let _ = outbox.0.try_send(hello);
        let mut client = FeedClient::new(channel).max_decoding_message_size(LARGEST_MESSAGE);
        let opening = async {
            let mut stream = client.session(ReceiverStream::new(said)).await?.into_inner();
            let welcome = self.welcome(&mut stream).await?;
            Ok::<_, SessionError>((stream, welcome))
        };
        let (stream, welcome) = timeout(WELCOME, opening).await.map_err(|_| SessionError::Silent)??;
        info!(server, "session with the server");
        self.tell(FeedEvent::Connected { server: server.to_owned(), outbox: outbox.clone() }).await?;
        self.follow(stream, &welcome, &outbox).await
    }

    async fn welcome(&self, stream: &mut Streaming<FromServer>) -> Result<Welcome, SessionError> {
        let first = stream.message().await?.ok_or(SessionError::Closed)?.message;
        match first.map(|message| Intake::default().take(message)) {
            Some(Ok(Some(Step::Welcome(welcome)))) => Ok(welcome),
            _ => Err(SessionError::NoWelcome),
        }
    }

    /// Receiving and heartbeats beside each other: a host that is busy with a large
    /// snapshot takes no messages for a while, and is alive all the same.
    async fn follow(
        &mut self,
        stream: Streaming<FromServer>,
        welcome: &Welcome,
        outbox: &Outbox,
    ) -> Result<std::convert::Infallible, SessionError> {
        let applied = self.applied;
        tokio::select! {
            ended = self.receive(stream) => ended,
            never = beat(welcome, applied, outbox) => match never {},
        }
    }

    async fn receive(
        &mut self,
        mut stream: Streaming<FromServer>,
    ) -> Result<std::convert::Infallible, SessionError> {
        let mut intake = Intake::default();
        loop {
            // None inside is a message of a newer server.
            let Some(message) = stream.message().await?.ok_or(SessionError::Closed)?.message else {
                continue;
            };
            match intake.take(message)? {
                None | Some(Step::Welcome(_)) => {}
                Some(Step::Snapshot(snapshot)) => {
                    self.backoff.reset();
                    self.tell(FeedEvent::Snapshot(snapshot)).await?;
                }
                Some(Step::Change(change)) => {
                    self.tell(FeedEvent::Change { change, received: Instant::now() }).await?;
                }
            }
        }
    }

    async fn tell(&self, event: FeedEvent) -> Result<(), SessionError> {
        self.events.send(event).await.map_err(|_| SessionError::Ending)
    }
}

async fn beat(
    welcome: &Welcome,
    applied: &watch::Receiver<u64>,
    outbox: &Outbox,
) -> std::convert::Infallible {
    let mut every = interval(match welcome.heartbeat_interval {
        0 => HEARTBEAT,
        seconds => Duration::from_secs(seconds.into()),
    });
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let applied_version = *applied.borrow();
        // A full outbox holds reports, which show life as well.
        let _ =
            outbox.0.try_send(FromAgent { message: Some(Said::Heartbeat(Heartbeat { applied_version })) });
    }
}

/// One line with all causes: tonic's own text says only "transport error".
fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
