//! Where SQLite and PostgreSQL differ, by name.

/// The database engine behind a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    /// Turns the portable schema text of a migration into this engine's.
    ///
    /// `{bytes}` is the type of byte strings. `BIGINT`, `TEXT` and `BOOLEAN` are
    /// the only other types used, and mean the same on both.
    #[must_use]
    pub fn schema(self, portable: &str) -> String {
        portable.replace(
            "{bytes}",
            match self {
                Self::Sqlite => "BLOB",
                Self::Postgres => "BYTEA",
            },
        )
    }

    /// The condition that what stands before it is one of the texts of a
    /// [`Value::List`](crate::Value::List): one parameter, however many there are, so that
    /// lists of any length share a prepared statement.
    #[must_use]
    pub fn any_of(self, parameter: &str) -> String {
        match self {
            Self::Sqlite => format!("IN (SELECT value FROM json_each({parameter}))"),
            Self::Postgres => format!("= ANY({parameter})"),
        }
    }
}
