//! Out of descriptors. A test program of its own, because the limit is one for all its threads.

use std::process::{Child, Command, Stdio};

use exithand::{Errno, Error, Pid};
use exithand_cli::select::{OpenError, Selector, open_matching};
use rustix::process::{Resource, Rlimit, getpid, getrlimit, setrlimit};

/// Children that end when their input does, which is at the latest when this process ends.
struct Children(Vec<Child>);

impl Drop for Children {
    fn drop(&mut self) {
        for child in &mut self.0 {
            drop(child.stdin.take());
            child.wait().expect("wait for the child");
        }
    }
}

#[test]
fn too_few_descriptors_are_an_error_and_never_a_smaller_set() {
    let start = |_| Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let children = Children((0..10).map(start).collect());
    let mut pids: Vec<Pid> = children.0.iter().map(Pid::from_child).collect();
    pids.sort_by_key(|pid| pid.as_raw_nonzero());
    let selector = Selector {
        parents: vec![Some(getpid())],
        ..Selector::default()
    };
    let in_use = u64::try_from(std::fs::read_dir("/proc/self/fd").unwrap().count()).unwrap();
    let before = getrlimit(Resource::Nofile);
    // From too few for reading at all, over too few for some of them, to enough.
    let mut failures = 0;
    for limit in in_use - 1..in_use + 15 {
        let current = Some(limit);
        setrlimit(Resource::Nofile, Rlimit { current, ..before }).unwrap();
        let result = open_matching(&selector);
        setrlimit(Resource::Nofile, before).unwrap();
        match result {
            Ok(opened) => {
                let opened: Vec<Pid> = opened.iter().map(|it| it.facts.pid).collect();
                assert_eq!(opened, pids, "at a limit of {limit}");
            }
            Err(OpenError::Scan(error)) => {
                assert_eq!(error.raw_os_error(), Some(Errno::MFILE.raw_os_error()));
                failures += 1;
            }
            Err(OpenError::Handle(Error::TooManyFiles { .. })) => failures += 1,
            Err(error) => panic!("at a limit of {limit}: {error:?}"),
        }
    }
    assert!(
        (10..16).contains(&failures),
        "{failures} of 16 limits failed"
    );
}
