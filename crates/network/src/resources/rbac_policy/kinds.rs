//! What a kind of resource says of itself so that its objects can be shared.

use super::model::Action;

/// A kind of resource whose objects can be opened to other projects.
///
/// The resource's folder declares one (`pub const SHAREABLE: Shareable`) and names it in
/// its `RESOURCE`; entries of that type can then be made through the API, and
/// the functions of this folder answer who may use an object.
#[derive(Debug)]
pub struct Shareable {
    /// The name in entries and rules: "network".
    pub object_type: &'static str,
    /// The table of the objects, with columns `id` and `project_id`.
    pub table: &'static str,
    /// Rows of kind, id and project of whatever relies on object `$1` being shared.
    pub users: &'static str,
    /// Rows of kind and id of what object `$1` cannot be used without and project `$2`
    /// has no access to.
    pub needs: Option<&'static str>,
    /// What only networks have: being external.
    pub external: Option<External>,
    /// Brings what the table repeats of the entries of object `$1` in line with them.
    pub repeat: Option<&'static str>,
    /// The topic on which a change of the entries is a change of the object, which
    /// then counts in its revision.
    pub topic: Option<&'static str>,
}

/// How objects of a kind are external.
#[derive(Debug)]
pub struct External {
    /// Rows of kind, id and project of whatever relies on object `$1` being external.
    pub users: &'static str,
}

impl Shareable {
    /// A kind that is shared or not, and keeps nothing of it in its table.
    #[must_use]
    pub const fn new(object_type: &'static str, table: &'static str, users: &'static str) -> Self {
        Self { object_type, table, users, needs: None, external: None, repeat: None, topic: None }
    }

    /// The same, of objects that cannot be used without another; see [`Shareable::needs`].
    #[must_use]
    pub const fn needing(mut self, needs: &'static str) -> Self {
        self.needs = Some(needs);
        self
    }

    /// Whether objects of this kind know the action.
    #[must_use]
    pub const fn knows(&self, action: Action) -> bool {
        match action {
            Action::Shared => true,
            Action::External => self.external.is_some(),
        }
    }

    /// The rows of whoever relies on the action.
    pub(super) const fn users_of(&self, action: Action) -> &'static str {
        match (action, &self.external) {
            (Action::External, Some(external)) => external.users,
            _ => self.users,
        }
    }
}
