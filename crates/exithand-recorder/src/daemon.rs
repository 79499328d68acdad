//! The recorder as a whole: source, store, socket, metrics.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use exithand::KernelTells;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio::task::LocalSet;

use crate::Source;
use crate::keeper::{Keeper, OpenStore, Say};
use crate::server::{self, Hub, OpenHistory, Readers};
use crate::sight::{Details, Insiders, Policy};

/// How long a wake-up waits for more to come: to be woken costs more than all the rest.
const DELAY: Duration = Duration::from_millis(25);

/// What the recorder is made of.
pub struct Parts {
    /// Where exits are seen.
    pub source: Box<dyn Source>,
    /// The store's file, to say how large it is.
    pub store: PathBuf,
    /// Opens the store to be written.
    pub open_store: OpenStore,
    /// Opens the store to be read.
    pub open_history: OpenHistory,
    /// Where clients connect.
    pub socket: std::os::unix::net::UnixListener,
    /// Where Prometheus does.
    pub metrics: Option<std::net::TcpListener>,
    /// Who may know what.
    pub rules: Rules,
    /// What the administrator should read.
    pub say: Say,
    /// Told when all that was seen is to be written at once.
    pub flush: Arc<Notify>,
}

/// Who may know what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Who may learn how a process ended.
    pub status: exithand::StatusPolicy,
    /// Who else may know the rest.
    pub details: Details,
    /// The same, looked up.
    pub insiders: Insiders,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("source", &self.source)
            .field("store", &self.store)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

/// Why the recorder ended by itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DaemonError {
    /// It could not start.
    #[error("{what}")]
    Start {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The source broke down; what came before is in the store.
    #[error("the source {name} tells of no more exits: start the recorder again")]
    Source {
        /// The source.
        name: &'static str,
        /// How.
        source: io::Error,
    },
}

/// Records until `stop` ends, or the source breaks down. Everything that was seen is then in the
/// store, if the store takes it.
///
/// `ready` is called once clients are served.
///
/// # Errors
///
/// As [`DaemonError`] says.
pub async fn run(
    parts: Parts,
    ready: impl FnOnce(),
    stop: impl Future<Output = ()>,
) -> Result<(), DaemonError> {
    let local = LocalSet::new();
    local.run_until(record(parts, ready, stop)).await
}

async fn record(
    parts: Parts,
    ready: impl FnOnce(),
    stop: impl Future<Output = ()>,
) -> Result<(), DaemonError> {
    let start = |what| move |source| DaemonError::Start { what, source };
    let name = parts.source.name();
    let wake = watch(&*parts.source).map_err(start("watch the source"))?;
    let socket =
        tokio::net::UnixListener::from_std(parts.socket).map_err(start("listen on the socket"))?;
    let metrics = parts.metrics.map(tokio::net::TcpListener::from_std);
    let metrics = metrics.transpose().map_err(start("listen for scrapers"))?;
    let keeper = Keeper::start(parts.open_store, parts.say).map_err(start("start a thread"))?;
    let hub = Rc::new(Hub::new(
        parts.source,
        keeper,
        Readers::new(parts.store, parts.open_history),
        policy(&parts.rules),
        parts.rules.details,
    ));
    let clients = tokio::task::spawn_local(server::serve(Rc::clone(&hub), socket));
    let scrapers =
        metrics.map(|it| tokio::task::spawn_local(server::serve_metrics(Rc::clone(&hub), it)));
    ready();
    let ended = tokio::select! {
        () = stop => Ok(()),
        error = follow(&hub, &wake) => Err(error),
        error = hub.broken_down() => Err(error),
        error = flush_when_told(&hub, &parts.flush) => Err(error),
    };
    clients.abort();
    if let Some(scrapers) = scrapers {
        scrapers.abort();
    }
    hub.drain();
    hub.finish();
    ended.map_err(|source| DaemonError::Source { name, source })
}

/// Drains for ever, a moment after each wake-up; at once where the buffer fills.
async fn follow(hub: &Hub, wake: &AsyncFd<OwnedFd>) -> io::Error {
    loop {
        if let Err(error) = woken(wake).await {
            return error;
        }
        let rest = tokio::time::sleep(DELAY);
        tokio::pin!(rest);
        loop {
            tokio::select! {
                () = &mut rest => break,
                again = woken(wake) => match again {
                    Ok(()) if hub.is_urgent() => break,
                    Ok(()) => {}
                    Err(error) => return error,
                },
            }
        }
        hub.drain();
    }
}

/// Writes all that was seen whenever somebody says so.
async fn flush_when_told(hub: &Hub, told: &Notify) -> io::Error {
    loop {
        told.notified().await;
        hub.drain();
        let flushed = hub.keeper.borrow().flush();
        // A thread that is gone has flushed what it could.
        drop(flushed.await);
    }
}

async fn woken(wake: &AsyncFd<OwnedFd>) -> io::Result<()> {
    wake.readable().await?.clear_ready();
    Ok(())
}

/// Registers a copy of the source's descriptor with the event loop.
fn watch(source: &dyn Source) -> io::Result<AsyncFd<OwnedFd>> {
    server::watch_readable(source.wake().try_clone_to_owned()?)
}

fn policy(rules: &Rules) -> Policy {
    Policy {
        status: rules.status,
        details: rules.insiders,
        kernel: KernelTells::probe(),
    }
}
