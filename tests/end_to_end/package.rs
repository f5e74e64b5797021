//! The Debian package: what is in it works with dpkg, systemd, man and bash as they are.
#![expect(clippy::unwrap_used, reason = "a test may")]

use crate::harness::skyrelay::PROGRAM;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// Runs a program to its end, which has to be good; gives what it printed, and what it complained of.
#[track_caller]
fn run(program: &str, arguments: &[&str]) -> (String, String) {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; tests/peers/install.sh installs it"));
    let text = |bytes| String::from_utf8(bytes).expect("it prints UTF-8");
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}: {stdout}{stderr}");
    (stdout, stderr)
}

/// A package of the program under test, and its files unpacked.
struct Package {
    directory: TempDir,
    file: PathBuf,
}

impl Package {
    fn build() -> Self {
        let directory = TempDir::new().unwrap();
        let out = directory.path().join("packages");
        let output = Command::new("packaging/deb.sh")
            .arg(PROGRAM)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("SKYRELAY_PACKAGES", &out)
            // A program with all that debuggers need takes long to pack well.
            .env("DPKG_DEB_COMPRESSOR_TYPE", "gzip")
            .env("DPKG_DEB_COMPRESSOR_LEVEL", "1")
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        let file = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim_end());
        let package = Self { directory, file };
        run("dpkg-deb", &["-x", package.file.to_str().unwrap(), &package.path("")]);
        package
    }

    /// Where one of its files lies.
    fn path(&self, file: &str) -> String {
        self.directory.path().join("root").join(file).display().to_string()
    }

    /// What its control file says.
    fn field(&self, name: &str) -> String {
        let file = self.file.to_str().unwrap();
        run("dpkg-deb", &["-f", file, name]).0.trim_end().to_owned()
    }
}

#[test]
fn the_package_is_what_debian_expects() {
    let package = Package::build();
    assert_eq!(package.field("Package"), "skyrelay");
    assert_eq!(package.field("Version"), env!("CARGO_PKG_VERSION"));
    assert!(package.field("Depends").starts_with("libc6 (>= 2."));

    // The program that was packed is the program, and its configuration is one.
    let program = package.path("usr/bin/skyrelay");
    let (version, _) = run(&program, &["--version"]);
    assert!(version.contains(env!("CARGO_PKG_VERSION")), "{version}");
    run(
        &program,
        &["check", "--config", &package.path("etc/skyrelay/skyrelay.toml")],
    );

    let units =
        ["skyrelay.service", "skyrelay.socket"].map(|unit| package.path(&format!("usr/lib/systemd/system/{unit}")));
    systemd_accepts(&units, &program);
    for file in [
        "zsh/vendor-completions/_skyrelay",
        "fish/vendor_completions.d/skyrelay.fish",
    ] {
        let completions = fs::read_to_string(package.path(&format!("usr/share/{file}"))).unwrap();
        assert!(completions.contains("backtest"), "{file}");
    }
    bash_completes(&package.path("usr/share/bash-completion/completions/skyrelay"));
    man_reads_all(Path::new(&package.path("usr/share/man/man8")));
}

/// The units have nothing in them that systemd does not know, and start the program from where it lies.
fn systemd_accepts(units: &[String; 2], program: &str) {
    let [service, socket] = units;
    let text = fs::read_to_string(service).unwrap();
    assert!(text.contains("ExecStart=/usr/bin/skyrelay run --config /etc/skyrelay/skyrelay.toml\n"));
    fs::write(service, text.replace("/usr/bin/skyrelay", program)).unwrap();
    let (_, complaints) = run("systemd-analyze", &["verify", "--man=no", service, socket]);
    assert_eq!(complaints, "");
    // The check does check.
    fs::write(
        service,
        text.replace("Restart=", "Restrt=")
            .replace("/usr/bin/skyrelay", program),
    )
    .unwrap();
    let (_, complaints) = run("systemd-analyze", &["verify", "--man=no", service]);
    assert!(complaints.contains("Restrt"), "{complaints}");
}

fn bash_completes(file: &str) {
    let script = format!(
        ". {file}; COMP_WORDS=(skyrelay silence a); COMP_CWORD=2; _skyrelay skyrelay a silence; echo \"${{COMPREPLY[@]}}\""
    );
    assert_eq!(run("bash", &["-c", &script]).0, "add\n");
}

/// Each command has its page, and groff has nothing to say against any.
fn man_reads_all(directory: &Path) {
    let mut pages: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    pages.sort();
    assert_eq!(pages[0], "skyrelay-acknowledge.8.gz");
    assert!(pages.contains(&"skyrelay-silence-add.8.gz".to_owned()), "{pages:?}");
    for page in &pages {
        let path = directory.join(page).display().to_string();
        let (text, complaints) = run("man", &["--warnings", "-E", "UTF-8", "-P", "cat", "-l", &path]);
        assert_eq!(complaints, "", "{page}");
        assert!(text.contains("SYNOPSIS"), "{page}: {text}");
    }
    let (text, _) = run(
        "man",
        &[
            "-P",
            "cat",
            "-l",
            &directory.join("skyrelay.8.gz").display().to_string(),
        ],
    );
    for section in ["SIGNALS", "EXIT STATUS", "ENVIRONMENT", "FILES"] {
        assert!(text.contains(section), "{text}");
    }
}
