//! What a folder of a resource brings to the API, said once: its constant `RESOURCE`.
//! Rules, extension list, sharing, tags, quotas and routes are all read from these.

use isospin_api_kit::extension::Extension;
use isospin_api_kit::policy::Rule;

use super::rbac_policy::Shareable;
use super::tag;
use crate::routes::Routes;

/// A folder of [`crate::resources`].
#[derive(Debug, Clone, Copy)]
pub struct Resource {
    /// Default rules.
    pub policy: &'static [Rule],
    /// What works.
    pub extensions: &'static [Extension],
    /// How its objects are opened to other projects.
    pub shareable: Option<&'static Shareable>,
    /// How its objects carry tags.
    pub tagged: Option<&'static tag::Kind>,
    /// How its objects are counted against quotas.
    pub counted: Option<Counted>,
    /// Its URLs.
    pub routes: fn() -> Routes,
}

/// A kind of object of which a project may have so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// The name in quotas.
    pub name: &'static str,
    /// The limit of projects without their own; -1 = unlimited.
    pub default: i64,
}

impl Resource {
    /// A resource of these URLs, to which nobody but `policy` admits.
    #[must_use]
    pub const fn new(policy: &'static [Rule], routes: fn() -> Routes) -> Self {
        Self { policy, extensions: &[], shareable: None, tagged: None, counted: None, routes }
    }

    /// The same, with what it adds to the extension list.
    #[must_use]
    pub const fn extensions(mut self, extensions: &'static [Extension]) -> Self {
        self.extensions = extensions;
        self
    }

    /// The same, of objects that can be opened to other projects.
    #[must_use]
    pub const fn shareable(mut self, shareable: &'static Shareable) -> Self {
        self.shareable = Some(shareable);
        self
    }

    /// The same, of objects with tags.
    #[must_use]
    pub const fn tagged(mut self, kind: &'static tag::Kind) -> Self {
        self.tagged = Some(kind);
        self
    }

    /// The same, of objects that are limited in number.
    #[must_use]
    pub const fn counted(mut self, name: &'static str, default: i64) -> Self {
        self.counted = Some(Counted { name, default });
        self
    }
}
