//! Wake-ups from other servers: LISTEN, only ever a hint.

use std::time::Duration;

use tokio::sync::watch;
use tokio_postgres::{AsyncMessage, NoTls};

use super::CHANNEL;
use crate::StoreError;

/// Pause before listening again after the connection broke.
const RETRY: Duration = Duration::from_millis(500);

/// Follows the newest version other servers tell, until every receiver is gone.
pub(crate) async fn listen(address: String, newest: watch::Sender<u64>) {
    while !newest.is_closed() {
        if let Err(error) = listen_once(&address, &newest).await {
            tracing::warn!(%error, "lost the connection that listens for changes");
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn listen_once(address: &str, newest: &watch::Sender<u64>) -> Result<(), StoreError> {
    let (client, mut connection) = tokio_postgres::connect(address, NoTls).await?;
    let (told, mut versions) = tokio::sync::mpsc::channel(64);
    let reading = async move {
        while let Some(message) =
            futures::future::poll_fn(|context| connection.poll_message(context)).await.transpose()?
        {
            if let AsyncMessage::Notification(note) = message
                && let Ok(version) = note.payload().parse::<u64>()
                && told.send(version).await.is_err()
            {
                break;
            }
        }
        Ok::<(), tokio_postgres::Error>(())
    };
    let following = async {
        client.batch_execute(&format!("LISTEN {CHANNEL}")).await?;
        // What was committed before LISTEN took effect is read, not told.
        let row = client.query_one("SELECT COALESCE(MAX(version), 0) FROM changes", &[]).await?;
        raise(newest, row.try_get::<_, i64>(0)?.cast_unsigned());
        while let Some(version) = versions.recv().await {
            raise(newest, version);
        }
        Ok::<(), tokio_postgres::Error>(())
    };
    tokio::select! {
        result = reading => result?,
        result = following => result?,
        () = newest.closed() => {}
    }
    Ok(())
}

fn raise(newest: &watch::Sender<u64>, version: u64) {
    newest.send_if_modified(|current| {
        let newer = version > *current;
        if newer {
            *current = version;
        }
        newer
    });
}
