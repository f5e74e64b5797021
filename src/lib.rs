//! skyrelay
pub mod analysis;
pub mod anomaly;
pub mod backtest;
mod clock;
pub mod config;
pub mod detect;
pub mod forward;
pub mod glob;
pub mod intake;
pub mod line;
pub mod listen;
pub mod metrics;
pub mod notify;
pub mod report;
pub mod shard;
pub mod window;
