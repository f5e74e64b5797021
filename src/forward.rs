//! forward

mod settings;

pub use settings::*;
