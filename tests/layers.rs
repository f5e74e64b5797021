//! The layers of the source: a module imports only from its left, and what lies deep knows no socket, clock or format.
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Every module of the library, from left to right.
const ORDER: [&str; 29] = [
    "save", "kernel", "disk", "units", "secret", "line", "glob", "graphite", "window", "detect", "shard", "metrics",
    "analysis", "forward", "intake", "report", "silence", "plot", "anomaly", "history", "snapshot", "notify", "listen",
    "http", "backtest", "demo", "config", "app", "cli",
];

/// The edges, which alone may know what time it is.
const MAY_READ_THE_CLOCK: [&str; 9] = [
    "history", "snapshot", "listen", "http", "notify", "backtest", "demo", "app", "cli",
];

/// What is told exactly by tests: handed bytes and the time, it knows neither tasks nor sockets, clocks, metrics or logs.
const PURE: [&str; 8] = ["save", "units", "line", "glob", "graphite", "window", "detect", "shard"];
const UNKNOWN_TO_THE_PURE: [&str; 6] = ["tokio", "prometheus", "tracing", "net", "SystemTime", "Instant"];

/// The formats on disk and on the wire.
const MAY_SERIALIZE: [&str; 9] = [
    "config", "report", "silence", "anomaly", "history", "http", "notify", "backtest", "cli",
];
const SERIALIZERS: [&str; 3] = ["serde", "serde_json", "toml"];

/// A file of the source: the path of its module, and its words without comments and strings.
struct Source {
    path: PathBuf,
    module: Vec<String>,
    tokens: Vec<String>,
}

#[test]
fn a_module_imports_only_from_its_left() {
    let mut imports = BTreeMap::<String, BTreeSet<String>>::new();
    let mut wrong = Vec::new();
    for source in sources() {
        let importer = source.top();
        for imported in source.imports() {
            let allowed = match imported.as_str() {
                "clock" => MAY_READ_THE_CLOCK.contains(&importer),
                _ => imported == importer || place(&imported) < place(importer),
            };
            if !allowed {
                wrong.push(format!("{}: {importer} imports {imported}", source.path.display()));
            }
            imports.entry(importer.to_owned()).or_default().insert(imported);
        }
    }
    assert!(wrong.is_empty(), "not from the left:\n{}", wrong.join("\n"));
    // It has read what there is to read.
    assert!(imports["intake"].is_superset(&["analysis", "forward", "line"].map(str::to_owned).into()));
    assert!(
        imports["detect"].contains("window"),
        "through a group and with braces: {imports:?}"
    );
    assert!(
        imports["http"].contains("shard"),
        "by a path outside of a use: {imports:?}"
    );
}

#[test]
fn every_module_has_its_place() {
    let library = fs::read_to_string(root().join("lib.rs")).unwrap();
    let tokens = tokens(&library);
    let declared: BTreeSet<&str> = tokens
        .windows(2)
        .filter(|pair| pair[0] == "mod")
        .map(|pair| pair[1].as_str())
        .collect();
    let placed: BTreeSet<&str> = ORDER.into_iter().chain(["clock"]).collect();
    assert_eq!(declared, placed, "a module that comes or goes is to be placed in ORDER");
}

#[test]
fn what_lies_deep_knows_no_task_socket_clock_metric_or_log() {
    let mut files = 0;
    for source in sources().filter(|source| PURE.contains(&source.top())) {
        files += 1;
        for word in UNKNOWN_TO_THE_PURE {
            assert!(!source.mentions(word), "{} mentions {word}", source.path.display());
        }
    }
    assert!(files > 20, "only {files} files were looked at");
}

#[test]
fn formats_stay_at_the_edges() {
    let mut found = 0;
    for source in sources() {
        let serializes = SERIALIZERS.iter().any(|word| source.mentions(word));
        found += usize::from(serializes);
        assert!(
            !serializes || MAY_SERIALIZE.contains(&source.top()),
            "{} knows a format",
            source.path.display()
        );
    }
    assert!(found > 3, "only {found} files know a format");
}

impl Source {
    /// The module right below the root that it belongs to.
    fn top(&self) -> &str {
        &self.module[0]
    }

    fn mentions(&self, word: &str) -> bool {
        self.tokens.iter().any(|token| token == word)
    }

    /// Modules below the root that any path in the file leads to.
    fn imports(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        // Modules written inline, each with the depth of braces that it lies in.
        let mut inline: Vec<usize> = Vec::new();
        let mut depth = 0;
        for (at, token) in self.tokens.iter().enumerate() {
            let before = |back: usize| at.checked_sub(back).map(|place| self.tokens[place].as_str());
            match token.as_str() {
                "{" => {
                    if before(2) == Some("mod") {
                        inline.push(depth);
                    }
                    depth += 1;
                }
                "}" => {
                    depth -= 1;
                    if inline.last() == Some(&depth) {
                        inline.pop();
                    }
                }
                "crate" | "super" | "skyrelay" if before(1) != Some("::") => {
                    let within = self.module.len() + inline.len();
                    for path in paths(&self.tokens, &mut at.clone(), &[]) {
                        found.extend(below_root(&path, within).map(str::to_owned));
                    }
                }
                _ => {}
            }
        }
        found
    }
}

/// The module below the root that `path` names, seen from `within` modules below it; `None` when it does not get there.
fn below_root(path: &[String], within: usize) -> Option<&str> {
    let ups = path.iter().take_while(|step| *step == "super").count();
    let at_root = match path[0].as_str() {
        "super" => ups == within,
        _ => true,
    };
    let name = path.get(ups.max(1))?;
    (at_root && name != "*").then_some(name)
}

/// The paths that begin at `at`, a group in braces spread out. A path of a use or of an expression: both end where no `::`
/// follows.
fn paths(tokens: &[String], at: &mut usize, prefix: &[String]) -> Vec<Vec<String>> {
    let mut path = prefix.to_vec();
    loop {
        path.push(tokens[*at].clone());
        *at += 1;
        if tokens.get(*at).map(String::as_str) != Some("::") {
            return vec![path];
        }
        *at += 1;
        if tokens[*at] == "{" {
            break;
        }
    }
    let mut all = Vec::new();
    while tokens[*at] != "}" {
        *at += 1;
        if tokens[*at] == "}" {
            break;
        }
        all.extend(paths(tokens, at, &path));
        // Behind a name there may be another one for it.
        while tokens[*at] != "," && tokens[*at] != "}" {
            *at += 1;
        }
    }
    *at += 1;
    all
}

/// Names, numbers, `::`, and every other character by itself; no comments, strings, characters or lifetimes.
fn tokens(source: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(length) = raw_string(rest) {
            length
        } else if first == '"' {
            quoted(rest, '"')
        } else if first == '\'' {
            // A lifetime has no second quote behind one character.
            let mut characters = rest.chars().skip(1);
            match (characters.next(), characters.next()) {
                (Some('\\'), _) | (_, Some('\'')) => quoted(rest, '\''),
                _ => 1,
            }
        } else if first.is_alphanumeric() || first == '_' {
            rest.find(|next: char| !next.is_alphanumeric() && next != '_')
                .unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        let (token, behind) = rest.split_at(length);
        if !(first.is_whitespace() || token.starts_with("//") || token.ends_with(['"', '\'', '#']) && length > 1) {
            tokens.push(token.to_owned());
        }
        rest = behind;
    }
    tokens
}

/// Length of the raw string that `rest` begins with.
fn raw_string(rest: &str) -> Option<usize> {
    let behind = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let hashes = behind.len() - behind.trim_start_matches('#').len();
    let text = behind[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = text.find(&end).expect("it ends") + end.len();
    Some(rest.len() - text.len() + length)
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    let end = rest[1..].find(|character| {
        let ends = character == quote && !escaped;
        escaped = character == '\\' && !escaped;
        ends
    });
    end.expect("it ends") + 2
}

#[track_caller]
fn place(module: &str) -> usize {
    if module == "main" {
        return ORDER.len();
    }
    ORDER
        .iter()
        .position(|&other| other == module)
        .unwrap_or_else(|| panic!("{module} has no place in ORDER"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// All files but the list of modules and the clock, which imports a name for seconds only.
fn sources() -> impl Iterator<Item = Source> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    assert!(found.len() > 50, "only {} files were found", found.len());
    found.sort();
    found.into_iter().filter_map(|path| {
        let inside = path.strip_prefix(root()).unwrap().with_extension("");
        let module: Vec<String> = inside.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        let tokens = tokens(&fs::read_to_string(&path).unwrap());
        (module != ["lib"] && module != ["clock"]).then_some(Source { path, module, tokens })
    })
}

#[test]
fn paths_are_read_through_groups_and_inline_modules() {
    let source = |module: &str, text: &str| Source {
        path: PathBuf::new(),
        module: module.split('/').map(str::to_owned).collect(),
        tokens: tokens(text),
    };
    let imports = |module: &str, text: &str| source(module, text).imports().into_iter().collect::<Vec<_>>();
    assert_eq!(
        imports("a", "use crate::{b, c::{D, e::F as G}, h::*}; fn i(j: &crate::k::L) {}"),
        ["b", "c", "h", "k"]
    );
    assert_eq!(
        imports("a/b", "use super::{super::c, d}; use super::super::super_e::F;"),
        ["c", "super_e"]
    );
    assert_eq!(
        imports(
            "a",
            "mod tests { use super::{b, super::c}; } use super::d; pub(crate) fn e() {}"
        ),
        ["c", "d"]
    );
    assert_eq!(
        imports(
            "a",
            "// crate::b\n/// [`crate::c`]\nconst D: &str = \"crate::e\\\"\"; fn f<'g>(_: &'g u8) { '\"'; r#\"crate::h\"#; crate::i() }"
        ),
        ["i"]
    );
}
