//! Votes in a message: by name, in their order, as an object of JSON.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeMap};

use super::is_false;
use crate::detect::{Outcome, Vote};

/// Votes by the name of the algorithm, or of the detector, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Votes(pub Vec<(String, MessageVote)>);

/// A vote, and on what grounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MessageVote {
    /// The vote; `None`: the algorithm returned nothing.
    pub vote: Option<bool>,
    /// It could not be computed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub failed: bool,
    /// What the vote was decided by, where it is defined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statistic: Option<f64>,
    /// What the statistic was held against, where it is defined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// The quantities behind the statistic, by name; those that are not defined are left out.
    #[serde(flatten)]
    pub details: BTreeMap<String, f64>,
}

impl MessageVote {
    /// The vote, and whose it is.
    pub(super) fn named(vote: &Vote) -> (String, Self) {
        let finding = vote.finding;
        let details = vote.details.iter().filter(|(_, value)| value.is_finite());
        let vote_of = Self {
            vote: match finding.outcome {
                Outcome::True => Some(true),
                Outcome::False => Some(false),
                Outcome::Nothing | Outcome::Failed => None,
            },
            failed: finding.outcome == Outcome::Failed,
            statistic: finding.statistic.filter(|value| value.is_finite()),
            threshold: finding.threshold.filter(|value| value.is_finite()),
            details: details.map(|(name, value)| ((*name).to_owned(), *value)).collect(),
        };
        (vote.name.clone().into_owned(), vote_of)
    }
}

impl Votes {
    /// Are there none?
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Votes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, vote) in &self.0 {
            map.serialize_entry(name, vote)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Votes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Votes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("votes by name")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Votes, A::Error> {
                let mut votes = Vec::new();
                while let Some(vote) = map.next_entry()? {
                    votes.push(vote);
                }
                Ok(Votes(votes))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}
