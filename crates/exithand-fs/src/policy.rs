//! Who may learn how a process ended. Pure: it judges facts that others gathered.

use exithand::{KernelTells, StatusPolicy};

use crate::proc::Ids;

/// Where the caller's pid namespace stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// It shows the target.
    Shown,
    /// It does not, or cannot be known.
    Hidden,
}

/// Who wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Its process, in the server's pid namespace; `None` where it has no number there.
    pub(crate) process: Option<u32>,
    pub(crate) view: View,
}

/// About whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) parent: u32,
    pub(crate) uids: Ids,
    pub(crate) gids: Ids,
    /// Whether it was seen to let its user look into it.
    pub(crate) dumpable: bool,
}

/// When a caller may learn how the process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// As soon as anybody does.
    AtEnd,
    /// Once it was reaped.
    AfterReap,
    /// Not at all.
    Never,
}

/// Judges.
pub(crate) fn right(
    policy: StatusPolicy,
    kernel: KernelTells,
    caller: &Caller,
    target: &Target,
) -> Right {
    let is_root = caller.uid == 0;
    let is_parent = caller.process == Some(target.parent) && target.parent != 0;
    let allowed = match policy {
        StatusPolicy::Kernel => return kernel_right(kernel, caller, target, is_parent),
        StatusPolicy::All => true,
        StatusPolicy::User => is_root || caller.uid == target.uids[0],
        StatusPolicy::Parent => is_root || is_parent,
        StatusPolicy::Root => is_root,
    };
    if allowed { Right::AtEnd } else { Right::Never }
}

fn kernel_right(kernel: KernelTells, caller: &Caller, target: &Target, is_parent: bool) -> Right {
    if is_parent {
        return Right::AtEnd;
    }
    if caller.view == View::Hidden {
        // Not even root can open a process that its pid namespace does not show.
        return Right::Never;
    }
    match kernel {
        _ if may_read(caller, target) => Right::AtEnd,
        KernelTells::Everybody => Right::AfterReap,
        KernelTells::Readers => Right::Never,
    }
}

/// The kernel's ptrace-read check with filesystem ids, without security modules and with root for
/// those who have the capability.
fn may_read(caller: &Caller, target: &Target) -> bool {
    // The filesystem id, the last one, has no say.
    let same = |own: u32, ids: Ids| ids[..3].iter().all(|id| *id == own);
    let is_owner = same(caller.uid, target.uids) && same(caller.gid, target.gids);
    caller.uid == 0 || (is_owner && target.dumpable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Right::{AfterReap, AtEnd, Never};

    const CHILD: Target = Target {
        parent: 50,
        uids: [1000; 4],
        gids: [100; 4],
        dumpable: true,
    };

    fn caller(uid: u32, process: u32) -> Caller {
        Caller {
            uid,
            gid: if uid == 0 { 0 } else { 100 },
            process: Some(process),
            view: View::Shown,
        }
    }

    #[test]
    fn every_policy_has_its_circle() {
        let callers = [
            ("root", caller(0, 1)),
            ("user", caller(1000, 60)),
            ("parent", caller(2000, 50)),
            ("stranger", caller(2000, 61)),
        ];
        for (policy, kernel, rights) in [
            (
                StatusPolicy::Kernel,
                KernelTells::Everybody,
                [AtEnd, AtEnd, AtEnd, AfterReap],
            ),
            (
                StatusPolicy::Kernel,
                KernelTells::Readers,
                [AtEnd, AtEnd, AtEnd, Never],
            ),
            (StatusPolicy::All, KernelTells::Readers, [AtEnd; 4]),
            (
                StatusPolicy::User,
                KernelTells::Everybody,
                [AtEnd, AtEnd, Never, Never],
            ),
            (
                StatusPolicy::Parent,
                KernelTells::Everybody,
                [AtEnd, Never, AtEnd, Never],
            ),
            (
                StatusPolicy::Root,
                KernelTells::Everybody,
                [AtEnd, Never, Never, Never],
            ),
        ] {
            for ((who, caller), expected) in callers.iter().zip(rights) {
                let found = right(policy, kernel, caller, &CHILD);
                assert_eq!(found, expected, "{policy}, {kernel:?}, {who}");
            }
        }
    }

    #[test]
    fn the_ptrace_check_wants_all_ids_and_a_dumpable_target() {
        let changed = Target {
            uids: [1000, 0, 0, 0],
            ..CHILD
        };
        let other_group = Target {
            gids: [100, 7, 7, 7],
            ..CHILD
        };
        let protected = Target {
            dumpable: false,
            ..CHILD
        };
        for target in [changed, other_group, protected] {
            for (kernel, expected) in [
                (KernelTells::Readers, Never),
                (KernelTells::Everybody, AfterReap),
            ] {
                let found = right(StatusPolicy::Kernel, kernel, &caller(1000, 60), &target);
                assert_eq!(found, expected, "{target:?}");
            }
            let root = right(
                StatusPolicy::Kernel,
                KernelTells::Readers,
                &caller(0, 1),
                &target,
            );
            assert_eq!(root, AtEnd, "{target:?}");
        }
    }

    #[test]
    fn who_cannot_see_the_target_is_not_told_by_the_kernel() {
        let hidden = Caller {
            view: View::Hidden,
            ..caller(0, 70)
        };
        let unknown = Caller {
            process: None,
            ..hidden
        };
        for caller in [hidden, unknown] {
            let found = right(
                StatusPolicy::Kernel,
                KernelTells::Everybody,
                &caller,
                &CHILD,
            );
            assert_eq!(found, Never, "{caller:?}");
            let all = right(StatusPolicy::All, KernelTells::Everybody, &caller, &CHILD);
            assert_eq!(all, AtEnd, "{caller:?}");
        }
        // Nobody is the parent of a process whose parent is out of sight.
        let orphan = Target { parent: 0, ..CHILD };
        let parent = right(
            StatusPolicy::Parent,
            KernelTells::Everybody,
            &Caller { uid: 5, ..unknown },
            &orphan,
        );
        assert_eq!(parent, Never);
    }
}
