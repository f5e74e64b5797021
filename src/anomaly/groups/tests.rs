//! Groups, told exactly on a few anomalies, and on fleets with a background of false alarms.

mod detected;
mod exact;
mod fleet;
mod incidents;

use super::*;
