//! Figures as Markdown on stdout, and progress on stderr.
#![expect(clippy::print_stdout, reason = "the tables are what this program is for")]

use std::fs;

/// A table that is printed row by row, so that a run that is cut short has shown what it found.
pub(crate) struct Table {
    columns: usize,
}

/// The middle, and both ends.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Table {
    pub(crate) fn begin(title: &str, columns: &[&str]) -> Self {
        println!("\n## {title}\n\n| {} |", columns.join(" | "));
        println!("|{}", " --- |".repeat(columns.len()));
        Self { columns: columns.len() }
    }

    pub(crate) fn row(&self, cells: &[String]) {
        assert_eq!(cells.len(), self.columns, "a cell for each column");
        println!("| {} |", cells.join(" | "));
    }
}

impl Spread {
    /// Of at least one figure.
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut figures: Vec<_> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        let (Some(&least), Some(&most)) = (figures.first(), figures.last()) else {
            return Self::default();
        };
        Self {
            median: figures[figures.len() / 2],
            least,
            most,
        }
    }

    /// In millions.
    pub(crate) fn millions(self) -> String {
        let [median, least, most] = [self.median, self.least, self.most].map(|figure| figure / 1e6);
        format!("{median:.2} M ({least:.2} to {most:.2})")
    }
}

/// The machine, and the command.
pub(crate) fn heading() {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let models: Vec<_> = cpus
        .lines()
        .filter_map(|line| line.strip_prefix("model name"))
        .collect();
    let model = models
        .first()
        .map_or("unknown processor", |model| model.trim_start_matches([' ', '\t', ':']));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let arguments: Vec<_> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    println!("# skyrelay {}, whole process", env!("CARGO_PKG_VERSION"));
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    println!(
        "\n{} x {model}, Linux {}, loopback; load average before: {load}",
        models.len(),
        kernel.trim()
    );
    println!("\n`cargo bench --bench relay -- {}`", arguments.join(" "));
}

/// What is not a table.
pub(crate) fn say(text: &str) {
    println!("\n{text}");
}

/// What a part in a hundred lies below.
pub(crate) fn percentile(sorted: &[u64], percent: usize) -> u64 {
    sorted
        .get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or(0)
}

/// `part` of `whole`, as a factor.
pub(crate) fn ratio(part: f64, whole: Option<f64>) -> String {
    whole.map_or("-".to_owned(), |whole| format!("{:.2}x", part / whole))
}
