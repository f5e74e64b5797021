//! What a backtest has seen, in a few lines for people.

use std::fmt::Write as _;

use crate::{backtest::Summary, shard::Unanalysed};

/// Files that were passed over, and watches that were for nothing, that are named.
const SKIPPED_LISTED: usize = 20;

/// What a backtest has seen.
pub(super) fn summarise(summary: &Summary) -> String {
    let mut text = String::new();
    add_read(&mut text, summary);
    let _ = writeln!(text, "; {} samples analysed", summary.tally.analysed);
    add_steps(&mut text, summary);
    add_unanalysed(&mut text, "  ", summary);
    add_unmatched(&mut text, "  ", summary);
    for (detector, opened) in &summary.opened {
        let anomalies = if *opened == 1 { "anomaly" } else { "anomalies" };
        let _ = writeln!(text, "  {detector}: {opened} {anomalies}");
    }
    let _ = writeln!(text, "  {} open at the end", summary.open);
    add_passed_over(&mut text, summary);
    text
}

/// What two configurations have seen of the same samples.
pub(super) fn summarise_both(names: &[String], summaries: &[Summary]) -> String {
    let mut text = String::new();
    add_read(&mut text, &summaries[0]);
    text.push('\n');
    add_steps(&mut text, &summaries[0]);
    for (name, summary) in names.iter().zip(summaries) {
        let _ = writeln!(text, "  {} samples analysed with {name}", summary.tally.analysed);
        add_unanalysed(&mut text, "    ", summary);
        add_unmatched(&mut text, "    ", summary);
    }
    add_passed_over(&mut text, &summaries[0]);
    text
}

fn add_read(text: &mut String, summary: &Summary) {
    let Summary {
        lines,
        series,
        elapsed_s,
        ..
    } = summary;
    let _ = write!(
        text,
        "{lines} lines of {series} series in {elapsed_s:.1} s ({:.0} a second)",
        rate(summary)
    );
}

/// How far apart points are, where Graphite or the archive of a file says so.
fn add_steps(text: &mut String, summary: &Summary) {
    let _ = match summary.steps_s {
        None => Ok(()),
        Some((least, most)) if least == most => writeln!(text, "  a point every {least} s"),
        Some((least, most)) => writeln!(text, "  a point every {least} to {most} s"),
    };
}

fn add_unanalysed(text: &mut String, indent: &str, summary: &Summary) {
    for reason in Unanalysed::ALL {
        let lines = summary.tally.unanalysed(reason);
        if lines > 0 {
            let _ = writeln!(text, "{indent}not analysed: {lines} {}", reason.name());
        }
    }
}

fn add_unmatched(text: &mut String, indent: &str, summary: &Summary) {
    for patterns in summary.unmatched.iter().take(SKIPPED_LISTED) {
        let _ = writeln!(text, "{indent}no series went by the watch on {patterns}");
    }
}

fn add_passed_over(text: &mut String, summary: &Summary) {
    if !summary.skipped.is_empty() {
        let _ = writeln!(text, "  {} files or series were passed over", summary.skipped.len());
    }
    for file in summary.skipped.iter().take(SKIPPED_LISTED) {
        let _ = writeln!(text, "    {file}");
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn rate(summary: &Summary) -> f64 {
    summary.lines as f64 / summary.elapsed_s.max(1e-3)
}
