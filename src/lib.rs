//! skyrelay: a carbon relay that watches every metric as it passes.
//!
//! ```text
//!  senders ─TCP/UDP─▶ listen ─▶ Chunker ─▶ chunk (whole lines, one buffer, no copy per line)
//!                                            │
//!                                         intake
//!                             1. forward: a reference count   2. sort: hash names, cut into batches
//!                                            │                            │
//!                                     forward::Queue                  analysis ──┬────────┐
//!                                            │                   (full: shed)    ▼        ▼
//!                                            ▼                                shard 0  shard 1   OS threads
//!                                      carbon-cache                 parse ▸ window ▸ detect ▸ verdict
//!                                     (same bytes, same order)                   │ only when a verdict changes
//!                                                                                ▼
//!                                               event ─▶ anomaly board ─▶ notify, http
//! ```
//!
//! Three rules carry the design. *Forwarding first*: nothing that analysis does can change, delay, reorder or lose what is
//! forwarded. *One owner*: a shard is a plain struct on one thread that owns its series, without lock, clock or socket.
//! *Time is the sample's*: windows and detectors run on the series' own timestamps, so a replay of yesterday's stream
//! gives yesterday's verdicts.
//!
//! A module knows only those to its left, and a test reads the imports and says so:
//! `save → kernel → disk → units → secret → line → glob → graphite → window → detect → shard → metrics → analysis → forward → intake →
//! report → silence → plot → anomaly → history → snapshot → notify → listen → http → backtest → demo → config → app → cli`.

pub mod analysis;
pub mod anomaly;
pub mod app;
pub mod backtest;
pub mod cli;
mod clock;
pub mod config;
pub mod demo;
pub mod detect;
mod disk;
pub mod forward;
pub mod glob;
pub mod graphite;
pub mod history;
pub mod http;
pub mod intake;
mod kernel;
pub mod line;
pub mod listen;
pub mod metrics;
pub mod notify;
pub mod plot;
pub mod report;
pub mod save;
pub mod secret;
pub mod shard;
pub mod silence;
pub mod snapshot;
mod units;
pub mod window;
