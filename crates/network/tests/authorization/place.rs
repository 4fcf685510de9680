//! Who asks, and where the object is they ask about.

pub const OURS: &str = "b0000000000000000000000000000000";
pub const OTHER: &str = "c0000000000000000000000000000000";
pub const ADMIN_PROJECT: &str = "a0000000000000000000000000000000";
pub const SERVICE_PROJECT: &str = "d0000000000000000000000000000000";

/// Who asks. Manager, member and reader are of [`OURS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persona {
    /// Without a valid token.
    Nobody,
    Admin,
    Manager,
    Member,
    Reader,
    Service,
}

impl Persona {
    pub const ALL: &[Self] =
        &[Self::Nobody, Self::Admin, Self::Manager, Self::Member, Self::Reader, Self::Service];

    pub fn token(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Admin => "admin",
            Self::Manager => "manager",
            Self::Member => "member",
            Self::Reader => "reader",
            Self::Service => "service",
        }
    }

    pub fn project(self) -> &'static str {
        match self {
            Self::Nobody => "",
            Self::Admin => ADMIN_PROJECT,
            Self::Manager | Self::Member | Self::Reader => OURS,
            Self::Service => SERVICE_PROJECT,
        }
    }

    /// Roles as a token lists them: implied ones included.
    pub fn roles(self) -> &'static [&'static str] {
        match self {
            Self::Nobody => &[],
            Self::Admin => &["admin", "manager", "member", "reader"],
            Self::Manager => &["manager", "member", "reader"],
            Self::Member => &["member", "reader"],
            Self::Reader => &["reader"],
            Self::Service => &["service"],
        }
    }

    /// Whether objects may be made for other projects.
    pub fn may_name_projects(self) -> bool {
        matches!(self, Self::Admin | Self::Service)
    }
}

/// What an object lies on: a network, or a parent of its own kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Parent {
    /// Nothing.
    None,
    Ours,
    /// Of the other project, for everybody.
    Shared,
    /// Of the other project.
    Foreign,
    /// Of the other project, reached through routers.
    External,
}

impl Parent {
    /// Kinds of network.
    pub const NETWORKS: &[Self] = &[Self::Ours, Self::Shared, Self::Foreign, Self::External];

    pub fn owner(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Ours => OURS,
            Self::Shared | Self::Foreign | Self::External => OTHER,
        }
    }
}

/// Whose an object is, and on what it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub name: &'static str,
    /// "" for objects of the cloud itself.
    pub owner: &'static str,
    pub parent: Parent,
    /// Whether the object, or the network it lies on, is for everybody.
    pub shared: bool,
    pub external: bool,
}

impl Place {
    const fn of(name: &'static str, owner: &'static str) -> Self {
        Self { name, owner, parent: Parent::None, shared: false, external: false }
    }

    const fn on(name: &'static str, owner: &'static str, parent: Parent) -> Self {
        Self {
            name,
            owner,
            parent,
            shared: matches!(parent, Parent::Shared),
            external: matches!(parent, Parent::External),
        }
    }
}

pub const OWN: Place = Place::of("own", OURS);
pub const FOREIGN: Place = Place::of("foreign", OTHER);
pub const SHARED: Place = Place { shared: true, ..Place::of("shared", OTHER) };
pub const EXTERNAL: Place = Place { external: true, ..Place::of("external", OTHER) };
/// Nobody's: agents and the like.
pub const CLOUD: Place = Place::of("cloud", "");

/// Objects of projects.
pub const PLAIN: &[Place] = &[OWN, FOREIGN];
/// Objects of projects that can be shared.
pub const SHAREABLE: &[Place] = &[OWN, SHARED, FOREIGN];
/// Objects whose parent belongs to the same project.
pub const WITH_PARENT: &[Place] =
    &[Place::on("own", OURS, Parent::Ours), Place::on("foreign", OTHER, Parent::Foreign)];
/// Objects on networks, whose owners may differ.
pub const ON_NETWORKS: &[Place] = &[
    Place::on("own on own", OURS, Parent::Ours),
    Place::on("foreign on own", OTHER, Parent::Ours),
    Place::on("own on shared", OURS, Parent::Shared),
    Place::on("foreign on shared", OTHER, Parent::Shared),
    Place::on("own on foreign", OURS, Parent::Foreign),
    Place::on("foreign on foreign", OTHER, Parent::Foreign),
];
/// The same, with a network reached through routers.
pub const SUBNETS: &[Place] = &[
    ON_NETWORKS[0],
    ON_NETWORKS[1],
    ON_NETWORKS[2],
    ON_NETWORKS[3],
    ON_NETWORKS[4],
    ON_NETWORKS[5],
    Place::on("foreign on external", OTHER, Parent::External),
];
