//! What sources tell, against what `wait(2)` tells.

mod bpf;
mod ends;
mod killers;
mod losses;
mod oom;
mod watch;
mod what;
