//! Room for one descriptor per process waited for.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Returns the soft and the hard limit on descriptors; `None` is no limit.
pub fn descriptor_limits() -> (Option<u64>, Option<u64>) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    (current, maximum)
}

/// Raises the soft limit of open descriptors to the hard one and returns the limit then in force;
/// `None` is no limit.
///
/// Each process that is waited for costs a descriptor, and the usual soft limit of 1024 is kept
/// low only for programs that call `select(2)`. Where raising is refused the old limit stays, and
/// whoever runs into it says so.
pub fn raise_descriptor_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if limit.current != limit.maximum && setrlimit(Resource::Nofile, raised).is_ok() {
        return limit.maximum;
    }
    limit.current
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn afterwards_the_soft_limit_is_the_hard_one() {
        let hard = getrlimit(Resource::Nofile).maximum;
        assert_eq!(raise_descriptor_limit(), hard);
        assert_eq!(getrlimit(Resource::Nofile).current, hard);
        assert_eq!(raise_descriptor_limit(), hard, "once more changes nothing");
    }
}
