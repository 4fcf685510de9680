//! Hands events over, and keeps those that cannot be.

use std::time::Duration;

use http::StatusCode;
use isospin_store_kit::{Store, StoreError, values};
use metrics::counter;
use tokio::time::sleep;
use tracing::{debug, error, info, warn};
use uuid::Uuid;

use super::client::{Nova, Told};
use super::outbox::{self, Waiting};
use super::{NovaConfig, NovaError};

/// Events in one request.
const BATCH: i64 = 100;
/// How long the first event waits for others.
const GATHER: Duration = Duration::from_millis(100);
/// How long a server is the one that tells Nova without saying so again: longer than a
/// request takes.
const HELD: Duration = Duration::from_secs(30);
/// Pauses while Nova does not answer.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Events older than this are forgotten: no instance waits for one so long.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// No server tells Nova any more: nothing is noted from now on, and what waits is dropped.
///
/// # Errors
/// The store's.
pub async fn forget(store: &Store) -> Result<(), StoreError> {
    store
        .write("", |tx| {
            Box::pin(async move {
                tx.execute("DELETE FROM nova_sender", values![]).await?;
                tx.execute("DELETE FROM nova_events", values![]).await?;
                Ok(())
            })
        })
        .await
}

/// Tells Nova what is noted, until it is dropped.
///
/// # Errors
/// The configuration cannot be used.
pub async fn run(store: Store, config: NovaConfig) -> Result<(), NovaError> {
    let sender = Sender { nova: Nova::new(config)?, store, name: Uuid::new_v4().to_string() };
    sender.run().await;
    Ok(())
}

struct Sender {
    nova: Nova,
    store: Store,
    /// Tells this process from others on the same store.
    name: String,
}

/// What one look at the rows led to.
enum Outcome {
    Nothing,
    Told,
    /// Another server tells Nova.
    NotOurs,
}

impl Sender {
    async fn run(mut self) {
        let mut versions = self.store.versions();
        let mut pause = FIRST_PAUSE;
        let mut failing = false;
        self.begin().await;
        loop {
            versions.mark_unchanged();
            match self.step().await {
                Ok(Outcome::Told) => {
                    if std::mem::take(&mut failing) {
                        info!("Nova takes events again");
                    }
                    pause = FIRST_PAUSE;
                }
                Ok(Outcome::Nothing) => {
                    if versions.changed().await.is_err() {
                        return;
                    }
                    sleep(GATHER).await;
                }
                Ok(Outcome::NotOurs) => sleep(HELD).await,
                Err(reason) => {
                    if !std::mem::replace(&mut failing, true) {
                        warn!(reason, "Nova is not told of ports; events wait");
                    }
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// From now on events are noted.
    async fn begin(&self) {
        let begun: Result<(), StoreError> = self
            .store
            .write("", |tx| {
                Box::pin(async move {
                    let sql = "INSERT INTO nova_sender (one, holder, held_until) VALUES (1, '', 0) \
                               ON CONFLICT (one) DO NOTHING";
                    tx.execute(sql, values![]).await?;
                    Ok(())
                })
            })
            .await;
        if let Err(error) = begun {
            error!(error = ?error, "cannot note events for Nova");
        }
    }

    /// Tells Nova of the oldest events there are.
    async fn step(&mut self) -> Result<Outcome, String> {
        let inside = |error: StoreError| format!("the store failed: {error}");
        let mut reader = self.store.reader().await.map_err(inside)?;
        if outbox::oldest(&mut reader, 1).await.map_err(inside)?.is_empty() {
            return Ok(Outcome::Nothing);
        }
        drop(reader);
        let Some(waiting) = self.claim().await.map_err(inside)? else { return Ok(Outcome::NotOurs) };
        let known: Vec<Waiting> = waiting.iter().filter(|event| event.is_of_an_instance()).cloned().collect();
        if !known.is_empty() {
            self.tell(&known).await?;
        }
        self.store
            .write("", move |tx| Box::pin(async move { outbox::done(tx, &waiting).await }))
            .await
            .map_err(inside)?;
        Ok(Outcome::Told)
    }

    /// The oldest events, when this server is the one to tell them.
    async fn claim(&self) -> Result<Option<Vec<Waiting>>, StoreError> {
        let name = self.name.clone();
        self.store
            .write("", move |tx| {
                Box::pin(async move {
                    let now = outbox::now();
                    let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
                    let sql = "UPDATE nova_sender SET holder = $1, held_until = $2 \
                               WHERE holder = $1 OR held_until < $3";
                    if tx.execute(sql, values![&name, now + micros(HELD), now]).await? == 0 {
                        return Ok::<_, StoreError>(None);
                    }
                    let sql = "DELETE FROM nova_events WHERE created_at < $1";
                    tx.execute(sql, values![now - micros(KEPT)]).await?;
                    outbox::oldest(tx, BATCH).await.map(Some)
                })
            })
            .await
    }

    /// An error when the events are to be told again.
    async fn tell(&mut self, events: &[Waiting]) -> Result<(), String> {
        let count = events.len() as u64;
        match self.nova.tell(events).await {
            Ok(Told::Taken(refused)) => {
                counter!("isospin_nova_events_total", "outcome" => "taken").increment(count);
                for (event, code) in refused {
                    warn!(code, %event, "Nova could do nothing with an event");
                }
            }
            Ok(Told::Unknown) => {
                counter!("isospin_nova_events_total", "outcome" => "unknown").increment(count);
                debug!(count, "Nova knows none of the instances events were about");
            }
            // Said again, it would be refused again.
            Err(NovaError::Refused { status, said }) if is_final(status) => {
                counter!("isospin_nova_events_total", "outcome" => "refused").increment(count);
                error!(%status, said, count, "Nova refused events");
            }
            Err(error) => return Err(error.to_string()),
        }
        Ok(())
    }
}

/// Whether the fault is in what was sent; a role that is missing may still be given.
fn is_final(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY)
}
