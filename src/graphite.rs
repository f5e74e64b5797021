//! What people who use Graphite are used to write.

pub mod time;
