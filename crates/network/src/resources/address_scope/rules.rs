//! Pure decisions about address scopes.

use isospin_api_kit::{Fault, FaultType};
use isospin_types::{AddressScopeId, SubnetPoolId};

use crate::resources::subnet_pool;

/// 404, also for scopes hidden from the caller.
pub fn not_found(id: impl std::fmt::Display) -> Fault {
    Fault::new(FaultType::AddressScopeNotFound, format!("Address scope {id} could not be found."))
}

/// 409: these pools are in the scope.
#[must_use]
pub fn in_use(id: AddressScopeId, pools: &[SubnetPoolId]) -> Fault {
    Fault::new(
        FaultType::AddressScopeInUse,
        format!(
            "Unable to complete operation on address scope {id}. There are one or more subnet pools in use on the \
             address scope."
        ),
    )
    .blocked_by(subnet_pool::TYPE.name, pools)
}

/// 400: others may rely on what was shared with them.
#[must_use]
pub fn cannot_unshare(id: AddressScopeId) -> Fault {
    Fault::new(
        FaultType::AddressScopeUpdateError,
        format!("Unable to update address scope {id} : Shared address scope can't be unshared."),
    )
}
