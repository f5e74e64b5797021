//! notify

mod settings;

pub use settings::*;
