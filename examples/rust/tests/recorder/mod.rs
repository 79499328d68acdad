//! A recorder of the whole machine, on a thread of this test.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};

use exithand::StatusPolicy;
use exithand_recorder::daemon::{self, DaemonError, Parts, Rules};
use exithand_recorder::keeper::Say;
use exithand_recorder::kept::Kept;
use exithand_recorder::server::bind;
use exithand_recorder::sight::{Details, Insiders};
use exithand_recorder::store::{Access, Retention};
use exithand_recorder::{SourceName, WallTime, choose};
use tokio::sync::{Notify, oneshot};

pub(crate) struct Recorder {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Result<(), DaemonError>>,
}

impl Recorder {
    /// Starts one whose store and socket are in `folder`, and returns once it sees every end.
    pub(crate) fn start(folder: &Path) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (ready, is_ready) = channel();
        let (store, socket) = (folder.join("history.db"), folder.join("socket"));
        let thread = thread::spawn(move || {
            let say: Say = Arc::new(|_| {});
            let kept = Kept {
                path: store,
                retention: Retention::default(),
                access: Access::Owner,
                since: WallTime::now(),
            };
            let parts = Parts {
                source: choose(Some(SourceName::Bpf)).unwrap().source,
                store: kept.path.clone(),
                open_history: kept.reader(),
                open_store: kept.opener(None, Arc::clone(&say)),
                socket: bind(&socket).unwrap(),
                metrics: None,
                rules: Rules {
                    status: StatusPolicy::Kernel,
                    details: Details::User,
                    insiders: Insiders::Nobody,
                },
                say,
                flush: Arc::new(Notify::new()),
            };
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_all().build().unwrap();
            runtime.block_on(daemon::run(parts, || ready.send(()).unwrap(), async move {
                drop(stopped.await);
            }))
        });
        is_ready.recv().unwrap();
        Self { stop, thread }
    }

    pub(crate) fn end(self) {
        self.stop.send(()).unwrap();
        self.thread.join().unwrap().unwrap();
    }
}
