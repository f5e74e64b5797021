//! What is done for the series of each watch, worked out once, so that a new series costs a look for its watch and no more.

use super::settings::{Reading, Settings, Watch};
use crate::detect::{Asked, Engine, Orders};

/// What is done for the series of one watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// The detectors, each behind those that it goes by; none: series are not judged.
    pub(super) asked: Box<[Asked]>,
    pub(super) reading: Reading,
    /// Is there one that reads a window's running statistics?
    pub(super) needs_statistics: bool,
    /// Is there one that tells of silence?
    pub(super) hears_silence: bool,
}

impl Plan {
    /// That of each watch.
    pub(super) fn all(settings: &Settings, engines: &[Engine]) -> Vec<Self> {
        let orders = Orders::new(&settings.detectors);
        let plan = |watch: &Watch| {
            let asked = orders.of(&watch.detectors);
            let asked = asked.expect("the configuration has looked for circles, and for all that is named");
            Self {
                needs_statistics: asked.iter().any(|asked| engines[asked.detector].needs_statistics()),
                hears_silence: asked
                    .iter()
                    .any(|asked| engines[asked.detector].least_silence_s().is_some()),
                asked: asked.into(),
                reading: watch.reading,
            }
        };
        settings.watches.iter().map(plan).collect()
    }
}
