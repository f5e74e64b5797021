//! `skyrelay man` and `skyrelay completions`: what `man` and shells want to know of the command line. Both are made from the
//! arguments themselves, so they cannot say anything else.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};

use super::{EXIT_CONFIGURATION, EXIT_FAILED, EXIT_USAGE, GRAPHITE_AUTHORIZATION, fail, print, remote};

const PROGRAM: &str = env!("CARGO_PKG_NAME");

/// Where `man` keeps pages of servers and of what their administrators use.
const SECTION: &str = "8";

/// Which page.
#[derive(Args, Debug)]
pub(super) struct ManArgs {
    /// The page of this command, such as `backtest` or `silence add` [default: the page of skyrelay itself]
    command: Vec<String>,
    /// Write all pages into this directory, for a package
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "command")]
    all: Option<PathBuf>,
}

/// For which shell.
#[derive(Args, Debug)]
pub(super) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Runs `man`.
pub(super) fn man(mut skyrelay: Command, args: &ManArgs) -> ExitCode {
    // It has no page, as each page says what it would.
    skyrelay = without_help(skyrelay);
    skyrelay.build();
    if let Some(directory) = &args.all {
        return match write_all(&skyrelay, directory) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(EXIT_FAILED, &format_args!("{}: {error}", directory.display())),
        };
    }
    let mut command = &skyrelay;
    for name in &args.command {
        match command.find_subcommand(name) {
            Some(found) => command = found,
            None => {
                return fail(
                    EXIT_USAGE,
                    &format_args!("there is no command `{}`", args.command.join(" ")),
                );
            }
        }
    }
    print(&page(command))
}

/// Runs `completions`.
pub(super) fn completions(mut skyrelay: Command, args: &CompletionsArgs) -> ExitCode {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut skyrelay, PROGRAM, &mut text);
    print(&String::from_utf8_lossy(&text))
}

fn without_help(command: Command) -> Command {
    command.disable_help_subcommand(true).mut_subcommands(without_help)
}

/// Writes the page of `command`, and those of the commands below it.
fn write_all(command: &Command, directory: &Path) -> io::Result<()> {
    let file = directory.join(format!("{}.{SECTION}", name(command)));
    fs::write(file, page(command))?;
    command
        .get_subcommands()
        .filter(|below| !below.is_hide_set())
        .try_for_each(|below| write_all(below, directory))
}

/// As its page is called: `skyrelay-silence-add`.
fn name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

/// The page of `command`, as `man` reads it.
fn page(command: &Command) -> String {
    let man = Man::new(command.clone())
        .title(name(command).to_uppercase())
        .section(SECTION)
        .source(format!("{PROGRAM} {}", env!("CARGO_PKG_VERSION")))
        .manual(PROGRAM);
    let mut text = Vec::new();
    man.render(&mut text).expect("there is room in memory");
    if name(command) == PROGRAM {
        about_the_program()
            .to_writer(&mut text)
            .expect("there is room in memory");
    }
    String::from_utf8(text).expect("arguments are described in words")
}

/// What concerns the program as a whole.
fn about_the_program() -> Roff {
    let mut roff = Roff::new();
    let mut section = |title: &str, entries: &[(&str, &str)]| {
        roff.control("SH", [title]);
        for (term, text) in entries {
            roff.control("TP", []);
            roff.text([bold(*term)]);
            roff.text([roman(*text)]);
        }
    };
    section(
        "SIGNALS",
        &[
            (
                "SIGHUP",
                "Reads the configuration again. One with a mistake changes nothing, and the log says what is wrong with it.",
            ),
            (
                "SIGTERM, SIGINT",
                "Takes what has already arrived, forwards and judges it, writes a snapshot, and ends.",
            ),
            ("SIGUSR1", "Writes a snapshot."),
        ],
    );
    section(
        "EXIT STATUS",
        &[
            ("0", "All went well, and no line was lost."),
            (
                &EXIT_FAILED.to_string(),
                "Something failed, or lines were lost at the end; standard error says which.",
            ),
            (&EXIT_USAGE.to_string(), "Wrong usage."),
            (&EXIT_CONFIGURATION.to_string(), "A mistake in the configuration."),
        ],
    );
    section(
        "ENVIRONMENT",
        &[
            (
                "RUST_LOG",
                "What is logged: error, warn, info, debug or trace. Overrides level of [log].",
            ),
            (remote::USER, "Who asks the relay, where --user does not say so."),
            (
                remote::PASSWORD,
                "The password of that user, where --password-file does not say so.",
            ),
            (
                GRAPHITE_AUTHORIZATION,
                "What backtest --graphite gives Graphite for Authorization.",
            ),
        ],
    );
    section(
        "FILES",
        &[
            (
                "/etc/skyrelay/skyrelay.toml",
                "Where packages put the configuration; --config says which is read.",
            ),
            (
                "/etc/skyrelay/conf.d/*.toml",
                "Merged into it, in the order of their names.",
            ),
        ],
    );
    roff
}
