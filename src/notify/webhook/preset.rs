//! Ready-made templates, as data: what well-known receivers want to be sent.
//!
//! A preset is what somebody would have written in the configuration; whatever is set there as well takes its place.

use serde::Deserialize;

/// Those there are: their names, and their files.
const PRESETS: [(&str, &str); 3] = [
    ("slack", include_str!("presets/slack.toml")),
    ("pagerduty", include_str!("presets/pagerduty.toml")),
    ("ntfy", include_str!("presets/ntfy.toml")),
];

/// What a preset says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// Where to, for receivers that are at one place.
    pub url: Option<String>,
    /// Messages of a request.
    pub batch: usize,
    /// The body's template.
    pub body: String,
    /// Names of values that it needs.
    #[serde(default)]
    pub values: Vec<String>,
    /// Names of secrets that it needs.
    #[serde(default)]
    pub secrets: Vec<String>,
}

/// The names of all presets.
pub fn names() -> [&'static str; PRESETS.len()] {
    PRESETS.map(|(name, _)| name)
}

/// The preset called so.
pub fn find(name: &str) -> Option<Preset> {
    let (_, text) = PRESETS.iter().find(|(preset, _)| *preset == name)?;
    Some(toml::from_str(text).expect("a test reads every preset"))
}
