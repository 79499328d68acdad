//! The first process of a guest: mounts, loads modules, has the plan carried out, turns off.
//!
//! As pid 1 it inherits every orphan, and does nothing but reap them while a second process of the
//! same program (`play.rs`) runs what the plan says. Where the plan names a disk, it makes way for the
//! system there, in which a service is that second process.

mod mounts;
mod play;
mod port;

use std::env;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode};

use exithand_vm::{Frame, MODULES, PLAN, PLAYS_LAST, Plan};
use rustix::process::{Pid, Resource, Rlimit, WaitOptions, getpid, setrlimit, wait};
use rustix::system::{RebootCommand, finit_module, reboot, uname};

use crate::port::Port;

/// The argument that makes this program carry out the plan.
const PLAY: &str = PLAYS_LAST[0];
/// The first process of a system on a disk.
const SYSTEM: &str = "/lib/systemd/systemd";
/// The limits on descriptors: the usual soft one, and a hard one that leaves room for large sets
/// and still lets a test come up against it.
const DESCRIPTORS: Rlimit = Rlimit {
    current: Some(1024),
    maximum: Some(20_000),
};

fn main() -> ExitCode {
    let plays = env::args().nth(1).is_some_and(|it| it == PLAY);
    if !plays && !getpid().is_init() {
        return ExitCode::FAILURE;
    }
    let mut complaints = if plays {
        Vec::new()
    } else {
        mounts::mount_all()
    };
    let done = Port::open().and_then(|mut port| {
        for complaint in complaints.drain(..) {
            port.send(&Frame::Complaint(complaint))?;
        }
        let went = if plays {
            play(&mut port)
        } else {
            boot(&mut port)
        };
        went.or_else(|error| port.send(&Frame::Complaint(error.to_string())))
    });
    if plays {
        return if done.is_ok() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        };
    }
    // Where even this fails, pid 1 ends and the kernel panics, which the host notices.
    match reboot(RebootCommand::PowerOff) {
        Ok(()) | Err(_) => ExitCode::FAILURE,
    }
}

/// Runs the programs; where nobody else is left to say so, it says that the guest turns itself off.
fn play(port: &mut Port) -> io::Result<()> {
    play::run_all(&plan()?, port)?;
    if env::args().nth(2).is_some_and(|it| it == PLAYS_LAST[1]) {
        port.send(&Frame::Off)?;
    }
    Ok(())
}

fn plan() -> io::Result<Plan> {
    Plan::parse(&fs::read_to_string(PLAN)?).map_err(io::Error::other)
}

fn boot(port: &mut Port) -> io::Result<()> {
    port.send(&Frame::Up(uname().release().to_string_lossy().into_owned()))?;
    let plan = plan()?;
    for controller in plan.v1 {
        mounts::mount_v1(&controller)?;
    }
    load_modules()?;
    if let Some(disk) = plan.disk {
        mounts::change_root(&disk)?;
        return Err(Command::new(SYSTEM).exec());
    }
    setrlimit(Resource::Nofile, DESCRIPTORS)?;
    // The kernel takes it from the memory there is, and thousands of zombies need little.
    fs::write("/proc/sys/kernel/threads-max", "60000")?;
    let player = Command::new("/proc/self/exe").arg(PLAY).spawn()?;
    reap_until_the_end_of(&player)?;
    port.send(&Frame::Off)
}

/// Loads what is there, dependencies first: the host named the files so.
fn load_modules() -> io::Result<()> {
    let mut modules: Vec<PathBuf> = fs::read_dir(MODULES)?
        .map(|entry| entry.map(|it| it.path()))
        .collect::<Result<_, _>>()?;
    modules.sort();
    for module in modules {
        finit_module(File::open(&module)?, c"", 0)
            .map_err(|errno| io::Error::other(format!("load {}: {errno}", module.display())))?;
    }
    Ok(())
}

/// Reaps whatever ends, for there is nobody else who would.
fn reap_until_the_end_of(player: &Child) -> io::Result<()> {
    let player = Pid::from_child(player);
    while let Some((pid, _)) = wait(WaitOptions::empty())? {
        if pid == player {
            break;
        }
    }
    Ok(())
}
