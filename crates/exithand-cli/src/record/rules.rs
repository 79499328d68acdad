//! Who may know what, with names looked up.

use anyhow::anyhow;
use exithand::StatusPolicy;
use exithand_recorder::daemon::Rules;
use exithand_recorder::sight::{Details, Insiders};

use crate::failure::Failure;

/// Looks the group up.
pub(crate) fn rules(status: StatusPolicy, details: &Details) -> Result<Rules, Failure> {
    let insiders = match details {
        Details::User => Insiders::Nobody,
        Details::All => Insiders::Everybody,
        Details::Group(name) => match uzers::get_group_by_name(name) {
            Some(group) => Insiders::Group(group.gid()),
            None => {
                return Err(Failure::Usage(anyhow!(
                    "--details group:{name}: there is no group {name}"
                )));
            }
        },
    };
    Ok(Rules {
        status,
        details: details.clone(),
        insiders,
    })
}
