//! What people who use Graphite are used to write.

pub mod target;
pub mod time;
