//! Files with one series each, played as one stream: carbon lines in the order of their times.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, Read, Write as _},
    path::{self, Component, Path, PathBuf},
    sync::Arc,
};

use flate2::read::MultiGzDecoder;

use super::{
    input::Reel,
    table::{self, Series},
    whisper,
};
use crate::line::Timestamp;

/// Points of all files together, as they are in memory at the same time: 24 bytes each.
const POINTS_MAX: usize = if cfg!(test) { 100_000 } else { 40_000_000 };

/// The folder in which carbon keeps its files, named after the nodes of their series.
const OF_CARBON: &str = "whisper";

/// How deep folders may lie within each other.
const DEPTH_MAX: usize = 64;

/// Which points are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The step of the archive in whisper files (seconds); `None`: the finest.
    pub step: Option<i64>,
    /// The earliest.
    pub from: Option<Timestamp>,
    /// The latest.
    pub until: Option<Timestamp>,
}

/// Points of many series.
#[derive(Debug, Default)]
pub(super) struct Tape {
    names: Vec<Arc<str>>,
    /// Time, place of the name, value.
    points: Vec<(Timestamp, u32, f64)>,
    /// Files that were passed over, and why.
    pub(super) skipped: Vec<(PathBuf, String)>,
}

/// Of the time that a file takes, this part goes to reading it, and the rest to judging its points.
const READING_PARTS: u64 = 8;

/// A tape that is read.
struct Playing {
    tape: Tape,
    next: usize,
    /// What it counts as when all of it is read (bytes).
    size: u64,
    /// Text that nobody has taken yet.
    text: Vec<u8>,
    taken: usize,
}

/// There are more than [`POINTS_MAX`] points.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("there are more than {POINTS_MAX} points; --from and --until take fewer, and so does a part of the folder")]
pub(super) struct TooMany;

/// The form of a file that holds series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Whisper,
    Csv,
    CsvPacked,
}

impl Form {
    /// What the ending of its name says.
    fn of(path: &Path) -> Option<Self> {
        let ending = |path: &Path| path.extension().map(OsStr::to_ascii_lowercase);
        match ending(path)?.to_str()? {
            "wsp" => Some(Self::Whisper),
            "csv" => Some(Self::Csv),
            "gz" if ending(Path::new(path.file_stem()?))? == "csv" => Some(Self::CsvPacked),
            _ => None,
        }
    }
}

/// Does `path` hold series in another form than carbon lines?
pub(super) fn is_for_tape(path: &Path) -> bool {
    path.is_dir() || Form::of(path).is_some()
}

/// Bytes of a file, or of all files in a folder, that hold series.
///
/// # Errors
/// When it cannot be read.
pub(super) fn size_of_files(path: &Path) -> io::Result<u64> {
    if !path.is_dir() {
        return Ok(fs::metadata(path)?.len());
    }
    let mut listed = Listed::default();
    listed.add(path, DEPTH_MAX)?;
    Ok(listed.files.iter().map(|file| file.bytes).sum())
}

/// What lies in a folder.
#[derive(Debug, Default)]
struct Listed {
    files: Vec<ListedFile>,
    /// What was passed over, and why.
    skipped: Vec<(PathBuf, String)>,
}

#[derive(Debug)]
struct ListedFile {
    path: PathBuf,
    form: Form,
    bytes: u64,
}

impl Listed {
    fn add(&mut self, folder: &Path, depth: usize) -> io::Result<()> {
        let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::path);
        for entry in entries {
            let path = entry.path();
            // Not through links, which may lead round in circles.
            if entry.file_type()?.is_dir() {
                let added = match depth.checked_sub(1) {
                    Some(depth) => self.add(&path, depth),
                    None => Err(io::Error::other("it lies too deep")),
                };
                if let Err(error) = added {
                    self.skipped.push((path, error.to_string()));
                }
            } else if let Some(form) = Form::of(&path) {
                let bytes = fs::metadata(&path).map_or(0, |metadata| metadata.len());
                self.files.push(ListedFile { path, form, bytes });
            } else {
                self.skipped
                    .push((path, "it ends neither in .wsp nor in .csv".to_owned()));
            }
        }
        Ok(())
    }
}

impl Tape {
    /// The points of a file, or of all files in a folder, that are wanted. A series is named after the way to its file: from the
    /// folder that was given, or that a file alone lies in; what lies in a folder called `whisper`, from that. `progress` is
    /// told how far that is, in bytes of the files, of which some are left for what comes next.
    ///
    /// # Errors
    /// When the file, or the folder, cannot be read, or there are too many points. Files within a folder that cannot be read are
    /// passed over.
    pub(super) fn record(path: &Path, wanted: Wanted, progress: &mut dyn FnMut(u64)) -> io::Result<Self> {
        let mut tape = Self::default();
        if path.is_dir() {
            let mut listed = Listed::default();
            listed.add(path, DEPTH_MAX)?;
            tape.skipped = listed.skipped;
            let mut read = 0;
            for file in listed.files {
                match read_file(&file.path, path, file.form, wanted) {
                    Ok(series) => tape.add_all(series, wanted)?,
                    Err(why) => tape.skipped.push((file.path, why)),
                }
                read += file.bytes;
                progress(read / READING_PARTS);
            }
            // As they lie there.
            tape.skipped.sort_by(|(one, _), (other, _)| one.cmp(other));
        } else {
            let form = Form::of(path).ok_or_else(|| io::Error::other("its form is not known"))?;
            let folder = path.parent().unwrap_or(Path::new(""));
            let series = read_file(path, folder, form, wanted).map_err(io::Error::other)?;
            tape.add_all(series, wanted)?;
        }
        tape.sort();
        Ok(tape)
    }

    /// The distance of points (seconds): the least of each series, of which the smallest and the largest.
    pub(super) fn steps_s(&self) -> Option<(i64, i64)> {
        let mut series = vec![(None, i64::MAX); self.names.len()];
        for &(timestamp, place, _) in &self.points {
            let (newest, step) = &mut series[place as usize];
            if let Some(before) = newest.replace(timestamp)
                && timestamp > before
            {
                *step = timestamp.saturating_sub(before).min(*step);
            }
        }
        let steps = series
            .into_iter()
            .map(|(_, least)| least)
            .filter(|step| *step < i64::MAX);
        steps.fold(None, |range, step| wider(range, Some((step, step))))
    }

    /// Memory of its points (bytes).
    pub(super) fn size_bytes(&self) -> u64 {
        (self.points.len() * size_of::<(Timestamp, u32, f64)>()) as u64
    }

    /// Adds a series, or those of its points that are wanted.
    ///
    /// # Errors
    /// When there are too many.
    pub(super) fn add(
        &mut self,
        name: &str,
        points: impl IntoIterator<Item = (Timestamp, f64)>,
        wanted: Wanted,
    ) -> Result<(), TooMany> {
        let place = u32::try_from(self.names.len()).map_err(|_| TooMany)?;
        self.names.push(line_name(name).into());
        let points = points.into_iter().filter(|&(timestamp, _)| wanted.is_in(timestamp));
        self.points
            .extend(points.map(|(timestamp, value)| (timestamp, place, value)));
        if self.points.len() > POINTS_MAX {
            return Err(TooMany);
        }
        Ok(())
    }

    fn add_all(&mut self, series: Vec<Series>, wanted: Wanted) -> io::Result<()> {
        for Series { name, points } in series {
            self.add(&name, points, wanted).map_err(io::Error::other)?;
        }
        Ok(())
    }

    /// Something was passed over.
    pub(super) fn skip(&mut self, what: &str, why: &str) {
        self.skipped.push((what.into(), why.to_owned()));
    }

    /// Brings all points into the order of their times, in which those of one series stay as they were.
    pub(super) fn sort(&mut self) {
        self.points.sort_by_key(|&(timestamp, ..)| timestamp);
    }

    /// Its lines. All of them count as `size` bytes.
    pub(super) fn play(self, size: u64) -> impl Reel + use<> {
        Playing {
            tape: self,
            next: 0,
            size,
            text: Vec::new(),
            taken: 0,
        }
    }
}

impl Wanted {
    fn is_in(self, timestamp: Timestamp) -> bool {
        self.from.is_none_or(|from| timestamp >= from) && self.until.is_none_or(|until| timestamp <= until)
    }
}

/// The series of a file that lies somewhere in `folder`, with their names.
fn read_file(path: &Path, folder: &Path, form: Form, wanted: Wanted) -> Result<Vec<Series>, String> {
    let own_name = || series_name(&way_to(path, folder));
    if form == Form::Whisper {
        return Ok(vec![Series {
            name: own_name(),
            points: whisper::read(path, wanted.step)?,
        }]);
    }
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut table = if form == Form::Csv {
        table::read(file)?
    } else {
        table::read(MultiGzDecoder::new(file))?
    };
    for series in table.iter_mut().filter(|series| series.name.is_empty()) {
        series.name = own_name();
    }
    Ok(table)
}

/// The way to the file at `path` from the folder in which carbon keeps its files, if it lies in one, or else from `folder`.
fn way_to(path: &Path, folder: &Path) -> PathBuf {
    let mut whole = PathBuf::new();
    for component in path::absolute(path).unwrap_or_default().components() {
        match component {
            Component::ParentDir => {
                whole.pop();
            }
            component => whole.push(component),
        }
    }
    let mut folders = whole.ancestors().skip(1);
    let of_carbon = folders.find(|folder| folder.file_name().is_some_and(|name| name == OF_CARBON));
    let way = of_carbon.and_then(|root| whole.strip_prefix(root).ok());
    way.unwrap_or_else(|| path.strip_prefix(folder).unwrap_or(path))
        .to_owned()
}

/// The range that holds both.
pub(super) fn wider(one: Option<(i64, i64)>, other: Option<(i64, i64)>) -> Option<(i64, i64)> {
    match (one, other) {
        (Some(one), Some(other)) => Some((one.0.min(other.0), one.1.max(other.1))),
        (one, other) => one.or(other),
    }
}

/// The name of the series in the file at `path`: nodes for folders.
fn series_name(path: &Path) -> String {
    let text = path.to_string_lossy();
    let text = text.strip_suffix(".gz").unwrap_or(&text);
    let text = text.rsplit_once('.').map_or(text, |(name, _)| name);
    text.replace('/', ".")
}

/// A name without what a line cannot hold in one.
fn line_name(name: &str) -> String {
    let kept = |character: char| {
        if character.is_whitespace() || character.is_control() {
            '_'
        } else {
            character
        }
    };
    name.chars().map(kept).collect()
}

impl Reel for Playing {
    fn done(&self) -> u64 {
        let read = self.size / READING_PARTS;
        let points = self.tape.points.len().max(1) as u128;
        let played = u128::from(self.size - read) * self.next as u128 / points;
        read + u64::try_from(played).unwrap_or(self.size)
    }
}

impl Read for Playing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.text.len() {
            self.text.clear();
            self.taken = 0;
            while self.text.len() < buffer.len()
                && let Some(&(timestamp, place, value)) = self.tape.points.get(self.next)
            {
                let name = &self.tape.names[place as usize];
                writeln!(self.text, "{name} {value} {timestamp}")?;
                self.next += 1;
            }
        }
        let count = buffer.len().min(self.text.len() - self.taken);
        buffer[..count].copy_from_slice(&self.text[self.taken..self.taken + count]);
        self.taken += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn played(path: &Path, wanted: Wanted) -> (String, Vec<String>) {
        let tape = Tape::record(path, wanted, &mut |_| {}).unwrap();
        let skipped = tape
            .skipped
            .iter()
            .map(|(path, why)| format!("{}: {why}", path.display()))
            .collect();
        let mut text = String::new();
        tape.play(0).read_to_string(&mut text).unwrap();
        (text, skipped)
    }

    #[test]
    fn a_folder_is_played_in_the_order_of_times() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("web 1/load.csv", "timestamp,value\n100,1.5\n110,2\n");
        write("cpu.csv", "90,7\n105,\n120, 1e300\n");
        write("dates.csv", "2024-02-02 03:04:05,4\n2024-02-02T03:05:05,5\n");
        write("notes.txt", "not a series");
        write("broken.csv", "1,2\nx,y\n");
        let until = Wanted {
            until: Some(1_800_000_000),
            ..Wanted::default()
        };
        let (text, skipped) = played(folder.path(), until);
        let expected = "cpu 7 90\nweb_1.load 1.5 100\nweb_1.load 2 110\n";
        assert!(text.starts_with(expected), "{text}");
        assert!(text.ends_with("dates 4 1706843045\ndates 5 1706843105\n"), "{text}");
        assert_eq!(skipped.len(), 2, "{skipped:?}");
        assert!(
            skipped[0].ends_with("broken.csv: line 2: \"x\", \"y\" is not a time and a value"),
            "{skipped:?}"
        );
        let some = Wanted {
            from: Some(100),
            until: Some(105),
            ..Wanted::default()
        };
        assert_eq!(played(folder.path(), some).0, "web_1.load 1.5 100\n");
        let (text, _) = played(&folder.path().join("cpu.csv"), Wanted::default());
        assert!(text.starts_with("cpu 7 90\ncpu 1"), "{text}");
        assert!(Tape::record(&folder.path().join("broken.csv"), Wanted::default(), &mut |_| {}).is_err());
    }

    #[test]
    fn what_carbon_keeps_has_the_names_that_carbon_gave_it() {
        let folder = tempfile::tempdir().unwrap();
        let servers = folder.path().join("storage/whisper/servers");
        fs::create_dir_all(servers.join("web1")).unwrap();
        fs::write(servers.join("web1/load.csv"), "100,1\n130,2\n160,2\n").unwrap();
        fs::write(servers.join("web1/minutes.csv"), "100,1\n160,2\n").unwrap();
        for (given, name) in [
            ("storage/whisper", "servers.web1.load"),
            ("storage/whisper/servers", "servers.web1.load"),
            ("storage/whisper/servers/web1/../web1/", "servers.web1.load"),
            ("storage/whisper/servers/web1/load.csv", "servers.web1.load"),
            ("storage", "servers.web1.load"),
        ] {
            let (text, _) = played(&folder.path().join(given), Wanted::default());
            assert!(text.starts_with(&format!("{name} 1 100\n")), "{given}: {text}");
        }
        let tape = Tape::record(&servers, Wanted::default(), &mut |_| {}).unwrap();
        assert_eq!(tape.steps_s(), Some((30, 60)));
        assert_eq!(Tape::default().steps_s(), None);
    }

    #[test]
    fn tables_with_names_hold_the_series_that_they_name() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(
            folder.path().join("render.csv"),
            "b,1970-01-01 00:00:20,2\na.b,1970-01-01 00:00:10,1\n",
        )
        .unwrap();
        assert_eq!(played(folder.path(), Wanted::default()).0, "a.b 1 10\nb 2 20\n");
    }

    #[test]
    fn too_many_points_are_an_error() {
        let mut tape = Tape::default();
        let half = || (0..Timestamp::try_from(POINTS_MAX / 2).unwrap()).map(|second| (second, 0.0));
        tape.add("a", half(), Wanted::default()).unwrap();
        tape.add("b", half(), Wanted::default()).unwrap();
        let few = Wanted {
            until: Some(-1),
            ..Wanted::default()
        };
        tape.add("c", half(), few).unwrap();
        let error = tape.add("d", [(0, 0.0)], Wanted::default()).unwrap_err();
        assert!(
            error.to_string().starts_with("there are more than 100000 points"),
            "{error}"
        );
    }

    #[test]
    fn values_are_played_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let values = ["0.1", "-1e-300", "123456789.123456789", "1.7976931348623157e308", "inf"];
        let row = |(second, value): (u32, &str)| format!("{second},{value}\n");
        let rows: String = (1..).zip(values).map(row).collect();
        fs::write(&path, rows).unwrap();
        let (text, _) = played(&path, Wanted::default());
        for (line, value) in text.lines().zip(values) {
            let played: f64 = line.split(' ').nth(1).unwrap().parse().unwrap();
            assert_eq!(played.to_bits(), value.parse::<f64>().unwrap().to_bits(), "{line}");
        }
        assert_eq!(text.lines().count(), values.len());
    }
}
