//! Upstreams: each gets the whole stream, byte for byte, in the order in which it arrived.
//!
//! ```text
//!   Intake ─ chunks ─▶ Queue ──────────────────────────────▶ Outlet ─▶ TCP ─▶ carbon-cache
//!                        └─▶ Spooler ─▶ Spool ─▶ disk ───────▲ ▲
//!                            (while it is away or behind)      │
//!                              Upstream task: connects, and writes what is not taken at once
//! ```
//!
//! Knows neither samples nor detectors: a chunk is bytes and a number of lines. One upstream that is away holds no other
//! up. Every line that enters a queue, or was on disk at the start, leaves as forwarded or as dropped, by reason, or is on
//! disk at the end; all are counted.

mod outlet;
mod piece;
mod queue;
mod settings;
mod spool;
mod spooler;
mod trouble;
mod upstream;

pub use queue::{DropReason, Queue};
pub use settings::*;
pub use spool::SpoolError;
pub use trouble::Trouble;
pub use upstream::Upstream;
