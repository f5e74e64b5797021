//! Reads the files of a configuration: FILE, then `conf.d/*.toml` beside it in the order of their names.

use std::{
    ffi::OsStr,
    fs,
    io::{self, Read as _},
    ops::Range,
    path::{Path, PathBuf},
    thread::{self, ScopedJoinHandle},
};

use toml::de::DeTable;

use super::{
    report::{File, Place, Report, quoted},
    tree::{self, Table, TooDeep},
};

/// What all files together may hold (bytes): far beyond what people write, and a bound on memory.
const TOTAL_BYTES_MAX: usize = 4 << 20;

/// Stack of the thread that parses (bytes). The parser's tables can be nested some 6,500 deep and are dropped
/// recursively, which overflows the 2 MiB that a thread has by default; 8 MiB are enough.
const PARSER_STACK_BYTES: usize = 32 << 20;

/// The files as they are: merged, and not yet checked.
#[derive(Debug)]
pub(super) struct RawConfig {
    pub(super) root: Table,
    pub(super) report: Report,
    bytes_left: usize,
}

impl RawConfig {
    /// Reads `path`, and what is in `conf.d` beside it.
    pub(super) fn read(path: &Path) -> Self {
        let mut raw = Self::empty();
        raw.add_file(path);
        let conf_d = path.with_file_name("conf.d");
        match additional_files(&conf_d) {
            Ok(paths) => {
                for path in paths {
                    // Opening a pipe would wait for somebody to write to it.
                    match fs::metadata(&path) {
                        Ok(metadata) if !metadata.is_file() => {
                            raw.add_unreadable(&path, "this is not a file, expected one");
                        }
                        _ => raw.add_file(&path),
                    }
                }
            }
            Err(error) => raw.add_unreadable(&conf_d, &cannot_read(&error)),
        }
        raw
    }

    /// Takes `text` for a file called `path`.
    pub(super) fn from_text(path: &Path, text: String) -> Self {
        let mut raw = Self::empty();
        raw.add_text(path, text);
        raw
    }

    fn empty() -> Self {
        Self {
            root: Table::new(),
            report: Report::default(),
            bytes_left: TOTAL_BYTES_MAX,
        }
    }

    fn add_file(&mut self, path: &Path) {
        match read(path, self.bytes_left) {
            Ok(bytes) => {
                // One byte more than allowed shows that there are more.
                let Some(bytes_left) = self.bytes_left.checked_sub(bytes.len()) else {
                    let mebibytes = TOTAL_BYTES_MAX >> 20;
                    let message = format!("the configuration is too large, expected {mebibytes} MiB or less in all");
                    return self.add_unreadable(path, &message);
                };
                self.bytes_left = bytes_left;
                match String::from_utf8(bytes) {
                    Ok(text) => self.add_text(path, text),
                    Err(error) => self.add_garbled(path, &error),
                }
            }
            Err(error) => self.add_unreadable(path, &cannot_read(&error)),
        }
    }

    fn add_unreadable(&mut self, path: &Path, message: &str) {
        let file = self.report.add_file(File {
            path: path.to_owned(),
            text: String::new(),
        });
        self.report.say(Place { file, offset: None }, message);
    }

    fn add_garbled(&mut self, path: &Path, error: &std::string::FromUtf8Error) {
        let offset = error.utf8_error().valid_up_to();
        let byte = error.as_bytes().get(offset).copied().unwrap_or_default();
        // Each byte that is wrong becomes a character, which moves nothing before it.
        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
        let file = self.report.add_file(File {
            path: path.to_owned(),
            text,
        });
        let place = Place {
            file,
            offset: Some(offset),
        };
        let message = format!("the byte 0x{byte:02x} is not part of a character in UTF-8, expected UTF-8 text");
        self.report.say(place, message);
    }

    fn add_text(&mut self, path: &Path, mut text: String) {
        // Editors on other systems begin a file with a mark that is no part of it.
        if text.starts_with('\u{feff}') {
            text.drain(..'\u{feff}'.len_utf8());
        }
        let path = path.to_owned();
        let file = self.report.add_file(File {
            path,
            text: text.clone(),
        });
        let (table, problems) = parse_apart(file, &text);
        for (place, message) in problems {
            self.report.say(place, message);
        }
        tree::merge(&mut self.root, table);
    }
}

/// The `*.toml` files in `directory` by name, without hidden ones; none when there is no such directory.
fn additional_files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if path.extension() == Some(OsStr::new("toml")) && !hidden {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// The first `limit + 1` bytes of a file.
fn read(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    fs::File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn cannot_read(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied: the user that runs skyrelay may not read it".to_owned(),
        io::ErrorKind::IsADirectory => "this is a directory, expected a file".to_owned(),
        _ => format!("it cannot be read: {error}"),
    }
}

type Parsed = (Table, Vec<(Place, String)>);

/// Parses on a thread whose stack is deep enough for whatever the text holds.
fn parse_apart(file: usize, text: &str) -> Parsed {
    let parsed = thread::scope(|scope| {
        thread::Builder::new()
            .name("config".to_owned())
            .stack_size(PARSER_STACK_BYTES)
            .spawn_scoped(scope, || parse(file, text))
            .map(ScopedJoinHandle::join)
    });
    let message = match parsed {
        Ok(Ok(parsed)) => return parsed,
        Ok(Err(_panic)) => "the TOML parser gave up on this file".to_owned(),
        Err(error) => format!("it cannot be parsed, as there is no thread to be had: {error}"),
    };
    (Table::new(), vec![(Place { file, offset: None }, message)])
}

fn parse(file: usize, text: &str) -> Parsed {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut errors: Vec<(Range<usize>, &str)> = errors
        .iter()
        .map(|error| (error.span().unwrap_or_default(), error.message()))
        .collect();
    errors.sort_by_key(|(span, _)| span.start);
    let mut problems = Vec::new();
    let mut previous = None;
    for (span, message) in errors {
        // One slip makes the parser stumble over the rest of its line, too.
        let since_previous = previous.and_then(|previous| text.get(previous..span.start));
        previous = Some(span.start);
        if since_previous.is_some_and(|since| !since.contains('\n')) {
            continue;
        }
        let place = Place {
            file,
            offset: Some(span.start),
        };
        let message = match message {
            "duplicate key" => format!("{} is given twice", quoted(text.get(span).unwrap_or_default())),
            message => message.to_owned(),
        };
        problems.push((place, message));
    }
    let table = tree::from_toml(file, table.get_ref()).unwrap_or_else(|TooDeep(place)| {
        problems.push((place, "tables are nested too deep here".to_owned()));
        Table::new()
    });
    (table, problems)
}
