//! Each user's share of the server.

use std::collections::HashMap;

use rustix::io::Errno;

use crate::Limits;
use crate::node::Key;

/// Who holds how much. Root is counted, and never refused.
#[derive(Debug, Default)]
pub(crate) struct Quota {
    users: HashMap<u32, Share>,
}

#[derive(Debug, Default)]
struct Share {
    files: u32,
    reads: u32,
    /// Processes with open files, and with how many.
    processes: HashMap<Key, u32>,
}

impl Quota {
    /// Counts a file or directory opened by `uid`, on a process if it is one that takes a descriptor.
    ///
    /// # Errors
    ///
    /// `EDQUOT`: the user has all it may have.
    pub(crate) fn open(
        &mut self,
        limits: &Limits,
        uid: u32,
        process: Option<Key>,
    ) -> Result<(), Errno> {
        let share = self.users.entry(uid).or_default();
        let processes = u32::try_from(share.processes.len()).unwrap_or(u32::MAX);
        let is_new = process.is_some_and(|key| !share.processes.contains_key(&key));
        let too_many =
            share.files >= limits.open_files || (is_new && processes >= limits.processes);
        if uid != 0 && too_many {
            self.tidy(uid);
            return Err(Errno::DQUOT);
        }
        share.files += 1;
        if let Some(key) = process {
            *share.processes.entry(key).or_default() += 1;
        }
        Ok(())
    }

    /// Takes back what [`Quota::open`] counted.
    pub(crate) fn close(&mut self, uid: u32, process: Option<Key>) {
        if let Some(share) = self.users.get_mut(&uid) {
            share.files = share.files.saturating_sub(1);
            if let Some(key) = process
                && let Some(count) = share.processes.get_mut(&key)
            {
                *count -= 1;
                if *count == 0 {
                    share.processes.remove(&key);
                }
            }
        }
        self.tidy(uid);
    }

    /// Counts a read of `uid` that begins to wait.
    ///
    /// # Errors
    ///
    /// `EDQUOT`: as many of that user wait as may.
    pub(crate) fn block(&mut self, limits: &Limits, uid: u32) -> Result<(), Errno> {
        let share = self.users.entry(uid).or_default();
        if uid != 0 && share.reads >= limits.blocked_reads {
            return Err(Errno::DQUOT);
        }
        share.reads += 1;
        Ok(())
    }

    /// Takes back what [`Quota::block`] counted.
    pub(crate) fn unblock(&mut self, uid: u32) {
        if let Some(share) = self.users.get_mut(&uid) {
            share.reads = share.reads.saturating_sub(1);
        }
        self.tidy(uid);
    }

    fn tidy(&mut self, uid: u32) {
        let idle = |share: &Share| share.files == 0 && share.reads == 0;
        if self.users.get(&uid).is_some_and(idle) {
            self.users.remove(&uid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        open_files: 3,
        blocked_reads: 1,
        processes: 2,
    };
    const USER: u32 = 1000;

    #[test]
    fn refuses_one_user_and_serves_the_others() {
        let first = Key::FIRST;
        let [second, third] = [first.next(), first.next().next()];
        let mut quota = Quota::default();
        for key in [first, second] {
            assert_eq!(quota.open(&LIMITS, USER, Some(key)), Ok(()));
        }
        let refused = quota.open(&LIMITS, USER, Some(third));
        assert_eq!(refused, Err(Errno::DQUOT), "a third process");
        assert_eq!(quota.open(&LIMITS, USER, Some(second)), Ok(()));
        let refused = quota.open(&LIMITS, USER, None);
        assert_eq!(refused, Err(Errno::DQUOT), "a fourth file");
        for uid in [0, 0, 0, 0, 2000] {
            assert_eq!(quota.open(&LIMITS, uid, Some(third)), Ok(()), "{uid}");
        }
        quota.close(USER, Some(first));
        assert_eq!(quota.open(&LIMITS, USER, Some(third)), Ok(()));
    }

    #[test]
    fn counts_reads_that_wait() {
        let mut quota = Quota::default();
        assert_eq!(quota.block(&LIMITS, USER), Ok(()));
        assert_eq!(quota.block(&LIMITS, USER), Err(Errno::DQUOT));
        quota.unblock(USER);
        assert_eq!(quota.block(&LIMITS, USER), Ok(()));
    }

    #[test]
    fn keeps_nothing_of_users_who_left() {
        let mut quota = Quota::default();
        quota.open(&LIMITS, USER, Some(Key::FIRST)).unwrap();
        quota.block(&LIMITS, USER).unwrap();
        quota.unblock(USER);
        quota.close(USER, Some(Key::FIRST));
        assert!(quota.users.is_empty());
    }
}
