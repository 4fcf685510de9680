//! Who may use an object of another project: what reading handlers ask.
//!
//! "Shared", as a client sees it, means shared with the client's own project or with
//! all, so every question here names a project.

use std::collections::{HashMap, HashSet};

use isospin_api_kit::Fault;
use isospin_api_kit::attribute::check;
use isospin_api_kit::policy::Target;
use isospin_store_kit::query::Select;
use isospin_store_kit::{Row, Session, StoreError, Value, values};

use super::kinds::Shareable;
use super::model::{Action, EVERYBODY};

/// What entries let one project do with an object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Access {
    pub shared: bool,
    pub external: bool,
}

/// Reads what entries let project `$2` do with object `$1`, for batches; see
/// [`Access::from_rows`].
pub const OF: &str =
    "SELECT DISTINCT action FROM rbac_policies WHERE object_id = $1 AND target_project IN ('*', $2)";

impl Access {
    /// What the project may do with the object.
    ///
    /// # Errors
    /// The store's.
    pub async fn of(
        session: &mut Session,
        project_id: &str,
        object_id: impl Into<Value>,
    ) -> Result<Self, StoreError> {
        Self::from_rows(session.rows(OF, vec![object_id.into(), project_id.into()]).await?)
    }

    /// The same from the rows of [`OF`].
    ///
    /// # Errors
    /// A row holds no action.
    pub fn from_rows(rows: impl IntoIterator<Item = Row>) -> Result<Self, StoreError> {
        let mut access = Self::default();
        for row in rows {
            access.add(row.columns().parse()?);
        }
        Ok(access)
    }

    /// What the project may do with each of several objects, by their ids.
    ///
    /// # Errors
    /// The store's.
    pub async fn of_many(
        session: &mut Session,
        project_id: &str,
        object_ids: impl IntoIterator<Item = Value>,
    ) -> Result<HashMap<String, Self>, StoreError> {
        let sql = format!(
            "SELECT object_id, action FROM rbac_policies WHERE object_id {} AND target_project IN ($2, $3)",
            session.engine().any_of("$1")
        );
        let mut found: HashMap<String, Self> = HashMap::new();
        for row in session.rows(&sql, values![Value::list(object_ids), EVERYBODY, project_id]).await? {
            let mut columns = row.columns();
            found.entry(columns.text()?).or_default().add(columns.parse()?);
        }
        Ok(found)
    }

    fn add(&mut self, action: Action) {
        match action {
            Action::Shared => self.shared = true,
            Action::External => self.external = true,
        }
    }

    /// The facts rules like `rule:shared` and `rule:external` ask for.
    #[must_use]
    pub fn facts(self, target: Target<'_>) -> Target<'_> {
        target.flag("shared", self.shared).flag("router:external", self.external)
    }
}

/// Which of the objects are shared with the project: what `shared` shows in a list.
///
/// # Errors
/// The store's.
pub async fn shared_among(
    session: &mut Session,
    project_id: &str,
    object_ids: impl IntoIterator<Item = Value>,
) -> Result<HashSet<String>, StoreError> {
    let found = Access::of_many(session, project_id, object_ids).await?;
    Ok(found.into_iter().filter(|(_, access)| access.shared).map(|(id, _)| id).collect())
}

/// The condition that `column` is the id of an object entries open to the project, in
/// whatever way.
pub fn opened(select: &mut Select, kind: &Shareable, column: &str, project_id: &str) -> String {
    let project = select.bind(project_id);
    format!(
        "{column} IN (SELECT object_id FROM rbac_policies WHERE object_type = '{}' \
         AND target_project IN ('*', {project}))",
        kind.object_type
    )
}

/// Keeps the objects the project owns or entries open to it: what a list shows to
/// anybody but those who see everything.
pub fn only_visible(select: &mut Select, kind: &Shareable, project_id: &str) {
    let project = select.bind(project_id);
    let opened = opened(select, kind, &format!("{}.id", kind.table), project_id);
    select.condition(format!("({}.project_id = {project} OR {opened})", kind.table));
}

/// The filter `?shared=…` as a caller of the project means it.
///
/// # Errors
/// 400 for what is no boolean.
pub fn filter_shared(
    select: &mut Select,
    kind: &Shareable,
    project_id: &str,
    wanted: &[String],
) -> Result<(), Fault> {
    let flags = wanted
        .iter()
        .map(|text| check::boolean(&serde_json::Value::from(text.as_str())).map_err(Fault::invalid_input))
        .collect::<Result<HashSet<bool>, _>>()?;
    let Some(flag) = flags.iter().next().filter(|_| flags.len() == 1) else { return Ok(()) };
    let project = select.bind(project_id);
    let not = if *flag { "" } else { "NOT " };
    select.condition(format!(
        "{}.id {not}IN (SELECT object_id FROM rbac_policies WHERE object_type = '{}' \
         AND action = 'access_as_shared' AND target_project IN ('*', {project}))",
        kind.table, kind.object_type
    ));
    Ok(())
}
