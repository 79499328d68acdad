//! Who may learn how a process ended.

use exithand_testkit::{Actor, Need, User, actor, actor_command, run_as};
use rustix::io::Errno;

use super::Check;
use crate::feature::Feature;
use crate::policy::{Policy, Reader};
use crate::site::Site;
use crate::verdict::{Checked, Context, Stop, ensure, refused, same};
use crate::watch::peek::Peek;
use crate::watch::{read_once, until_readable};

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
        "under the kernel's policy a zombie's outcome stays hidden from others until the reap",
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

/// Holds `reader`, played by `user`, to the policy.
fn judge(site: &Site, mut actor: Actor, reader: Reader, user: Option<User>) -> Checked {
    let admitted = site.policy().admits(reader, Need::PidfdInfoExit.met());
    let outcome = Feature::Outcome.is_present(site).then_some("outcome");
    let names = ["siginfo"].into_iter().chain(outcome);
    let mut peeks = Vec::new();
    for name in names {
        let opened = Peek::open(&site.file(actor.pid(), name), user)?;
        let what = format!("open {name} as {reader:?}");
        if admitted {
            let mut peek = opened.context(&what)?;
            refused("a read while it runs", peek.read()?, &[Errno::AGAIN])?;
            peeks.push((name, peek));
        } else {
            refused(what, opened, &[Errno::ACCESS])?;
        }
    }
    let mut end =
        Peek::open(&site.file(actor.pid(), "exithand"), user)?.context("open exithand")?;
    actor.release();
    actor.wait_zombie();
    let truth = exithand_testkit::sys::waitid_bytes(actor.pid())?;
    actor.wait();
    same(
        "bytes of exithand",
        &end.wait_and_read()?.context("read exithand")?.len(),
        &0,
    )?;
    for (name, mut peek) in peeks {
        let bytes = peek.wait_and_read()?.context(name)?;
        let right = name == "outcome" || bytes == truth;
        ensure(
            !bytes.is_empty() && right,
            format_args!("{name}: {bytes:?}"),
        )?;
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
    actor.wait();
    until_readable(&file, "siginfo")?;
    same("siginfo", &read_once(&file, 4096)?, &truth.to_vec())
}

fn status_for_the_same_user(site: &Site) -> Checked {
    if need_others(site).is_ok() {
        judge(site, foreign("2"), Reader::SameUser, Some(User::STRANGER))?;
    }
    let own = actor(&["wait-then-exit", "2"]);
    judge(site, own, Reader::SameUser.ourselves(), None)
}

fn status_for_strangers(site: &Site) -> Checked {
    need_others(site)?;
    judge(site, foreign("4"), Reader::Stranger, Some(User::NOBODY))
}

fn status_of_root_for_strangers(site: &Site) -> Checked {
    need_others(site)?;
    let own = actor(&["wait-then-exit", "4"]);
    judge(site, own, Reader::Stranger, Some(User::NOBODY))
}

fn status_for_root(site: &Site) -> Checked {
    need_others(site)?;
    judge(site, foreign("5"), Reader::Root, None)
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
        refused(
            "a stranger's read before the reap",
            peek.read()?,
            &[Errno::AGAIN],
        )?;
    }
    actor.wait();
    for peek in [&mut early, &mut late] {
        let bytes = peek
            .wait_and_read()?
            .context("a stranger's read after the reap")?;
        same("bytes for a stranger", &bytes.len(), &128)?;
    }
    Ok(())
}
