//! skyrelay
pub mod backtest;
pub mod config;
pub mod detect;
pub mod forward;
pub mod glob;
pub mod intake;
pub mod line;
pub mod listen;
pub mod notify;
pub mod report;
pub mod shard;
pub mod window;
