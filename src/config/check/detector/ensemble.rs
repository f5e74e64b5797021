//! Detectors of kinds `all_of`, `any_of` and `k_of`, which go by others.

use super::Mention;
use crate::{
    config::{names, section::Section},
    detect::{Severity, ensemble::Settings},
};

/// How many members have to agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    All,
    Any,
    /// As many as `k` says.
    K,
}

const NAMES: &str = "expected an array of detectors, such as [\"default\", \"classic\"]";
const NAME: &str = "expected the name of a detector";

/// Reads an ensemble; `mentions` is told which detectors it names, and where.
pub(super) fn read(section: &mut Section<'_>, rule: Rule, mentions: &mut Vec<Mention>) -> Settings {
    let of = section.list("of", NAMES, NAME, Ok).unwrap_or_default();
    section.check_distinct("of", &of, |name| (*name).to_owned());
    if !section.has("of") || section.is_empty("of") {
        let message = format!("{} has no members, {NAMES}", section.path("of"));
        section.report().say(section.place("of"), message);
    }
    mentions.extend(of.iter().map(|name| Mention::new(section.path("of"), name)));
    let members = u32::try_from(of.len()).unwrap_or(u32::MAX);
    let needed = match rule {
        Rule::All => members,
        Rule::Any => 1,
        Rule::K => k(section, members),
    };
    let severity = section.choice("severity", Severity::Warning, &names::SEVERITY);
    Settings {
        needed: needed.clamp(1, members.max(1)),
        of: of.into_iter().map(|name| name.value.into()).collect(),
        severity: section.has("severity").then_some(severity),
    }
}

fn k(section: &mut Section<'_>, members: u32) -> u32 {
    if !section.has("k") {
        let message = format!(
            "{} has no `k`, expected how many of its members have to agree",
            section.name()
        );
        section.report().say(section.start(), message);
    }
    let k = section.count("k", 1, 1..=u32::MAX);
    // A member that is no text counts: it will be one once that is put right.
    let members = section
        .elements("of")
        .map_or(members, |count| u32::try_from(count).unwrap_or(u32::MAX));
    if k > members && members > 0 {
        let path = section.path("k");
        let message = match members {
            1 => format!("{path} is {k}, but there is 1 member, expected 1"),
            _ => format!("{path} is {k}, but there are {members} members, expected 1 to {members}"),
        };
        section.report().say(section.place("k"), message);
    }
    k
}
