//! Attribute tables: the single source of what a resource is on the wire.
//!
//! Validation, error texts, defaults, filters, sorting, field selection and
//! attribute rules are read from the table. Nothing else names a field.

pub mod check;
mod form;

use serde_json::Value;

pub use check::Check;
pub use form::Form;

/// What POST does when the client leaves the attribute out.
#[derive(Debug, Clone, Copy)]
pub enum Absent {
    /// 400.
    Required,
    /// The server computes it, or it stays unset.
    Unset,
    /// This value.
    Is(fn() -> Value),
}

/// Who finds the attribute in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// Everybody who sees the object.
    Always,
    /// Callers whom `get_<resource>:<attribute>` allows.
    Ruled,
    /// Nobody.
    Never,
}

/// How a list filters by the attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// Not at all: 400.
    No,
    /// Equality with this column of the resource's table.
    Column(&'static str),
    /// The resource's own code turns it into conditions.
    Own,
}

/// One attribute of a resource.
#[derive(Debug, Clone, Copy)]
pub struct Attribute {
    /// Name on the wire.
    pub name: &'static str,
    /// Type and check of values the client gives.
    pub check: Check,
    /// Whether `null` is a legal value.
    pub nullable: bool,
    pub absent: Absent,
    /// Whether POST may carry it.
    pub post: bool,
    /// Whether PUT may carry it.
    pub put: bool,
    pub show: Show,
    pub filter: Filter,
    /// Column to sort by, when sorting is offered.
    pub sort: Option<&'static str>,
    /// Extension alias that brings it.
    pub alias: &'static str,
    /// How values look, where the check does not tell.
    pub form: Form,
}

impl Attribute {
    /// An attribute only the server sets: `id`, `status` …
    #[must_use]
    pub const fn read_only(name: &'static str, check: Check) -> Self {
        Self {
            name,
            check,
            nullable: true,
            absent: Absent::Unset,
            post: false,
            put: false,
            show: Show::Always,
            filter: Filter::No,
            sort: None,
            alias: "",
            form: Form::Plain,
        }
    }

    /// An attribute clients may give at creation and change later.
    #[must_use]
    pub const fn settable(name: &'static str, check: Check, absent: Absent) -> Self {
        let mut attribute = Self::read_only(name, check);
        attribute.post = true;
        attribute.put = true;
        attribute.nullable = false;
        attribute.absent = absent;
        attribute
    }

    /// An attribute clients may give at creation only.
    #[must_use]
    pub const fn fixed(name: &'static str, check: Check, absent: Absent) -> Self {
        let mut attribute = Self::settable(name, check, absent);
        attribute.put = false;
        attribute
    }

    /// Also filterable and sortable by the column of the same meaning.
    #[must_use]
    pub const fn column(mut self, column: &'static str) -> Self {
        self.filter = Filter::Column(column);
        self.sort = Some(column);
        self
    }

    /// Also filterable (not sortable) by a column.
    #[must_use]
    pub const fn filter(mut self, filter: Filter) -> Self {
        self.filter = filter;
        self
    }

    /// Also sortable by a column.
    #[must_use]
    pub const fn sort(mut self, column: &'static str) -> Self {
        self.sort = Some(column);
        self
    }

    /// Also accepts `null`.
    #[must_use]
    pub const fn or_null(mut self) -> Self {
        self.nullable = true;
        self
    }

    /// Shown only to those whom the attribute's rule allows, or to nobody.
    #[must_use]
    pub const fn show(mut self, show: Show) -> Self {
        self.show = show;
        self
    }

    /// With values of this form.
    #[must_use]
    pub const fn form(mut self, form: Form) -> Self {
        self.form = form;
        self
    }

    /// Brought by an extension.
    #[must_use]
    pub const fn alias(mut self, alias: &'static str) -> Self {
        self.alias = alias;
        self
    }
}

/// A kind of resource: its names and its attributes.
#[derive(Debug, Clone, Copy)]
pub struct ResourceType {
    /// Key of one object in bodies, also in policy rules: "security_group".
    pub name: &'static str,
    /// Key of a list in bodies: "security_groups".
    pub collection: &'static str,
    /// Groups of attributes: the resource's own first, then those of extensions.
    pub attributes: &'static [&'static [Attribute]],
}

impl ResourceType {
    /// All attributes, in order.
    pub fn attributes(&self) -> impl Iterator<Item = &'static Attribute> + use<> {
        self.attributes.iter().flat_map(|group| group.iter())
    }

    /// The attribute of this name. `tenant_id` is another spelling of `project_id`.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&'static Attribute> {
        let name = if name == "tenant_id" { "project_id" } else { name };
        self.attributes().find(|attribute| attribute.name == name)
    }
}

fn text_empty() -> Value {
    Value::String(String::new())
}
fn yes() -> Value {
    Value::Bool(true)
}
fn no() -> Value {
    Value::Bool(false)
}
fn list_empty() -> Value {
    Value::Array(Vec::new())
}
fn object_empty() -> Value {
    Value::Object(serde_json::Map::new())
}
fn null() -> Value {
    Value::Null
}

impl Absent {
    /// `""`
    pub const EMPTY_TEXT: Self = Self::Is(text_empty);
    /// `true`
    pub const TRUE: Self = Self::Is(yes);
    /// `false`
    pub const FALSE: Self = Self::Is(no);
    /// `[]`
    pub const EMPTY_LIST: Self = Self::Is(list_empty);
    /// `{}`
    pub const EMPTY_OBJECT: Self = Self::Is(object_empty);
    /// `null`
    pub const NULL: Self = Self::Is(null);
}

/// Attributes of every standard resource (reference/network-api-core §0).
pub const STANDARD: &[Attribute] = &[
    Attribute::settable("description", Check::Text(255), Absent::EMPTY_TEXT)
        .column("description")
        .alias("standard-attr-description"),
    Attribute::read_only("created_at", Check::Text(32)).column("created_at").alias("standard-attr-timestamp"),
    Attribute::read_only("updated_at", Check::Text(32)).column("updated_at").alias("standard-attr-timestamp"),
    Attribute::read_only("revision_number", Check::Int { min: 0, max: i64::MAX })
        .column("revision_number")
        .alias("standard-attr-revisions"),
    Attribute::read_only("tags", Check::TextList { each: 255 }).alias("standard-attr-tag"),
];
