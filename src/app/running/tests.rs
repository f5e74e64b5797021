//! The whole relay, with a detector that has a defect.

use std::{fmt::Write as _, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

use super::*;
use crate::{config::Config, detect::scripted::PANICS_IN_OBSERVE, forward, listen::Inherited, shard::Shard};

const SOON: Duration = Duration::from_secs(20);

/// What is at `path`, head included.
async fn get(http: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(http).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Waits until `/metrics` has this line.
async fn wait_for_metric(http: SocketAddr, line: &str) {
    let looking = async {
        while !get(http, "/metrics").await.lines().any(|is| is == line) {
            sleep(Duration::from_millis(5)).await;
        }
    };
    let found = timeout(SOON, looking).await;
    assert!(found.is_ok(), "no {line} in {}", get(http, "/metrics").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_detector_that_panics_costs_its_series_the_analysis_and_the_relay_goes_on() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut config = Config::default();
    config.listen.tcp = vec![anywhere];
    config.listen.udp = Vec::new();
    config.http = Some(anywhere);
    config.forwards = vec![forward::Settings::new(
        "upstream",
        upstream.local_addr().unwrap().to_string(),
    )];
    let nothing = &mut Inherited::default();
    let listeners = Listeners::bind(&config.listen, nothing).unwrap();
    let lines = listeners.tcp_addresses().unwrap()[0];
    let listener = listen::bind_tcp(anywhere, false, nothing).unwrap();
    let http = listener.local_addr().unwrap();
    let running = Running::start(config, listeners, Some(listener)).unwrap();
    for shard in 0..running.analysis.shards() {
        running.analysis.ask(shard, Shard::script).await.unwrap();
    }

    let now = clock::now();
    let mut sent = String::new();
    for second in 0..20 {
        // Half of the series fall victim to the defect, each at a time of its own.
        for series in 0..20 {
            let value = if second == series && series < 10 {
                PANICS_IN_OBSERVE
            } else {
                1.0
            };
            writeln!(sent, "failing.s{series} {value} {}", now - 20 + second).unwrap();
        }
    }
    let mut sender = TcpStream::connect(lines).await.unwrap();
    sender.write_all(sent.as_bytes()).await.unwrap();
    // A panic ends a series: its line, and the 19 - n behind it.
    let paused = (0..10).map(|series| 20 - series).sum::<u64>();
    let reason = format!("skyrelay_lines_not_analysed_total{{reason=\"paused\"}} {paused}");
    wait_for_metric(http, &reason).await;
    wait_for_metric(http, &format!("skyrelay_samples_analysed_total {}", 400 - paused)).await;
    assert!(
        get(http, "/api/v1/series/failing.s3")
            .await
            .contains("\"state\":\"paused\"")
    );
    assert!(!get(http, "/api/v1/series/failing.s13").await.contains("paused"));
    assert!(get(http, "/-/healthy").await.starts_with("HTTP/1.1 200"));

    // Forwarding has noticed nothing, and goes on.
    let last = format!("failing.s3 1 {now}\nfailing.s13 1 {now}\n");
    sender.write_all(last.as_bytes()).await.unwrap();
    sent += &last;
    wait_for_metric(http, &format!("skyrelay_samples_analysed_total {}", 401 - paused)).await;
    let ended = running.stop();
    let (ended, arrived) = tokio::join!(ended, async {
        let (mut stream, _) = upstream.accept().await.unwrap();
        let mut arrived = String::new();
        stream.read_to_string(&mut arrived).await.unwrap();
        arrived
    });
    assert_eq!(ended, Ended { lines_lost: 0 });
    assert_eq!(arrived, sent);
}
