//! The language as people write it.

mod mistakes;
mod nine;
mod plainly;
mod verdicts;

use super::{Model, Sources};

/// How far windows reach back in these tests (seconds).
const SPAN_S: i64 = 24 * 3600;

/// The model whose condition is `when`.
#[track_caller]
fn model(when: &str) -> Model {
    try_model(when).unwrap_or_else(|mistakes| panic!("{when}: {mistakes:?}"))
}

fn try_model(when: &str) -> Result<Model, Vec<(&'static str, super::Mistake)>> {
    let sources = Sources {
        when: when.to_owned(),
        ..Sources::default()
    };
    Model::new(sources, SPAN_S)
}
