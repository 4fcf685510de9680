//! The list of extensions: how clients detect features.

/// One extension, listed only when it works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extension {
    pub alias: &'static str,
    pub name: &'static str,
    pub description: &'static str,
    /// `YYYY-MM-DDTHH:MM:SS-00:00`
    pub updated: &'static str,
}
