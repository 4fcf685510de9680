//! Passwords of users: stored with what the rules about them need to know, and changed by
//! their users.

use axum::extract::{Path, State};
use axum::response::Response;
use isospin_api_kit::http::no_content;
use isospin_store_kit::{StoreError, Tx, values};

use super::handlers::end_tokens_of;
use crate::IdentityApp;
use crate::fault::Fault;
use crate::input::{Field, Kind, Schema, stored_object};
use crate::passwords::Rules;
use crate::request::{Origin, RawBody};
use crate::tokens::authenticate::verify_password;
use crate::tokens::now;

const CHANGE: Schema = Schema {
    key: "user",
    fields: &[
        Field::required("original_password", Kind::Password),
        Field::required("password", Kind::Password),
    ],
    fixed: &[],
};

/// A password as it is to be stored.
pub struct NewPassword {
    /// `None`: the user has none, and cannot log in with one.
    pub hash: Option<String>,
    /// Seconds since 1970.
    pub expires_at: Option<i64>,
    /// Whether its user chose it.
    pub self_service: bool,
    /// How many passwords are kept to be compared with later ones, this one among them.
    pub remembered: u32,
}

/// Gives a user another password; ends a lock.
pub async fn store(tx: &mut Tx, id: &str, new: &NewPassword) -> Result<(), StoreError> {
    let earlier = i64::from(new.remembered.saturating_sub(1));
    let keep = "INSERT INTO past_passwords (user_id, number, password_hash) \
                SELECT u.id, COALESCE((SELECT MAX(p.number) FROM past_passwords p WHERE p.user_id = u.id), 0) + 1, \
                u.password_hash FROM users u WHERE u.id = $1 AND u.password_hash IS NOT NULL";
    let forget = "DELETE FROM past_passwords WHERE user_id = $1 AND number <= \
                  (SELECT MAX(number) FROM past_passwords WHERE user_id = $1) - $2";
    let set = "UPDATE users SET password_hash = $1, password_created_at = $2, password_expires_at = $3, \
               password_self_service = $4, failures = 0 WHERE id = $5";
    tx.execute_many(vec![
        (keep, values![id]),
        (forget, values![id, earlier]),
        (set, values![new.hash.clone(), now(), new.expires_at, new.self_service, id]),
    ])
    .await?;
    Ok(())
}

/// `POST /v3/users/{id}/password`.
pub async fn change(
    State(app): State<IdentityApp>,
    origin: Origin,
    Path(id): Path<String>,
    RawBody(body): RawBody,
) -> Result<Response, Fault> {
    let input = CHANGE.create(&body)?;
    let (Some(original), Some(password)) = (input.text("original_password"), input.text("password")) else {
        return Err(Fault::missing("password", "user"));
    };
    let proven = verify_password(&app, &id, &original).await?;
    let rules = &app.passwords.rules;
    rules.check_strength(&password)?;
    let expires_at = check_own(&app, &id, &password).await?;
    let hash = Some(app.passwords.hash(&password).await?);
    let new = NewPassword { hash, expires_at, self_service: true, remembered: rules.unique_count() };
    app.write(&origin.request_id, move |tx| {
        Box::pin(async move {
            proven.check_unchanged(tx).await?;
            store(tx, &id, &new).await?;
            Ok(end_tokens_of(tx, &id).await?)
        })
    })
    .await?;
    Ok(no_content())
}

/// Refuses a change the user may not make, or a password that is not new. When the new
/// one expires.
async fn check_own(app: &IdentityApp, id: &str, password: &str) -> Result<Option<i64>, Fault> {
    let rules: &Rules = &app.passwords.rules;
    let (own, past) = {
        let mut reader = app.store.reader().await?;
        let own = "SELECT options, password_created_at, password_self_service, password_hash FROM users WHERE id = $1";
        let past =
            "SELECT password_hash FROM past_passwords WHERE user_id = $1 ORDER BY number DESC LIMIT $2";
        let earlier = i64::from(rules.unique_count().saturating_sub(1));
        let queries = vec![(own, values![id]), (past, values![id, earlier])];
        let mut answers = reader.rows_many(queries).await?.into_iter();
        (answers.next().unwrap_or_default(), answers.next().unwrap_or_default())
    };
    let row = own.into_iter().next().ok_or_else(Fault::unauthorized)?;
    let mut columns = row.columns();
    let options = stored_object(&columns.text()?);
    let option = |name: &str| options.get(name).and_then(serde_json::Value::as_bool) == Some(true);
    if option("lock_password") {
        return Err(Fault::bad_request(
            "You cannot change your password at this time due to password policy disallowing password changes. \
             Please contact your administrator to reset your password.",
        ));
    }
    let (since, chosen) = (columns.opt_int()?, columns.flag()?);
    if let Some(since) = since.filter(|_| chosen) {
        rules.check_age(since, now())?;
    }
    if rules.unique_count() > 0 {
        let mut hashes: Vec<String> = columns.opt_text()?.into_iter().collect();
        for row in past {
            hashes.push(row.columns().text()?);
        }
        for hash in hashes {
            if app.passwords.check(password, Some(&hash)).await? {
                return Err(rules.used_before());
            }
        }
    }
    Ok(rules.expiry(option("ignore_password_expiry"), now()))
}
