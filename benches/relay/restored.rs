//! As many series with full windows as a machine holds, without the hours that it takes to fill them: a twentieth is filled, and
//! its snapshot made into one of all, where each window has twenty names. A relay that begins with that must take 100,000 lines
//! a second, which go on where the windows end.
//!
//! ```text
//! cargo bench --bench relay -- restored --series 1000000    # 23 GB of memory, 20 GB of disk, a quarter of an hour
//! ```
//!
//! Memory is that of windows that were loaded, so what hours of growing leave behind in an allocator is not in it: the
//! memory cases have that.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::Path,
    thread,
    time::Instant,
};

use crate::{
    Options,
    memory::{Feed, REST},
    process::Program,
    report::Table,
    saved::{self, Records},
    snapshot,
    traffic::name,
};

pub(crate) const CASE: &str = "restored";

/// Series for each that is filled.
const COPIES: usize = 20;

/// Runs the case if it is asked for. False when something is lost, or it does not keep up.
#[expect(clippy::cast_precision_loss, reason = "gigabytes")]
pub(crate) fn run(options: &Options) -> bool {
    if !options.wants(CASE) || !options.runs(Program::Skyrelay) {
        return true;
    }
    let filled = (options.series / COPIES).max(1);
    let series = filled * COPIES;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (few, all) = (directory.path().join("few"), directory.path().join("all"));
    let (mut feed, is_recorded) = Feed::new(filled, false);
    let running = Program::Skyrelay.start(feed.sink.port, snapshot::setup(&few));
    feed.fill(CASE, &running, options.quick);
    running.wait_until_judged();
    running.stop();
    multiply(&few, &all, filled).unwrap_or_else(|error| panic!("{}: {error}", all.display()));
    fs::remove_file(&few).expect("it is ours");
    let mut feed = feed.copied(COPIES);

    let empty = Program::Skyrelay.start(feed.sink.port, snapshot::setup(&few));
    let (empty_mib, _) = empty.memory_mib();
    empty.stop();
    let begun = Instant::now();
    let running = Program::Skyrelay.start(feed.sink.port, snapshot::setup(&all));
    let loaded = snapshot::wait_for(&running, |metrics| {
        metrics.sum("skyrelay_snapshot_loaded_series") > 0 && metrics.sum("skyrelay_snapshot_loading") == 0
    });
    let load_s = begun.elapsed().as_secs_f64();
    thread::sleep(REST);
    let (full_mib, _) = running.memory_mib();
    let steady = feed.send_steadily(&running, if options.quick { 1 } else { 6 });
    let (after_mib, peak_mib) = running.memory_mib();
    let intact = loaded.sum("skyrelay_snapshot_loaded_series") == series as u64
        && feed.sink.fingerprint() == feed.expected
        && running.metrics().sum("skyrelay_lines_not_analysed_total") == 0
        && steady.keeps_up;
    let table = Table::begin(
        "Full windows, restored",
        &[
            "series",
            "values",
            "s to load",
            "GB resident",
            "GB peak",
            "bytes a series",
            "at 100,000 lines/s",
            "GB resident after that",
            "intact",
        ],
    );
    let gb = |mib: f64| format!("{:.2}", mib * 1024.0 * 1024.0 / 1e9);
    table.row(&[
        series.to_string(),
        if is_recorded { "recorded" } else { "made up" }.to_owned(),
        format!("{load_s:.0}"),
        gb(full_mib),
        gb(peak_mib),
        format!("{:.0}", (full_mib - empty_mib) * 1024.0 * 1024.0 / series as f64),
        steady.to_string(),
        gb(after_mib),
        if intact { "yes" } else { "NO" }.to_owned(),
    ]);
    intact
}

/// Writes a snapshot of `COPIES` times as many series as the one in `from`, which has those with the first numbers, `count` of
/// them.
fn multiply(from: &Path, to: &Path, count: usize) -> io::Result<()> {
    let numbers: HashMap<Box<str>, usize> = (0..count).map(|number| (name(number), number)).collect();
    let mut records = Records::open(from)?;
    let mut out = BufWriter::with_capacity(saved::BUFFER_BYTES, File::create(to)?);
    out.write_all(&records.head)?;
    let (mut content, mut copy, mut series) = (Vec::new(), Vec::new(), 0_u64);
    while let Some(kind) = records.next(&mut content)? {
        match kind {
            saved::ORIGIN => saved::write(&mut out, kind, &content)?,
            saved::SERIES => {
                let (named, rest) = saved::split_name(&content);
                let number = std::str::from_utf8(named).ok().and_then(|name| numbers.get(name));
                let number = *number.ok_or_else(|| io::Error::other("a series has another name"))?;
                for times in 0..COPIES {
                    let name = name(number + times * count);
                    copy.clear();
                    copy.extend_from_slice(&u32::try_from(name.len()).map_err(io::Error::other)?.to_le_bytes());
                    copy.extend_from_slice(name.as_bytes());
                    copy.extend_from_slice(rest);
                    saved::write(&mut out, kind, &copy)?;
                    series += 1;
                }
            }
            // Anomalies that are open are made anew from the series.
            _ => (),
        }
    }
    let mut end = series.to_le_bytes().to_vec();
    end.resize(5 * size_of::<u64>(), 0);
    saved::write(&mut out, saved::END, &end)?;
    out.flush()
}
