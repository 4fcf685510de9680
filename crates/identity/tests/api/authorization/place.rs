//! Who asks, and about whose things.

/// Who asks. All but the administrator and the service live in the domain "ours".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Persona {
    Nobody,
    Admin,
    /// With the role admin on the domain.
    DomainAdmin,
    DomainManager,
    DomainReader,
    /// With roles on the project "ours".
    Manager,
    Member,
    Reader,
    Service,
    SystemReader,
}

impl Persona {
    pub const ALL: &'static [Self] = &[
        Self::Nobody,
        Self::Admin,
        Self::DomainAdmin,
        Self::DomainManager,
        Self::DomainReader,
        Self::Manager,
        Self::Member,
        Self::Reader,
        Self::Service,
        Self::SystemReader,
    ];

    pub fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    /// Where the role is held, and which.
    pub fn role(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Nobody | Self::Admin => None,
            Self::DomainAdmin => Some(("domain", "admin")),
            Self::DomainManager => Some(("domain", "manager")),
            Self::DomainReader => Some(("domain", "reader")),
            Self::Manager => Some(("project", "manager")),
            Self::Member => Some(("project", "member")),
            Self::Reader => Some(("project", "reader")),
            Self::Service => Some(("service", "service")),
            Self::SystemReader => Some(("system", "reader")),
        }
    }
}

/// Whose the thing is that is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The persona's own user, in the domain and project "ours".
    Own,
    /// Another user's of the same domain and project.
    Domain,
    /// In another domain.
    Foreign,
}

impl Place {
    pub const ALL: [Self; 3] = [Self::Own, Self::Domain, Self::Foreign];
}

/// One of those a row names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// The role admin, wherever held.
    Admin,
    SystemReader,
    /// A reader of the domain the object is in.
    DomainReader,
    DomainManager,
    /// Anybody in that domain, or in a project of it.
    InDomain,
    /// Anybody in the project.
    InProject,
    /// The user it belongs to.
    Owner,
    /// The same, with the role member.
    OwnerMember,
    /// The role manager, wherever held.
    Manager,
    Service,
    Anybody,
}

impl Who {
    /// Whether it matters whose the object is.
    pub fn needs_place(self) -> bool {
        !matches!(self, Self::Admin | Self::SystemReader | Self::Manager | Self::Service | Self::Anybody)
    }

    /// Whether `persona` is one of them, about something at `place`.
    pub fn names(self, persona: Persona, place: Place) -> bool {
        use Persona as P;
        let ours = place != Place::Foreign;
        match self {
            Self::Admin => matches!(persona, P::Admin | P::DomainAdmin),
            Self::SystemReader => persona == P::SystemReader,
            Self::DomainReader => {
                ours && matches!(persona, P::DomainAdmin | P::DomainManager | P::DomainReader)
            }
            Self::DomainManager => ours && matches!(persona, P::DomainAdmin | P::DomainManager),
            Self::InDomain => {
                ours && matches!(
                    persona,
                    P::DomainAdmin | P::DomainManager | P::DomainReader | P::Manager | P::Member | P::Reader
                )
            }
            Self::InProject => ours && matches!(persona, P::Manager | P::Member | P::Reader),
            Self::Owner => place == Place::Own,
            Self::OwnerMember => {
                place == Place::Own
                    && matches!(
                        persona,
                        P::Admin | P::DomainAdmin | P::DomainManager | P::Manager | P::Member
                    )
            }
            Self::Manager => {
                matches!(persona, P::Admin | P::DomainAdmin | P::DomainManager | P::Manager)
            }
            Self::Service => persona == P::Service,
            Self::Anybody => true,
        }
    }
}
