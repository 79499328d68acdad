//! Everything that can be said about the sources without running them.

use std::process::Command;

use crate::graph::Graph;
use crate::{
    Verdict, bpf, cargo, docs, header, hygiene, layering, licences, pidlab, sources, unsafe_code,
    vm,
};

/// Runs all checks, the quick ones first, and says at the end which of them failed.
pub(crate) fn run() -> anyhow::Result<Verdict> {
    let graph = Graph::load()?;
    let mut failed = Vec::new();
    let mut judge = |name: &'static str, faults: Vec<String>| {
        println!(
            "check {name}: {}",
            if faults.is_empty() { "ok" } else { "failed" }
        );
        for fault in &faults {
            println!("  {fault}");
        }
        if !faults.is_empty() {
            failed.push(name);
        }
    };

    judge("layering", layering::faults(&graph));
    judge("licences", licences::faults(&graph));
    for duplicate in licences::duplicates(&graph) {
        println!("  for your information: several versions of {duplicate}");
    }
    let texts = sources::read(cargo::root(), &hygiene::TEXT)?;
    judge("hygiene", texts.iter().flat_map(hygiene::faults).collect());
    judge("links", docs::faults()?);
    judge("unsafe", unsafe_code::faults()?);
    judge("table of kernels", vm::table::check()?);
    judge("plots of pid reuse", pidlab::faults()?);
    judge("C header", header::faults()?);
    if bpf::can_build() {
        judge("probes", bpf::faults()?);
    } else {
        println!("check probes: not compared, for want of clang-14 and llvm-14");
    }
    for (name, mut command) in commands() {
        let status = cargo::status(&mut command)?;
        let fault = (!status.success()).then(|| format!("cargo ended with {status}"));
        judge(name, fault.into_iter().collect());
    }

    if failed.is_empty() {
        println!("check: all is well");
        return Ok(Verdict::Good);
    }
    println!("check: failed: {}", failed.join(", "));
    Ok(Verdict::Bad)
}

/// The checks cargo does. Warnings are made errors by arguments where that is possible: `RUSTFLAGS`
/// would force a second build of everything.
fn commands() -> [(&'static str, Command); 4] {
    let clippy = [
        "clippy",
        "--workspace",
        "--all-features",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ];
    // Only libraries: the program and the library of one name would overwrite each other's pages.
    let mut doc = cargo::command(["doc", "--workspace", "--all-features", "--no-deps", "--lib"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    [
        ("format", cargo::command(["fmt", "--all", "--check"])),
        (
            "format of fuzz",
            cargo::command(["fmt", "--manifest-path=fuzz/Cargo.toml", "--", "--check"]),
        ),
        ("clippy", cargo::command(clippy)),
        ("docs", doc),
    ]
}
