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
}
