//! The faults at length, and a table of what became of each line.
//!
//! ```text
//! cargo bench --bench faults                         # an hour's worth of bad days in ten minutes
//! cargo bench --bench faults -- --seconds 5 SIGSTOP  # cases whose names hold one of these, each for so long
//! ```
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

mod faults;
#[expect(dead_code, reason = "it belongs to the tests, which use all of it")]
mod harness;

use clap::Parser;
use faults::{CASES, Scale};
use std::{panic::catch_unwind, process::ExitCode, time::Duration};

/// Runs faults at length.
#[derive(Debug, Parser)]
struct Options {
    /// Run the cases whose names hold one of these [default: all]
    #[arg(value_name = "CASE")]
    filters: Vec<String>,
    /// How long each fault lasts [default: what the case says]
    #[arg(long)]
    seconds: Option<u64>,
    /// Lines a second
    #[arg(long, default_value_t = 100_000)]
    rate: u64,
    /// What cargo says.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let wanted = |name: &str| options.filters.is_empty() || options.filters.iter().any(|filter| name.contains(filter));
    println!("# Faults at {} lines a second\n", options.rate);
    println!("| fault | for | sent | arrived | lost | dropped, it says | repeated | order | books | peak memory |");
    println!("|{}", " --- |".repeat(10));
    let mut failed = false;
    for case in CASES.iter().filter(|case| wanted(case.name)) {
        let fault = options.seconds.map_or(case.at_length, Duration::from_secs);
        let scale = Scale {
            rate: options.rate,
            fault,
        };
        let Ok(outcome) = catch_unwind(|| case.run(scale)) else {
            println!("| {} | {} s | FAILED |", case.name, fault.as_secs());
            failed = true;
            continue;
        };
        if let Some(outcome) = outcome {
            println!("| {} | {} s | {} |", case.name, fault.as_secs(), outcome.cells());
            failed |= catch_unwind(|| case.check(&outcome)).is_err();
        }
    }
    if failed {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
