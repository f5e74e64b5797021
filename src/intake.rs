//! intake

mod settings;

pub use settings::*;
