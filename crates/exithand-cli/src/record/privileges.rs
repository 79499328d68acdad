//! What the recorder runs as, once its source is open: a user of its own, without capabilities.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context, anyhow};
use rustix::fs::{Gid, Uid, chown};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_keep_capabilities,
    set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};
use uzers::User;

use crate::failure::Failure;

/// The user that the recorder runs as if nobody says and there is one.
const OWN_USER: &str = "exithand";

/// Whom the recorder runs as.
#[derive(Debug)]
pub(crate) enum Service {
    /// Root, for want of a user of its own.
    Root,
    /// This user.
    User(User),
    /// Whoever started it.
    Starter,
}

/// What the recorder gives up once its source is open.
#[derive(Debug)]
pub(crate) struct Privileges {
    pub(crate) service: Service,
    /// The group that may read the store, if there is one.
    pub(crate) readers: Option<u32>,
}

impl Service {
    /// Finds out whom to run as.
    pub(crate) fn find(named: Option<&str>) -> Result<Self, Failure> {
        let is_root = rustix::process::geteuid().is_root();
        match (named, is_root) {
            (None, false) => Ok(Self::Starter),
            (Some(name), false) => Err(Failure::Usage(anyhow!(
                "--user {name}: only root runs the recorder as another user"
            ))),
            (Some(name), true) => match uzers::get_user_by_name(name) {
                Some(user) => Ok(Self::of(user)),
                None => Err(Failure::Usage(anyhow!(
                    "--user {name}: there is no such user; `useradd --system {name}` makes one"
                ))),
            },
            (None, true) => Ok(uzers::get_user_by_name(OWN_USER).map_or(Self::Root, Self::of)),
        }
    }

    fn of(user: User) -> Self {
        if user.uid() == 0 {
            Self::Root
        } else {
            Self::User(user)
        }
    }
}

impl Privileges {
    /// Hands the store's folder and files to whom the recorder will run as.
    pub(crate) fn hand_over(&self, store: &Path) -> Result<(), Failure> {
        let Service::User(user) = &self.service else {
            return Ok(());
        };
        let (uid, gid) = ids(user);
        let mut own = Vec::new();
        own.extend(store.parent().filter(|it| is_ours(it)).map(Path::to_owned));
        for suffix in ["", "-wal", "-shm", ".lock"] {
            let mut file = store.as_os_str().to_owned();
            file.push(suffix);
            own.push(file.into());
        }
        for path in own {
            match chown(&path, Some(uid), Some(gid)) {
                Ok(()) | Err(rustix::io::Errno::NOENT) => {}
                Err(errno) => {
                    let what = format!(
                        "give {} to the user {}",
                        path.display(),
                        user.name().display()
                    );
                    return Err(anyhow::Error::from(io::Error::from(errno))
                        .context(what)
                        .into());
                }
            }
        }
        Ok(())
    }

    /// Gives up all privileges; root keeps the right to use the store. There must be one thread only.
    pub(crate) fn drop(&self) -> Result<(), Failure> {
        self.give_up()
            .context("give up privileges")
            .map_err(Failure::from)
    }

    fn give_up(&self) -> Result<(), anyhow::Error> {
        if !matches!(self.service, Service::Starter) {
            // Who owns a file may give it to a group it is in.
            let groups: Vec<Gid> = self.readers.map(Gid::from_raw).into_iter().collect();
            set_thread_groups(&groups).context("set the groups")?;
        }
        if let Service::User(user) = &self.service {
            let (uid, gid) = ids(user);
            set_keep_capabilities(false)?;
            set_thread_res_gid(gid, gid, gid).context("set the group")?;
            set_thread_res_uid(uid, uid, uid).context("set the user")?;
        }
        let kept = match self.service {
            // Root's store may be in a folder of somebody else.
            Service::Root => capabilities(None)?.permitted & CapabilitySet::DAC_OVERRIDE,
            Service::User(_) | Service::Starter => CapabilitySet::empty(),
        };
        let sets = CapabilitySets {
            effective: kept,
            permitted: kept,
            inheritable: CapabilitySet::empty(),
        };
        set_capabilities(None, sets).context("drop the capabilities")?;
        set_no_new_privs(true)?;
        Ok(())
    }
}

fn ids(user: &User) -> (Uid, Gid) {
    (
        Uid::from_raw(user.uid()),
        Gid::from_raw(user.primary_group_id()),
    )
}

/// Says whether a folder holds nothing but histories: only such a one is given away.
fn is_ours(folder: &Path) -> bool {
    let is_history = |entry: io::Result<fs::DirEntry>| {
        entry.is_ok_and(|it| it.file_name().to_string_lossy().starts_with("history.db"))
    };
    folder.ends_with("exithand")
        && fs::read_dir(folder).is_ok_and(|mut entries| entries.all(is_history))
}
