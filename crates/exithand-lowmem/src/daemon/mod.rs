//! The daemon: one loop that waits for pressure, levels, deaths and signals, and does what the rule
//! says.

mod cgroup;
mod clock;
mod core;
mod explain;
mod eyes;
mod files;
mod identity;
mod kill;
mod lacking;
mod pressure;
mod protect;
mod reader;
mod reaper;
mod rehearse;
mod scan;
mod scope;
mod state;
mod tell;
mod watch;
mod watchdog;

use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::epoll::EventFlags;

pub use self::explain::{Explanation, Snapshot, explain, simulate, snapshot};
pub use self::tell::Format;

pub(crate) use self::identity::start_time;

use self::clock::{Timer, now};
use self::core::Core;
use self::eyes::Eyes;
use self::pressure::{Kind, Trigger};
use self::reaper::Reapers;
use self::scan::Scanner;
use self::scope::{Alarm, Scope, Wakes, path_in_hierarchy};
use self::tell::Teller;
use self::watch::{Source, Watch};
use self::watchdog::Watchdog;
use crate::config::Config;
use crate::policy::Policy;
use crate::record::{LINE_ROOM, Mode, Notice};
use crate::rule::{Rules, Wanted};

const SIGHUP: i32 = 1;
const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;

/// Lets a failure be; the words beside it say why that is right.
fn ignore<T, E>(_result: Result<T, E>) {}

/// What the rounds go by; exchanged as a whole.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) policy: Policy,
    pub(crate) rules: Rules,
    pub(crate) wanted: Wanted,
}

impl Settings {
    pub(crate) fn new(config: &Config, total_bytes: u64) -> Self {
        Self {
            policy: Policy::new(config, total_bytes),
            rules: config.rules.clone(),
            wanted: config.rules.wanted(),
        }
    }
}

/// Reads the configuration again, for `SIGHUP`; the error has been told to the user.
pub type Reload = Box<dyn FnMut() -> Result<Config, String>>;

/// How the daemon runs.
pub struct Options {
    /// Whether victims really die.
    pub mode: Mode,
    /// Where records go.
    pub out: OwnedFd,
    /// Who reads them.
    pub format: Format,
    /// The pipe to the helper that runs hooks, if there is one.
    pub helper: Option<OwnedFd>,
    /// The service manager's socket, and how often it wants to hear from us.
    pub heartbeat: Option<(UnixDatagram, Duration)>,
    /// Reads the configuration again.
    pub reload: Reload,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("mode", &self.mode)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

/// Why the daemon cannot start.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {source}")]
pub struct StartError {
    what: String,
    source: io::Error,
}

fn failed<E: Into<io::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> StartError {
    let what = what.into();
    move |source| StartError {
        what,
        source: source.into(),
    }
}

/// The daemon, armed.
#[derive(Debug)]
pub struct Daemon {
    scopes: Vec<Scope>,
    watch: Arc<Watch>,
    reapers: Arc<Reapers>,
    watchdog: Watchdog,
    timer: Timer,
    heartbeat: Option<(UnixDatagram, Timer, Duration)>,
    signals: OwnedFd,
    triggers: Vec<Trigger>,
    teller: Teller,
    reload: ReloadBox,
    degraded: Vec<String>,
    is_armed: bool,
}

/// Keeps the closure out of `Debug`.
struct ReloadBox(Reload);

impl std::fmt::Debug for ReloadBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reload")
    }
}

/// What a wake-up asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    GoOn,
    Stop,
}

impl Daemon {
    /// Opens, starts, touches and locks everything that is needed later.
    ///
    /// Signals `SIGHUP`, `SIGINT` and `SIGTERM` are taken from the calling thread and its later
    /// children from then on.
    ///
    /// # Errors
    ///
    /// What is needed is missing: `/proc`, pidfds, threads, a cgroup that was named.
    pub fn start(config: &Config, options: Options) -> Result<Self, StartError> {
        let signals =
            crate::sys::signals(&[SIGHUP, SIGINT, SIGTERM]).map_err(failed("take signals"))?;
        let reapers = Reapers::start().map_err(failed("start the threads that kill"))?;
        let watch = Arc::new(Watch::new().map_err(failed("make an epoll"))?);
        let mode = options.mode;
        let machine = |scope: usize| (Arc::clone(&reapers), Arc::clone(&watch), scope, mode);
        let mut eyes = Eyes::of_machine(config.psi_window).map_err(failed("open /proc"))?;
        let total = eyes.total_bytes().map_err(failed("read /proc/meminfo"))?;
        let scanner = Scanner::new(None, scan::ROOM).map_err(failed("open pidfds"))?;
        let (shared, epoll, number, how) = machine(0);
        let core = Core::new(Settings::new(config, total), shared, epoll, number, how);
        let core = Arc::new(core);
        let degraded = lacking::lacking(&eyes, &scanner);
        let watchdog = Watchdog::start(
            Arc::clone(&core),
            Eyes::of_machine(config.psi_window).map_err(failed("open /proc"))?,
            Scanner::new(None, scan::SMALL_ROOM).map_err(failed("open pidfds"))?,
        );
        let watchdog = watchdog.map_err(failed("start the watchdog"))?;
        let mut scopes = vec![Scope {
            core,
            eyes,
            scanner,
            alarm: None,
            cgroup: None,
        }];
        for (index, path) in config.cgroups.iter().enumerate() {
            let (shared, epoll, number, how) = machine(index + 1);
            let make = |settings| Core::new(settings, shared, epoll, number, how);
            let scope = cgroup_scope(config, path, make);
            scopes.push(scope.map_err(failed(format!("watch the cgroup {path}")))?);
        }
        let heartbeat = options.heartbeat.map(|(socket, every)| {
            let timer = Timer::new().map_err(failed("make a timer"))?;
            Ok::<_, StartError>((socket, timer, every))
        });
        let mut daemon = Self {
            scopes,
            watch,
            reapers,
            watchdog,
            timer: Timer::new().map_err(failed("make a timer"))?,
            heartbeat: heartbeat.transpose()?,
            signals,
            triggers: Vec::with_capacity(2),
            teller: Teller {
                out: options.out,
                format: options.format,
                helper: options.helper,
                metrics: open_metrics(config)?,
                room: Box::new([0; LINE_ROOM]),
                lost: 0,
            },
            reload: ReloadBox(options.reload),
            degraded,
            is_armed: false,
        };
        daemon.watch_all().map_err(failed("wait for everything"))?;
        daemon.arm_pressure(config);
        if mode == Mode::Live {
            daemon.degraded.extend(protect::protect());
        }
        Ok(daemon)
    }

    /// Returns what is not as good as it could be, and what would help.
    pub fn degraded(&self) -> &[String] {
        &self.degraded
    }

    fn watch_all(&self) -> Result<(), rustix::io::Errno> {
        let readable = EventFlags::IN;
        self.watch.add(&self.timer.fd, Source::Timer, readable)?;
        self.watch
            .add(&self.reapers.bell, Source::Reapers, readable)?;
        self.watch.add(&self.signals, Source::Signals, readable)?;
        if let Some((_, timer, _)) = &self.heartbeat {
            self.watch.add(&timer.fd, Source::Heartbeat, readable)?;
        }
        for (index, scope) in self.scopes.iter().enumerate() {
            if let Some(alarm) = &scope.alarm {
                let flags = if alarm.tells_levels {
                    readable
                } else {
                    EventFlags::PRI
                };
                self.watch.add(alarm, Source::Cgroup(index), flags)?;
            }
        }
        Ok(())
    }

    /// Arms the triggers of pressure; the old ones end when the new ones are there.
    fn arm_pressure(&mut self, config: &Config) {
        let old = std::mem::take(&mut self.triggers);
        let mut refused = None;
        for (kind, stall) in [(Kind::Some, config.psi_some), (Kind::Full, config.psi_full)] {
            let path = c"/proc/pressure/memory";
            let armed = Trigger::arm(path, kind, stall, config.psi_window);
            let armed = armed.and_then(|trigger| {
                self.watch
                    .add(&trigger, Source::Pressure, EventFlags::PRI)?;
                Ok(trigger)
            });
            match armed {
                Ok(trigger) => {
                    if trigger.window != config.psi_window {
                        self.degraded.push(format!(
                            "the kernel takes psi {kind} with a window of {:?} only, not {:?}: give \
                             CAP_SYS_RESOURCE",
                            trigger.window, config.psi_window
                        ));
                    }
                    self.triggers.push(trigger);
                }
                Err(errno) => refused = Some(errno),
            }
        }
        // Where there is no pressure, that is said already.
        if let Some(errno) = refused
            && self.scopes[0].eyes.sees_pressure()
        {
            self.degraded.push(format!(
                "the kernel takes no trigger of pressure ({errno}): levels are looked at by the \
                     clock; run as root, or give CAP_SYS_RESOURCE"
            ));
        }
        for trigger in old {
            self.watch.forget(&trigger);
        }
    }

    /// Gives back what was only needed to get ready, touches and locks what will be needed.
    ///
    /// From then on memory is asked for only where a new configuration is read. Kills nobody.
    pub fn arm(&mut self) {
        if std::mem::replace(&mut self.is_armed, true) {
            return;
        }
        crate::sys::trim_heap();
        crate::sys::drop_clean_pages();
        let scope = &mut self.scopes[0];
        if scope.core.mode == Mode::Live && protect::lock().is_err() {
            scope.core.lock().say_once(now(), Notice::NotLocked);
        }
        let rehearsed = rehearse::rehearse(scope);
        self.teller.rehearse(&mut rehearsed.lock());
    }

    /// Runs until `SIGTERM` or `SIGINT`; arms first, unless that was done.
    pub fn run(&mut self) {
        self.arm();
        let mut woken = [None; 32];
        loop {
            for scope in &mut self.scopes {
                scope.round();
            }
            self.print();
            self.set_timer();
            self.watchdog.idle();
            self.watch.wait(&mut woken, None);
            self.watchdog.busy();
            for source in woken.into_iter().flatten() {
                if self.woken_by(source) == Next::Stop {
                    self.print();
                    self.watchdog.idle();
                    self.reapers.finish();
                    return;
                }
            }
        }
    }

    fn woken_by(&mut self, source: Source) -> Next {
        match source {
            Source::Timer => self.timer.clear(),
            // The event was consumed by the poll; what it means is looked up.
            Source::Pressure => {}
            Source::Reapers => self.reports(),
            Source::Cgroup(index) => {
                if let Some(alarm) = self.scopes.get(index).and_then(|it| it.alarm.as_ref()) {
                    alarm.clear();
                }
            }
            Source::Victim(scope, slot) => {
                if let Some(scope) = self.scopes.get_mut(scope) {
                    scope.core.gone(slot, &mut scope.eyes);
                }
            }
            Source::Heartbeat => self.beat(),
            Source::Signals => return self.signalled(),
        }
        Next::GoOn
    }

    fn reports(&mut self) {
        self.reapers.clear_bell();
        while let Some(report) = self.reapers.take_report() {
            // A process is a victim of one scope, which knows it by its identity.
            for scope in &mut self.scopes {
                scope
                    .core
                    .reported(&report, &mut scope.eyes, &mut scope.scanner);
            }
        }
    }

    fn beat(&mut self) {
        if let Some((socket, timer, every)) = &self.heartbeat {
            timer.clear();
            // A service manager that does not listen does not want to know.
            ignore(socket.send(b"WATCHDOG=1"));
            ignore(timer.set(Some(now().saturating_add(*every))));
        }
    }

    /// Reads the signals that came.
    fn signalled(&mut self) -> Next {
        // `struct signalfd_siginfo` begins with the number.
        let mut info = [0_u8; 128];
        while rustix::io::read(&self.signals, &mut info) == Ok(info.len()) {
            let number = i32::from_ne_bytes([info[0], info[1], info[2], info[3]]);
            if number != SIGHUP {
                return Next::Stop;
            }
            self.read_again();
        }
        Next::GoOn
    }

    /// Takes over a new configuration; a wrong one leaves everything as it is.
    fn read_again(&mut self) {
        let notice = match (self.reload.0)() {
            Err(_told) => Notice::ReloadFailed,
            Ok(config) => {
                for scope in &mut self.scopes {
                    let Ok(total) = scope.eyes.total_bytes() else {
                        continue;
                    };
                    let settings = Arc::new(Settings::new(&config, total));
                    scope.core.lock().settings = settings;
                }
                self.arm_pressure(&config);
                if let Some(helper) = &self.teller.helper {
                    let line = crate::hook::hooks_line(&config.hooks);
                    // A helper that is gone runs no hooks, whichever they are.
                    ignore(rustix::io::write(helper, line.as_bytes()));
                }
                Notice::Reloaded
            }
        };
        self.scopes[0].core.lock().say_once(now(), notice);
        self.scopes[0].core.lock().unsay(notice);
    }

    /// Tells everything there is to tell.
    fn print(&mut self) {
        let mut told = false;
        for scope in &self.scopes {
            loop {
                let event = scope.core.lock().take_event();
                let Some((at, event)) = event else {
                    break;
                };
                self.teller.tell(at, scope.cgroup.as_deref(), &event);
                told = true;
            }
        }
        if told {
            let state = self.scopes[0].core.lock();
            self.teller.metrics(&state);
        }
    }

    fn set_timer(&self) {
        let wakes = if self.triggers.is_empty() {
            Wakes::ByClock
        } else {
            Wakes::ByPressure
        };
        let next = self
            .scopes
            .iter()
            .filter_map(|it| it.next_look(wakes))
            .min();
        // Without the timer pressure still wakes us.
        ignore(self.timer.set(next));
    }

    /// Begins to tell the service manager that we live.
    pub fn begin_heartbeat(&mut self) {
        self.beat();
    }
}

fn open_metrics(config: &Config) -> Result<Option<std::fs::File>, StartError> {
    let open = |path: &String| {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(path);
        file.map_err(failed(format!("open the file of metrics {path}")))
    };
    config.metrics.as_ref().map(open).transpose()
}

fn cgroup_scope(
    config: &Config,
    name: &str,
    make: impl FnOnce(Settings) -> Core,
) -> io::Result<Scope> {
    let path = Path::new(name);
    let mut eyes = Eyes::of_cgroup(path, config.psi_window)?;
    let total = eyes.total_bytes()?;
    let settings = Settings::new(config, total);
    let alarm = Alarm::arm(path, &settings.policy.levels, total)?;
    let within = path_in_hierarchy(path)?;
    Ok(Scope {
        core: Arc::new(make(settings)),
        eyes,
        scanner: Scanner::new(Some(within), scan::SMALL_ROOM)?,
        alarm: Some(alarm),
        cgroup: Some(name.to_owned()),
    })
}
