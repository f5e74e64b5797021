//! Memory: what this process has, what it may have, and how many series there is room for.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
};

use tracing::{info, warn};

use crate::shard::{NEW_SERIES_BYTES, Shared};

/// Room for new series, as memory allows. Memory is looked at once a second, and in between no more series are begun than there
/// is room for at the price of the dearest.
#[derive(Debug)]
pub(super) struct Room {
    bytes_max: Option<usize>,
    is_short: AtomicBool,
}

impl Room {
    /// Room as long as the process has no more than `bytes_max`.
    pub(super) fn new(bytes_max: Option<usize>) -> Self {
        Self {
            bytes_max,
            is_short: AtomicBool::new(false),
        }
    }

    /// Looks at what the process has by now, and tells the shards. To be called once a second.
    pub(super) fn look(&self, shards: &Shared) {
        let (Some(bytes_max), Some(resident)) = (self.bytes_max, resident()) else {
            return;
        };
        let series = bytes_max.saturating_sub(resident) / NEW_SERIES_BYTES;
        let is_used_up = shards.allow_new_series(series) == 0;
        let was_short = self.is_short.load(Ordering::Relaxed);
        // Said once, and not again before there is room to speak of.
        if is_used_up && !was_short {
            warn!(
                resident,
                bytes_max, "memory is short: new series are forwarded and not analysed"
            );
            self.is_short.store(true, Ordering::Relaxed);
        } else if was_short && !is_used_up && series > bytes_max / NEW_SERIES_BYTES / 32 {
            info!(resident, bytes_max, "there is memory for new series again");
            self.is_short.store(false, Ordering::Relaxed);
        }
    }
}

/// Memory that this process has (bytes), where the system tells.
fn resident() -> Option<usize> {
    kib(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

/// Memory that there is for this process (bytes): of the machine, or of the control group that it runs in.
pub(super) fn of_machine() -> Option<usize> {
    let machine = kib(&fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:")?;
    let group = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let group = group.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
    let groups = [
        format!("/sys/fs/cgroup{group}/memory.max"),
        "/sys/fs/cgroup/memory.max".to_owned(),
    ];
    let limits = groups
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok());
    limits.chain([machine]).min()
}

/// The value behind `key` in a table of the kernel (bytes).
fn kib(table: &str, key: &str) -> Option<usize> {
    let line = table.lines().find_map(|line| line.strip_prefix(key))?;
    let kib: usize = line.strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_understood() {
        let table = "VmHWM:\t   5000 kB\nVmRSS:\t   4096 kB\nRssAnon:\t 1 kB\n";
        assert_eq!(kib(table, "VmRSS:"), Some(4 << 20));
        assert_eq!(kib(table, "VmSwap:"), None);
        let (resident, machine) = (resident().unwrap(), of_machine().unwrap());
        assert!(resident > 1 << 20 && resident < machine, "{resident} of {machine}");
    }

    #[test]
    fn there_is_room_for_as_much_as_is_left() {
        let allowed = |bytes_max| {
            let shards = Shared::default();
            Room::new(bytes_max).look(&shards);
            shards.allow_new_series(0)
        };
        assert_eq!(allowed(None), usize::MAX);
        assert_eq!(allowed(Some(1)), 0);
        let much = resident().unwrap() + (64 << 20);
        // Other tests take and give back memory meanwhile.
        let series = allowed(Some(much));
        assert!(series > 0 && series < much / NEW_SERIES_BYTES, "{series}");
    }
}
