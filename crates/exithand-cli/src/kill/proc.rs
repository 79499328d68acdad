//! What `/proc` says about who forked whom.

use std::collections::HashMap;
use std::fs;
use std::io;

/// `PF_KTHREAD` of the kernel's `task->flags`.
const KERNEL_THREAD: u64 = 0x0020_0000;

/// The part of `/proc/PID/stat` that matters to a killer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    /// The state letter of the leading thread.
    pub(crate) state: u8,
    pub(crate) parent: u32,
    pub(crate) flags: u64,
}

impl Stat {
    /// Reads the text of `/proc/PID/stat`. The name may contain anything, parentheses too.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (_, after_name) = text.rsplit_once(") ")?;
        let mut words = after_name.split(' ');
        let &[state] = words.next()?.as_bytes() else {
            return None;
        };
        let parent = words.next()?.parse().ok()?;
        // Process group, session, terminal and its group lie between.
        let flags = words.nth(4)?.parse().ok()?;
        Some(Self {
            state,
            parent,
            flags,
        })
    }

    pub(crate) fn is_kernel_thread(self) -> bool {
        self.flags & KERNEL_THREAD != 0
    }
}

/// Whether a task goes on running, and so may fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Motion {
    /// Stopped, traced or ended: it does not fork until it is continued.
    AtRest,
    /// Running, or within a system call that may yet make a child.
    Moving,
}

impl Motion {
    fn of_state(state: u8) -> Self {
        match state {
            b'T' | b't' | b'Z' | b'X' => Self::AtRest,
            _ => Self::Moving,
        }
    }
}

/// Reads about one process; `None` where it is gone.
pub(crate) fn stat(pid: u32) -> Option<Stat> {
    Stat::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Reads its name, with what is not printable replaced.
pub(crate) fn comm(pid: u32) -> Option<String> {
    let name = fs::read(format!("/proc/{pid}/comm")).ok()?;
    let name = String::from_utf8_lossy(&name);
    Some(name.trim_end_matches('\n').to_owned())
}

/// Says whether any thread of the process still moves.
pub(crate) fn motion(pid: u32) -> Motion {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Motion::AtRest;
    };
    let states = threads.flatten().filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("stat")).ok()?;
        Some(Stat::parse(&text)?.state)
    });
    let mut motions = states.map(Motion::of_state);
    if motions.any(|it| it == Motion::Moving) {
        Motion::Moving
    } else {
        Motion::AtRest
    }
}

/// Lists the children of all threads of a process; nobody where it is gone, or the kernel was
/// built without `CONFIG_PROC_CHILDREN`. May miss one while others end.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let lists = threads.flatten().filter_map(|thread| {
        let list = fs::read_to_string(thread.path().join("children")).ok()?;
        let pids: Vec<u32> = list.split(' ').filter_map(|pid| pid.parse().ok()).collect();
        Some(pids)
    });
    lists.flatten().collect()
}

/// Lists every process with its parent, one after the other: not a picture of one moment.
pub(crate) fn families() -> io::Result<Vec<(u32, u32)>> {
    let mut families = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let pid = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        let family = pid.and_then(|pid| Some((pid, stat(pid)?.parent)));
        families.extend(family);
    }
    Ok(families)
}

/// Lists who descends from a member, parents before their children, members left out.
pub(crate) fn descendants(families: &[(u32, u32)], is_member: impl Fn(u32) -> bool) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for &(pid, parent) in families {
        children.entry(parent).or_default().push(pid);
    }
    let mut generation: Vec<u32> = children
        .keys()
        .copied()
        .filter(|parent| is_member(*parent))
        .collect();
    let mut descendants = Vec::new();
    while !generation.is_empty() {
        // Taken out: a list that was read while pids changed hands may contain a circle.
        let next = generation
            .iter()
            .filter_map(|parent| children.remove(parent))
            .flatten();
        generation = next.collect();
        descendants.extend(generation.iter().copied().filter(|pid| !is_member(*pid)));
    }
    descendants
}

/// Lists our own ancestors, nearest first, ourselves included.
pub(crate) fn own_line() -> Vec<u32> {
    let mut line = vec![std::process::id()];
    while let Some(parent) = line.last().and_then(|pid| stat(*pid)).map(|it| it.parent) {
        if parent == 0 || line.contains(&parent) {
            break;
        }
        line.push(parent);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_stat_line_whatever_the_name() {
        for name in ["sh", "a) R 1 (b", "", "x y"] {
            let line = format!("42 ({name}) S 7 42 42 0 -1 4194560 1 2 3\n");
            let expected = Stat {
                state: b'S',
                parent: 7,
                flags: 4_194_560,
            };
            assert_eq!(Stat::parse(&line), Some(expected), "{name:?}");
        }
        assert_eq!(Stat::parse("42 (sh) S 7 42"), None);
        assert!(stat(std::process::id()).is_some_and(|it| !it.is_kernel_thread()));
    }

    #[test]
    fn lists_descendants_with_parents_first_and_survives_a_circle() {
        let families = [(4, 3), (3, 2), (2, 1), (9, 8), (8, 9), (5, 2), (1, 0)];
        assert_eq!(descendants(&families, |pid| pid == 2), [3, 5, 4]);
        assert_eq!(descendants(&families, |pid| pid == 8), [9]);
        assert_eq!(descendants(&families, |_| false), [0; 0]);
    }

    #[test]
    fn our_line_begins_with_us_and_our_parent() {
        let line = own_line();
        assert_eq!(line[0], std::process::id());
        assert_eq!(line[1], std::os::unix::process::parent_id());
    }
}
