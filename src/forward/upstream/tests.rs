//! Upstreams over real connections: what many push arrives whole and in order, also where connections break, or the upstream
//! moves.

use std::collections::HashMap;

use bytes::Bytes;
use tokio::{io::AsyncReadExt, net::TcpListener};

use super::*;
use crate::{line::Chunk, metrics::Metrics};

const PUSHERS: usize = 4;
const CHUNKS: usize = 500;
/// Lines of a chunk: together more than the kernel takes at once.
const LINES: usize = 500;

#[tokio::test]
async fn the_relay_itself_is_no_upstream_whatever_its_name() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connected = async |own: &str| {
        let settings = Settings {
            own: vec![format!("{own}:{}", address.port()).parse().unwrap()],
            ..Settings::new("test", format!("localhost:{}", address.port()))
        };
        connect(&settings)
            .await
            .map(|(_, peer)| peer)
            .map_err(|(_, error)| error.to_string())
    };
    let circle = Err(format!(
        "{address} is this relay itself: the stream would go round in a circle"
    ));
    assert_eq!(connected("0.0.0.0").await, circle);
    assert_eq!(connected("127.0.0.1").await, circle);
    assert_eq!(connected("127.0.0.2").await, Ok(address));
}

/// Pushes numbered lines from several threads at once, and gives what each connection brought; all but the last are
/// broken by the peer after so many bytes, and the last `resend_bytes_max` are sent again.
async fn push_all(breaks: &'static [usize], resend_bytes_max: usize, spool: Option<SpoolSettings>) -> Vec<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let settings = Settings {
        when_full: super::super::WhenFull::PauseSenders,
        queue_bytes_max: 1 << 20,
        resend_bytes_max,
        ..Settings::new("test", address)
    };
    let upstream = Upstream::start(settings, spool.as_ref(), &Metrics::new().forward).unwrap();
    let queue = upstream.queue();
    let running = tokio::spawn(upstream.run(CancellationToken::new()));
    let reading = tokio::spawn(async move {
        let mut brought = Vec::new();
        for &bytes in breaks {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut first = vec![0; bytes];
            stream.read_exact(&mut first).await.unwrap();
            brought.push(String::from_utf8(first).unwrap());
        }
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut last = String::new();
        stream.read_to_string(&mut last).await.unwrap();
        brought.push(last);
        brought
    });
    let pushing: Vec<_> = (0..PUSHERS)
        .map(|pusher| {
            let queue = Arc::clone(&queue);
            tokio::spawn(async move {
                for chunk in 0..CHUNKS {
                    let lines = (0..LINES).map(|line| format!("pusher{pusher} {} 1\n", chunk * LINES + line));
                    let bytes = Bytes::from(lines.collect::<String>());
                    queue
                        .push(Chunk {
                            bytes,
                            lines: LINES as u64,
                        })
                        .await;
                }
            })
        })
        .collect();
    for pusher in pushing {
        pusher.await.unwrap();
    }
    if spool.is_some() {
        // Otherwise the rest would wait on disk for the next start.
        while !queue.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    queue.close();
    running.await.unwrap();
    assert!(queue.is_at_end());
    assert_eq!(queue.lines_dropped(), 0);
    reading.await.unwrap()
}

/// The numbers of each pusher's lines, in the order in which they came.
fn numbers(text: &str) -> HashMap<&str, Vec<usize>> {
    let mut numbers: HashMap<_, Vec<usize>> = HashMap::new();
    for line in text.lines() {
        let fields: Vec<_> = line.split(' ').collect();
        assert!(fields.len() == 3 && fields[2] == "1", "{line:?} is a whole line");
        numbers.entry(fields[0]).or_default().push(fields[1].parse().unwrap());
    }
    numbers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn lines_of_many_come_out_whole_and_in_order() {
    let brought = push_all(&[], 1 << 20, None).await;
    let numbers = numbers(&brought[0]);
    assert_eq!(numbers.len(), PUSHERS);
    for (pusher, numbers) in numbers {
        assert!(numbers.into_iter().eq(0..CHUNKS * LINES), "{pusher}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_break_loses_only_what_the_kernel_had_taken() {
    let brought = push_all(&[300_000], 0, None).await;
    let whole = brought[0].rfind('\n').unwrap() + 1;
    let (first, second) = (numbers(&brought[0][..whole]), numbers(&brought[1]));
    assert_eq!(second.len(), PUSHERS);
    for (pusher, numbers) in second {
        let begun = numbers[0];
        assert!(numbers.into_iter().eq(begun..CHUNKS * LINES), "{pusher}");
        let before = first.get(pusher).map_or(0, Vec::len);
        assert!(
            first
                .get(pusher)
                .is_none_or(|numbers| numbers.iter().copied().eq(0..before)),
            "{pusher}"
        );
        assert!(begun >= before.saturating_sub(1), "{pusher}: {begun} after {before}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn breaks_lose_nothing_when_enough_is_sent_again() {
    check_complete(&push_all(&[300_000, 2_000_000, 100], 64 << 20, None).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn breaks_lose_nothing_when_lines_go_over_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    let spool = SpoolSettings {
        keep_free_bytes: 0,
        ..SpoolSettings::new(directory.path())
    };
    check_complete(&push_all(&[300_000, 2_000_000, 100], 64 << 20, Some(spool)).await);
}

/// Every connection goes on, without a gap, where the one before ended or further back.
#[track_caller]
fn check_complete(brought: &[String]) {
    let mut next = HashMap::new();
    for text in brought {
        let whole = text.rfind('\n').unwrap() + 1;
        for (pusher, numbers) in numbers(&text[..whole]) {
            let before = next.get(pusher).copied().unwrap_or(0);
            assert!(numbers[0] <= before, "{pusher}: {} after {before}", numbers[0]);
            let (begin, end) = (numbers[0], numbers[0] + numbers.len());
            assert!(numbers.into_iter().eq(begin..end), "{pusher}");
            next.insert(pusher, end.max(before));
        }
    }
    assert_eq!(next.len(), PUSHERS);
    assert!(next.values().all(|&end| end == CHUNKS * LINES), "{next:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_upstream_that_moves_is_followed_and_nothing_is_lost_or_overtaken() {
    let (old, new) = (listen().await, listen().await);
    let settings = Settings {
        when_full: super::super::WhenFull::PauseSenders,
        queue_bytes_max: 1 << 20,
        ..Settings::new("test", address(&old))
    };
    let upstream = Upstream::start(settings.clone(), None, &Metrics::new().forward).unwrap();
    let (queue, change) = (upstream.queue(), upstream.settings());
    let running = tokio::spawn(upstream.run(CancellationToken::new()));
    let pushing = tokio::spawn({
        let queue = Arc::clone(&queue);
        async move {
            for number in 0..20_000 {
                queue
                    .push(Chunk {
                        bytes: Bytes::from(format!("pusher {number} 1\n")),
                        lines: 1,
                    })
                    .await;
                tokio::task::yield_now().await;
            }
        }
    });
    let (mut first, _) = old.accept().await.unwrap();
    let mut brought = vec![0; 1000];
    first.read_exact(&mut brought).await.unwrap();
    // What is no matter of the connection leaves it as it is.
    change.send_replace(Settings {
        queue_bytes_max: 2 << 20,
        ..settings.clone()
    });
    let mut more = vec![0; 1000];
    first.read_exact(&mut more).await.unwrap();
    brought.extend(more);
    change.send_replace(Settings {
        address: address(&new),
        ..settings
    });
    first.read_to_end(&mut brought).await.unwrap();
    drop(first);
    let (mut second, _) = new.accept().await.unwrap();
    let reading = tokio::spawn(async move {
        let mut last = String::new();
        second.read_to_string(&mut last).await.unwrap();
        last
    });
    pushing.await.unwrap();
    queue.close();
    running.await.unwrap();
    let brought = String::from_utf8(brought).unwrap();
    // carbon drops a line without its end, which comes again.
    let whole = brought.rfind('\n').unwrap() + 1;
    let all = brought[..whole].to_owned() + &reading.await.unwrap();
    assert!(numbers(&all)["pusher"].iter().copied().eq(0..20_000));
    assert_eq!(queue.lines_dropped(), 0);
}

async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

fn address(listener: &TcpListener) -> String {
    listener.local_addr().unwrap().to_string()
}
