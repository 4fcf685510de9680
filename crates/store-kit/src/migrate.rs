//! Schema migrations: numbered SQL, applied once, in order, never edited after release.

use sha2::{Digest, Sha256};

use crate::postgres::WRITER_LOCK;
use crate::session::Session;
use crate::{Engine, StoreError, changes, values};

/// One step of a schema.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Counts up from 1 within its component.
    pub id: u32,
    pub name: &'static str,
    /// Portable SQL; see [`Engine::schema`].
    pub sql: &'static str,
}

/// The schema of one component ("identity", "network"): its steps in order.
#[derive(Debug, Clone, Copy)]
pub struct MigrationSet {
    pub component: &'static str,
    pub steps: &'static [Migration],
}

const LEDGER: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
    component TEXT NOT NULL,
    id BIGINT NOT NULL,
    name TEXT NOT NULL,
    checksum TEXT NOT NULL,
    PRIMARY KEY (component, id)
);";

/// Applies what is missing, in one transaction. Refuses a database that a newer
/// release has changed, or whose applied steps read differently now.
pub(crate) async fn apply(session: &mut Session, sets: &[MigrationSet]) -> Result<(), StoreError> {
    let begin = match session.engine() {
        Engine::Sqlite => "BEGIN IMMEDIATE".to_owned(),
        Engine::Postgres => format!("BEGIN; SELECT pg_advisory_xact_lock({WRITER_LOCK})"),
    };
    session.script(&begin).await?;
    match apply_all(session, sets).await {
        Ok(()) => session.script("COMMIT").await,
        Err(error) => {
            session.script("ROLLBACK").await?;
            Err(error)
        }
    }
}

async fn apply_all(session: &mut Session, sets: &[MigrationSet]) -> Result<(), StoreError> {
    session.script(LEDGER).await?;
    session.script(changes::SCHEMA).await?;
    for set in sets {
        apply_set(session, set).await?;
    }
    Ok(())
}

async fn apply_set(session: &mut Session, set: &MigrationSet) -> Result<(), StoreError> {
    let failed = |id, reason| StoreError::Migration { component: set.component.to_owned(), id, reason };
    let rows = session
        .rows(
            "SELECT id, checksum FROM schema_migrations WHERE component = $1 ORDER BY id",
            values![set.component],
        )
        .await?;
    let mut applied = Vec::with_capacity(rows.len());
    for row in rows {
        let mut columns = row.columns();
        applied.push((columns.number::<u32>()?, columns.text()?));
    }
    if let Some((id, _)) = applied.iter().find(|(id, _)| !set.steps.iter().any(|step| step.id == *id)) {
        return Err(failed(*id, "the database was changed by a newer release".to_owned()));
    }
    for step in set.steps {
        let checksum = checksum(step.sql);
        match applied.iter().find(|(id, _)| *id == step.id) {
            Some((_, known)) if *known == checksum => continue,
            Some(_) => {
                return Err(failed(step.id, "this step was applied with other content".to_owned()));
            }
            None => {}
        }
        session
            .script(&session.engine().schema(step.sql))
            .await
            .map_err(|error| failed(step.id, format!("{}: {error:?}", step.name)))?;
        session
            .execute(
                "INSERT INTO schema_migrations (component, id, name, checksum) VALUES ($1, $2, $3, $4)",
                values![set.component, step.id, step.name, checksum],
            )
            .await?;
    }
    Ok(())
}

fn checksum(sql: &str) -> String {
    Sha256::digest(sql.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
