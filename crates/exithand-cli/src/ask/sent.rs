//! How a signal came to be: `si_code`, in words.

use exithand::Signal;
use exithand_lowmem::decide::Why;
use exithand_lowmem::reason::of_code;

/// How a signal was sent, or why the kernel raised it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// By a process, through this call.
    Call(&'static str),
    /// By a low-memory killer of ours, for this reason.
    LowMemory(&'static str),
    /// By the kernel, since the process itself did something it may not.
    Fault {
        /// The name of the `si_code`, where it has one.
        code: Option<&'static str>,
        /// What the process did.
        did: &'static str,
    },
    /// By the kernel, for this reason.
    Kernel(&'static str),
}

/// `SI_KERNEL`.
const KERNEL: i32 = 128;

/// Says how `signal` came to be by its `si_code`.
pub fn sent(signal: Signal, code: i32) -> Sent {
    match code {
        0 => Sent::Call("kill(2)"),
        -1 => Sent::Call("sigqueue(3)"),
        -2 => Sent::Call("a timer of timer_create(2)"),
        -3 => Sent::Call("a message queue"),
        -4 => Sent::Call("asynchronous I/O"),
        -5 => Sent::Call("a descriptor with F_SETOWN"),
        -6 => Sent::Call("tgkill(2)"),
        -60 => Sent::Call("getaddrinfo_a(3)"),
        code if code < 0 => match of_code(code) {
            Some(why) => Sent::LowMemory(past(why)),
            None => Sent::Call("rt_sigqueueinfo(2)"),
        },
        KERNEL => by_kernel(signal),
        code => fault(signal, code),
    }
}

/// Why somebody was killed for want of memory.
fn past(why: Why) -> &'static str {
    match why {
        Why::LowMemory => "memory was low",
        Why::Pressure => "memory was low and programs stalled",
        Why::Thrashing => "the page cache thrashed",
        Why::Floor => "memory was nearly gone",
        Why::CgroupLimit => "a cgroup was near its limit",
    }
}

/// What the kernel means by a signal that it sends without a reason of its own.
fn by_kernel(signal: Signal) -> Sent {
    match signal.number() {
        1 => Sent::Kernel("its terminal went away"),
        2 => Sent::Kernel("the interrupt key (Ctrl-C) was pressed at its terminal"),
        3 => Sent::Kernel("the quit key (Ctrl-\\) was pressed at its terminal"),
        11 => Sent::Fault {
            code: None,
            did: "used an address that no memory can have",
        },
        14 => Sent::Kernel("a timer of its own ran out"),
        24 => Sent::Kernel("it used up its limit on CPU time (RLIMIT_CPU)"),
        25 => Sent::Kernel("it wrote beyond its limit on file size (RLIMIT_FSIZE)"),
        _ => Sent::Kernel("the kernel gave no reason"),
    }
}

/// The reasons of faults: signal, code, name, what the process did.
const FAULTS: [(i32, i32, &str, &str); 29] = [
    (
        4,
        1,
        "ILL_ILLOPC",
        "ran an instruction that this CPU does not have",
    ),
    (
        4,
        2,
        "ILL_ILLOPN",
        "ran an instruction with an operand that this CPU does not allow",
    ),
    (
        4,
        3,
        "ILL_ILLADR",
        "ran an instruction with an address that this CPU does not allow",
    ),
    (4, 4, "ILL_ILLTRP", "ran a trap that this CPU does not have"),
    (
        4,
        5,
        "ILL_PRVOPC",
        "ran an instruction that only the kernel may run",
    ),
    (
        4,
        6,
        "ILL_PRVREG",
        "used a register that only the kernel may use",
    ),
    (4, 7, "ILL_COPROC", "met an error of a coprocessor"),
    (4, 8, "ILL_BADSTK", "met an error of the internal stack"),
    (
        5,
        1,
        "TRAP_BRKPT",
        "met a breakpoint, and no debugger was there",
    ),
    (
        5,
        2,
        "TRAP_TRACE",
        "was traced step by step, and no debugger was there",
    ),
    (7, 1, "BUS_ADRALN", "used an address that is not aligned"),
    (
        7,
        2,
        "BUS_ADRERR",
        "read or wrote a mapped file beyond its end, or memory that is not there",
    ),
    (
        7,
        3,
        "BUS_OBJERR",
        "used memory that the hardware could not read",
    ),
    (7, 4, "BUS_MCEERR_AR", "used memory that is broken"),
    (7, 5, "BUS_MCEERR_AO", "has memory that is broken"),
    (8, 1, "FPE_INTDIV", "divided an integer by zero"),
    (8, 2, "FPE_INTOVF", "overflowed an integer"),
    (
        8,
        3,
        "FPE_FLTDIV",
        "divided a floating-point number by zero",
    ),
    (8, 4, "FPE_FLTOVF", "overflowed a floating-point number"),
    (8, 5, "FPE_FLTUND", "made a floating-point number too small"),
    (8, 6, "FPE_FLTRES", "made a floating-point number inexact"),
    (
        8,
        7,
        "FPE_FLTINV",
        "asked for a floating-point operation that has no result",
    ),
    (
        11,
        1,
        "SEGV_MAPERR",
        "read or wrote memory that is not mapped",
    ),
    (
        11,
        2,
        "SEGV_ACCERR",
        "used memory in a way that its mapping does not allow",
    ),
    (11, 3, "SEGV_BNDERR", "left the bounds of an object"),
    (
        11,
        4,
        "SEGV_PKUERR",
        "used memory that a protection key guards",
    ),
    (11, 8, "SEGV_MTEAERR", "used memory with the wrong tag"),
    (11, 9, "SEGV_MTESERR", "used memory with the wrong tag"),
    (
        31,
        1,
        "SYS_SECCOMP",
        "made a system call that its seccomp filter forbids",
    ),
];

fn fault(signal: Signal, code: i32) -> Sent {
    let known = FAULTS
        .iter()
        .find(|(its_signal, its_code, ..)| (*its_signal, *its_code) == (signal.number(), code));
    known.map_or(
        Sent::Fault {
            code: None,
            did: "ran into a fault",
        },
        |(_, _, name, did)| Sent::Fault {
            code: Some(name),
            did,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_calls_faults_and_the_kernel_apart() {
        assert_eq!(sent(Signal::TERM, 0), Sent::Call("kill(2)"));
        assert_eq!(sent(Signal::ABRT, -6), Sent::Call("tgkill(2)"));
        assert_eq!(sent(Signal::TERM, -77), Sent::Call("rt_sigqueueinfo(2)"));
        assert_eq!(
            sent(Signal::KILL, exithand_lowmem::reason::code(Why::Floor)),
            Sent::LowMemory("memory was nearly gone")
        );
        let Sent::Kernel(why) = sent(Signal::INT, KERNEL) else {
            panic!("Ctrl-C is the kernel's");
        };
        assert!(why.contains("Ctrl-C"));
        assert_eq!(
            sent(Signal::SEGV, 1),
            Sent::Fault {
                code: Some("SEGV_MAPERR"),
                did: "read or wrote memory that is not mapped"
            }
        );
        // A code means something else with another signal.
        assert!(matches!(
            sent(Signal::from_number(8).unwrap(), 1),
            Sent::Fault {
                code: Some("FPE_INTDIV"),
                ..
            }
        ));
        assert!(matches!(
            sent(Signal::SEGV, 99),
            Sent::Fault { code: None, .. }
        ));
        assert!(matches!(sent(Signal::SEGV, i32::MIN), Sent::Call(_)));
    }
}
