//! `exithand record`.

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use anyhow::Context;
use exithand::StatusPolicy;
use exithand_recorder::daemon::{self, Parts};
use exithand_recorder::keeper::{Keep, Say};
use exithand_recorder::kept::Kept;
use exithand_recorder::server::bind;
use exithand_recorder::sight::{Details, Insiders};
use exithand_recorder::store::{Access, Retention, StoreError};
use exithand_recorder::{Chosen, SourceName, WallTime, choose};
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::limits::raise_descriptor_limit;
use crate::record::{Days, Privileges, Service, Size, rules, socket_path, store_path};
use crate::sys;

/// Record how, why and by whom every process on the machine ends
///
/// Runs in the foreground until it is told to end (SIGTERM, SIGINT). Keeps a history, and answers
/// on a socket. SIGHUP makes it write what it has to the history at once.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Keep the history in this file
    ///
    /// By default /var/lib/exithand/history.db for root, and exithand/history.db below
    /// `$XDG_STATE_HOME` or ~/.local/state for others.
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,

    /// Listen on this socket
    ///
    /// By default /run/exithand.sock for root, and `$XDG_RUNTIME_DIR/exithand.sock` for others.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,

    /// Write a line to this descriptor, and close it, once every end is seen and clients are served
    #[arg(long, value_name = "N")]
    ready_fd: Option<RawFd>,

    /// Keep records for so many days
    #[arg(long, value_name = "DAYS", default_value = "14")]
    keep: Days,

    /// Keep so much of them on disk
    #[arg(long, value_name = "SIZE", default_value = "512MiB")]
    keep_size: Size,

    /// Who may learn how a process ended: kernel, all, user, parent or root
    ///
    /// `kernel` is what this kernel itself would tell the caller.
    #[arg(long, value_name = "WHO", default_value_t)]
    status: StatusPolicy,

    /// Who besides its user and root may know the rest of a process: user (nobody), group:NAME or all
    #[arg(long, value_name = "WHO", default_value_t)]
    details: Details,

    /// Answer Prometheus at this address: a port of the loopback, or IP:PORT
    #[arg(long, value_name = "ADDR")]
    metrics: Option<MetricsAddress>,

    /// See exits by this source only: bpf, taskstats or proc-connector; by default the best that works
    #[arg(long, value_name = "NAME")]
    source: Option<SourceName>,

    /// Run as this user once every end is seen; by default as exithand, if there is such a user
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
}

/// Where Prometheus is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct MetricsAddress(SocketAddr);

/// The text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address: write a port, or IP:PORT")]
struct ParseAddressError(String);

impl FromStr for MetricsAddress {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, ParseAddressError> {
        let port = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        let whole = || text.parse().ok();
        let address = text.parse().ok().map(port).or_else(whole);
        address
            .map(Self)
            .ok_or_else(|| ParseAddressError(text.to_owned()))
    }
}

/// Records until told to end.
///
/// # Errors
///
/// Nothing is recorded if a right, a path or the source is missing.
pub fn run(args: &Args, out: impl Write) -> Result<ExitCode, Failure> {
    let ready = args.ready_fd.map(ready_file).transpose()?;
    raise_descriptor_limit();
    let rules = rules(args.status, &args.details)?;
    let readers = match rules.insiders {
        Insiders::Group(gid) => Some(gid),
        Insiders::Nobody | Insiders::Everybody => None,
    };
    let privileges = Privileges {
        service: Service::find(args.user.as_deref())?,
        readers,
    };
    let store = store_path(args.store.as_ref())?;
    let path = socket_path(args.socket.as_ref())?;
    let socket = bind(&path).map_err(anyhow::Error::from)?;
    let metrics = args.metrics.map(listen).transpose()?;
    prepare(&store, args.store.is_none())?;
    privileges.hand_over(&store)?;
    let chosen = choose(args.source).map_err(|error| Failure::Failed(error.into()))?;
    for better in &chosen.passed_over {
        anstream::eprintln!("exithand: not by {}: {}", better.name, better.why);
    }
    let kept = Kept {
        path: store.clone(),
        retention: Retention {
            max_age: args.keep.into(),
            max_bytes: args.keep_size.bytes(),
        },
        access: readers.map_or(Access::Owner, Access::Group),
        since: WallTime::now(),
    };
    privileges.drop()?;
    let say: Say = Arc::new(|text| anstream::eprintln!("exithand: {text}"));
    let opened = open_store(&kept, &say)?;
    let banner = banner(&chosen, &store, &path);
    let parts = Parts {
        source: chosen.source,
        store,
        open_history: kept.reader(),
        open_store: kept.opener(opened, Arc::clone(&say)),
        socket,
        metrics,
        rules,
        say,
        flush: Arc::new(Notify::new()),
    };
    let result = serve(parts, &banner, ready, out);
    // Root's socket is in a folder that is not the recorder's; then the next one replaces it.
    drop(fs::remove_file(&path));
    result
}

/// Takes over the descriptor of `--ready-fd`.
fn ready_file(number: RawFd) -> Result<File, Failure> {
    let owned = sys::inherited(number).map_err(|errno| {
        let why = format!("--ready-fd {number}: this is no descriptor that is open for us");
        Failure::Usage(anyhow::Error::from(io::Error::from(errno)).context(why))
    })?;
    Ok(File::from(owned))
}

fn listen(MetricsAddress(address): MetricsAddress) -> Result<TcpListener, Failure> {
    let listen = || {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok::<_, io::Error>(listener)
    };
    let listener = listen().with_context(|| format!("listen on {address} for --metrics"))?;
    Ok(listener)
}

/// Makes the folder of the default store.
fn prepare(store: &Path, is_default: bool) -> Result<(), Failure> {
    if let Some(folder) = store.parent().filter(|_| is_default) {
        fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    }
    Ok(())
}

/// Opens the store; `None` where that may succeed later, as on a full disk.
fn open_store(kept: &Kept, say: &Say) -> Result<Option<Box<dyn Keep>>, Failure> {
    match kept.open(say) {
        Ok(store) => Ok(Some(store)),
        Err(
            error @ (StoreError::Locked { .. }
            | StoreError::Newer { .. }
            | StoreError::Foreign { .. }
            | StoreError::ReadOnly { .. }
            | StoreError::Denied { .. }),
        ) => Err(Failure::Failed(error.into())),
        // The store's thread says so, and tries again.
        Err(_) => Ok(None),
    }
}

fn banner(chosen: &Chosen, store: &Path, socket: &Path) -> String {
    format!(
        "recording by {} to {}, socket {}",
        chosen.source.name(),
        store.display(),
        socket.display()
    )
}

fn serve(
    parts: Parts,
    banner: &str,
    ready: Option<File>,
    mut out: impl Write,
) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(2)
        .build()
        .context("start the event loop")?;
    let flush = Arc::clone(&parts.flush);
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
        let mut hangup = signal(SignalKind::hangup()).context("listen for SIGHUP")?;
        let stop = async {
            loop {
                tokio::select! {
                    _ = terminate.recv() => return,
                    _ = interrupt.recv() => return,
                    _ = hangup.recv() => flush.notify_one(),
                }
            }
        };
        let ready = || {
            // All are for whoever started us, who need not listen.
            let state = [NotifyState::Ready, NotifyState::Status(banner)];
            drop(sd_notify::notify(&state));
            drop(writeln!(out, "{banner}").and_then(|()| out.flush()));
            if let Some(mut ready) = ready {
                drop(ready.write_all(b"ready\n"));
            }
        };
        daemon::run(parts, ready, stop)
            .await
            .map_err(anyhow::Error::from)
    })?;
    Ok(ExitCode::Success)
}
