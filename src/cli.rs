//! The command line: what to do, with which configuration, and the exit code.

mod acknowledge;
mod feedback;
mod history;
mod manual;
mod progress;
mod remote;
mod silence;
mod summary;
mod test_alert;

use std::{
    io::{self, IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, CommandFactory, Parser, Subcommand};
use progress::Bar;
use summary::{summarise, summarise_both};
use tracing::error;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{EnvFilter, filter::LevelFilter, reload};

use crate::{
    app::{self, App, Origin, SetLogLevel},
    backtest::{self, BacktestError, Input, ReportFile, Wanted},
    clock,
    config::{Checked, Config, Log, LogFormat, LogLevel},
    demo,
    graphite::time,
    listen::Inherited,
    shard::{self, Verbosity},
};

/// Exit codes, as sysexits.h and the readers of service managers have them.
const EXIT_FAILED: u8 = 1;
const EXIT_USAGE: u8 = 64;
const EXIT_CONFIGURATION: u8 = 78;

/// Lines of the log that wait for standard error. There is memory for all of them, and what comes beyond is lost.
const LOG_LINES_MAX: usize = 32_768;

/// The variable of the environment with what Graphite is given for `Authorization`.
const GRAPHITE_AUTHORIZATION: &str = "SKYRELAY_GRAPHITE_AUTHORIZATION";

/// A carbon relay that watches every metric as it passes.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    configured: Configured,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the relay
    Run(Configured),
    /// Check the configuration
    Check(Configured),
    /// Feed samples from files through the engine, and print verdicts as JSON lines
    Backtest(Box<BacktestArgs>),
    /// Run the relay with live synthetic traffic that has incidents in it
    Demo(Configured),
    /// Tell people of an anomaly that there is not, and that it is over, to see that it arrives
    TestAlert(test_alert::TestAlertArgs),
    /// Print the effective configuration
    PrintConfig(Configured),
    /// Have a running relay tell nobody of some anomalies for a time
    #[command(subcommand)]
    Silence(silence::SilenceCommand),
    /// Tell a running relay that somebody has seen an anomaly
    Acknowledge(acknowledge::AcknowledgeArgs),
    /// Tell a running relay that something is no anomaly
    Feedback(feedback::FeedbackArgs),
    /// Show anomalies that were, the newest first
    History(history::HistoryArgs),
    /// Print a page of the manual: `skyrelay man backtest | man -l -`
    Man(manual::ManArgs),
    /// Print what makes a shell complete skyrelay's arguments
    Completions(manual::CompletionsArgs),
}

#[derive(Args, Debug)]
struct Configured {
    /// Configuration file; `conf.d/*.toml` beside it is read, too [default: embedded defaults]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct BacktestArgs {
    #[command(flatten)]
    configured: Configured,
    /// Judge every series by this detector, whatever the watches say
    #[arg(long, value_name = "NAME")]
    detector: Option<String>,
    /// Print a verdict for every sample, not only where an anomaly opens or closes
    #[arg(long)]
    every_sample: bool,
    /// Compare with another configuration: what would have been told with each of the two
    #[arg(long, value_name = "FILE", conflicts_with = "every_sample")]
    against: Option<PathBuf>,
    /// Write a page (HTML, in one file) with a plot of each series, its band and its anomalies, those with anomalies first
    #[arg(long, value_name = "FILE", conflicts_with = "every_sample")]
    report: Option<PathBuf>,
    /// Judge series as the Graphite at this URL has them; a user in the URL or the Authorization that
    /// `SKYRELAY_GRAPHITE_AUTHORIZATION` holds is given to it
    #[arg(long, value_name = "URL", requires = "target", conflicts_with_all = ["inputs", "step"])]
    graphite: Option<String>,
    /// Of Graphite, the series with this name or of this pattern (`**` crosses dots), or what comes of this function
    #[arg(long, value_name = "GLOB", requires = "graphite")]
    target: Vec<String>,
    /// Send this with each question to Graphite, as in 'X-Scope-OrgID: 1'
    #[arg(long, value_name = "HEADER", requires = "graphite")]
    header: Vec<String>,
    /// Of whisper files, tables and Graphite, only points from this time on, as Graphite writes it (-7d, 20240131) [default
    /// for Graphite: -24h]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: Option<String>,
    /// Of whisper files, tables and Graphite, only points up to this time
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    until: Option<String>,
    /// Of whisper files, the archive with so many seconds from point to point [default: the finest]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(i64).range(1..))]
    step: Option<i64>,
    /// Files with carbon lines, whisper files, tables of times and values (.csv), folders of these, or `-` for standard
    /// input; lines and tables may be packed by gzip
    #[arg(value_name = "INPUT", default_value = "-")]
    inputs: Vec<String>,
}

/// Runs the program with the arguments it was started with.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Help and versions are printed, too; wrong usage goes to standard error.
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { EXIT_USAGE } else { 0 });
        }
    };
    match cli.command.unwrap_or(Command::Run(cli.configured)) {
        Command::Run(configured) => with_checked(&configured, |checked| run(checked, &configured, false)),
        Command::Demo(configured) => with_checked(&configured, |checked| run(checked, &configured, true)),
        Command::Check(configured) => with_checked(&configured, |checked| {
            for warning in &checked.warnings {
                eprintln!("warning: {warning}");
            }
            for warning in app::oddities(&checked.config) {
                eprintln!("warning: {warning}");
            }
            ExitCode::SUCCESS
        }),
        Command::PrintConfig(configured) => with_config(&configured, |config| print(&config.to_toml())),
        Command::TestAlert(args) => with_config(&args.configured, |config| test_alert::run(&config, &args)),
        Command::Silence(command) => silence::run(command),
        Command::Acknowledge(args) => acknowledge::run(args),
        Command::Feedback(args) => feedback::run(args),
        Command::History(args) => history::history(&args),
        Command::Man(args) => manual::man(Cli::command(), &args),
        Command::Completions(args) => manual::completions(Cli::command(), &args),
        Command::Backtest(args) => with_config(&args.configured, |config| backtest(config, &args)),
    }
}

fn with_config(configured: &Configured, then: impl FnOnce(Config) -> ExitCode) -> ExitCode {
    with_checked(configured, |checked| then(checked.config))
}

/// The same for those who say what is odd.
fn with_checked(configured: &Configured, then: impl FnOnce(Checked) -> ExitCode) -> ExitCode {
    match configured
        .config
        .as_deref()
        .map_or_else(|| Ok(Config::default().into()), Checked::load)
    {
        Ok(checked) => then(checked),
        Err(error) => fail(EXIT_CONFIGURATION, &error),
    }
}

fn run(checked: Checked, configured: &Configured, demonstrate: bool) -> ExitCode {
    let Checked { mut config, warnings } = checked;
    // Before there are other threads.
    let inherited = Inherited::from_environment();
    let (_log, set_log_level) = start_log(config.log);
    app::warn_of(&warnings);
    config.listen.max_connections = app::raise_descriptor_limit(config.listen.max_connections);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .thread_name("io")
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(EXIT_FAILED, &format_args!("the threads for input and output: {error}")),
    };
    let ended = runtime.block_on(async {
        let app = App::bind(Origin {
            config,
            file: configured.config.clone(),
            inherited,
            set_log_level,
        })?;
        if demonstrate {
            let addresses = app
                .tcp_addresses()
                .map_err(|error| app::AppError::System("the addresses in use", error))?;
            if let Some(&address) = addresses.first() {
                demo::start(address);
            }
        }
        app.run().await
    });
    // What is still blocked has had its time.
    runtime.shutdown_background();
    match ended {
        Ok(ended) if ended.lines_lost == 0 => ExitCode::SUCCESS,
        Ok(ended) => {
            error!(lines = ended.lines_lost, "lines were lost");
            ExitCode::from(EXIT_FAILED)
        }
        Err(error) => fail(EXIT_FAILED, &error),
    }
}

fn backtest(config: Config, args: &BacktestArgs) -> ExitCode {
    let wanted = match wanted(args) {
        Ok(wanted) => wanted,
        Err(error) => return fail(EXIT_USAGE, &error),
    };
    let options = backtest::Options {
        verbosity: if args.every_sample {
            Verbosity::EverySample
        } else {
            Verbosity::Changes
        },
        max_line_bytes: config.listen.max_line_bytes,
        wanted,
    };
    let settings = match with_detector(config.shard, args.detector.as_deref()) {
        Ok(settings) => settings,
        Err(error) => return fail(EXIT_CONFIGURATION, &error),
    };
    let inputs = match inputs(args) {
        Ok(inputs) => inputs,
        Err(error) => return fail(EXIT_USAGE, &error),
    };
    if (wanted.from.is_some() || wanted.until.is_some()) && inputs.iter().any(Input::has_lines) {
        let message = "--from and --until choose points of whisper files, tables and Graphite; carbon lines are judged as they come";
        return fail(EXIT_USAGE, &message);
    }
    if inputs.contains(&Input::Stdin) && io::stdin().is_terminal() {
        eprintln!("reading carbon lines from standard input; `skyrelay backtest --help` shows what else there is");
    }
    let report = match args.report.as_deref().map(ReportFile::create).transpose() {
        Ok(report) => report,
        Err(error) => return fail(EXIT_FAILED, &error),
    };
    let name =
        |path: Option<&PathBuf>| path.map_or_else(|| "the defaults".to_owned(), |path| path.display().to_string());
    let own_name = name(args.configured.config.as_ref());
    let bar = Bar::new();
    let mut progress = |progress| bar.show(progress);
    let outcome = match &args.against {
        None => {
            let report = report.map(|report| (report, own_name));
            let verdicts = bar.beside(io::stdout());
            let summary = backtest::run(settings, options, &inputs, verdicts, report, &mut progress);
            bar.clear();
            summary.map(|summary| {
                eprint!("{}", summarise(&summary));
                summary.lines
            })
        }
        Some(other) => {
            let against = Config::load(other).map_err(|error| error.to_string());
            let against = against.and_then(|against| with_detector(against.shard, args.detector.as_deref()));
            let against = match against {
                Ok(against) => against,
                Err(error) => return fail(EXIT_CONFIGURATION, &error),
            };
            let names = [own_name, name(Some(other))];
            let settings = [settings, against];
            let comparison = backtest::compare(&names, &settings, options, &inputs, report, &mut progress);
            bar.clear();
            comparison.and_then(|(comparison, summaries)| {
                write!(io::stdout().lock(), "{comparison}")?;
                eprint!("{}", summarise_both(&names, &summaries));
                Ok(summaries[0].lines)
            })
        }
    };
    match outcome {
        Ok(0) => fail(EXIT_FAILED, &"there was nothing to judge"),
        Ok(_) => ExitCode::SUCCESS,
        // Whoever read the verdicts has seen enough.
        Err(BacktestError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => fail(EXIT_FAILED, &error),
    }
}

/// The settings in which every series is judged by the detector called so, if one is named.
fn with_detector(settings: shard::Settings, name: Option<&str>) -> Result<shard::Settings, String> {
    let Some(name) = name else { return Ok(settings) };
    let names = settings.detectors.iter().map(|detector| detector.name.to_string());
    let known = names.collect::<Vec<_>>().join(", ");
    backtest::with_detector(settings, name).ok_or_else(|| format!("there is no detector {name:?}; there is {known}"))
}

/// Where samples come from.
fn inputs(args: &BacktestArgs) -> Result<Vec<Input>, String> {
    let Some(url) = &args.graphite else {
        return Ok(args.inputs.iter().map(|input| Input::from(input.as_str())).collect());
    };
    let authorization = std::env::var(GRAPHITE_AUTHORIZATION).ok();
    let graphite = backtest::Graphite::new(url, &args.target, &args.header, authorization)?;
    Ok(vec![Input::Graphite(graphite)])
}

/// The points that the options ask for.
fn wanted(args: &BacktestArgs) -> Result<Wanted, String> {
    let now = clock::now();
    let time = |option: &str, text: &Option<String>| {
        let parse =
            |text: &String| time::parse(text, now, &time::utc()).map_err(|error| format!("--{option}: {error}"));
        text.as_ref().map(parse).transpose()
    };
    let (from, until) = (time("from", &args.from)?, time("until", &args.until)?);
    if from.zip(until).is_some_and(|(from, until)| from > until) {
        return Err("--from is later than --until".to_owned());
    }
    Ok(Wanted {
        step: args.step,
        from,
        until,
    })
}

fn print(text: &str) -> ExitCode {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => fail(EXIT_FAILED, &error),
        _ => ExitCode::SUCCESS,
    }
}

fn fail(code: u8, message: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("{message}");
    ExitCode::from(code)
}

/// Logs to standard error; standard output is for anomalies. `RUST_LOG` overrides the level.
///
/// A thread writes, so that whoever reads slowly holds nobody up; what it cannot take is dropped. What is given back
/// writes the rest when it goes.
fn start_log(log: Log) -> (WorkerGuard, SetLogLevel) {
    let (stderr, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(LOG_LINES_MAX)
        .finish(io::stderr());
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter(log.level))
        .with_writer(stderr)
        .with_target(false)
        .with_ansi(io::stderr().is_terminal());
    let set_log_level: SetLogLevel = match log.format {
        LogFormat::Text => {
            let subscriber = subscriber.with_filter_reloading();
            let handle = subscriber.reload_handle();
            subscriber.init();
            Box::new(move |level| set_level(level, |filter| handle.reload(filter)))
        }
        LogFormat::Json => {
            let subscriber = subscriber.json().with_filter_reloading();
            let handle = subscriber.reload_handle();
            subscriber.init();
            Box::new(move |level| set_level(level, |filter| handle.reload(filter)))
        }
    };
    (guard, set_log_level)
}

fn filter(level: LogLevel) -> EnvFilter {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    EnvFilter::builder()
        .with_default_directive(level.into())
        .from_env_lossy()
}

fn set_level(level: LogLevel, reload: impl Fn(EnvFilter) -> Result<(), reload::Error>) -> Result<(), String> {
    if std::env::var_os(EnvFilter::DEFAULT_ENV).is_some() {
        return Err(format!("{} overrides it", EnvFilter::DEFAULT_ENV));
    }
    reload(filter(level)).map_err(|error| error.to_string())
}
