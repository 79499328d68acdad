//! The small texts: `token`, `pid_generation`, `self` and `thread-self`.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use exithand_testkit::{Need, Pid, actor};
use rustix::fs::OFlags;
use rustix::process::{PidfdFlags, getpid, pidfd_open};
use rustix::thread::gettid;

use super::Check;
use crate::feature::Feature;
use crate::site::{Site, number, open_file};
use crate::verdict::{Checked, Context, Stop, ensure, same};
use crate::watch::{read_to_end, shows_readable};

mod wrap;
pub(super) use wrap::pid_max;

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "token",
        "PID/token is the pid and its pidfd's inode, or its start time, in one line, at once",
        &[Feature::Token],
        token,
    ),
    Check::new(
        "token-of-an-open-file",
        "an open PID/token tells the same after the end",
        &[Feature::Token],
        token_of_an_open_file,
    ),
    Check::new(
        "self",
        "self leads every process to its own directory",
        &[Feature::Links],
        self_link,
    ),
    Check::new(
        "thread-self",
        "thread-self leads every thread to its own directory",
        &[Feature::Links, Feature::Threads],
        thread_self_link,
    ),
    Check::new(
        "pid-generation",
        "pid_generation is two numbers in a line, at once, and never runs backwards",
        &[Feature::PidGeneration],
        pid_generation,
    ),
    Check::new(
        "pid-generation-grows",
        "pid_generation grows when the pids have gone round",
        &[Feature::PidGeneration],
        wrap::pid_generation_grows,
    ),
];

/// The token by the word of the kernel.
fn true_token(pid: Pid) -> Checked<String> {
    if Need::Pidfs.met() {
        let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
        let inode = rustix::fs::fstat(&pidfd)?.st_ino;
        return Ok(format!("{}:{inode}\n", number(pid)));
    }
    let stat = fs::read_to_string(format!("/proc/{}/stat", number(pid)))?;
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    // Field 22 is the start time; the state, field 3, is the first here.
    let ticks = after_name.split_whitespace().nth(22 - 3).unwrap_or("?");
    Ok(format!("{}~{ticks}\n", number(pid)))
}

fn text_of(path: &Path) -> Checked<String> {
    let file =
        open_file(path, OFlags::NONBLOCK).context(format_args!("open {}", path.display()))?;
    shows_readable(&file, "on a file that never waits")?;
    let bytes = read_to_end(&file, 4096).context("read")?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn token(site: &Site) -> Checked {
    let actors = [
        actor(&["wait-then-exit", "0"]),
        actor(&["hang"]),
        actor(&["exit-with", "0"]),
    ];
    actors[2].wait_zombie();
    for actor in &actors {
        let seen = text_of(&site.file(actor.pid(), "token"))?;
        same("token", &seen, &true_token(actor.pid())?)?;
    }
    Ok(())
}

fn token_of_an_open_file(site: &Site) -> Checked {
    let mut actor = actor(&["wait-then-exit", "0"]);
    let truth = true_token(actor.pid())?;
    let file = site.open(actor.pid(), "token")?;
    actor.release();
    actor.wait();
    let bytes = read_to_end(&file, 7)?;
    same(
        "token after the reap",
        &String::from_utf8_lossy(&bytes).into_owned(),
        &truth,
    )
}

fn self_link(site: &Site) -> Checked {
    let link = site.root().join("self");
    let target = fs::read_link(&link).context("readlink self")?;
    same("self", &target.display().to_string(), &number(getpid()))?;
    // From a thread it is the process, too; and what others ask for is not remembered.
    let from_thread = thread::spawn({
        let link = link.clone();
        move || fs::read_link(link)
    });
    let from_thread = from_thread.join();
    let from_thread =
        from_thread.map_err(|_panic| Stop::Failed("a thread broke off".to_owned()))??;
    same("self from a thread", &from_thread, &target)?;
    for _ in 0..3 {
        let mut command = Command::new("readlink");
        let child = command
            .arg(&link)
            .stdout(std::process::Stdio::piped())
            .spawn()?;
        let pid = child.id().to_string();
        let output = child.wait_with_output()?;
        let seen = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        same("self of another process", &seen, &pid)?;
    }
    open_file(&link.join("exithand"), OFlags::NONBLOCK).context("open self/exithand")?;
    Ok(())
}

fn thread_self_link(site: &Site) -> Checked {
    let link = site.root().join("thread-self");
    let look = || -> Checked {
        let target = fs::read_link(&link).context("readlink thread-self")?;
        let due = format!("{}/task/{}", number(getpid()), number(gettid()));
        same("thread-self", &target.display().to_string(), &due)?;
        open_file(&link.join("exithand"), OFlags::NONBLOCK).context("open thread-self/exithand")?;
        Ok(())
    };
    look()?;
    thread::scope(|scope| {
        let looks: Vec<_> = (0..4).map(|_| scope.spawn(look)).collect();
        looks.into_iter().try_for_each(|it| {
            let broken = |_panic| Err(Stop::Failed("a thread broke off".to_owned()));
            it.join().unwrap_or_else(broken)
        })
    })
}

/// What `pid_generation` says: the generation, and the pid last given out in it.
fn read_generation(site: &Site) -> Checked<(u64, u64)> {
    let text = text_of(&site.root().join("pid_generation"))?;
    let digits = |it: &str| !it.is_empty() && it.bytes().all(|byte| byte.is_ascii_digit());
    let line = text.strip_suffix('\n').and_then(|it| it.split_once(' '));
    let numbers = line
        .filter(|(generation, last)| digits(generation) && digits(last))
        .and_then(|(generation, last)| Some((generation.parse().ok()?, last.parse().ok()?)));
    numbers.ok_or_else(|| Stop::Failed(format!("pid_generation: {text:?} is not two numbers")))
}

fn pid_generation(site: &Site) -> Checked {
    let pid_max: u64 = wrap::pid_max()?.into();
    let mut before = read_generation(site)?;
    for _ in 0..100 {
        let child = actor(&["exit-with", "0"]).pid();
        let child = u64::from(child.as_raw_nonzero().get().unsigned_abs());
        let now = read_generation(site)?;
        ensure(
            now >= before,
            format_args!("{now:?} comes after {before:?}"),
        )?;
        ensure(
            now.0 > before.0 || now.1 >= child,
            format_args!("{now:?} although pid {child} was given out since {before:?}"),
        )?;
        ensure(
            (1..pid_max).contains(&now.1),
            format_args!("the last pid is {} of at most {pid_max}", now.1),
        )?;
        before = now;
    }
    Ok(())
}
