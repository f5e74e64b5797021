//! The whole program, measured from outside: the release build on loopback between senders and a sink that counts.
//!
//! `cargo bench --bench relay` runs everything and prints Markdown; progress goes to stderr. In each case the same bytes go
//! from the same senders to the same sink, straight and through each program, in turn: a process of one thread that copies
//! bytes (the limit for any relay), carbon-c-relay with its largest queue where it is installed, and skyrelay. Figures are
//! medians. What came out is held against what went in; where it differs the run fails.
//!
//! ```text
//! cargo bench --bench relay -- --quick            # does it work? half a minute
//! cargo bench --bench relay -- forward nine/100k  # cases whose names hold one of these
//! cargo bench --bench relay -- memory/default --series 100000
//! cargo bench --bench relay -- snapshot --series 100000
//! cargo bench --bench relay -- grow --svg growth.svg
//! ```

mod burst;
mod datagrams;
mod delay;
mod growth;
mod load;
mod memory;
mod process;
mod proxy;
mod report;
mod restored;
mod saved;
mod sink;
mod snapshot;
mod spool;
mod sustained;
mod throughput;
mod traffic;
mod verdicts;

use std::{
    path::PathBuf,
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use clap::Parser;
use process::{Program, Setup};

/// The first samples are so old (seconds): no case goes on for longer by its own time.
const BEGIN_AGE_S: i64 = 40 * 3600;

/// What a file without a line gives.
const DEFAULTS: Setup = Setup {
    forward: "",
    settings: "",
    is_judged: false,
};

/// Measures skyrelay from outside.
#[derive(Debug, Parser)]
struct Options {
    /// Run the cases whose names hold one of these [default: all]
    #[arg(value_name = "CASE")]
    filters: Vec<String>,
    /// See whether it works, with small figures that mean nothing
    #[arg(long)]
    quick: bool,
    /// Runs of each program
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Lines of a throughput run
    #[arg(long, default_value_t = 5_000_000)]
    lines: usize,
    /// Series of the memory cases, and of the snapshot
    #[arg(long, default_value_t = 2_000)]
    series: usize,
    /// Only these programs: straight, proxy, carbon-c-relay, skyrelay [default: all that are installed]
    #[arg(long, value_name = "PROGRAM")]
    program: Vec<String>,
    /// Where the plot of the case `grow` goes
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// List the cases
    #[arg(long)]
    list: bool,
    #[arg(long, hide = true, num_args = 2, value_names = ["FROM", "TO"])]
    proxy: Option<Vec<u16>>,
    /// What cargo says.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    fn wants(&self, case: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| case.contains(filter.as_str()))
    }

    fn runs(&self, program: Program) -> bool {
        let is_named = self.program.is_empty() || self.program.iter().any(|name| name == program.name());
        is_named && program.is_installed()
    }

    /// Those of `programs` that are to be run.
    fn programs(&self, programs: &[Program]) -> Vec<Program> {
        programs.iter().copied().filter(|&program| self.runs(program)).collect()
    }

    /// `seconds`, or 1 in a quick run.
    fn seconds(&self, seconds: usize) -> usize {
        if self.quick { 1 } else { seconds }
    }
}

/// Of the first samples.
fn first_timestamp() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).expect("centuries") / 10 * 10 - BEGIN_AGE_S
}

fn main() -> ExitCode {
    let mut options = Options::parse();
    if let Some([from, to]) = options.proxy.as_deref() {
        return proxy::main(*from, *to);
    }
    if options.list {
        let others = [
            delay::CASE,
            datagrams::CASE,
            burst::CASE,
            verdicts::CASE,
            sustained::CASE,
            growth::CASE,
            snapshot::CASE,
            restored::CASE,
            spool::CASE,
        ];
        let others = others.iter().chain(&memory::CASES);
        for name in throughput::CASES.map(|case| case.name).iter().chain(others) {
            report::say(name);
        }
        return ExitCode::SUCCESS;
    }
    if options.quick {
        options.rounds = 1;
        options.lines = options.lines.min(300_000);
        options.series = options.series.min(50);
    }
    report::heading();
    let intact = [
        throughput::run(&options),
        delay::run(&options),
        datagrams::run(&options),
        burst::run(&options),
        verdicts::run(&options),
        sustained::run(&options),
        growth::run(&options),
        memory::run(&options),
        snapshot::run(&options),
        restored::run(&options),
        spool::run(&options),
    ];
    if intact.contains(&false) {
        report::say("**What came out is not what went in, or lines were lost or shed that should not be.**");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
