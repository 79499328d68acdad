//! Waits for the processes whose pids are given, all at once, and says how each ended; on smol.
//!
//! ```console
//! $ cargo run -p exithand-examples --bin wait_smol -- 4242 4243
//! 4243:918274 exited 0
//! 4242:918273 killed 15 TERM
//! ```

use std::error::Error;
use std::io::{Write, stdout};

use exithand::async_io::AsyncWaitSet;
use exithand::{ExitHandle, Pid, Until, WaitSet};

fn main() -> Result<(), Box<dyn Error>> {
    let set = WaitSet::new(Until::Ended)?;
    for argument in std::env::args().skip(1) {
        let pid = Pid::from_raw(argument.parse()?).ok_or("0 is no pid")?;
        set.add(ExitHandle::open(pid)?)?;
    }
    smol::block_on(async {
        let set = AsyncWaitSet::new(set)?;
        while !set.get_ref().is_empty() {
            for (_, handle) in set.finished().await? {
                // It has ended; this allows a moment for the reap, which tells how.
                let handle = exithand::async_io::AsyncExitHandle::new(handle)?;
                let exit = handle.ended().await?;
                writeln!(stdout(), "{} {}", exit.token, exit.outcome)?;
            }
        }
        Ok(())
    })
}
