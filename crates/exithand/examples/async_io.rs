//! Waits for one process and says how it ended, on async-io, as programs that use smol would.
//!
//! ```console
//! $ cargo run --features async-io --example async_io -- 4242
//! 4242:918273 killed 15 TERM
//! ```

use std::error::Error;
use std::io::{Write, stdout};

use exithand::async_io::AsyncExitHandle;
use exithand::{ExitHandle, Pid};

fn main() -> Result<(), Box<dyn Error>> {
    let argument = std::env::args().nth(1).ok_or("which pid?")?;
    let pid = Pid::from_raw(argument.parse()?).ok_or("0 is no pid")?;
    let exit = async_io::block_on(async {
        let handle = AsyncExitHandle::new(ExitHandle::open(pid)?)?;
        handle.ended().await
    })?;
    writeln!(stdout(), "{} {}", exit.token, exit.outcome)?;
    Ok(())
}
