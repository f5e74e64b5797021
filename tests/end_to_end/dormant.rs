//! A series that falls silent and comes back, over a restart.

use std::{fmt::Write as _, io::Write as _, time::Duration};

use crate::harness::{SOON, net::http_get, sink::Sink, skyrelay::Skyrelay, unix_now, wait_for};

/// Until a minute's silence is over, and all series have been looked at.
const SILENCE: Duration = Duration::from_secs(180);

/// Sends samples a minute apart that end with this one, and waits until they are judged.
fn send(relay: &Skyrelay, last: u64, values: &[f64]) {
    let before = relay.metrics().analysed();
    let mut lines = String::new();
    for (ago, value) in (0..values.len() as u64).rev().zip(values) {
        writeln!(lines, "shop.orders {value} {}", last - 60 * ago).expect("a string takes all");
    }
    relay
        .connect()
        .write_all(lines.as_bytes())
        .expect("the relay takes lines");
    relay.wait_until_through(before + values.len() as u64, &["sink"]);
}

#[test]
fn a_series_that_comes_back_is_judged_by_what_was_learnt_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let upstream = Sink::start();
    let settings = format!(
        "[window]\nexpire_after = \"1m\"\n[detector.default]\nkind = \"adaptive\"\nsilent_for = \"0s\"\n\
         [snapshot]\nfile = \"{}\"\nevery = \"off\"\n",
        directory.path().join("snapshot").display()
    );
    let mut relay = Skyrelay::start(&[("sink", upstream.port)], &settings);
    let calm: Vec<f64> = (0..400)
        .map(|step: u32| 20.0 + f64::from(step * 7 % 11) / 10.0)
        .collect();
    send(&relay, unix_now() - 600, &calm);
    let dormant = |relay: &Skyrelay| {
        let metrics = relay.metrics();
        (
            metrics.sum("skyrelay_series", &[]),
            metrics.sum("skyrelay_series_dormant", &[]),
        )
    };
    assert_eq!(dormant(&relay), (1, 0));
    wait_for("the series to fall silent", SILENCE, || match dormant(&relay) {
        (0, 1) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    let is_said = |relay: &Skyrelay| {
        let (status, body) = http_get(relay.http_port, "/api/v1/series/shop.orders").unwrap();
        assert_eq!(status, 404);
        assert!(body.contains("what was learnt of it is kept"), "{body}");
        assert_eq!(relay.api("/api/v1/relay")["series"]["dormant"], 1);
    };
    is_said(&relay);
    assert!(relay.terminate(SOON).success());
    relay.start_again();
    wait_for("the dormant series", SOON, || match dormant(&relay) {
        (0, 1) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    is_said(&relay);
    send(&relay, unix_now() - 60, &[20.5]);
    assert_eq!(dormant(&relay), (1, 0));
    let series = relay.api("/api/v1/series/shop.orders");
    assert_eq!(
        (&series["state"], &series["window"]["samples"]),
        (&"analysed".into(), &1.into()),
        "{series}"
    );
    send(&relay, unix_now(), &[60.0]);
    let told = wait_for("what is not usual", SOON, || match &*relay.events() {
        [] => Err("nothing is told".to_owned()),
        events => Ok(events.to_vec()),
    });
    assert_eq!(
        (&told[0]["event"], &told[0]["value"]),
        (&"open".into(), &60.0.into()),
        "{told:?}"
    );
}
