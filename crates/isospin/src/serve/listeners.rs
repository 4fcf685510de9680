//! The sockets of a server, bound before anything else is opened.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use tokio::net::TcpListener;

use crate::config::Config;
use crate::state_dir::{StateDir, read_json};
use crate::supervise::{Endpoints, ServerFile};

/// Bound, not yet served.
pub struct Listeners {
    pub identity: Option<TcpListener>,
    pub network: Option<TcpListener>,
    pub feed: Option<TcpListener>,
}

impl Listeners {
    /// Binds all, or says which address is taken and by which flag to choose another.
    pub async fn bind(
        config: &Config,
        state: &StateDir,
        with_identity: bool,
        with_network: bool,
    ) -> Result<Self> {
        let before = read_json::<ServerFile>(&state.server_file()).ok().flatten().map(|file| file.endpoints);
        let before = before.unwrap_or_default();
        let mut identity = None;
        if with_identity {
            let wanted = config.identity.listen.0;
            identity = Some(bind("Identity API", "--identity-listen", wanted, &before.identity).await?);
        }
        let (mut network, mut feed) = (None, None);
        if with_network {
            network = Some(
                bind("Network API", "--network-listen", config.network.listen.0, &before.network).await?,
            );
            feed = Some(bind("agents' feed", "--feed-listen", config.feed.listen.0, &before.feed).await?);
        }
        Ok(Self { identity, network, feed })
    }

    /// URLs clients and agents use.
    pub fn endpoints(&self, config: &Config) -> Endpoints {
        let url = |given: &str, scheme: &str, listener: Option<&TcpListener>| match listener
            .and_then(|listener| listener.local_addr().ok())
        {
            _ if !given.is_empty() => given.trim_end_matches('/').to_owned(),
            Some(address) => format!("{scheme}://{}", reachable(address)),
            None => String::new(),
        };
        Endpoints {
            identity: match &self.identity {
                Some(listener) => url(&config.identity.public_url, "http", Some(listener)),
                None => {
                    let root = config.identity.keystone.auth_url.trim_end_matches('/');
                    root.strip_suffix("/v3").unwrap_or(root).to_owned()
                }
            },
            network: url(&config.network.public_url, "http", self.network.as_ref()),
            feed: url("", "https", self.feed.as_ref()),
        }
    }
}

/// An address that listens everywhere is reached at the loopback from here.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => ([127, 0, 0, 1], v4.port()).into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => (std::net::Ipv6Addr::LOCALHOST, v6.port()).into(),
        other => other,
    }
}

async fn bind(what: &str, flag: &str, wanted: SocketAddr, before: &str) -> Result<TcpListener> {
    // A server that took a free port keeps it when it is restarted: clients and
    // agents know it by now.
    if wanted.port() == 0
        && let Some(port) = before.rsplit(':').next().and_then(|port| port.parse::<u16>().ok())
        && let Ok(listener) = TcpListener::bind(SocketAddr::new(wanted.ip(), port)).await
    {
        return Ok(listener);
    }
    TcpListener::bind(wanted).await.with_context(|| {
        format!("cannot listen on {wanted} for the {what} (choose another address with {flag})")
    })
}
