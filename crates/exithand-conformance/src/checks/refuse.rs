//! Nothing can be changed.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use exithand_testkit::actor;
use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, RenameFlags, chmod, ftruncate, linkat, mkdir, open, rename,
    renameat_with, rmdir, symlink, unlink,
};
use rustix::io::{Errno, write};

use super::Check;
use crate::site::Site;
use crate::sys::truncate;
use crate::verdict::{Checked, refused, same};
use crate::watch::read_once;

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "write-refused",
        "opening for writing, or writing, fails with EACCES or EPERM, for root too",
        &[],
        write_refused,
    ),
    Check::new(
        "truncate-refused",
        "truncating fails with EACCES or EPERM",
        &[],
        truncate_refused,
    ),
    Check::new(
        "read-only-file-stays-so",
        "write and ftruncate on a file open for reading fail, and change nothing",
        &[],
        read_only_stays,
    ),
    Check::new(
        "tree-refuses-changes",
        "nothing can be made, removed, renamed, linked or given another mode",
        &[],
        tree_refuses_changes,
    ),
];

const DENIED: [Errno; 2] = [Errno::ACCESS, Errno::PERM];

/// The files of a process that are there.
fn files(site: &Site, pid: exithand_testkit::Pid) -> impl Iterator<Item = PathBuf> {
    let names = ["exithand", "siginfo", "outcome", "token"];
    let paths = names.map(|name| site.file(pid, name));
    paths.into_iter().filter(|path| path.exists())
}

fn open_with(path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    open(
        path,
        flags | OFlags::CLOEXEC | OFlags::NONBLOCK,
        Mode::empty(),
    )
}

fn write_refused(site: &Site) -> Checked {
    let actor = actor(&["wait-then-exit", "0"]);
    for path in files(site, actor.pid()) {
        for flags in [
            OFlags::WRONLY,
            OFlags::RDWR,
            OFlags::WRONLY | OFlags::APPEND,
        ] {
            let wrote = open_with(&path, flags).and_then(|file| write(&file, b"x"));
            refused(
                format!("write to {} with {flags:?}", path.display()),
                wrote,
                &DENIED,
            )?;
        }
    }
    Ok(())
}

fn truncate_refused(site: &Site) -> Checked {
    let actor = actor(&["wait-then-exit", "0"]);
    for path in files(site, actor.pid()) {
        for flags in [OFlags::WRONLY | OFlags::TRUNC, OFlags::RDWR | OFlags::TRUNC] {
            let what = format!("open {} with {flags:?}", path.display());
            refused(what, open_with(&path, flags), &DENIED)?;
        }
        for size in [0, 1000] {
            let what = format!("truncate {} to {size}", path.display());
            refused(what, truncate(&path, size), &DENIED)?;
        }
    }
    Ok(())
}

fn read_only_stays(site: &Site) -> Checked {
    let mut actor = actor(&["wait-then-exit", "0"]);
    let file = site.open_nonblocking(actor.pid(), "exithand")?;
    refused("write", write(&file, b"x"), &[Errno::BADF])?;
    let errors = [Errno::INVAL, Errno::BADF, Errno::ACCESS, Errno::PERM];
    refused("ftruncate", ftruncate(&file, 0), &errors)?;
    refused("a read while it runs", read_once(&file, 1), &[Errno::AGAIN])?;
    actor.release();
    actor.wait();
    same("bytes read", &read_once(&file, 1)?.len(), &0)
}

fn tree_refuses_changes(site: &Site) -> Checked {
    let actor = actor(&["wait-then-exit", "0"]);
    let (root, process) = (site.root(), site.process(actor.pid()));
    let file = process.join("exithand");
    // The last for what the kernel finds missing before it asks.
    let errors = [
        Errno::ACCESS,
        Errno::PERM,
        Errno::ROFS,
        Errno::NOENT,
        Errno::OPNOTSUPP,
    ];
    for directory in [root, &process] {
        let new = directory.join("new");
        let create = OFlags::WRONLY | OFlags::CREATE;
        refused("create a file", open(&new, create, Mode::RUSR), &errors)?;
        refused("mkdir", mkdir(&new, Mode::RWXU), &errors)?;
        refused("symlink", symlink("exithand", &new), &errors)?;
        refused(
            "link",
            linkat(CWD, &file, CWD, &new, AtFlags::empty()),
            &errors,
        )?;
        refused("rename", rename(&file, &new), &errors)?;
    }
    refused("unlink PID/exithand", unlink(&file), &errors)?;
    let may_be_full = [&errors[..], &[Errno::NOTEMPTY]].concat();
    refused("rmdir PID", rmdir(&process), &may_be_full)?;
    let exchange = renameat_with(
        CWD,
        &file,
        CWD,
        process.join("token"),
        RenameFlags::EXCHANGE,
    );
    let inval = [&errors[..], &[Errno::INVAL]].concat();
    refused("exchange two files", exchange, &inval)?;
    refused("chmod PID/exithand", chmod(&file, Mode::RWXU), &errors)?;
    refused("chmod PID", chmod(&process, Mode::RWXU), &errors)?;
    // And everything is as before.
    site.open(actor.pid(), "exithand").map(drop)
}
