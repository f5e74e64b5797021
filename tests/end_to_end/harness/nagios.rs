//! Debian's Nagios with one host and one service, of which it hears through its command file alone.

use super::{
    SOON,
    process::{Process, peer},
    wait_for,
};
use std::{collections::BTreeMap, fs, path::PathBuf};
use tempfile::TempDir;

/// A Nagios that reads commands.
pub(crate) struct Nagios {
    _process: Process,
    directory: TempDir,
}

const OBJECTS: &str = "
define command {
    command_name nothing
    command_line /bin/true
}
define timeperiod {
    timeperiod_name always
    alias always
}
define contact {
    contact_name nobody
    host_notifications_enabled 0
    service_notifications_enabled 0
    host_notification_period always
    service_notification_period always
    host_notification_commands nothing
    service_notification_commands nothing
}
define host {
    host_name web1
    address 127.0.0.1
    max_check_attempts 1
    active_checks_enabled 0
    passive_checks_enabled 1
    check_period always
    notification_period always
    contacts nobody
}
define service {
    host_name web1
    service_description load
    check_command nothing
    max_check_attempts 1
    active_checks_enabled 0
    passive_checks_enabled 1
    check_period always
    notification_period always
    contacts nobody
}
";

impl Nagios {
    /// Starts it and waits until it reads commands.
    #[track_caller]
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let root = directory.path().display();
        let user = std::env::var("USER").unwrap_or_else(|_| "root".to_owned());
        let main = format!(
            "log_file={root}/nagios.log\ncfg_file={root}/objects.cfg\nobject_cache_file={root}/objects.cache\n\
             precached_object_file={root}/objects.precache\nstatus_file={root}/status.dat\nstatus_update_interval=1\n\
             temp_file={root}/temp\ntemp_path={root}\ncheck_result_path={root}\nlock_file={root}/lock\n\
             command_file={root}/nagios.cmd\nquery_socket={root}/query\nnagios_user={user}\nnagios_group={user}\n\
             check_external_commands=1\nexecute_service_checks=0\naccept_passive_service_checks=1\n\
             check_result_reaper_frequency=1\nuse_syslog=0\nretain_state_information=0\n"
        );
        fs::write(directory.path().join("nagios.cfg"), main).expect("the directory is ours");
        fs::write(directory.path().join("objects.cfg"), OBJECTS).expect("the directory is ours");
        let mut command = peer("nagios4");
        command.arg(directory.path().join("nagios.cfg"));
        let mut process = Process::start("nagios4", command);
        let status = directory.path().join("status.dat");
        wait_for("Nagios that reads commands", SOON, || {
            process.check_running().unwrap_or_else(|ended| panic!("{ended}"));
            let ready = directory.path().join("nagios.cmd").exists() && status.exists();
            if ready {
                Ok(())
            } else {
                Err(process.stdout().join("\n"))
            }
        });
        Self {
            _process: process,
            directory,
        }
    }

    /// The pipe that it reads commands from.
    pub(crate) fn command_file(&self) -> PathBuf {
        self.directory.path().join("nagios.cmd")
    }

    /// What it says of its one service.
    pub(crate) fn service(&self) -> Result<BTreeMap<String, String>, String> {
        let text = fs::read_to_string(self.directory.path().join("status.dat")).map_err(|error| error.to_string())?;
        let (_, behind) = text.split_once("servicestatus {").ok_or("there is no service yet")?;
        let (service, _) = behind.split_once('}').ok_or("it is being written")?;
        let pairs = service.lines().filter_map(|line| line.trim().split_once('='));
        Ok(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    /// Its log.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("nagios.log")).unwrap_or_default()
    }
}
