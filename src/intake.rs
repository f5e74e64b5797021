//! intake

mod settings;
mod sorter;

pub use settings::*;
pub use sorter::{Chunk, Quarantined, Sorted, Sorter};
