//! What a token was made from when its user handed something on: an application
//! credential or a trust. Such tokens may do less than the user (K04, K09, K15).

use crate::fault::Fault;
use crate::resources::application_credential::AccessRule;

/// What stands behind a token beside its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delegation {
    ApplicationCredential {
        id: String,
        name: String,
        /// May not make or delete credentials and trusts.
        restricted: bool,
        access_rules: Vec<AccessRule>,
    },
    Trust {
        id: String,
        trustor_user_id: String,
        trustee_user_id: String,
        impersonation: bool,
    },
}

impl Delegation {
    /// Refuses what only the user in person, or an unrestricted application
    /// credential, may do: making and deleting application credentials, trusts and
    /// EC2 credentials.
    ///
    /// # Errors
    /// 403 naming the action.
    pub fn check_unrestricted(delegation: Option<&Self>, action: &str) -> Result<(), Fault> {
        match delegation {
            Some(Self::ApplicationCredential { restricted: true, .. } | Self::Trust { .. }) => {
                Err(Fault::forbidden(action))
            }
            Some(Self::ApplicationCredential { .. }) | None => Ok(()),
        }
    }

    /// The trust a token was made from.
    #[must_use]
    pub fn trust_id(&self) -> Option<&str> {
        match self {
            Self::Trust { id, .. } => Some(id),
            Self::ApplicationCredential { .. } => None,
        }
    }
}
