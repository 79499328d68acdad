//! Keeps services running, and adopts them again after its own end, by their stored tokens.
//!
//! `supervisor STATE SERVICES [SOCKET]`: a folder for the tokens; a file with a line `NAME COMMAND`
//! for each service; and where the recorder listens.

use std::io::{ErrorKind, Write, stdout};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use exithand::tokio::AsyncExitHandle;
use exithand::{Error, ExitHandle, Outcome, StatusSource, Token, WaitOptions, Why};
use exithand_recorder::{Client, client::DEFAULT_SOCKET};
use tokio::task::JoinSet;

/// Waits for a line, so that no service does anything before its token is stored. If the
/// supervisor ends before that, there is no line, and no service.
const GATE: &str = r#"read -r _ && exec sh -c "$1" < /dev/null"#;
/// A service that fails again and again is left alone.
const STARTS_MAX: u32 = 5;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

struct Service {
    name: String,
    command: String,
    token: PathBuf,
    recorder: Client,
}

impl Service {
    fn say(&self, what: &str) -> Result<()> {
        Ok(writeln!(stdout(), "{} {what}", self.name)?)
    }

    /// Waits for the service that an earlier supervisor started; `None` if there was none.
    async fn adopt(&self) -> Result<Option<Outcome>> {
        let token: Token = match fs::read_to_string(&self.token) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            text => text?.parse()?,
        };
        match ExitHandle::open_token(&token) {
            Ok(handle) => {
                self.say(&format!("adopted {}", handle.token()))?;
                self.wait(handle).await.map(Some)
            }
            // It ended while nobody held it: only a recorder can know how.
            Err(Error::Ended(_) | Error::OtherBoot(_)) => {
                let why = Why::GoneBefore;
                let known = self.recorder.outcome(&token);
                Ok(Some(known.unwrap_or(Outcome::Unknown { why })))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Starts the service, waits for its end, and reaps it.
    async fn run(&self) -> Result<Outcome> {
        let mut command = Command::new("sh");
        command.args(["-c", GATE, &self.name, &self.command]);
        let mut child = command.stdin(Stdio::piped()).process_group(0).spawn()?;
        let handle = ExitHandle::from_child(&child)?;
        let new = self.token.with_extension("new");
        fs::write(&new, handle.token().with_boot_id()?.to_string())?;
        fs::rename(&new, &self.token)?;
        child.stdin.take().ok_or("no gate")?.write_all(b"go\n")?;
        self.say(&format!("started {}", handle.token()))?;
        let outcome = self.wait(handle).await?;
        child.wait()?;
        Ok(outcome)
    }

    async fn wait(&self, handle: ExitHandle) -> Result<Outcome> {
        let options = WaitOptions {
            source: Some(&self.recorder),
            ..WaitOptions::default()
        };
        let exit = AsyncExitHandle::new(handle)?.wait_with(&options).await?;
        Ok(exit.ok_or("there is no deadline")?.outcome)
    }

    /// Adopts or starts the service, and starts it again until it succeeds.
    async fn supervise(self) -> Result<()> {
        let mut adopted = self.adopt().await?;
        for _ in 0..STARTS_MAX {
            let outcome = match adopted.take() {
                Some(outcome) => outcome,
                None => self.run().await?,
            };
            self.say(&outcome.to_string())?;
            fs::remove_file(&self.token)?;
            if outcome.success() {
                return Ok(());
            }
        }
        self.say("fails again and again")
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [state, services, socket @ ..] = &args[..] else {
        return Err("usage: supervisor STATE SERVICES [SOCKET]".into());
    };
    let socket = Path::new(socket.first().map_or(DEFAULT_SOCKET, String::as_str));
    let mut running = JoinSet::new();
    for line in fs::read_to_string(services)?.lines() {
        let (name, command) = line.split_once(' ').ok_or("a line is NAME COMMAND")?;
        let service = Service {
            name: name.to_owned(),
            command: command.to_owned(),
            token: Path::new(state).join(name),
            recorder: Client::at(socket),
        };
        running.spawn(service.supervise());
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    Ok(())
}
