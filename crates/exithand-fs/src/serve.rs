//! The loop that answers.

use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;

use rustix::io::Errno;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::departures::Departures;
use crate::device::{self, Requests};
use crate::lookup::link;
use crate::mount::Mount;
use crate::node::{Key, Node};
use crate::server::Server;
use crate::wire::{MAJOR, MINOR, Operation, Reply, Request};
use crate::{Error, Options};

/// Serves exithand files on the directory `mount_point` until somebody unmounts it, or until `stop`
/// is done.
///
/// `ready` is called once the files are there, on the task that serves them: whoever looks at them
/// in it waits for itself. When `stop` is done, the mount point is freed, and
/// whoever still reads gets an error (`ECONNABORTED`) as the connection to the kernel closes; so do
/// they if the process dies. A stale mount of a server that died so is replaced.
///
/// Needs a tokio runtime with I/O and time. Raise the soft limit of open files before: each process
/// with an open file takes a descriptor.
///
/// # Errors
///
/// [`Error`] says what kept the files from being served.
pub async fn serve(
    mount_point: &Path,
    options: Options,
    ready: impl FnOnce(),
    stop: impl Future<Output = ()>,
) -> Result<(), Error> {
    let (mut mount, connection) = Mount::new(mount_point, options.access)?;
    let (mut requests, replies) = device::open(connection).map_err(Error::Connection)?;
    let (tell, mut told) = unbounded_channel();
    let departures = Departures::start(replies.clone(), tell).map_err(Error::Connection)?;
    let server = Arc::new(Server::new(options, replies, departures));
    greet(&server, &mut requests).await?;
    ready();
    {
        let mut answer = pin!(answer(&server, &mut requests, &mut told));
        tokio::select! {
            over = &mut answer => {
                mount.is_gone();
                over?;
            }
            () = stop => {
                mount.end();
                // Notifications that are under way may wait for answers of ours.
                tokio::select! {
                    over = &mut answer => over?,
                    () = server.departures.finish() => {}
                }
            }
        }
    }
    server.clear();
    Ok(())
}

/// Agrees on the version of the protocol, which the kernel asks first.
async fn greet(server: &Server, requests: &mut Requests) -> Result<(), Error> {
    while let Some(bytes) = requests.next().await.map_err(Error::Connection)? {
        let Ok(request) = Request::parse(bytes) else {
            continue;
        };
        let unique = request.header.unique;
        let Operation::Init {
            major,
            minor,
            flags,
        } = request.operation
        else {
            let reply = Reply::Error(Errno::IO);
            server.replies.send(&reply.to_bytes(unique));
            continue;
        };
        let is_old = major < MAJOR || (major == MAJOR && minor < MINOR);
        if is_old {
            let reply = Reply::Error(Errno::PROTO);
            server.replies.send(&reply.to_bytes(unique));
            return Err(Error::OldProtocol { major, minor });
        }
        // A newer major version is answered with ours, and asks again.
        let reply = Reply::Init { minor, flags };
        server.replies.send(&reply.to_bytes(unique));
        if major == MAJOR {
            return Ok(());
        }
    }
    Err(Error::Connection(Errno::NODEV.into()))
}

/// Answers until the filesystem is gone.
async fn answer(
    server: &Arc<Server>,
    requests: &mut Requests,
    departures: &mut UnboundedReceiver<Key>,
) -> Result<(), Error> {
    loop {
        let bytes = tokio::select! {
            biased;
            Some(key) = departures.recv() => {
                server.departed(key);
                continue;
            }
            bytes = requests.next() => bytes.map_err(Error::Connection)?,
        };
        let Some(bytes) = bytes else { return Ok(()) };
        // A message that is not understood has no number to answer to.
        if let Ok(request) = Request::parse(bytes) {
            server.handle(&request);
        }
        if std::mem::take(&mut server.state().gave_up) {
            tokio::task::yield_now().await;
        }
        // However many requests there are, processes that end get their turn.
        tokio::task::coop::consume_budget().await;
    }
}

impl Server {
    fn handle(self: &Arc<Self>, request: &Request<'_>) {
        let header = &request.header;
        if let Operation::Interrupt { unique } = request.operation {
            if let Some(reply) = self.interrupt(unique) {
                self.replies.send(&reply.to_bytes(unique));
            }
            return;
        }
        let reply = self
            .reply(request)
            .unwrap_or_else(|errno| Some(Reply::Error(errno)));
        if let Some(reply) = reply {
            self.replies.send(&reply.to_bytes(header.unique));
        }
    }

    /// Returns the answer; `None` if there is none, or it comes later.
    fn reply(self: &Arc<Self>, request: &Request<'_>) -> Result<Option<Reply>, Errno> {
        let header = &request.header;
        let node = || Node::from_raw(header.node).ok_or(Errno::STALE);
        Ok(Some(match request.operation {
            Operation::Lookup(name) => return self.lookup(header, node()?, name),
            Operation::Forget { lookups } => {
                self.forget(header.node, lookups);
                return Ok(None);
            }
            Operation::BatchForget(pairs) => {
                for (node, lookups) in Operation::forgets(pairs) {
                    self.forget(node, lookups);
                }
                return Ok(None);
            }
            Operation::GetAttr => Reply::Attr(self.attr(node()?)?),
            Operation::ReadLink => link(header, node()?)?,
            Operation::Open { flags } => self.open(header, node()?, flags)?,
            Operation::Read { file, size, flags } => {
                return self.read(header, file, size, flags);
            }
            Operation::Release { file } => {
                self.release(file);
                Reply::Done
            }
            Operation::OpenDir => Reply::OpenedDirectory(0),
            Operation::ReadDir { offset, size, .. } => self.list(header, node()?, offset, size)?,
            Operation::Poll {
                file,
                kernel_file,
                notify,
            } => self.poll(file, notify.then_some(kernel_file))?,
            // Writing is nobody's right.
            Operation::Access { mask } if mask & 2 != 0 => return Err(Errno::ACCESS),
            Operation::Access { .. } | Operation::ReleaseDir { .. } | Operation::Destroy => {
                Reply::Done
            }
            Operation::StatFs => Reply::StatFs,
            Operation::Change => return Err(Errno::PERM),
            Operation::Ioctl => return Err(Errno::NOTTY),
            Operation::Init { .. } | Operation::Unknown | Operation::Interrupt { .. } => {
                return Err(Errno::NOSYS);
            }
        }))
    }

    fn forget(&self, node: u64, lookups: u64) {
        if let Some(node) = Node::from_raw(node) {
            self.state().entries.forget(node, lookups);
        }
    }

    /// Lets go of all processes, and of the tasks that follow them, which hold the server.
    fn clear(&self) {
        let state = std::mem::take(&mut *self.state());
        drop(state);
    }
}
