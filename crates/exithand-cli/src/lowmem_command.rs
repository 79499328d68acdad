//! `exithand lowmem`.

use std::env;
use std::fs;
use std::io::{self, BufReader, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, anyhow};
use exithand_lowmem::config::{Config, Preset};
use exithand_lowmem::daemon::{Daemon, Format, Options};
use exithand_lowmem::record::Mode;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use sd_notify::NotifyState;

use crate::exit_code::ExitCode;
use crate::failure::Failure;

mod explain;
mod trace;

/// Kill one process when memory runs out, and the next only once that one is really gone
///
/// Runs in the foreground until SIGTERM or SIGINT; SIGHUP reads the configuration again. Root watches
/// over all processes, others over their own. Decides by the memory that is available and the memory
/// that victims in flight still owe.
#[derive(Debug, clap::Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub struct Args {
    /// Read this configuration instead of /etc/exithand/lowmem.toml (of a user: ~/.config/exithand)
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,

    /// Begin with the defaults for: server, desktop, ci or android-like
    #[arg(long, value_name = "KIND", conflicts_with = "config", global = true)]
    preset: Option<Preset>,

    /// Say whether the configuration is right, and do nothing
    #[arg(long, conflicts_with_all = ["explain", "dry_run"])]
    check_config: bool,

    /// Say how memory stands, who would be killed first and why, and do nothing
    #[arg(long, conflicts_with = "dry_run")]
    explain: bool,

    /// Decide as always, and kill nobody
    #[arg(long)]
    dry_run: bool,

    /// Print one JSON object a line
    #[arg(long, global = true)]
    json: bool,

    /// Be the helper that runs hooks.
    #[arg(long, hide = true)]
    hook_helper: bool,

    #[command(subcommand)]
    command: Option<Sub>,
}

/// What to do instead of watching.
#[derive(Debug, clap::Subcommand)]
enum Sub {
    /// Print snapshots of memory and processes, one JSON object a line
    Trace(trace::TraceArgs),
    /// Say who would have been killed, by snapshots that `trace` has printed
    Simulate(trace::SimulateArgs),
}

/// Watches, or says what it would do.
///
/// # Errors
///
/// The configuration is wrong, or something that is needed is missing. Nothing is killed then.
pub fn run(args: &Args, out: impl Write) -> Result<ExitCode, Failure> {
    if args.hook_helper {
        // Hooks are not as important as the killer. Raising it is always allowed.
        drop(fs::write("/proc/self/oom_score_adj", "0"));
        let input = BufReader::new(io::stdin());
        exithand_lowmem::hook::serve(input, io::stderr()).context("read from the killer")?;
        return Ok(ExitCode::Success);
    }
    let source = Source::of(args)?;
    let config = source
        .read()
        .map_err(|error| Failure::Usage(anyhow!(error)))?;
    match &args.command {
        Some(Sub::Trace(trace)) => return trace::trace(trace, &config, out),
        Some(Sub::Simulate(simulate)) => return trace::simulate(simulate, &config, out),
        None => {}
    }
    if args.check_config {
        return check(&source, &config, out);
    }
    if args.explain {
        return explain::explain(&config, args.json, out);
    }
    watch(args, source, &config)
}

/// Where the configuration comes from.
#[derive(Debug, Clone)]
enum Source {
    File(PathBuf),
    Preset(Preset),
}

impl Source {
    fn of(args: &Args) -> Result<Self, Failure> {
        if let Some(preset) = args.preset {
            return Ok(Self::Preset(preset));
        }
        if let Some(named) = &args.config {
            // It is read again later, when the working directory may be another.
            return Ok(Self::File(std::path::absolute(named)?));
        }
        let default = default_path().filter(|path| path.exists());
        Ok(default.map_or(Self::Preset(Preset::Server), Self::File))
    }

    /// Reads it, and says on one line what is wrong with it.
    fn read(&self) -> Result<Config, String> {
        match self {
            Self::Preset(preset) => Ok(Config::of(*preset)),
            Self::File(path) => {
                let name = path.display();
                let text =
                    fs::read_to_string(path).map_err(|error| format!("read {name}: {error}"))?;
                let config = Config::parse(&text).map_err(|error| format!("{name}: {error}"))?;
                let faults = config.contradictions(memory_bytes()).into_iter();
                let faults: Vec<String> = faults.map(|fault| fault.0).collect();
                if faults.is_empty() {
                    Ok(config)
                } else {
                    Err(format!("{name}: {}", faults.join("; ")))
                }
            }
        }
    }
}

/// All memory of this machine.
fn memory_bytes() -> u64 {
    let text = fs::read("/proc/meminfo").unwrap_or_default();
    let meminfo = exithand_lowmem::reading::Meminfo::parse(&text);
    meminfo.map_or(16 << 30, |meminfo| meminfo.total_bytes)
}

fn default_path() -> Option<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return Some(PathBuf::from("/etc/exithand/lowmem.toml"));
    }
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    let home = set("HOME").map(|home| Path::new(&home).join(".config"));
    let base = set("XDG_CONFIG_HOME").map(PathBuf::from).or(home)?;
    Some(base.join("exithand/lowmem.toml"))
}

fn check(source: &Source, config: &Config, mut out: impl Write) -> Result<ExitCode, Failure> {
    let what = match source {
        Source::File(path) => path.display().to_string(),
        Source::Preset(preset) => format!("the preset {preset}"),
    };
    let (rules, preset) = (config.rules.0.len(), config.preset);
    writeln!(out, "{what} is right: preset {preset}, {rules} rules")?;
    out.flush()?;
    Ok(ExitCode::Success)
}

/// Watches until told to end.
fn watch(args: &Args, source: Source, config: &Config) -> Result<ExitCode, Failure> {
    // Started first: it must not inherit what is set up for us alone.
    let helper = start_helper(config)?;
    let begun = config.clone();
    let stdout = io::stdout().as_fd().try_clone_to_owned();
    let mode = if args.dry_run {
        Mode::DryRun
    } else {
        Mode::Live
    };
    let options = Options {
        mode,
        out: stdout.context("duplicate standard output")?,
        format: if args.json {
            Format::Json
        } else {
            Format::Text
        },
        helper,
        heartbeat: heartbeat().context("reach the service manager")?,
        reload: Box::new(move || {
            let read = source.read();
            match &read {
                Ok(new) => {
                    for text in needs_restart(&begun, new) {
                        anstream::eprintln!("exithand: {text}");
                    }
                }
                Err(error) => anstream::eprintln!("exithand: {error}"),
            }
            read
        }),
    };
    let mut daemon = Daemon::start(config, options).map_err(anyhow::Error::from)?;
    for degraded in daemon.degraded() {
        anstream::eprintln!("exithand: {degraded}");
    }
    // Whoever started us need not listen.
    drop(sd_notify::notify(&[
        NotifyState::Ready,
        NotifyState::Status("watching memory"),
    ]));
    daemon.begin_heartbeat();
    daemon.run();
    Ok(ExitCode::Success)
}

/// Says what of a new configuration is not taken over: after the start nothing is opened or started.
fn needs_restart(begun: &Config, new: &Config) -> Vec<String> {
    let lacks_helper = begun.hooks.is_empty() && !new.hooks.is_empty();
    let changes = [
        (lacks_helper, "the first hook"),
        (begun.cgroups != new.cgroups, "another list of cgroups"),
        (begun.metrics != new.metrics, "another metrics.file"),
    ];
    let changes = changes.into_iter().filter(|(changed, _)| *changed);
    changes
        .map(|(_, what)| format!("{what} is used after a restart only: restart exithand lowmem"))
        .collect()
}

/// Starts the process that runs hooks, where there are any.
fn start_helper(config: &Config) -> Result<Option<OwnedFd>, Failure> {
    if config.hooks.is_empty() {
        return Ok(None);
    }
    let program = env::current_exe().context("find the running program")?;
    let mut helper = Command::new(program)
        .args(["lowmem", "--hook-helper"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .context("start the helper that runs hooks")?;
    let mut pipe = helper.stdin.take().context("the helper has no pipe")?;
    let line = exithand_lowmem::hook::hooks_line(&config.hooks);
    pipe.write_all(line.as_bytes())
        .context("tell the helper its hooks")?;
    let pipe = OwnedFd::from(pipe);
    let flags = fcntl_getfl(&pipe).map_err(io::Error::from)?;
    fcntl_setfl(&pipe, flags | OFlags::NONBLOCK).map_err(io::Error::from)?;
    Ok(Some(pipe))
}

/// Nobody wants to hear more often that we live.
const SHORTEST_BEAT: Duration = Duration::from_millis(1);

/// The service manager's socket, if it wants to hear regularly that we live.
fn heartbeat() -> io::Result<Option<(UnixDatagram, Duration)>> {
    let every = env::var("WATCHDOG_USEC")
        .ok()
        .and_then(|text| text.parse::<u64>().ok())
        .filter(|every| *every > 0);
    let path = env::var_os("NOTIFY_SOCKET");
    let (Some(every), Some(path)) = (every.map(Duration::from_micros), path) else {
        return Ok(None);
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    match path.as_encoded_bytes().strip_prefix(b"@") {
        Some(name) => {
            use std::os::linux::net::SocketAddrExt;
            let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
            socket.connect_addr(&address)?;
        }
        None => socket.connect(path)?,
    }
    // In the middle, as sd_watchdog_enabled(3) has it.
    Ok(Some((socket, (every / 2).max(SHORTEST_BEAT))))
}
