//! Serves exithand files on a directory: `serve DIR [status=POLICY] [hide] [others]`.

use std::env;
use std::future::pending;
use std::io::Write;
use std::path::PathBuf;

use exithand_fs::{Access, Options, Visibility, serve};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = env::args().skip(1);
    let directory = PathBuf::from(arguments.next().ok_or("no directory given")?);
    let mut options = Options::default();
    for argument in arguments {
        match argument.as_str() {
            "hide" => options.hide = Visibility::Own,
            "others" => options.access = Access::Everybody,
            other => {
                let policy = other.strip_prefix("status=").ok_or("unknown option")?;
                options.status = policy.parse()?;
            }
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut term = signal(SignalKind::terminate())?;
        let stop = async {
            if term.recv().await.is_none() {
                pending::<()>().await;
            }
        };
        let ready = || {
            // Whoever started us may not listen.
            drop(writeln!(std::io::stdout(), "ready"));
        };
        serve(&directory, options, ready, stop).await?;
        Ok(())
    })
}
