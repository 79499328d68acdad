//! Waits for the processes whose pids are given, all at once, and says how each ended.
//!
//! ```console
//! $ cargo run -p exithand-examples --bin wait_tokio -- 4242 4243
//! 4243:918274 exited 0
//! 4242:918273 killed 15 TERM
//! ```

use std::error::Error;
use std::io::{Write, stdout};

use exithand::tokio::AsyncExitHandle;
use exithand::{ExitHandle, Pid};
use tokio::task::JoinSet;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut waits = JoinSet::new();
    for argument in std::env::args().skip(1) {
        let pid = Pid::from_raw(argument.parse()?).ok_or("0 is no pid")?;
        // From here on no other process can take its place.
        let handle = AsyncExitHandle::new(ExitHandle::open(pid)?)?;
        waits.spawn(async move { handle.ended().await });
    }
    while let Some(exit) = waits.join_next().await {
        let exit = exit??;
        writeln!(stdout(), "{} {}", exit.token, exit.outcome)?;
    }
    Ok(())
}
