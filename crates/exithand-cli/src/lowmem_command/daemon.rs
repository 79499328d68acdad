//! The killer itself, once it is known what it is to do.
//!
//! It is in memory for as long as the machine runs, so it is best a program of its own, which has
//! nothing else in it. Where that is not installed the command becomes the killer as it is.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, BufReader, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use exithand_lowmem::config::{Config, Preset};
use exithand_lowmem::daemon::{Daemon, Format, Options};
use exithand_lowmem::reading::Meminfo;
use exithand_lowmem::record::Mode;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use sd_notify::NotifyState;

/// The program that is the killer and nothing else.
const PROGRAM: &str = "exithand-lowmem";
/// Where it is installed, seen from the command.
const FOLDERS: [&str; 2] = [".", "../lib/exithand"];

/// Where the configuration comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file, by its absolute path.
    File(PathBuf),
    /// Defaults.
    Preset(Preset),
}

impl Source {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// On one line, what is wrong with it.
    pub fn read(&self) -> Result<Config, String> {
        let path = match self {
            Self::Preset(preset) => return Ok(Config::of(*preset)),
            Self::File(path) => path,
        };
        let name = path.display();
        let text = fs::read_to_string(path).map_err(|error| format!("read {name}: {error}"))?;
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

/// All memory of this machine.
fn memory_bytes() -> u64 {
    let meminfo = fs::read("/proc/meminfo").unwrap_or_default();
    Meminfo::parse(&meminfo).map_or(16 << 30, |meminfo| meminfo.total_bytes)
}

/// What the killer is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// What it goes by.
    pub source: Source,
    /// Whether victims really die.
    pub mode: Mode,
    /// Who reads its records.
    pub format: Format,
}

impl Order {
    /// Writes it as arguments of the program.
    fn to_args(&self) -> [OsString; 4] {
        let (kind, source) = match &self.source {
            Source::File(path) => ("file", path.clone().into_os_string()),
            Source::Preset(preset) => ("preset", preset.word().into()),
        };
        let mode = match self.mode {
            Mode::Live => "live",
            Mode::DryRun => "dry-run",
        };
        let format = match self.format {
            Format::Text => "text",
            Format::Json => "json",
        };
        [mode.into(), format.into(), kind.into(), source]
    }

    /// Reads what [`Self::to_args`] wrote.
    fn of_args(args: &[OsString]) -> anyhow::Result<Self> {
        let [mode, format, kind, source] = args else {
            bail!("{PROGRAM} is started by `exithand lowmem`");
        };
        let word = |it: &OsString| it.to_str().unwrap_or_default().to_owned();
        let source = match word(kind).as_str() {
            "file" => Source::File(source.into()),
            "preset" => Source::Preset(word(source).parse()?),
            other => bail!("no source {other:?}"),
        };
        let mode = match word(mode).as_str() {
            "live" => Mode::Live,
            "dry-run" => Mode::DryRun,
            other => bail!("no mode {other:?}"),
        };
        let format = match word(format).as_str() {
            "text" => Format::Text,
            "json" => Format::Json,
            other => bail!("no format {other:?}"),
        };
        Ok(Self {
            source,
            mode,
            format,
        })
    }

    /// Becomes the killer: as the program that is nothing else where that is installed, else as it
    /// is. Returns once it was told to end.
    pub(super) fn carry_out(&self, config: &Config) -> anyhow::Result<()> {
        let own = env::current_exe().context("find the running program")?;
        let beside = |folder: &&str| own.with_file_name(folder).join(PROGRAM);
        let found = FOLDERS.iter().map(beside).find(|it| it.exists());
        if let Some(program) = found {
            let error = Command::new(&program).args(self.to_args()).exec();
            return Err(error).with_context(|| format!("run {}", program.display()));
        }
        self.watch(config, &["lowmem", "--hook-helper"])
    }

    /// Watches until told to end. `helper` are the arguments by which this program runs hooks.
    fn watch(&self, config: &Config, helper: &[&str]) -> anyhow::Result<()> {
        // Started first: it must not inherit what is set up for us alone.
        let helper = start_helper(config, helper)?;
        let stdout = io::stdout().as_fd().try_clone_to_owned();
        let source = self.source.clone();
        let options = Options {
            mode: self.mode,
            out: stdout.context("duplicate standard output")?,
            format: self.format,
            helper,
            heartbeat: heartbeat().context("reach the service manager")?,
            reload: Box::new(move || {
                let config = source.read();
                config.inspect_err(|error| complain(error))
            }),
        };
        let mut daemon = Daemon::start(config, options)?;
        for degraded in daemon.degraded() {
            complain(degraded);
        }
        daemon.arm();
        // Whoever started us need not listen.
        drop(sd_notify::notify(&[
            NotifyState::Ready,
            NotifyState::Status("watching memory"),
        ]));
        daemon.begin_heartbeat();
        daemon.run();
        Ok(())
    }
}

/// Is the program that is the killer and nothing else.
///
/// # Errors
///
/// It was not started by `exithand lowmem`; the configuration is wrong, or something that is needed
/// is missing. Nothing is killed then.
pub fn main(args: &[OsString]) -> anyhow::Result<()> {
    if args.len() == 1 && args[0] == "hook-helper" {
        return help();
    }
    let order = Order::of_args(args)?;
    let config = order.source.read().map_err(anyhow::Error::msg)?;
    order.watch(&config, &["hook-helper"])
}

/// Runs hooks for the killer at the other end of standard input.
pub(super) fn help() -> anyhow::Result<()> {
    // Hooks are not as important as the killer. Raising it is always allowed.
    drop(fs::write("/proc/self/oom_score_adj", "0"));
    let input = BufReader::new(io::stdin());
    exithand_lowmem::hook::serve(input, io::stderr()).context("read from the killer")
}

/// Says something on standard error, whether or not it can be written.
pub fn complain(text: &str) {
    drop(writeln!(io::stderr(), "exithand: {text}"));
}

/// Starts the process that runs hooks, where there are any.
fn start_helper(config: &Config, args: &[&str]) -> anyhow::Result<Option<OwnedFd>> {
    if config.hooks.is_empty() {
        return Ok(None);
    }
    let program = env::current_exe().context("find the running program")?;
    let mut helper = Command::new(program)
        .args(args)
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

/// The service manager's socket, if it wants to hear regularly that we live.
fn heartbeat() -> io::Result<Option<(UnixDatagram, Duration)>> {
    let every = env::var("WATCHDOG_USEC")
        .ok()
        .and_then(|text| text.parse().ok());
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
    Ok(Some((socket, every / 2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_survives_the_way_to_the_program() {
        for order in [
            Order {
                source: Source::File("/etc/a b.toml".into()),
                mode: Mode::Live,
                format: Format::Json,
            },
            Order {
                source: Source::Preset(Preset::AndroidLike),
                mode: Mode::DryRun,
                format: Format::Text,
            },
        ] {
            assert_eq!(Order::of_args(&order.to_args()).unwrap(), order);
        }
    }

    #[test]
    fn whoever_starts_the_program_by_hand_is_told_how_to() {
        let error = Order::of_args(&["--help".into()]).unwrap_err();
        assert!(error.to_string().contains("exithand lowmem"), "{error}");
    }
}
