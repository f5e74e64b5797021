//! Groups: anomalies of many series that belong together, found as they open.
//!
//! Pure: handed each anomaly as it opens and closes, it knows no clock, and time is the anomalies' own. It never passes
//! over series: an anomaly touches the `places` that its name lies at, some twenty, wherever else it is quiet.
//!
//! * A group **opens** at the place whose anomalies of the last window, those that no group explains, are the most
//!   surprising against what is usual (`background`) there, when chance alone would bring it about less often than
//!   `chance_per_day`, whatever the number of places and of anomalies.
//! * An anomaly **joins** a group that is open at one of its places while there is still more going on there than usual.
//!   It joins as well, up to six windows late, while chance alone would have brought less than a tenth of its members there.
//!   Elsewhere it counts as loose. When the loose ones at a place that *all* members of a growing group share are surprising
//!   as well, the group **spreads** to that place and takes them in: from a host to its rack, and from there to the site.
//! * Groups that begin at about the same time **merge** into the elder, when their members share a place or when they begin
//!   together.
//! * What a group explains raises suspicion nowhere else: a host that burns does not make a group of its whole site.
//! * A group is over when its members have closed, or after a long silence.
//!
//! Memory is bounded, and each bound counts what it costs: places ([`Counters::places_evicted`]), recent anomalies, members
//! listed, groups at a time. An anomaly costs a few microseconds. Ruled out by thought, and
//! not tried: decayed counts instead of slots (their tails are not Poisson's, so chance could not be told), and counting
//! members at all levels (every large incident would then make a group of the site).

mod background;
mod gather;
mod group;
mod places;
mod settings;
mod surprise;
#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use ahash::RandomState;
use background::{Background, Seen};
use group::Group;
pub use group::{GroupReport, GroupSummary, Tag};
use places::{Place, Shape};
pub use settings::Settings;

use super::subtrees::Subtrees;
use crate::{detect::Severity, line::Timestamp, shard::subtrees};

/// Anomalies remembered while they may still come to a group.
const RECENT_MAX: usize = 4096;
/// Groups that anomalies may still come to or close in. One more, and the one that has been quiet for longest is over.
const LIVE_MAX: usize = 256;
/// Members shown of all groups together, those of the highest rank first.
const MEMBERS_LISTED_MAX: usize = 10_000;
/// Groups remembered when they are over.
const PAST_MAX: usize = 256;

/// What was found so far.
#[derive(Debug)]
pub struct Groups {
    settings: Settings,
    hasher: RandomState,
    background: Background,
    /// The last anomalies, in the order in which they came.
    recent: VecDeque<Recent>,
    /// Number of the first of them.
    first_recent: u64,
    by_series: HashMap<Arc<str>, u64, RandomState>,
    live: Vec<Group>,
    /// The group that was last open at a place.
    at_place: HashMap<u64, u64, RandomState>,
    past: VecDeque<Group>,
    last_id: u64,
    counters: Counters,
    /// Places of the anomaly at hand, and what is there.
    places: Vec<Place>,
    seen: Vec<Seen>,
}

/// What has happened so far, and how much is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Groups opened.
    pub opened: u64,
    /// Groups that have become part of another.
    pub merged: u64,
    /// Groups that were given up because there were too many.
    pub given_up: u64,
    /// Groups with an open member.
    pub open: usize,
    /// Members that are counted and not listed.
    pub unlisted: u64,
    /// Places whose counts are kept.
    pub places: usize,
    /// Places that were forgotten to make room for others.
    pub places_evicted: u64,
}

/// An anomaly that opens.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Name of the series.
    pub series: Arc<str>,
    /// Time of the sample.
    pub at: Timestamp,
    /// Score of the verdict.
    pub score: f64,
    /// How much its detector says that it matters.
    pub severity: Option<Severity>,
    /// Where the number of its group is to be written, now or when there is one.
    pub tag: Tag,
}

impl Opening {
    /// What the anomaly weighs in a rank: a point for each doubling of its score, and one for each step of its severity.
    fn weight(&self) -> f64 {
        let severity = match self.severity {
            None | Some(Severity::Info) => 0.0,
            Some(Severity::Warning) => 1.0,
            Some(Severity::Critical) => 2.0,
        };
        (1.0 + self.score.max(0.0)).log2() + severity
    }
}

/// An anomaly that may still come to a group.
#[derive(Debug)]
struct Recent {
    opening: Opening,
    /// Of further anomalies of the same series.
    more_tags: Vec<Tag>,
    places: Box<[Place]>,
    is_loose: bool,
}

/// Anomalies of one series that are told apart in [`Recent`]: a few detectors, each of which may open and close.
const TAGS_MAX: usize = 16;

impl Groups {
    /// Nothing has been found yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            background: Background::new(settings.window_s),
            settings,
            hasher: RandomState::default(),
            recent: VecDeque::new(),
            first_recent: 0,
            by_series: HashMap::default(),
            live: Vec::new(),
            at_place: HashMap::default(),
            past: VecDeque::new(),
            last_id: 0,
            counters: Counters::default(),
            places: Vec::new(),
            seen: Vec::new(),
        }
    }

    /// Goes by other settings from now on, except for the window: what is usual is counted in it.
    pub fn change(&mut self, settings: Settings) {
        self.settings = Settings {
            window_s: self.settings.window_s,
            ..settings
        };
    }

    /// Takes in an anomaly that opens. Its group, if it has one by now, is in its tag. Gives the rank of the anomaly by
    /// itself: how rarely its series has one, its score and severity.
    pub fn open(&mut self, opening: Opening, subtrees_of: &Subtrees) -> f64 {
        self.forget();
        self.places.clear();
        places::of(&opening.series, &self.hasher, &mut self.places);
        let rarity = -self.background.series_per_day(self.places[1].id).log10();
        let rank = rarity.clamp(0.0, 2.0) + opening.weight();
        if !self.comes_again(&opening) {
            self.note(opening, subtrees_of);
        }
        self.end_what_is_over();
        rank
    }

    /// Takes in that an anomaly of `series` has closed, which was tagged with a group.
    pub fn close(&mut self, series: &str, at: Timestamp, group: u64) {
        if let Some(place) = self.place_of(group) {
            self.live[place].close(series, at);
        }
        self.end_what_is_over();
    }

    /// The group with this number, if it is still known.
    pub fn summary(&self, id: u64) -> Option<GroupSummary> {
        self.all().find(|group| group.id == id).map(Group::summary)
    }

    /// Groups that are open, and with `over` those that were as well: the highest rank first, `limit` at most, each with
    /// up to `members` members, and ten thousand together; and how many groups there are.
    pub fn report(&self, open: bool, over: bool, limit: usize, members: usize) -> (Vec<GroupReport>, usize) {
        let mut groups: Vec<&Group> = self
            .all()
            .filter(|group| if group.is_open() { open } else { over })
            .collect();
        let total = groups.len();
        groups.sort_by(|left, right| right.rank().total_cmp(&left.rank()).then(right.id.cmp(&left.id)));
        groups.truncate(limit);
        let mut left = MEMBERS_LISTED_MAX;
        let report = |group: &&Group| {
            let report = group.report(members.min(left));
            left -= report.series().count();
            report
        };
        (groups.iter().map(report).collect(), total)
    }

    /// What has happened so far.
    pub fn counters(&self) -> Counters {
        Counters {
            open: self.live.iter().filter(|group| group.is_open()).count(),
            places: self.background.places(),
            places_evicted: self.background.evicted(),
            ..self.counters
        }
    }

    fn all(&self) -> impl Iterator<Item = &Group> {
        self.live.iter().chain(&self.past)
    }

    /// Has the series had an anomaly in this window already? Then this one shares its fate, and counts no more.
    fn comes_again(&mut self, opening: &Opening) -> bool {
        let Some(&number) = self.by_series.get(&opening.series) else {
            return false;
        };
        let place = usize::try_from(number - self.first_recent).expect("few are remembered");
        let recent = &mut self.recent[place];
        if (opening.at - recent.opening.at).abs() > self.settings.window_s {
            return false;
        }
        if recent.is_loose {
            if recent.more_tags.len() < TAGS_MAX {
                recent.more_tags.push(opening.tag.clone());
            }
            // There may be a group by now.
            let recent = &self.recent[place];
            let of_places = recent.places.iter().filter_map(|place| self.at_place.get(&place.id));
            let is_growing = |live: &usize| (opening.at - self.live[*live].last).abs() <= self.settings.window_s;
            let group = of_places.filter_map(|id| self.place_of(*id)).find(is_growing);
            if let Some(live) = group {
                self.take_in(live, place);
            }
            return true;
        }
        let group = recent.opening.tag.group();
        let Some(live) = group.and_then(|id| self.place_of(id)) else {
            return false;
        };
        self.counters.unlisted += u64::from(!self.live[live].join(opening, &[]));
        true
    }

    fn note(&mut self, opening: Opening, subtrees_of: &Subtrees) {
        let at = opening.at;
        self.background.begin(at, subtrees_of.series());
        let [first, second] =
            subtrees(&opening.series).map(|subtree| subtree.and_then(|subtree| subtrees_of.series_below(subtree)));
        self.seen.clear();
        for &place in &self.places {
            let below = match place.shape {
                Shape::Prefix { nodes: 1 } => first,
                Shape::Prefix { nodes: 2 } => second,
                Shape::Series => Some(1),
                _ => None,
            };
            self.seen.push(self.background.note(place, at, below));
        }
        self.remember(opening);
        if !self.join() && !self.join_late() && !self.spread() {
            self.begin_group();
        }
    }

    fn remember(&mut self, opening: Opening) {
        let number = self.first_recent + self.recent.len() as u64;
        self.by_series.insert(Arc::clone(&opening.series), number);
        self.recent.push_back(Recent {
            opening,
            more_tags: Vec::new(),
            places: self.places.as_slice().into(),
            is_loose: true,
        });
    }

    fn newest(&self) -> &Recent {
        self.recent.back().expect("one has just been remembered")
    }

    /// Forgets anomalies that are too old, or too many, to come to a group.
    fn forget(&mut self) {
        let old = self.background.now() - 2 * self.settings.window_s;
        while self
            .recent
            .front()
            .is_some_and(|recent| recent.opening.at < old || self.recent.len() >= RECENT_MAX)
            && let Some(recent) = self.recent.pop_front()
        {
            if self.by_series.get(&recent.opening.series) == Some(&self.first_recent) {
                self.by_series.remove(&recent.opening.series);
            }
            self.first_recent += 1;
        }
    }

    /// Ends groups whose members have closed, a window after the last has joined, and those that nothing happens to.
    fn end_what_is_over(&mut self) {
        let now = self.background.now();
        let Settings { window_s, quiet_s, .. } = self.settings;
        let is_over = |group: &Group| {
            (!group.is_open() && now - group.last > window_s) || now - group.touched > quiet_s.max(window_s)
        };
        while let Some(live) = self.live.iter().position(is_over) {
            self.end(live);
        }
    }

    fn end(&mut self, live: usize) {
        let mut group = self.live.swap_remove(live);
        group.end();
        for place in group.place_ids() {
            if self.at_place.get(&place) == Some(&group.id) {
                self.at_place.remove(&place);
            }
        }
        self.past.push_back(group);
        if self.past.len() > PAST_MAX {
            self.past.pop_front();
        }
    }

    fn place_of(&self, id: u64) -> Option<usize> {
        self.live.iter().position(|group| group.id == id)
    }
}
