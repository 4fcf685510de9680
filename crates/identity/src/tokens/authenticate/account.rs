//! Accounts: what a login needs of a user's row.

use http::StatusCode;
use isospin_store_kit::{Row, Session, StoreError, Value as SqlValue, values};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::super::now;
use super::super::request::{Handle, MemberHandle};
use crate::fault::Fault;
use crate::input::stored_object;
use crate::passwords::day;

/// What a login needs of a user.
pub struct Account {
    pub user_id: String,
    pub password_hash: Option<String>,
    pub tokens_after: i64,
    pub failures: u32,
    pub failed_at: i64,
    enabled: bool,
    password_expires_at: Option<i64>,
    pub last_active_day: Option<i64>,
    pub options: Map<String, Value>,
}

impl Account {
    /// Whether an option is set to true.
    pub fn has_option(&self, name: &str) -> bool {
        self.options.get(name) == Some(&Value::Bool(true))
    }

    /// Refuses a password that has to be changed first; told to those who know it.
    pub fn check_expiry(&self) -> Result<(), Fault> {
        let over = self.password_expires_at.is_some_and(|end| end <= now());
        if !over || !self.enabled || self.has_option("ignore_password_expiry") {
            return Ok(());
        }
        Err(Fault::new(
            StatusCode::UNAUTHORIZED,
            format!("The password is expired and needs to be changed for user: {}.", self.user_id),
        ))
    }

    /// Whether a login has something to put down.
    pub fn has_news(&self) -> bool {
        self.failures > 0 || self.last_active_day != Some(day(now()))
    }
}

/// The account of a user.
pub async fn find(session: &mut Session, user: &MemberHandle) -> Result<Option<Account>, StoreError> {
    let (sql, values) = select(user);
    session.row(&sql, values).await?.map(read).transpose()
}

/// The query for a user's account, and its values.
fn select(user: &MemberHandle) -> (String, Vec<SqlValue>) {
    let columns = "SELECT u.id, u.password_hash, u.tokens_after, u.failures, u.failed_at, u.enabled, \
                   u.password_expires_at, u.last_active_day, u.options FROM users u";
    let (condition, values) = match user {
        MemberHandle::Id(id) => ("WHERE u.id = $1", values![id]),
        MemberHandle::Name { name, domain: Handle::Id(domain) } => {
            ("WHERE u.name = $1 AND u.domain_id = $2", values![name, domain])
        }
        MemberHandle::Name { name, domain: Handle::Name(domain) } => (
            "JOIN projects d ON d.id = u.domain_id WHERE u.name = $1 AND d.name = $2 AND d.is_domain = true",
            values![name, domain],
        ),
    };
    (format!("{columns} {condition}"), values)
}

fn read(row: Row) -> Result<Account, StoreError> {
    let mut columns = row.columns();
    Ok(Account {
        user_id: columns.text()?,
        password_hash: columns.opt_text()?,
        tokens_after: columns.int()?,
        failures: columns.number()?,
        failed_at: columns.int()?,
        enabled: columns.flag()?,
        password_expires_at: columns.opt_int()?,
        last_active_day: columns.opt_int()?,
        options: stored_object(&columns.text()?),
    })
}

/// The account, and the hash a password is held against where there is none: that of some
/// user, always the same one for a name. Hashes of several kinds take different times; names
/// nobody has then take these times as often as users do.
pub async fn with_stand_in(
    session: &mut Session,
    user: &MemberHandle,
    name: &[u8; 32],
) -> Result<(Option<Account>, Option<String>), StoreError> {
    let (own, values) = select(user);
    let other = "SELECT COALESCE((SELECT password_hash FROM users WHERE id >= $1 ORDER BY id LIMIT 1), \
                 (SELECT password_hash FROM users ORDER BY id LIMIT 1))";
    let queries = vec![(own.as_str(), values), (other, values![hex(&name[..16])])];
    let mut answers = session.rows_many(queries).await?.into_iter();
    let mut first = || answers.next().and_then(|rows| rows.into_iter().next());
    let account = first().map(read).transpose()?;
    let stand_in = first().map(|row| row.columns().opt_text()).transpose()?;
    Ok((account, stand_in.flatten()))
}

/// As ids are written.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A digest of what a client calls a user.
pub fn digest(kind: &str, user: &MemberHandle) -> [u8; 32] {
    Sha256::digest(format!("{kind} {user:?}")).into()
}
