//! An outcome in the words of the contract, made from a wait status without exithand's own code.

/// The names of the signals that the suite's processes are killed by.
const NAMES: [(i32, &str); 8] = [
    (1, "HUP"),
    (2, "INT"),
    (6, "ABRT"),
    (9, "KILL"),
    (11, "SEGV"),
    (13, "PIPE"),
    (15, "TERM"),
    (16, "STKFLT"),
];

/// The line that `PID/outcome` has to give.
pub(super) fn in_words(wait_status: i32) -> String {
    let signal = wait_status & 0x7f;
    if signal == 0 {
        return format!("exited {}\n", wait_status >> 8);
    }
    let name = NAMES.iter().find(|(number, _)| *number == signal);
    let name = name.map_or("?", |(_, name)| name);
    let core = if wait_status & 0x80 == 0 { "" } else { " core" };
    format!("killed {signal} {name}{core}\n")
}

#[cfg(test)]
mod tests {
    use super::in_words;

    #[test]
    fn says_it_in_the_words_of_the_contract() {
        assert_eq!(in_words(0x0300), "exited 3\n");
        assert_eq!(in_words(9), "killed 9 KILL\n");
        assert_eq!(in_words(0x8b), "killed 11 SEGV core\n");
    }
}
