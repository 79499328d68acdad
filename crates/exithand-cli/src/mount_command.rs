//! `exithand mount` and `exithand umount`.

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use exithand::StatusSource;
use exithand_fs::{Access, Options, StatusPolicy, Visibility};
use exithand_recorder::Client;
use rustix::fs::{Mode, OFlags};
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};

use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::limits::raise_descriptor_limit;

/// Serve the exithand files: reading DIR/PID/exithand returns when PID has ended
///
/// Runs in the foreground until it is told to end (SIGTERM, SIGINT) or somebody unmounts DIR. Root
/// serves all users; others serve themselves, through fusermount3.
#[derive(Debug, clap::Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub struct MountArgs {
    #[command(flatten)]
    directory: Directory,

    /// Who may learn how a process ended: kernel, all, user, parent or root
    ///
    /// `kernel` is what this kernel itself would tell the caller. Anybody may learn that a process
    /// has ended, and root how.
    #[arg(long, value_name = "WHO", default_value_t)]
    status: StatusPolicy,

    /// Ask the recorder on this socket for outcomes that the kernel does not tell
    ///
    /// Who may learn them is up to --status, as with those from the kernel.
    #[arg(long, value_name = "SOCKET")]
    recorder: Option<PathBuf>,

    /// Show each user their own processes only
    #[arg(long)]
    hide: bool,

    /// Serve all users also when not root; needs `user_allow_other` in /etc/fuse.conf
    #[arg(long)]
    allow_other: bool,

    /// Return once the files are there, and serve them from the background
    #[arg(long)]
    daemonize: bool,

    /// Be the background half of --daemonize.
    #[arg(long, hide = true)]
    detached: bool,
}

/// Take the exithand files away
///
/// Whoever still waits for one gets an error at once.
#[derive(Debug, clap::Args)]
pub struct UmountArgs {
    #[command(flatten)]
    directory: Directory,
}

/// Where the files are.
#[derive(Debug, clap::Args)]
struct Directory {
    /// The directory; by default /run/exithand for root, `$XDG_RUNTIME_DIR/exithand` for others
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

impl Directory {
    /// Returns the directory the user named, or the default one.
    fn path(&self) -> Result<PathBuf, Failure> {
        if let Some(named) = &self.directory {
            return Ok(named.clone());
        }
        if is_root() {
            return Ok(PathBuf::from("/run/exithand"));
        }
        match env::var_os("XDG_RUNTIME_DIR") {
            Some(runtime) if !runtime.is_empty() => Ok(PathBuf::from(runtime).join("exithand")),
            _ => Err(Failure::Usage(anyhow!(
                "no directory given, and XDG_RUNTIME_DIR is not set: name one"
            ))),
        }
    }

    /// Makes the default directory, where that is meant.
    fn prepare(&self) -> Result<PathBuf, Failure> {
        let path = self.path()?;
        if self.directory.is_none()
            && let Err(error) = fs::create_dir(&path)
            && error.kind() != io::ErrorKind::AlreadyExists
        {
            let error = anyhow::Error::from(error).context(format!("make {}", path.display()));
            return Err(error.into());
        }
        Ok(path)
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Serves until told to end; with `--daemonize` returns once somebody else does.
///
/// # Errors
///
/// Nothing is mounted if the directory, the device or a right is missing.
pub fn mount(args: &MountArgs, out: impl Write) -> Result<ExitCode, Failure> {
    let path = args.directory.prepare()?;
    if args.daemonize {
        return daemonize(&path, out);
    }
    raise_descriptor_limit();
    let everybody = is_root() || args.allow_other;
    let options = Options {
        status: args.status,
        access: if everybody {
            Access::Everybody
        } else {
            Access::Mounter
        },
        hide: if args.hide {
            Visibility::Own
        } else {
            Visibility::All
        },
        source: args.recorder.as_deref().map(status_source),
        ..Options::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.context("start the event loop")?;
    runtime.block_on(serve(&path, options, args.detached, out))?;
    Ok(ExitCode::Success)
}

/// Names the recorder, which may come and go.
fn status_source(socket: &Path) -> Arc<dyn StatusSource> {
    Arc::new(Client::at(socket))
}

async fn serve(
    path: &Path,
    options: Options,
    detached: bool,
    mut out: impl Write,
) -> Result<(), anyhow::Error> {
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    let stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let ready = || {
        let status = format!("serving the exithand files on {}", path.display());
        // Both are for whoever started us, who need not listen.
        drop(sd_notify::notify(&[
            NotifyState::Ready,
            NotifyState::Status(&status),
        ]));
        drop(writeln!(out, "{status}").and_then(|()| out.flush()));
        if detached && let Err(errno) = leave_terminal() {
            anstream::eprintln!("exithand: the server stays with its terminal: {errno}");
        }
    };
    Ok(exithand_fs::serve(path, options, ready, stop).await?)
}

/// Starts the background half and waits until it serves, or has said why it cannot.
fn daemonize(path: &Path, mut out: impl Write) -> Result<ExitCode, Failure> {
    // The same words again, so that no option is forgotten here.
    let words = env::args_os().skip(1).filter(|word| word != "--daemonize");
    let program = env::current_exe().context("find the running program")?;
    let mut server = Command::new(program)
        .args(words)
        .arg("--detached")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("start the server")?;
    let mut ready = String::new();
    if let Some(stdout) = server.stdout.take() {
        BufReader::new(stdout).read_line(&mut ready)?;
    }
    if ready.is_empty() {
        // It has printed why.
        let status = server.wait().context("wait for the server")?;
        return Ok(match status.code() {
            Some(2) => ExitCode::Usage,
            _ => ExitCode::Failed,
        });
    }
    let directory = path.display();
    writeln!(
        out,
        "the exithand files are on {directory}; `exithand umount {directory}` takes them away"
    )?;
    out.flush()?;
    Ok(ExitCode::Success)
}

/// Lets go of the terminal, or of whatever else the starter waits for the end of.
fn leave_terminal() -> Result<(), rustix::io::Errno> {
    rustix::process::setsid()?;
    rustix::process::chdir("/")?;
    let nothing = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdout(&nothing)?;
    rustix::stdio::dup2_stderr(&nothing)
}

/// Unmounts.
///
/// # Errors
///
/// Nothing is done to a directory that has no exithand files.
pub fn umount(args: &UmountArgs) -> Result<ExitCode, Failure> {
    let path = args.directory.path()?;
    // Of a dead mount nothing can be asked, so its path is taken as it is.
    let path = fs::canonicalize(&path).or_else(|_| std::path::absolute(&path))?;
    if !exithand_fs::is_mounted(&path) {
        return Err(Failure::Failed(anyhow!(
            "no exithand files are mounted on {}: see `grep exithand /proc/mounts`",
            path.display()
        )));
    }
    exithand_fs::unmount(&path).map_err(anyhow::Error::from)?;
    Ok(ExitCode::Success)
}
