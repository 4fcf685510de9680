//! Who may do what, transcribed from reference/policy.md §2 and §3. One row for each
//! resource; [`crate::fixtures`] makes the objects.

mod core;
mod l3;
mod pools;
mod qos;
mod segments;
mod sharing;

/// Every row.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    [core::ROWS, l3::ROWS, pools::ROWS, qos::ROWS, segments::ROWS, sharing::ROWS].into_iter().flatten()
}

/// A row of §2, with the rows of §3 about the same resource.
pub struct Row {
    pub resource: &'static str,
    pub create: &'static str,
    pub get: &'static str,
    /// Who finds it in a list; "" = who may get it.
    pub list: &'static str,
    pub update: &'static str,
    pub delete: &'static str,
    pub attributes: &'static [Attribute],
    /// Actions by name of their rule, and other routes about the resource.
    pub actions: &'static [(&'static str, &'static str)],
}

/// A row of §3; "" = as the resource. A name with a dot means a key within the
/// attribute's value, or a value of its own.
pub struct Attribute {
    pub name: &'static str,
    pub create: &'static str,
    pub update: &'static str,
    pub get: &'static str,
}

pub const fn attribute(
    name: &'static str,
    create: &'static str,
    update: &'static str,
    get: &'static str,
) -> Attribute {
    Attribute { name, create, update, get }
}

pub const ADMIN: &str = "admin";
pub const OWNER: &str = "admin, member";
pub const READER: &str = "admin, reader";

pub const SHARED_READER: &str = "admin, reader, sh";

/// What nobody may do.
pub const NONE: Row = Row {
    resource: "",
    create: "-",
    get: "-",
    list: "",
    update: "-",
    delete: "-",
    attributes: &[],
    actions: &[],
};
