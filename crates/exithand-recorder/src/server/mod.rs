//! The recorder's socket: who asks, what they may know, and how much they may take up.

mod conversation;
mod counts;
mod guests;
mod hub;
mod listen;
mod lookup;
mod metrics;
mod peer;
mod readers;
mod recent;
mod search;
mod session;
mod subscription;
mod sys;

use std::rc::Rc;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};

pub use guests::{CLIENTS_MAX, CLIENTS_PER_USER_MAX};
pub(crate) use hub::Hub;
pub use listen::{ListenError, bind};
pub(crate) use readers::Readers;
pub use readers::{AnyHistory, OpenHistory};
pub use search::SORTED_MAX;
pub use subscription::{QUEUE_MAX_BYTES, QUEUE_MAX_LINES};
pub(crate) use sys::watch_readable;

/// Serves clients for ever.
pub(crate) async fn serve(hub: Rc<Hub>, listener: UnixListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::task::spawn_local(session::serve(Rc::clone(&hub), stream));
            }
            Err(_) => wait_for_descriptors().await,
        }
    }
}

/// Answers scrapers for ever.
pub(crate) async fn serve_metrics(hub: Rc<Hub>, listener: TcpListener) {
    metrics::serve(hub, listener).await;
}

/// Lets some time pass after the system had no descriptor for a client: nothing tells when it has.
async fn wait_for_descriptors() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}
