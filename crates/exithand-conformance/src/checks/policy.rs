//! Who may learn how a process ended.

use exithand_testkit::{Actor, Need, Pid, User, actor, actor_command, run_as};
use rustix::io::Errno;
use rustix::process::{getgid, getuid};

use super::Check;
use crate::feature::Feature;
use crate::policy::{Policy, Reader};
use crate::site::Site;
use crate::verdict::{Checked, Context, Stop, ensure, refused, same};
use crate::watch::peek::Peek;
use crate::watch::{read_once, reap, until_readable};

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "end-is-for-everybody",
        "PID/exithand can be read by any user",
        &[],
        end_is_for_everybody,
    ),
    Check::new(
        "status-for-the-parent",
        "the policy holds for the parent of the process",
        &[Feature::Siginfo],
        status_for_the_parent,
    ),
    Check::new(
        "status-for-the-same-user",
        "the policy holds for a reader of the same user that is not the parent",
        &[Feature::Siginfo],
        status_for_the_same_user,
    ),
    Check::new(
        "status-for-strangers",
        "the policy holds for a reader of another user",
        &[Feature::Siginfo],
        status_for_strangers,
    ),
    Check::new(
        "status-of-root-for-strangers",
        "the policy holds for a reader that asks about a process of root",
        &[Feature::Siginfo],
        status_of_root_for_strangers,
    ),
    Check::new(
        "status-for-root",
        "root may always know",
        &[Feature::Siginfo],
        status_for_root,
    ),
    Check::new(
        "zombie-of-a-stranger",
        "under the kernel's policy a zombie's outcome stays hidden from others",
        &[Feature::Siginfo],
        zombie_of_a_stranger,
    ),
];

/// Fails, as a skip, unless other users can be played, and reach the directory.
fn need_others(site: &Site) -> Checked {
    if !Need::OtherUsers.met() {
        return Err(Stop::Skipped(format!("needs {}", Need::OtherUsers)));
    }
    match Peek::open(site.root(), Some(User::NOBODY))? {
        Ok(_) => Ok(()),
        Err(errno) => Err(Stop::Skipped(format!(
            "the directory cannot be opened by other users: {}",
            crate::verdict::name(errno)
        ))),
    }
}

/// A process of another user than root.
fn foreign(status: &str) -> Actor {
    Actor::start(run_as(
        User::STRANGER,
        actor_command(&["wait-then-exit", status]),
    ))
}

fn end_is_for_everybody(site: &Site) -> Checked {
    need_others(site)?;
    for mut actor in [actor(&["wait-then-exit", "1"]), foreign("1")] {
        let path = site.file(actor.pid(), "exithand");
        let mut peek = Peek::open(&path, Some(User::NOBODY))?.context("open as another user")?;
        refused("a read while it runs", peek.read()?, &[Errno::AGAIN])?;
        actor.release();
        same(
            "bytes read",
            &peek.wait_and_read()?.context("read as another user")?.len(),
            &0,
        )?;
    }
    Ok(())
}

/// A process that waits to end, and the actor that has it end.
struct Target {
    actor: Actor,
    pid: Pid,
    user: User,
}

/// How the targets of this table end.
const STATUS: &str = "4";

impl Target {
    /// Starts a process of `user`; where the reader is told only after the reap, one whose reap
    /// follows at once.
    fn start(user: Option<User>, reader: Reader, policy: Policy) -> Self {
        let reaps = (reader, policy) == (Reader::Stranger, Policy::Kernel);
        let part = if reaps { "autoreap" } else { "wait-then-exit" };
        let command = actor_command(&[part, STATUS]);
        let actor = Actor::start(match user {
            Some(user) => run_as(user, command),
            None => command,
        });
        let ourselves = User {
            uid: getuid().as_raw(),
            gid: getgid().as_raw(),
        };
        Self {
            pid: if reaps { actor.told_pid() } else { actor.pid() },
            actor,
            user: user.unwrap_or(ourselves),
        }
    }

    /// Ends it, and waits until it is reaped.
    fn end(&mut self, site: &Site) -> Checked {
        if self.pid == self.actor.pid() {
            let file = site.open_nonblocking(self.pid, "siginfo");
            let file = file.or_else(|_denied| site.open_nonblocking(self.pid, "exithand"))?;
            self.actor.release();
            return same("wait status", &reap(&mut self.actor, &file)?, &0x0400);
        }
        self.actor.go();
        same(
            "what the parent says",
            &self.actor.read_line(),
            &"gone".to_owned(),
        )
    }

    /// What has to be read of it.
    fn siginfo(&self) -> Vec<u8> {
        const FIELDS: [i32; 3] = [17, 0, 1];
        let fields = FIELDS.map(i32::to_ne_bytes);
        let pid = self.pid.as_raw_nonzero().get().to_ne_bytes();
        let mut bytes = fields.concat();
        // The union after the three begins where a pointer could.
        bytes.extend([0; 4]);
        bytes.extend(pid);
        bytes.extend(self.user.uid.to_ne_bytes());
        bytes.extend(4_i32.to_ne_bytes());
        bytes.resize(128, 0);
        bytes
    }
}

/// Holds `reader`, played by a process of the user `by`, to the policy.
fn judge(site: &Site, target: Option<User>, reader: Reader, by: Option<User>) -> Checked {
    let admitted = site.policy().admits(reader, Need::PidfdInfoExit.met());
    let mut target = Target::start(target, reader, site.policy());
    let outcome = Feature::Outcome.is_present(site).then_some("outcome");
    let mut peeks = Vec::new();
    for name in ["siginfo"].into_iter().chain(outcome) {
        let opened = Peek::open(&site.file(target.pid, name), by)?;
        let what = format!("open {name} as {reader:?}");
        if admitted {
            let mut peek = opened.context(&what)?;
            refused("a read while it runs", peek.read()?, &[Errno::AGAIN])?;
            peeks.push((name, peek));
        } else {
            refused(what, opened, &[Errno::ACCESS])?;
        }
    }
    let mut end = Peek::open(&site.file(target.pid, "exithand"), by)?.context("open exithand")?;
    target.end(site)?;
    let bytes = end.wait_and_read()?.context("read exithand")?;
    same("bytes of exithand", &bytes.len(), &0)?;
    for (name, mut peek) in peeks {
        let bytes = peek.wait_and_read()?.context(name)?;
        match name {
            "siginfo" => same(name, &bytes, &target.siginfo())?,
            _ => same(name, &bytes, &b"exited 4\n".to_vec())?,
        }
    }
    Ok(())
}

/// The suite itself opens and reads.
fn status_for_the_parent(site: &Site) -> Checked {
    let admitted = site
        .policy()
        .admits(Reader::Parent.ourselves(), Need::PidfdInfoExit.met());
    let mut actor = actor(&["wait-then-exit", "8"]);
    let path = site.file(actor.pid(), "siginfo");
    let opened = crate::site::open_file(&path, rustix::fs::OFlags::NONBLOCK);
    if !admitted {
        return refused("open siginfo as the parent", opened, &[Errno::ACCESS]);
    }
    let file = opened.context("open siginfo as the parent")?;
    actor.release();
    actor.wait_zombie();
    let truth = exithand_testkit::sys::waitid_bytes(actor.pid())?;
    reap(&mut actor, &file)?;
    until_readable(&file, "siginfo")?;
    same("siginfo", &read_once(&file, 4096)?, &truth.to_vec())
}

fn status_for_the_same_user(site: &Site) -> Checked {
    if need_others(site).is_ok() {
        let user = Some(User::STRANGER);
        judge(site, user, Reader::SameUser, user)?;
    }
    judge(site, None, Reader::SameUser.ourselves(), None)
}

fn status_for_strangers(site: &Site) -> Checked {
    need_others(site)?;
    judge(
        site,
        Some(User::STRANGER),
        Reader::Stranger,
        Some(User::NOBODY),
    )
}

fn status_of_root_for_strangers(site: &Site) -> Checked {
    need_others(site)?;
    judge(site, None, Reader::Stranger, Some(User::NOBODY))
}

fn status_for_root(site: &Site) -> Checked {
    need_others(site)?;
    judge(site, Some(User::STRANGER), Reader::Root, None)
}

fn zombie_of_a_stranger(site: &Site) -> Checked {
    if site.policy() != Policy::Kernel {
        return Err(Stop::Skipped("another policy is in force".to_owned()));
    }
    if !Need::PidfdInfoExit.met() {
        return Err(Stop::Skipped(format!("needs {}", Need::PidfdInfoExit)));
    }
    need_others(site)?;
    let mut actor = actor(&["wait-then-exit", "6"]);
    let path = site.file(actor.pid(), "siginfo");
    let open = || Peek::open(&path, Some(User::NOBODY));
    let mut early = open()?.context("open siginfo as a stranger")?;
    let own = site.open_nonblocking(actor.pid(), "siginfo")?;
    actor.release();
    actor.wait_zombie();
    // Once root has been told, the implementation knows; the stranger must not.
    until_readable(&own, "root's siginfo of a zombie")?;
    same("bytes for root", &read_once(&own, 4096)?.len(), &128)?;
    let mut late = open()?.context("open siginfo of a zombie as a stranger")?;
    for peek in [&mut early, &mut late] {
        // Not yet, or not known after a while: both are right.
        let told = peek.read()?.map(|bytes| bytes.len());
        ensure(
            told == Err(Errno::AGAIN) || told == Ok(0),
            format_args!("a stranger's read before the reap: {told:?}"),
        )?;
    }
    Ok(())
}
