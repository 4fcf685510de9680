//! The gRPC service agents connect to.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use isospin_feed::pki::{Authority, peer_host};
use isospin_feed::proto::enrol_server::EnrolServer;
use isospin_feed::proto::feed_server::{Feed, FeedServer};
use isospin_feed::proto::from_agent::Message as Said;
use isospin_feed::proto::{FromAgent, FromServer, Hello, Welcome, from_server::Message};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, watch};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::{Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};
use tracing::{info, warn};

use super::agents::{self, Registered};
use super::enrol::EnrolService;
use super::heartbeats::Heartbeats;
use super::hub::Hub;
use super::session::{self, Outgoing, SessionError};
use super::{HEARTBEAT_INTERVAL, account, reports};
use crate::App;
use crate::background::scheduling;

/// Version of the feed's meaning this server speaks.
const FEED_VERSION: u32 = 1;
/// Messages on their way to one agent.
const OUTGOING: usize = 64;
/// A report may name every port of a host.
const LARGEST_MESSAGE: usize = 16 << 20;

/// How long nothing may be heard before the server asks whether the agent's host is still there.
/// Agents ask far more often, as they must notice that their server has gone; each question
/// of a thousand of them costs.
const PING_EVERY: Duration = Duration::from_secs(60);
const PING_ANSWER: Duration = Duration::from_secs(20);

/// Sessions with agents.
struct FeedService {
    app: App,
    hub: Arc<Hub>,
    heartbeats: Heartbeats,
    /// True, or closed, when sessions must end.
    stopping: watch::Receiver<bool>,
}

/// Serves agents on the listener until `stop` completes; sessions are ended then.
/// `join_tokens` is the folder of [`super::create_join_token`].
///
/// # Errors
/// The transport's.
pub async fn serve(
    app: App,
    authority: Arc<Authority>,
    join_tokens: PathBuf,
    tls: ServerTlsConfig,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) -> Result<(), tonic::transport::Error> {
    let enrol = EnrolService { authority, tokens: join_tokens };
    let hub = Hub::start(app.store.clone(), app.under_way.clone());
    let (stopper, stopping) = watch::channel(false);
    let heartbeats = Heartbeats::start(app.store.clone());
    let service = FeedService { app, hub, heartbeats, stopping };
    let feed = FeedServer::new(service).max_decoding_message_size(LARGEST_MESSAGE);
    let stop = async move {
        stop.await;
        stopper.send_replace(true);
    };
    Server::builder()
        .tls_config(tls)?
        .tcp_nodelay(true)
        .http2_keepalive_interval(Some(PING_EVERY))
        .http2_keepalive_timeout(Some(PING_ANSWER))
        .add_service(feed)
        .add_service(EnrolServer::new(enrol))
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), stop)
        .await
}

#[tonic::async_trait]
impl Feed for FeedService {
    type SessionStream = ReceiverStream<Result<FromServer, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<FromAgent>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let host = peer_host(&request)?;
        let (outgoing, answers) = mpsc::channel(OUTGOING);
        let incoming = request.into_inner();
        let (app, hub, heartbeats) = (self.app.clone(), Arc::clone(&self.hub), self.heartbeats.clone());
        let mut stopping = self.stopping.clone();
        tokio::spawn(async move {
            let _open = account::Open::new();
            let ended = tokio::select! {
                ended = converse(app, hub, heartbeats, &host, incoming, outgoing.clone()) => ended,
                _ = stopping.wait_for(|stopping| *stopping) => Err(Status::unavailable("the server is stopping")),
            };
            match ended {
                Ok(()) => info!(host, "an agent has ended its session"),
                Err(status) => {
                    warn!(host, reason = status.message(), "a session with an agent ended");
                    let _ = outgoing.send(Err(status)).await;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(answers)))
    }
}

/// Reads the agent's words until it ends; tells it its host's facts meanwhile.
async fn converse(
    app: App,
    hub: Arc<Hub>,
    heartbeats: Heartbeats,
    host: &str,
    mut incoming: Streaming<FromAgent>,
    outgoing: Outgoing,
) -> Result<(), Status> {
    let hello = match incoming.message().await?.and_then(|first| first.message) {
        Some(Said::Hello(hello)) => hello,
        _ => return Err(Status::failed_precondition("the first message must be Hello")),
    };
    check_hello(&hello, host)?;
    let welcome = Welcome { feed_version: FEED_VERSION, heartbeat_interval: HEARTBEAT_INTERVAL };
    let _ = outgoing.send(Ok(FromServer { message: Some(Message::Welcome(welcome)) })).await;
    info!(host, software = hello.software, roles = ?hello.roles, "an agent has connected");
    let registered = agents::register(&app, hello).await.map_err(|error| {
        tracing::error!(host, error = ?error, "cannot register an agent");
        Status::unavailable("the server cannot register the agent now")
    })?;
    let telling = session::run(app.store.clone(), hub, host.to_owned(), outgoing);
    let hearing = hear(&app, &heartbeats, &registered, &mut incoming);
    // Work that waited for an agent is found while the session is up already.
    let giving = async {
        scheduling::host_arrived(&app, host).await;
        std::future::pending().await
    };
    tokio::select! {
        told = telling => match told {
            Ok(()) | Err(SessionError::Gone) => Ok(()),
            Err(SessionError::Stopping) => Err(Status::unavailable("the server is stopping")),
            Err(error @ SessionError::Store(_)) => {
                tracing::error!(host, error = ?error, "cannot tell a host its facts");
                Err(Status::unavailable("the server cannot read the host's facts now"))
            }
        },
        heard = hearing => heard,
        () = giving => Ok(()),
    }
}

/// The certificate decides who speaks; Hello must agree.
fn check_hello(hello: &Hello, host: &str) -> Result<(), Status> {
    if hello.host != host {
        return Err(Status::permission_denied(format!(
            "the certificate is for host '{host}', the agent says it is '{}'",
            hello.host
        )));
    }
    Ok(())
}

async fn hear(
    app: &App,
    heartbeats: &Heartbeats,
    agents: &Registered,
    incoming: &mut Streaming<FromAgent>,
) -> Result<(), Status> {
    let removed = Arc::new(Notify::new());
    loop {
        let message = tokio::select! {
            message = incoming.message() => message?,
            // Said Hello again, the host is registered anew.
            () = removed.notified() => return Err(Status::aborted("an agent of the host was removed")),
        };
        let Some(message) = message else { return Ok(()) };
        let result = match message.message {
            Some(Said::Report(report)) => {
                reports::store(&app.store, &agents.host, report, app.settings.nova_events).await
            }
            Some(Said::Heartbeat(_)) => {
                heartbeats.beat(agents, &removed).await;
                Ok(())
            }
            // A second Hello, or something a newer agent says.
            Some(Said::Hello(_)) | None => Ok(()),
        };
        if let Err(error) = result {
            tracing::error!(host = agents.host, error = ?error, "a report was not stored");
            // The agent reports everything again in a new session.
            return Err(Status::unavailable("the report was not stored"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n35_a_host_speaks_for_itself_only() {
        let hello = |host: &str| Hello { host: host.to_owned(), ..Hello::default() };
        assert!(check_hello(&hello("host-1"), "host-1").is_ok());
        let refused = check_hello(&hello("host-2"), "host-1").expect_err("another host");
        assert_eq!(refused.code(), tonic::Code::PermissionDenied);
    }
}
