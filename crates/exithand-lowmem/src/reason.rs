//! Why somebody was killed, as the signal itself tells it.
//!
//! A signal that a process sends may carry any negative `si_code`. Whoever records signals, as the
//! recorder does, so learns the reason in the same moment as the sender, without being told by
//! anybody.

use crate::decide::Why;

/// Below what the kernel and the C library use: "lm".
const BASE: i32 = -0x006c_6d00;

/// All reasons, in the order of their codes, which never changes.
const ALL: [Why; 5] = [
    Why::LowMemory,
    Why::Pressure,
    Why::Thrashing,
    Why::Floor,
    Why::CgroupLimit,
];

/// Returns the `si_code` of signals that are sent for this reason.
pub fn code(why: Why) -> i32 {
    let place = (0..).zip(ALL).find(|(_, it)| *it == why);
    BASE - place.map_or(0, |(place, _)| place)
}

/// Returns the reason that an `si_code` tells; `None` for those of all other senders.
///
/// Whoever may kill a process may tell any reason, so it is worth as much as the sender.
pub fn of_code(code: i32) -> Option<Why> {
    let place = usize::try_from(BASE.checked_sub(code)?).ok()?;
    ALL.get(place).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_code_of_its_own() {
        for why in ALL {
            assert_eq!(of_code(code(why)), Some(why));
        }
        assert_eq!(code(Why::LowMemory), -7_105_792);
        assert_eq!(code(Why::CgroupLimit), -7_105_796);
        for others in [0, -1, -6, -60, 128, BASE + 1, BASE - 5, i32::MIN, i32::MAX] {
            assert_eq!(of_code(others), None, "{others}");
        }
    }
}
