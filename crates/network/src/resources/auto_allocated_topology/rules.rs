//! Refusals of topologies.

use isospin_api_kit::{Fault, FaultType};

use crate::resources::subnet_pool;

/// 409: the cloud is not set up for it.
pub fn failure(reason: &str) -> Fault {
    Fault::new(FaultType::AutoAllocationFailure, format!("Deployment error: {reason}."))
}

/// What a part could not be made for, told as a failure of the whole; limits of the
/// project and failures of ours stay what they are.
pub fn part_failed(reason: &str, fault: Fault) -> Fault {
    let of_the_setup = fault.status() == 400 || fault.status() == 404 || subnet_pool::is_used_up(&fault);
    if of_the_setup { failure(reason).with_detail(fault.message) } else { fault }
}

/// 403: another project's.
#[must_use]
pub fn not_authorized() -> Fault {
    Fault::new(FaultType::NotAuthorized, "Not authorized.")
}

/// 400: nothing but a dry run can be chosen.
#[must_use]
pub fn unknown_field() -> Fault {
    Fault::new(FaultType::BadRequest, "Bad auto_allocate request: Unrecognized field.")
}
