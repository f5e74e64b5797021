//! A report as one page of HTML that needs nothing else: no request leaves it, and no script is in it.
//!
//! Names and reasons are hostile text. The page forbids itself whatever it does not need (`Content-Security-Policy`), so that
//! even a mistake here would not let them do anything. Its size is bounded, and it says what it leaves out.

use std::{
    fmt::{self, Write},
    hash::{BuildHasher, RandomState},
};

use jiff::tz::TimeZone;

use super::{
    Summary,
    gallery::{CloseUp, Gallery, Seen},
};
use crate::{
    plot::{Mark, Plot, number, time},
    report::{cut, markup},
    shard::Unanalysed,
    units,
};

/// Bytes of a page beyond which no further series is shown.
const BYTES_MAX: usize = 12 << 20;

/// Anomalies of a series that are listed.
const LISTED_MAX: usize = 20;

/// Characters of a reason.
const REASON_CHARS: usize = 400;

/// Pixels of a plot, and of one from close by.
const SIZE: (u16, u16) = (900, 240);
const CLOSE_UP_SIZE: (u16, u16) = (445, 180);

const STYLE: &str = "
:root { color-scheme: light dark; --line: #d5d8dc; --weak: #5f6770; --plot-samples: #2a6fbb; --plot-band: #2f8f57;
  --plot-expected: #2f8f57; --plot-info: #7064c4; --plot-warning: #d67a08; --plot-critical: #d22828; }
@media (prefers-color-scheme: dark) { :root { --line: #3a4047; --weak: #9aa3ad; --plot-samples: #6aaeff;
  --plot-band: #4fc07f; --plot-expected: #4fc07f; --plot-info: #a79cf0; --plot-warning: #f0a040; --plot-critical: #ff6b6b; } }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 940px; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .5rem } h2 { font-size: 1.1rem; margin: 2.2rem 0 .3rem; overflow-wrap: anywhere }
h3 { font-size: .95rem; font-weight: 500; margin: .8rem 0 0; color: var(--weak); overflow-wrap: anywhere }
p { margin: .3rem 0 } .weak { color: var(--weak) } svg { max-width: 100%; height: auto; display: block }
table { border-collapse: collapse; margin: .4rem 0; font-size: .88rem } td, th { text-align: left; vertical-align: top;
  padding: .15rem .8rem .15rem 0; border-bottom: 1px solid var(--line) }
td.number, th.number { text-align: right } td.time { white-space: nowrap } td.why { overflow-wrap: anywhere; min-width: 14rem }
.scroll { overflow-x: auto } .key { display: flex; flex-wrap: wrap; gap: 1.2rem; margin: .6rem 0 }
.swatch { display: inline-block; width: 1.2rem; height: .7rem; margin-right: .35rem }
.close-ups { display: grid; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)); gap: .4rem 1rem; margin: .6rem 0 }
figure { margin: 0 }
.samples { background: var(--plot-samples) } .band { background: var(--plot-band); opacity: .35 }
.info { background: var(--plot-info) } .warning { background: var(--plot-warning) } .critical { background: var(--plot-critical) }
";

/// What there is to report.
pub(super) struct Report<'a> {
    /// Of each side.
    pub(super) names: &'a [String],
    pub(super) summaries: &'a [Summary],
    /// Series with anomalies.
    pub(super) anomalous: usize,
    pub(super) gallery: &'a Gallery,
}

impl Report<'_> {
    /// The page.
    pub(super) fn html(&self) -> String {
        let mut page = String::new();
        self.write(&mut page).expect("a String takes it");
        page
    }

    fn write(&self, page: &mut String) -> fmt::Result {
        let nonce = nonce();
        write!(
            page,
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'nonce-{nonce}'; \
             base-uri 'none'; form-action 'none'\">\n\
             <meta name=\"referrer\" content=\"no-referrer\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>skyrelay backtest</title>\n<style nonce=\"{nonce}\">{STYLE}</style></head><body>\n\
             <h1>skyrelay backtest</h1>\n"
        )?;
        self.summarise(page)?;
        let shown = self.series(page)?;
        self.left_out(page, shown)?;
        page.push_str("</body></html>\n");
        Ok(())
    }

    fn summarise(&self, page: &mut String) -> fmt::Result {
        let summary = &self.summaries[0];
        writeln!(
            page,
            "<p>{} samples of {} series judged, {} series with anomalies. Times are UTC.</p>",
            summary.tally.analysed, summary.series, self.anomalous
        )?;
        page.push_str("<div class=\"scroll\"><table><tr><th></th>");
        for name in self.names {
            write!(page, "<th class=\"number\">{}</th>", markup(name))?;
        }
        page.push_str("</tr>\n");
        let mut detectors: Vec<_> = self
            .summaries
            .iter()
            .flat_map(|summary| summary.opened.keys())
            .collect();
        detectors.sort_unstable();
        detectors.dedup();
        for detector in detectors {
            let name = format!("anomalies of {}", markup(detector));
            self.row(page, &name, |summary| {
                summary.opened.get(detector).copied().unwrap_or(0)
            })?;
        }
        self.row(page, "open at the end", |summary| summary.open)?;
        self.row(page, "lines read", |summary| summary.lines)?;
        for reason in Unanalysed::ALL {
            if self
                .summaries
                .iter()
                .any(|summary| summary.tally.unanalysed(reason) > 0)
            {
                let name = format!("not analysed: {}", reason.name());
                self.row(page, &name, |summary| summary.tally.unanalysed(reason))?;
            }
        }
        page.push_str("</table></div>\n");
        if !summary.skipped.is_empty() {
            let count = summary.skipped.len();
            writeln!(page, "<p class=\"weak\">{count} files or series were passed over.</p>")?;
        }
        page.push_str(
            "<p class=\"key\"><span><span class=\"swatch samples\"></span>samples, with the extremes of each column</span>\
             <span><span class=\"swatch band\"></span>usual</span>\
             <span><span class=\"swatch info\"></span>info</span><span><span class=\"swatch warning\"></span>warning</span>\
             <span><span class=\"swatch critical\"></span>critical</span></p>\n",
        );
        Ok(())
    }

    fn row(&self, page: &mut String, name: &str, number: impl Fn(&Summary) -> u64) -> fmt::Result {
        write!(page, "<tr><td>{name}</td>")?;
        for summary in self.summaries {
            write!(page, "<td class=\"number\">{}</td>", number(summary))?;
        }
        page.push_str("</tr>\n");
        Ok(())
    }

    /// Shows series until the page is large enough. Gives how many.
    fn series(&self, page: &mut String) -> Result<usize, fmt::Error> {
        for (place, series) in self.gallery.series.iter().enumerate() {
            if page.len() >= BYTES_MAX {
                return Ok(place);
            }
            let sides = (0..self.names.len()).filter_map(|side| Some((side, self.gallery.seen(series, side)?)));
            let sides: Vec<_> = sides.collect();
            writeln!(page, "<section><h2>{}</h2>", markup(&cut(series, 1024)))?;
            // The same times on all sides.
            let times = sides.iter().filter_map(|(_, seen)| seen.times());
            let times = times.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)));
            for (side, seen) in sides {
                self.side(page, series, &self.names[side], seen, times)?;
            }
            page.push_str("</section>\n");
        }
        Ok(self.gallery.series.len())
    }

    fn side(&self, page: &mut String, series: &str, name: &str, seen: &Seen, times: Option<(i64, i64)>) -> fmt::Result {
        let (Some((detector, track)), Some((from, until))) = (seen.best(), times) else {
            return writeln!(page, "<p class=\"weak\">Not judged with {}.</p>", markup(name));
        };
        let with = if self.names.len() > 1 {
            format!(" with {}", markup(name))
        } else {
            String::new()
        };
        let opened = seen.opened;
        writeln!(
            page,
            "<h3>{opened} anomalies{with}; the band is that of {}</h3>",
            markup(detector)
        )?;
        let plot = Plot {
            title: series,
            columns: track.columns(),
            marks: &seen.marks,
            from,
            until: until.max(from + 1),
            zone: &TimeZone::UTC,
            size: SIZE,
        };
        page.push_str(&plot.svg());
        if !seen.marks.is_empty() {
            page.push_str("<div class=\"scroll\"><table><tr><th>from</th><th>for</th><th></th><th class=\"number\">value</th><th>why</th></tr>\n");
            for mark in seen.marks.iter().take(LISTED_MAX) {
                anomaly(page, mark)?;
            }
            page.push_str("</table></div>\n");
            let listed = seen.marks.len().min(LISTED_MAX) as u64;
            if opened > listed {
                writeln!(page, "<p class=\"weak\">and {} more anomalies</p>", opened - listed)?;
            }
        }
        close_ups(page, seen)
    }

    fn left_out(&self, page: &mut String, shown: usize) -> fmt::Result {
        let Gallery {
            series,
            anomalous_left_out,
            calm_left_out,
            ..
        } = self.gallery;
        // Those with anomalies come first.
        let anomalous_chosen = self.anomalous - anomalous_left_out;
        let anomalous = anomalous_left_out + anomalous_chosen.saturating_sub(shown);
        let calm = calm_left_out + series.len() - shown.max(anomalous_chosen);
        if anomalous + calm > 0 {
            writeln!(
                page,
                "<p class=\"weak\">Not shown, so that this page does not grow too large: {anomalous} more series with \
                 anomalies, and {calm} without.</p>"
            )?;
        }
        Ok(())
    }
}

/// The first anomalies, each from close by.
fn close_ups(page: &mut String, seen: &Seen) -> fmt::Result {
    if seen.close_ups.is_empty() {
        return Ok(());
    }
    page.push_str("<div class=\"close-ups\">\n");
    for close_up in &seen.close_ups {
        let CloseUp { mark, detector, .. } = close_up;
        let (mark, Some((from, until))) = (&seen.marks[*mark], close_up.times()) else {
            continue;
        };
        let caption = format!(
            "{}, {detector}, {}",
            time(mark.from, &TimeZone::UTC),
            mark.severity.name()
        );
        let plot = Plot {
            title: &caption,
            columns: close_up.track().columns(),
            marks: std::slice::from_ref(mark),
            from,
            until: until.max(from + 1),
            zone: &TimeZone::UTC,
            size: CLOSE_UP_SIZE,
        };
        writeln!(page, "<figure>{}</figure>", plot.svg())?;
    }
    page.push_str("</div>\n");
    if seen.opened > seen.close_ups.len() as u64 {
        writeln!(
            page,
            "<p class=\"weak\">Close by are the first {} anomalies.</p>",
            seen.close_ups.len()
        )?;
    }
    Ok(())
}

fn anomaly(page: &mut String, mark: &Mark) -> fmt::Result {
    let lasted = mark.until.map_or_else(
        || "open".to_owned(),
        |until| {
            let seconds = until.saturating_sub(mark.from).unsigned_abs();
            units::show_duration(std::time::Duration::from_secs(seconds))
        },
    );
    writeln!(
        page,
        "<tr><td class=\"time\">{}</td><td>{lasted}</td><td>{}</td><td class=\"number\">{}</td><td class=\"why\">{}</td></tr>",
        time(mark.from, &TimeZone::UTC),
        mark.severity.name(),
        number(mark.value),
        markup(&cut(&mark.text, REASON_CHARS))
    )
}

/// What nobody can know beforehand.
fn nonce() -> String {
    let random = || RandomState::new().hash_one(0);
    format!("{:016x}{:016x}", random(), random())
}
