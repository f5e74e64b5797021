//! listen

mod settings;

pub use settings::*;
