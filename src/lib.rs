//! skyrelay
pub mod detect;
pub mod forward;
pub mod glob;
pub mod intake;
pub mod line;
pub mod listen;
pub mod notify;
pub mod shard;
pub mod window;
