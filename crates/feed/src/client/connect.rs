//! One connection to one server.

use std::sync::Arc;
use std::time::Duration;

use tonic::transport::{Channel, ClientTlsConfig, Endpoint};

use super::ConnectError;
use crate::pki::{Fingerprint, HostIdentity, PinnedAuthority, SERVER_NAME};

const CONNECT: Duration = Duration::from_secs(5);
/// A server that vanished without a word is noticed after these two together.
const PING_EVERY: Duration = Duration::from_secs(10);
const PING_ANSWER: Duration = Duration::from_secs(5);

/// With this host's certificate.
pub(super) async fn with_identity(url: &str, identity: &HostIdentity) -> Result<Channel, ConnectError> {
    let failed = |source| ConnectError::Connect { url: url.to_owned(), source };
    endpoint(url)?.tls_config(identity.client_tls()).map_err(failed)?.connect().await.map_err(failed)
}

/// Without a certificate, to a server of the authority with this fingerprint.
pub(super) async fn pinned(url: &str, authority: Fingerprint) -> Result<Channel, ConnectError> {
    let failed = |source| ConnectError::Connect { url: url.to_owned(), source };
    let tls = ClientTlsConfig::new().domain_name(SERVER_NAME);
    endpoint(url)?
        .tls_config_with_verifier(tls, Arc::new(PinnedAuthority::new(authority)))
        .map_err(failed)?
        .connect()
        .await
        .map_err(failed)
}

fn endpoint(url: &str) -> Result<Endpoint, ConnectError> {
    let wrong = || ConnectError::Url(url.to_owned());
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|_| wrong())?;
    if endpoint.uri().scheme_str() != Some("https") || endpoint.uri().host().is_none_or(str::is_empty) {
        return Err(wrong());
    }
    Ok(endpoint
        .connect_timeout(CONNECT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_ANSWER)
        .keep_alive_while_idle(true)
        // A snapshot of ten thousand ports must not wait for window updates.
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(1 << 21))
}
