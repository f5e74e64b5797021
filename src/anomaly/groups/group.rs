//! One group: where it is, who belongs to it, and how much it matters.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::Serialize;

use super::{
    Opening, TAGS_MAX,
    places::{self, Place, Shape},
};
use crate::{anomaly::report::two_digits, line::Timestamp};

/// Members that are listed by name; further ones are counted.
const MEMBERS_MAX: usize = 1000;

/// Places that a group is open at.
const GROUP_PLACES_MAX: usize = 16;

/// Surprise beyond this makes no difference to the rank.
const SURPRISE_MAX: f64 = 30.0;

/// The number of the group that an anomaly belongs to, shared with everybody who looks at the anomaly: it may come to a
/// group after it has opened, and the group may become part of another.
#[derive(Clone, Debug, Default)]
pub struct Tag(Arc<AtomicU64>);

impl Tag {
    /// The number of the group.
    pub fn group(&self) -> Option<u64> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            id => Some(id),
        }
    }

    fn set(&self, group: u64) {
        self.0.store(group, Ordering::Relaxed);
    }
}

impl PartialEq for Tag {
    fn eq(&self, other: &Self) -> bool {
        self.group() == other.group()
    }
}

/// A group.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) id: u64,
    /// Where it is open: the number and the glob of each place, the last to be added last.
    at: Vec<(u64, Arc<str>)>,
    /// One place that all members lie at.
    place: Arc<str>,
    /// All places that all members lie at, as of the first member's name.
    shared: Vec<Place>,
    first_member: Option<Arc<str>>,
    members: HashMap<Arc<str>, Member>,
    /// Sum of what the listed ones weigh, each its highest.
    weights: f64,
    /// Members that are not listed.
    unlisted: usize,
    /// Members that are open, listed or not.
    members_open: usize,
    /// The anomaly that made it a group.
    pub(super) begun: Timestamp,
    /// The first sample of a member.
    pub(super) since: Timestamp,
    /// The last anomaly that has joined.
    pub(super) last: Timestamp,
    /// The last that has joined or closed.
    pub(super) touched: Timestamp,
    /// -log10 of how often a day chance brings about something like it.
    pub(super) surprise: f64,
    is_over: bool,
}

/// A series of a group.
#[derive(Debug)]
struct Member {
    at: Timestamp,
    score: f64,
    weight: f64,
    /// Of its anomalies.
    tags: Vec<Tag>,
    /// Anomalies that are open.
    open: usize,
}

/// A group in a few words.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupSummary {
    /// Number, counted from the start of the relay.
    pub id: u64,
    /// A glob that all members match.
    pub place: Arc<str>,
    /// Time of the first anomalous sample.
    pub since: Timestamp,
    /// Series that belong to it.
    pub members: usize,
    /// How much it matters.
    pub rank: f64,
}

/// A group as the API shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupReport {
    #[serde(flatten)]
    summary: GroupSummary,
    state: &'static str,
    /// Where it is at home, when that is more than one place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    places: Vec<Arc<str>>,
    /// -log10 of how often a day chance brings about something like it.
    surprise: f64,
    /// Time of the last sample by which an anomaly has joined or closed.
    until: Timestamp,
    members_open: usize,
    /// The highest scores first, as many as were asked for.
    series: Vec<MemberReport>,
}

/// A member as the API shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct MemberReport {
    series: Arc<str>,
    opened_at: Timestamp,
    score: f64,
    open: bool,
}

impl GroupReport {
    /// The group in a few words.
    pub fn summary(&self) -> &GroupSummary {
        &self.summary
    }

    /// Names of the members that are listed.
    pub fn series(&self) -> impl Iterator<Item = &str> {
        self.series.iter().map(|member| &*member.series)
    }
}

impl Group {
    pub(super) fn new(id: u64, begun: Timestamp, surprise: f64) -> Self {
        Self {
            id,
            at: Vec::new(),
            place: "**".into(),
            shared: Vec::new(),
            first_member: None,
            members: HashMap::new(),
            weights: 0.0,
            unlisted: 0,
            members_open: 0,
            begun,
            since: Timestamp::MAX,
            last: Timestamp::MIN,
            touched: Timestamp::MIN,
            surprise,
            is_over: false,
        }
    }

    /// The group is open at a place that all its members share.
    pub(super) fn add_place(&mut self, id: u64, glob: String) {
        let glob: Arc<str> = glob.into();
        self.place = Arc::clone(&glob);
        // What it has been at before is part of it, and goes first when there are too many.
        if self.at.len() >= GROUP_PLACES_MAX {
            self.at.remove(0);
        }
        self.at.push((id, glob));
    }

    pub(super) fn place_ids(&self) -> impl Iterator<Item = u64> {
        self.at.iter().map(|(id, _)| *id)
    }

    /// Takes in an anomaly. `places` are those of its series, none when it is known to be a member. False when it is
    /// counted and not listed.
    pub(super) fn join(&mut self, opening: &Opening, places: &[Place]) -> bool {
        let Opening { series, at, tag, .. } = opening;
        tag.set(self.id);
        self.since = self.since.min(*at);
        self.last = self.last.max(*at);
        self.touched = self.touched.max(*at);
        if !places.is_empty() {
            self.share(series, places);
        }
        self.add(
            Arc::clone(series),
            Member {
                at: *at,
                score: opening.score,
                weight: opening.weight(),
                tags: vec![tag.clone()],
                open: 1,
            },
        )
    }

    /// False when the member is counted and not listed.
    fn add(&mut self, series: Arc<str>, member: Member) -> bool {
        let listed = self.members.len();
        match self.members.entry(series) {
            Entry::Occupied(mut known) => {
                let known = known.get_mut();
                self.weights += (member.weight - known.weight).max(0.0);
                known.weight = known.weight.max(member.weight);
                self.members_open += usize::from(known.open == 0 && member.open > 0);
                known.score = known.score.max(member.score);
                known.open += member.open;
                // A series that comes and goes does not make it grow: older ones are closed, and looked at by few.
                known.tags.extend(member.tags);
                let too_many = known.tags.len().saturating_sub(TAGS_MAX);
                known.tags.drain(..too_many);
            }
            Entry::Vacant(place) => {
                self.members_open += usize::from(member.open > 0);
                if listed >= MEMBERS_MAX {
                    self.unlisted += 1;
                    return false;
                }
                self.weights += member.weight;
                place.insert(member);
            }
        }
        true
    }

    fn share(&mut self, series: &Arc<str>, places: &[Place]) {
        if self.first_member.is_none() {
            self.first_member = Some(Arc::clone(series));
            let shared = places.iter().filter(|place| place.shape != Shape::Series);
            self.shared = shared.copied().collect();
        } else {
            self.shared
                .retain(|shared| places.iter().any(|place| place.id == shared.id));
        }
    }

    /// Do all members lie at this place?
    pub(super) fn shares(&self, id: u64) -> bool {
        self.shared.iter().any(|place| place.id == id)
    }

    /// Do all members of both lie at one place, other than everywhere?
    pub(super) fn is_related_to(&self, other: &Self) -> bool {
        let somewhere = self.shared.iter().filter(|place| place.shape != Shape::Everywhere);
        somewhere.into_iter().any(|place| other.shares(place.id))
    }

    /// An anomaly of `series` has closed.
    pub(super) fn close(&mut self, series: &str, at: Timestamp) {
        self.touched = self.touched.max(at);
        let is_last = self.members.get_mut(series).is_none_or(|member| {
            let was_open = member.open;
            member.open = was_open.saturating_sub(1);
            was_open == 1
        });
        self.members_open = self.members_open.saturating_sub(usize::from(is_last));
    }

    /// Takes in all of another group. Gives how many of its members are no longer listed. `usual` says how much goes on at
    /// a place.
    pub(super) fn absorb(&mut self, other: Self, usual: impl Fn(u64) -> f64) -> u64 {
        self.begun = self.begun.min(other.begun);
        self.since = self.since.min(other.since);
        self.last = self.last.max(other.last);
        self.touched = self.touched.max(other.touched);
        self.surprise = self.surprise.max(other.surprise);
        self.shared
            .retain(|place| other.shared.iter().any(|shared| shared.id == place.id));
        for (id, glob) in other.at {
            if self.at.len() >= GROUP_PLACES_MAX {
                self.at.remove(0);
            }
            self.at.push((id, glob));
        }
        self.unlisted += other.unlisted;
        let listed_open = other.members.values().filter(|member| member.open > 0).count();
        self.members_open += other.members_open.saturating_sub(listed_open);
        let mut left_out = 0;
        for (series, member) in other.members {
            for tag in &member.tags {
                tag.set(self.id);
            }
            left_out += u64::from(!self.add(series, member));
        }
        self.describe(usual);
        left_out
    }

    /// Names the group by the closest of the places that all members lie at.
    fn describe(&mut self, usual: impl Fn(u64) -> f64) {
        let closest = self.shared.iter().min_by(|left, right| {
            let worth = |place: &Place| (1.0 + usual(place.id)).log10() + place.shape.handicap();
            worth(left).total_cmp(&worth(right))
        });
        if let (Some(place), Some(name)) = (closest, &self.first_member) {
            self.place = places::glob(name, place.shape).into();
        }
    }

    /// Nobody joins it any more.
    pub(super) fn end(&mut self) {
        self.is_over = true;
        self.shared = Vec::new();
        for member in self.members.values_mut() {
            member.tags = Vec::new();
        }
    }

    /// Is it going on, with a member that is anomalous?
    pub(super) fn is_open(&self) -> bool {
        !self.is_over && self.members_open > 0
    }

    fn members(&self) -> usize {
        self.members.len() + self.unlisted
    }

    /// The same as a number to reckon with; 1 at least.
    pub(super) fn size(&self) -> f64 {
        u32::try_from(self.members().max(1)).map_or(f64::MAX, f64::from)
    }

    /// How much it matters: its surprise up to a bound, a point for each doubling of its members, and what they weigh.
    pub(super) fn rank(&self) -> f64 {
        let listed = u32::try_from(self.members.len().max(1)).map_or(1.0, f64::from);
        self.surprise.min(SURPRISE_MAX) + self.size().log2() + self.weights / listed
    }

    pub(super) fn summary(&self) -> GroupSummary {
        GroupSummary {
            id: self.id,
            place: Arc::clone(&self.place),
            since: self.since,
            members: self.members(),
            rank: two_digits(self.rank()),
        }
    }

    pub(super) fn report(&self, members: usize) -> GroupReport {
        let mut listed: Vec<(&Arc<str>, &Member)> = self.members.iter().collect();
        listed.sort_by(|left, right| right.1.score.total_cmp(&left.1.score).then(left.0.cmp(right.0)));
        listed.truncate(members);
        let member = |(series, member): (&Arc<str>, &Member)| MemberReport {
            series: Arc::clone(series),
            opened_at: member.at,
            score: member.score,
            open: member.open > 0 && !self.is_over,
        };
        let elsewhere = self.at.iter().any(|(_, glob)| *glob != self.place);
        GroupReport {
            summary: self.summary(),
            state: if self.is_open() { "open" } else { "closed" },
            places: if elsewhere {
                self.at.iter().map(|(_, glob)| Arc::clone(glob)).collect()
            } else {
                Vec::new()
            },
            surprise: two_digits(self.surprise),
            until: self.touched,
            members_open: if self.is_over { 0 } else { self.members_open },
            series: listed.into_iter().map(member).collect(),
        }
    }
}
