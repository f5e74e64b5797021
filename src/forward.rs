//! Upstreams: each gets the whole stream, byte for byte, in the order in which it arrived.
//!
//! ```text
//!   Intake ─ chunks ─▶ Queue (memory; a spool on disk will stand behind it) ─▶ Outlet ─▶ TCP ─▶ carbon-cache
//!                                                                                ▲
//!                                              Upstream task: connects, and writes what is not taken at once
//! ```
//!
//! Knows neither samples nor detectors: a chunk is bytes and a number of lines. One upstream that is away holds no other
//! up. Every line that enters a queue leaves it as forwarded or as dropped, by reason; both are counted.

mod outlet;
mod queue;
mod settings;
mod upstream;

pub use queue::{DropReason, Queue};
pub use settings::*;
pub use upstream::Upstream;
