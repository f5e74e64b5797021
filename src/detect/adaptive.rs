//! The adaptive detector: what is usual for this series, at this time, by all that was seen of it.
//!
//! Its parts, none of which knows anything but the standard library:
//!
//! | file | holds |
//! | --- | --- |
//! | `model` | one series: predict, measure, tell, learn |
//! | `season` | what is usual at this time of the day, or of the week |
//! | `moments`, `tail`, `yardstick` | how far from usual a quantity is, and how rarely further |
//! | `gap` | values that have been seen |
//! | `policy` | which scores people are told of |
//! | `constants` | every number, with its reason |

mod constants;
mod gap;
mod model;
mod moments;
mod policy;
mod season;
mod single;
mod tail;
mod yardstick;

pub use model::{Direction, Floor};
