//! Files on disk: FILE and `conf.d`.

use std::{
    fs,
    path::PathBuf,
    process,
    sync::atomic::{AtomicUsize, Ordering},
};

use super::*;

/// A directory of its own for a test, removed at its end.
struct Directory(PathBuf);

impl Directory {
    fn new(files: &[(&str, &str)]) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let unique = format!(
            "skyrelay-config-{}-{}",
            process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let directory = Self(std::env::temp_dir().join(unique));
        fs::create_dir_all(directory.path("conf.d")).unwrap();
        for (name, text) in files {
            fs::write(directory.path(name), text).unwrap();
        }
        directory
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    #[track_caller]
    fn load(&self) -> Config {
        match Config::load(&self.path("main.toml")) {
            Ok(config) => config,
            Err(error) => panic!("{error}"),
        }
    }

    /// The messages, with the directory cut off their paths.
    #[track_caller]
    fn refused(&self) -> String {
        let error = Config::load(&self.path("main.toml")).expect_err("the files should be refused");
        error.to_string().replace(&format!("{}/", self.0.display()), "")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

#[test]
fn files_are_merged_in_the_order_of_their_names() {
    let directory = Directory::new(&[
        (
            "main.toml",
            "[listen]\ntcp = [\"127.0.0.1:1\"]\nmax_connections = 7\n[window]\nspan = \"1h\"\n[[forward]]\naddress = \"a:1\"\n\
             [[watch]]\nmatch = [\"a\"]",
        ),
        (
            "conf.d/20.toml",
            "window.span = \"3h\"\n[[forward]]\naddress = \"c:1\"\n[[watch]]\nmatch = [\"**\"]\ndetectors = []",
        ),
        (
            "conf.d/10.toml",
            "[window]\nspan = \"2h\"\nmax_series = 5\n[[forward]]\naddress = \"b:1\"\n[listen]\ntcp = [\"127.0.0.1:2\"]\n\
             [detector.default]\nkind = \"skyline\"",
        ),
        ("conf.d/30.toml", "[detector.default.grubbs]\nalpha = 0.25"),
        ("conf.d/.40.toml", "not read"),
        ("conf.d/50.toml.bak", "not read"),
    ]);
    let config = directory.load();
    assert_eq!(config.shard.span_s, 3 * 3600);
    assert_eq!(config.shard.max_series, 5);
    assert_eq!(config.listen.tcp, ["127.0.0.1:2".parse().unwrap()]);
    assert_eq!(config.listen.max_connections, 7);
    let upstreams: Vec<&str> = config.forwards.iter().map(|forward| forward.name.as_str()).collect();
    assert_eq!(upstreams, ["a:1", "b:1", "c:1"]);
    let watched: Vec<&str> = config
        .shard
        .watches
        .iter()
        .map(|watch| watch.globs[0].as_str())
        .collect();
    assert_eq!(watched, ["a", "**"]);
    let crate::detect::Kind::Skyline(skyline) = &config.shard.detectors[0].kind else {
        panic!("it is of kind skyline");
    };
    assert!((skyline.grubbs.alpha - 0.25).abs() < 1e-9);
}

#[test]
fn mistakes_are_found_in_every_file() {
    let directory = Directory::new(&[
        (
            "main.toml",
            "[window]\nspan = 1\nmax_series = \"x\"\n[[watch]]\nmatch = [\"**\"]",
        ),
        ("conf.d/a.toml", "\n\n[window]\nspan = \"1s\""),
        (
            "conf.d/b.toml",
            "[[watch]]\nmatch = [\"b\"]\ndetectors = [\"none\"]\n[window]\nspam = 1",
        ),
    ]);
    assert_eq!(
        directory.refused(),
        "main.toml:3:14: window.max_series is `x`, expected a whole number from 1 to 1000000000\n\
         conf.d/a.toml:4:8: window.span is `1s`, expected 1m to 3650d\n\
         conf.d/b.toml:1:1: no series gets here: the first match wins, and the one at main.toml:4:1 matches everything\n\
         conf.d/b.toml:3:14: watch.detectors names `none`, which does not exist; declare it as [detector.none]\n\
         conf.d/b.toml:5:1: unknown key `spam` in [window]; did you mean `span`?"
    );
}

#[test]
fn files_that_cannot_be_read() {
    let directory = Directory::new(&[("conf.d/a.toml", "x = \n")]);
    fs::create_dir(directory.path("conf.d/b.toml")).unwrap();
    fs::write(directory.path("conf.d/c.toml"), b"# gr\xfc\xdfe\n").unwrap();
    fs::write(directory.path("conf.d/d.toml"), vec![b'#'; 5 << 20]).unwrap();
    assert_eq!(
        directory.refused(),
        "main.toml: there is no such file\n\
         conf.d/a.toml:1:5: string values must be quoted, expected literal string\n\
         conf.d/b.toml: this is not a file, expected one\n\
         conf.d/c.toml:1:5: the byte 0xfc is not part of a character in UTF-8, expected UTF-8 text\n\
         conf.d/d.toml: the configuration is too large, expected 4 MiB or less in all"
    );

    fs::create_dir(directory.path("main.toml")).unwrap();
    let message = directory.refused();
    assert!(
        message.starts_with("main.toml: this is a directory, expected a file\n"),
        "{message}"
    );
}
