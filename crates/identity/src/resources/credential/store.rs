//! Rows of credentials. What is secret is sealed with the credential keys, which are
//! kept as the keys of tokens are, in a folder of their own.

use isospin_store_kit::query::Select;
use isospin_store_kit::{Row, Session, Tx, values};

use super::Credential;
use crate::fault::Fault;
use crate::input::stored_object;
use crate::resources::json_text;
use crate::tokens::keys::KeyRepository;
use crate::tokens::now;

const COLUMNS: &str = "id, user_id, project_id, type, sealed_blob, extra";

/// A SELECT over credentials.
pub fn select() -> Select {
    Select::new(COLUMNS, "credentials")
}

/// The credentials a SELECT of [`select`] finds.
pub async fn all(
    session: &mut Session,
    keys: &KeyRepository,
    select: Select,
) -> Result<Vec<Credential>, Fault> {
    let (sql, values) = select.build();
    let rows = session.rows(&sql, values).await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        found.push(read(row, keys).await?);
    }
    Ok(found)
}

async fn read(row: Row, keys: &KeyRepository) -> Result<Credential, Fault> {
    let mut columns = row.columns();
    let (id, user_id) = (columns.text()?, columns.text()?);
    let (project_id, kind) = (columns.opt_text()?, columns.text()?);
    let opened = keys.open_token(&columns.text()?).await.map_err(Fault::internal)?;
    let lost = || Fault::internal(format!("no credential key opens the credential {id}"));
    let blob = String::from_utf8(opened.ok_or_else(lost)?.content.to_vec()).map_err(Fault::internal)?;
    let extra = stored_object(&columns.text()?);
    Ok(Credential { id, user_id, project_id, kind, blob, extra })
}

/// One credential.
pub async fn find(
    session: &mut Session,
    keys: &KeyRepository,
    id: &str,
) -> Result<Option<Credential>, Fault> {
    let mut select = select();
    select.one_of("id", vec![id.into()]);
    Ok(all(session, keys, select).await?.pop())
}

/// What a user has of one type: seeds of one-time passwords, for example.
pub async fn of_user(
    session: &mut Session,
    keys: &KeyRepository,
    user_id: &str,
    kind: &str,
) -> Result<Vec<Credential>, Fault> {
    let mut select = select();
    select.one_of("user_id", vec![user_id.into()]).one_of("type", vec![kind.into()]);
    select.order_by("id", false);
    all(session, keys, select).await
}

/// As [`of_user`]; of who has none, instead what somebody else has, always the same for a
/// `place` in the order of ids: for those who must not be told apart by the work they make.
pub async fn of_user_or_other(
    session: &mut Session,
    keys: &KeyRepository,
    user_id: &str,
    kind: &str,
    place: &str,
) -> Result<Vec<Credential>, Fault> {
    let own = format!("SELECT {COLUMNS} FROM credentials WHERE user_id = $1 AND type = $2 ORDER BY id");
    let other = format!(
        "SELECT {COLUMNS} FROM credentials WHERE id = COALESCE(\
         (SELECT id FROM credentials WHERE type = $1 AND id >= $2 ORDER BY id LIMIT 1), \
         (SELECT MIN(id) FROM credentials WHERE type = $1))"
    );
    let queries = vec![(own.as_str(), values![user_id, kind]), (other.as_str(), values![kind, place])];
    let mut answers = session.rows_many(queries).await?.into_iter();
    let (own, other) = (answers.next().unwrap_or_default(), answers.next().unwrap_or_default());
    let mut found = Vec::new();
    for row in if own.is_empty() { other } else { own } {
        found.push(read(row, keys).await?);
    }
    Ok(found)
}

async fn seal(keys: &KeyRepository, credential: &Credential) -> Result<String, Fault> {
    keys.seal(now().cast_unsigned(), credential.blob.as_bytes()).await.map_err(Fault::internal)
}

/// Stores a new credential.
///
/// # Errors
/// 409 when the id is taken: that of an EC2 key follows from its access key.
pub async fn insert(tx: &mut Tx, keys: &KeyRepository, credential: &Credential) -> Result<(), Fault> {
    let sql = "INSERT INTO credentials (id, user_id, project_id, type, sealed_blob, extra) \
               VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
    let values = values![
        &credential.id,
        &credential.user_id,
        credential.project_id.clone(),
        &credential.kind,
        seal(keys, credential).await?,
        json_text(&credential.extra),
    ];
    match tx.execute(sql, values).await? {
        0 => Err(Fault::conflict("credential", &format!("Duplicate entry found with ID {}", credential.id))),
        _ => Ok(()),
    }
}

/// Stores a changed credential.
pub async fn update(tx: &mut Tx, keys: &KeyRepository, credential: &Credential) -> Result<(), Fault> {
    let sql = "UPDATE credentials SET project_id = $1, type = $2, sealed_blob = $3, extra = $4 WHERE id = $5";
    let values = values![
        credential.project_id.clone(),
        &credential.kind,
        seal(keys, credential).await?,
        json_text(&credential.extra),
        &credential.id,
    ];
    tx.execute(sql, values).await?;
    Ok(())
}

/// Deletes a credential, or 404.
pub async fn delete(tx: &mut Tx, id: &str) -> Result<(), Fault> {
    match tx.execute("DELETE FROM credentials WHERE id = $1", values![id]).await? {
        0 => Err(Fault::not_found("credential", id)),
        _ => Ok(()),
    }
}
