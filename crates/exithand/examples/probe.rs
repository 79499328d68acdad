//! Prints what this kernel allows.
#![expect(clippy::print_stdout, reason = "an example prints")]

fn main() {
    for probe in exithand::probe::all() {
        println!(
            "{:36} {:8} {}",
            probe.feature,
            probe.answer.to_string(),
            probe.feature.call()
        );
    }
}
