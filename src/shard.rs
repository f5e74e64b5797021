//! shard

mod settings;

pub use settings::*;
