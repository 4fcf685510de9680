//! A feed server held by the test: it hands every session over and trades tokens.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use isospin_feed::pki::{Authority, JoinToken, peer_host, secret_digest};
use isospin_feed::proto::enrol_server::{Enrol, EnrolServer};
use isospin_feed::proto::feed_server::{Feed, FeedServer};
use isospin_feed::proto::from_agent::Message as Said;
use isospin_feed::proto::from_server::Message;
use isospin_feed::proto::{FromAgent, FromServer, Hello, JoinAnswer, JoinRequest, Welcome};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

/// One session as the server sees it. Dropping it ends the stream.
pub struct Session {
    pub hello: Hello,
    tell: mpsc::Sender<Result<FromServer, Status>>,
    heard: Streaming<FromAgent>,
}

impl Session {
    pub async fn tell(&self, message: Message) {
        self.tell.send(Ok(FromServer { message: Some(message) })).await.expect("the session is alive");
    }

    pub async fn welcome(&self, heartbeat_interval: u32) {
        self.tell(Message::Welcome(Welcome { feed_version: 1, heartbeat_interval })).await;
    }

    pub async fn hear(&mut self) -> Said {
        let message = self.heard.message().await.expect("the session is alive").expect("a message");
        message.message.expect("a known message")
    }
}

#[derive(Clone)]
struct Service {
    authority: Arc<Authority>,
    sessions: mpsc::Sender<Session>,
    tokens: Arc<Mutex<BTreeSet<String>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

pub struct TestServer {
    pub address: SocketAddr,
    pub authority: Arc<Authority>,
    sessions: mpsc::Receiver<Session>,
    service: Service,
    _running: DropGuard,
}

impl TestServer {
    pub async fn start() -> Self {
        Self::start_at(
            "127.0.0.1:0".parse().expect("address"),
            Arc::new(Authority::generate().expect("authority")),
        )
        .await
    }

    pub async fn start_at(address: SocketAddr, authority: Arc<Authority>) -> Self {
        let listener = TcpListener::bind(address).await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (sender, sessions) = mpsc::channel(4);
        let service = Service {
            authority: authority.clone(),
            sessions: sender,
            tokens: Arc::default(),
            asked: Arc::default(),
        };
        let running = CancellationToken::new();
        let router = Server::builder()
            .tls_config(authority.server_tls(&["localhost".to_owned(), "127.0.0.1".to_owned()]).expect("tls"))
            .expect("tls")
            .add_service(FeedServer::new(service.clone()))
            .add_service(EnrolServer::new(service.clone()));
        let serve = router.serve_with_incoming(TcpListenerStream::new(listener));
        let stop = running.clone();
        tokio::spawn(async move {
            tokio::select! {
                served = serve => served.expect("serving"),
                () = stop.cancelled() => {}
            }
        });
        Self { address, authority, sessions, service, _running: running.drop_guard() }
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    pub fn token(&self) -> JoinToken {
        let token = JoinToken::generate(self.authority.fingerprint());
        self.service.tokens.lock().expect("lock").insert(secret_digest(token.secret()));
        token
    }

    /// Secrets that reached this server.
    pub fn asked(&self) -> Vec<String> {
        self.service.asked.lock().expect("lock").clone()
    }

    /// A session that has begun and was not taken.
    pub fn waiting(&mut self) -> Option<Session> {
        self.sessions.try_recv().ok()
    }

    pub async fn session(&mut self) -> Session {
        self.sessions.recv().await.expect("the server is alive")
    }
}

#[tonic::async_trait]
impl Feed for Service {
    type SessionStream = ReceiverStream<Result<FromServer, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<FromAgent>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let host = peer_host(&request)?;
        let mut heard = request.into_inner();
        let Some(Said::Hello(hello)) = heard.message().await?.and_then(|first| first.message) else {
            return Err(Status::invalid_argument("Hello comes first"));
        };
        if hello.host != host {
            return Err(Status::permission_denied(format!("the certificate is for {host}")));
        }
        let (tell, told) = mpsc::channel(16);
        let session = Session { hello, tell, heard };
        self.sessions.send(session).await.map_err(|_| Status::unavailable("ending"))?;
        Ok(Response::new(ReceiverStream::new(told)))
    }
}

#[tonic::async_trait]
impl Enrol for Service {
    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<JoinAnswer>, Status> {
        let JoinRequest { token, host, csr } = request.into_inner();
        self.asked.lock().expect("lock").push(token.clone());
        if !self.tokens.lock().expect("lock").remove(&secret_digest(&token)) {
            return Err(Status::unauthenticated("no such token"));
        }
        let certificate_pem = self
            .authority
            .sign_request(&csr, &host)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let authority_pem = self.authority.certificate_pem().to_owned();
        Ok(Response::new(JoinAnswer { certificate_pem, authority_pem }))
    }
}
