//! What tests of other parts do as an agent.

use isospin_feed::proto::{Hello, Report};

use crate::App;

/// Registers the agent that wires ports on the host.
pub async fn register(app: &App, host: &str) {
    let hello = Hello {
        host: host.to_owned(),
        roles: vec!["l2".to_owned()],
        mechanism: "linuxbridge".to_owned(),
        tunnel_ip: "192.0.2.1".to_owned(),
        ..Hello::default()
    };
    super::agents::register(app, hello).await.expect("registered");
}

/// Stores what the host reports.
pub async fn report(app: &App, host: &str, report: Report) {
    super::reports::store(&app.store, host, report, app.settings.nova_events).await.expect("stored");
}
