//! Faults: what becomes of each line while the upstream is away, slow or sick, the disk full, or the relay itself killed.
//!
//! A recorder takes the place of carbon-cache where every line is to be told (Python's own would need a machine for itself
//! at these rates); `upstream_away` has the real one. The cases are run for two seconds each by the tests, and at length by
//! `cargo bench --bench faults`.

mod cases;
pub(crate) mod disk;
mod ledger;
mod load;
pub(crate) mod recorder;
mod stage;

pub(crate) use cases::CASES;
pub(crate) use stage::Scale;
