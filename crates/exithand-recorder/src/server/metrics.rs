//! Numbers for Prometheus, over as little HTTP as that needs.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use super::counts::KINDS;
use super::hub::Hub;
use crate::WallTime;
use crate::keeper::Keeper;

/// How long a scraper may take for its request and our answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest request.
const REQUEST_MAX_BYTES: usize = 8192;

/// Answers scrapers for ever, one after the other.
pub(crate) async fn serve(hub: Rc<Hub>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            // A scraper that goes away needs no answer.
            Ok((stream, _)) => drop(tokio::time::timeout(PATIENCE, answer(&hub, &stream)).await),
            Err(_) => super::wait_for_descriptors().await,
        }
    }
}

async fn answer(hub: &Hub, stream: &TcpStream) -> io::Result<()> {
    let request = request(stream).await?;
    let (status, body) = if request.starts_with(b"GET /metrics") {
        hub.drain();
        ("200 OK", exposition(hub))
    } else {
        let hint = "the numbers are at /metrics\n";
        ("404 Not Found", hint.to_owned())
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    let text = head + &body;
    let mut bytes = text.as_bytes();
    while !bytes.is_empty() {
        stream.writable().await?;
        match stream.try_write(bytes) {
            Ok(length) => bytes = bytes.get(length..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads up to the empty line that ends a request.
async fn request(stream: &TcpStream) -> io::Result<Vec<u8>> {
    let mut request = Vec::new();
    let mut piece = [0; 1024];
    while !request.windows(4).any(|it| it == b"\r\n\r\n") {
        if request.len() >= REQUEST_MAX_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        stream.readable().await?;
        match stream.try_read(&mut piece) {
            Ok(0) => break,
            Ok(length) => request.extend(piece.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(request)
}

/// Writes all numbers in Prometheus' text format.
fn exposition(hub: &Hub) -> String {
    let lines = [by_labels(hub), singles(hub)].concat();
    lines.concat()
}

/// Writes the numbers that have labels.
fn by_labels(hub: &Hub) -> Vec<String> {
    let counts = hub.counts.borrow();
    let exits = "exithand_exits_total";
    let mut lines = vec![head(
        exits,
        "counter",
        "Processes that ended, by unit and outcome.",
    )];
    for (unit, kinds) in &counts.by_unit {
        let unit = label(unit);
        for (kind, count) in KINDS.iter().zip(kinds).filter(|(_, count)| **count > 0) {
            lines.push(format!(
                "{exits}{{outcome=\"{kind}\",unit=\"{unit}\"}} {count}\n"
            ));
        }
    }
    let losses = "exithand_lost_total";
    lines.push(head(
        losses,
        "counter",
        "Exits that were not recorded, by cause.",
    ));
    for (cause, lost) in counts.lost(&hub.keeper.borrow()) {
        lines.push(format!("{losses}{{cause=\"{cause}\"}} {lost}\n"));
    }
    let source = hub.source.borrow().name();
    lines.push(head(
        "exithand_source_info",
        "gauge",
        "Where exits are seen.",
    ));
    lines.push(format!("exithand_source_info{{source=\"{source}\"}} 1\n"));
    lines
}

/// Writes the numbers that have none.
fn singles(hub: &Hub) -> Vec<String> {
    const COUNTER: &str = "counter";
    const GAUGE: &str = "gauge";
    let counts = hub.counts.borrow();
    let keeper = hub.keeper.borrow();
    let ring = hub.source.borrow().fill();
    let used = ring.map_or(0, |it| it.used_bytes);
    let size = ring.map_or(0, |it| it.size_bytes);
    let failing = u64::from(keeper.error().is_some());
    let clients = u64::try_from(hub.guests.count()).unwrap_or_default();
    let rows = [
        (
            "oom_kills_total",
            COUNTER,
            "Processes the kernel killed for want of memory.",
            counts.oom_kills,
        ),
        (
            "subscribers_dropped_total",
            COUNTER,
            "Subscribers that did not keep up.",
            counts.dropped_subscribers,
        ),
        (
            "ring_used_bytes",
            GAUGE,
            "What waits in the kernel's buffer.",
            used,
        ),
        (
            "ring_size_bytes",
            GAUGE,
            "What the kernel's buffer holds.",
            size,
        ),
        (
            "store_bytes",
            GAUGE,
            "What the store takes up.",
            hub.readers.store_bytes(),
        ),
        (
            "store_pending",
            GAUGE,
            "Records that are not in the store yet.",
            keeper.pending(),
        ),
        (
            "store_failing",
            GAUGE,
            "1 while the store cannot be written.",
            failing,
        ),
        ("clients", GAUGE, "Clients on the socket.", clients),
    ];
    let row = |(name, kind, help, value)| {
        let name = format!("exithand_{name}");
        format!("{}{name} {value}\n", head(&name, kind, help))
    };
    let mut lines: Vec<String> = rows.into_iter().map(row).collect();
    let lag = "exithand_store_lag_seconds";
    lines.push(head(
        lag,
        GAUGE,
        "Age of the oldest record that is not in the store yet.",
    ));
    lines.push(format!("{lag} {}\n", seconds(lag_ns(&keeper))));
    lines
}

/// Returns how far the store is behind.
fn lag_ns(keeper: &Keeper) -> i64 {
    keeper.oldest_pending().map_or(0, |oldest| {
        let lag = WallTime::now().unix_ns.saturating_sub(oldest.unix_ns);
        lag.max(0)
    })
}

fn seconds(ns: i64) -> String {
    format!("{}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000)
}

fn head(name: &str, kind: &str, help: &str) -> String {
    format!("# HELP {name} {help}\n# TYPE {name} {kind}\n")
}

/// Escapes the value of a label.
fn label(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
