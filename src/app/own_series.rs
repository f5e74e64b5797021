//! Now and then, what is anomalous goes into the stream as series of their own.

use std::sync::Arc;

use bytes::Bytes;
use tokio::{sync::watch, task::JoinHandle, time};

use crate::{
    anomaly::{Board, own_series::Settings},
    clock,
    intake::Intake,
};

/// Bytes of lines that go on their way at a time, about.
const CHUNK_BYTES: usize = 64 << 10;

/// Whoever makes these lines.
pub(super) struct OwnSeries {
    settings: watch::Sender<Settings>,
    task: JoinHandle<()>,
}

impl OwnSeries {
    pub(super) fn start(settings: &Settings, board: Arc<Board>, intake: Arc<Intake>) -> Self {
        let (sender, settings) = watch::channel(settings.clone());
        Self {
            settings: sender,
            task: tokio::spawn(run(settings, board, intake)),
        }
    }

    /// Goes by other settings from now on.
    pub(super) fn change(&self, settings: &Settings) {
        self.settings.send_if_modified(|before| {
            let differs = before != settings;
            before.clone_from(settings);
            differs
        });
    }

    /// No more lines come when this returns.
    pub(super) async fn stop(self) {
        self.task.abort();
        // It was told to end, and may be in the middle of nothing but a wait.
        let _ = self.task.await;
    }
}

async fn run(mut settings: watch::Receiver<Settings>, board: Arc<Board>, intake: Arc<Intake>) {
    loop {
        let now_in_force = settings.borrow_and_update().clone();
        let wait = async {
            match now_in_force.every {
                Some(every) => time::sleep(every).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = settings.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
            () = wait => {}
        }
        let now = clock::now();
        for (chunk, lines) in chunks(board.own_series(&now_in_force, now)) {
            intake.take_own(chunk, lines, now).await;
        }
    }
}

/// Whole lines, cut into chunks; and how many there are in each.
fn chunks(lines: Vec<u8>) -> impl Iterator<Item = (Bytes, u64)> {
    let mut rest = Bytes::from(lines);
    std::iter::from_fn(move || {
        let behind = CHUNK_BYTES.min(rest.len());
        let end = memchr::memchr(b'\n', &rest[behind..]).map_or(rest.len(), |newline| behind + newline + 1);
        let chunk = rest.split_to(end);
        let lines = memchr::memchr_iter(b'\n', &chunk).count() as u64;
        (!chunk.is_empty()).then_some((chunk, lines))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_of_whole_lines() {
        assert_eq!(chunks(Vec::new()).count(), 0);
        let lines: Vec<u8> = (0..20_000)
            .flat_map(|n| format!("skyrelay.anomaly.a{n} 1 2\n").into_bytes())
            .collect();
        let cut: Vec<_> = chunks(lines.clone()).collect();
        assert!(cut.len() > 5);
        assert!(
            cut.iter()
                .all(|(chunk, _)| chunk.ends_with(b"\n") && chunk.len() < 2 * CHUNK_BYTES)
        );
        assert_eq!(cut.iter().map(|(_, lines)| lines).sum::<u64>(), 20_000);
        let joined: Vec<u8> = cut.iter().flat_map(|(chunk, _)| chunk.to_vec()).collect();
        assert_eq!(joined, lines);
    }
}
