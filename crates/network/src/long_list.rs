//! Lists too long to be held in memory: sent piece by piece while they are read, all
//! of one snapshot.

use std::time::Duration;

use ::http::StatusCode;
use ::http::header::CONTENT_TYPE;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::StreamExt as _;
use isospin_api_kit::{Fault, FaultType};
use isospin_store_kit::{Session, Store, Work};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// Objects that are read, and held, at once. A list of no more is answered whole.
pub const PIECE: usize = 1000;
/// Pieces that wait for the client.
const WAITING: usize = 1;
/// How long a client may take for one: a snapshot is held open for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// The body of a list, on its way to the client.
pub struct Pieces {
    sender: mpsc::Sender<Result<Bytes, Fault>>,
    text: Vec<u8>,
    is_first: bool,
}

impl Pieces {
    /// Adds an object.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn add(&mut self, item: &Value) -> Result<(), Fault> {
        if !std::mem::take(&mut self.is_first) {
            self.text.push(b',');
        }
        serde_json::to_writer(&mut self.text, item).map_err(|error| interrupted(&error))
    }

    /// Sends what was added; waits while the client is behind.
    ///
    /// # Errors
    /// The client is gone, or takes too long.
    pub async fn send(&mut self) -> Result<(), Fault> {
        let piece = Bytes::from(std::mem::take(&mut self.text));
        self.sender.send_timeout(Ok(piece), PATIENCE).await.map_err(|error| interrupted(&error))
    }
}

fn interrupted(why: &impl std::fmt::Display) -> Fault {
    Fault::new(FaultType::HTTPInternalServerError, format!("The list was broken off: {why}."))
}

/// Answers `{"<key>": […]}` with what `work` adds, and the links it returns as
/// `<key>_links`. Until the first piece a fault is an answer of its own; after it the
/// body is broken off, which HTTP tells the client.
///
/// # Errors
/// Those of `work` before it sent anything.
pub async fn answer<F>(store: Store, key: &'static str, work: F) -> Result<Response, Fault>
where
    F: for<'t> FnOnce(&'t mut Session, &'t mut Pieces) -> Work<'t, Option<Value>, Fault> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        let failed = sender.clone();
        let text = format!("{{\"{key}\":[").into_bytes();
        let mut pieces = Pieces { sender, text, is_first: true };
        let sent = store
            .snapshot(move |session| {
                Box::pin(async move {
                    let end = match work(session, &mut pieces).await? {
                        Some(links) => format!("],\"{key}_links\":{links}}}"),
                        None => "]}".to_owned(),
                    };
                    pieces.text.extend(end.into_bytes());
                    pieces.send().await
                })
            })
            .await;
        if let Err(fault) = sent {
            tracing::debug!(%fault, key, "a list was not sent to its end");
            // Nobody may be there to be told.
            failed.send(Err(fault)).await.ok();
        }
    });
    let mut receiver = ReceiverStream::new(receiver);
    let first = receiver.next().await.ok_or_else(|| interrupted(&"nothing was read"))??;
    let body = Body::from_stream(futures::stream::iter([Ok(first)]).chain(receiver));
    Ok((StatusCode::OK, [(CONTENT_TYPE, "application/json")], body).into_response())
}
