//! How anomalies come to groups: they join, a group spreads to them, or begins with them, and groups merge.

use super::{
    Groups, LIVE_MAX, Opening, Recent,
    group::Group,
    places::{self, Place, Shape},
};

/// -log10 of the chance below which a place is still busier than usual, so that an anomaly there joins its group.
const BUSY: f64 = 2.0;
/// The same for loose anomalies at a place that the members of a growing group share, so that the group spreads there: where
/// next to nothing goes on, and how much more it takes where much does. To be wrong costs little where little goes on.
const SPREADING: f64 = 1.3;
const SPREADING_WIDE: f64 = 3.0;

/// Windows from its beginning on in which a group takes in those that are late, as means of many samples take their time to show
/// what began at once, ...
const LATE_WINDOWS: i64 = 6;
/// ... while all that chance brings in that time is less than this part of its members.
const LATE_SHARE: f64 = 0.1;

/// Groups that share a place merge when the next begins within this part of a window after the last anomaly of the
/// first; those that share none, when they begin within it.
const TOGETHER: i64 = 3;

impl Groups {
    /// The newest anomaly joins a group that is open where it is.
    pub(super) fn join(&mut self) -> bool {
        let at = self.newest().opening.at;
        let groups = self.places.iter().zip(&self.seen).filter_map(|(place, seen)| {
            let live = self.place_of(*self.at_place.get(&place.id)?)?;
            let is_growing = (at - self.live[live].last).abs() <= self.settings.window_s;
            let surprise = seen.surprise_of_all();
            (is_growing && surprise >= BUSY && seen.is_going_on()).then_some((live, seen.mean, surprise))
        });
        // The closest, where there are several.
        let Some((live, _, surprise)) = groups.min_by(|left, right| left.1.total_cmp(&right.1)) else {
            return false;
        };
        let surprise = surprise - self.trials();
        self.live[live].surprise = self.live[live].surprise.max(surprise);
        self.take_in(live, self.recent.len() - 1);
        true
    }

    /// The newest anomaly comes late to a group that is open where it is, and joins it, which does not make the group grow on.
    #[expect(clippy::cast_precision_loss, reason = "windows are a day at most")]
    pub(super) fn join_late(&mut self) -> bool {
        let (at, window_s) = (self.newest().opening.at, self.settings.window_s);
        let groups = self.places.iter().zip(&self.seen).filter_map(|(place, seen)| {
            let live = self.place_of(*self.at_place.get(&place.id)?)?;
            let group = &self.live[live];
            let late_s = at - group.begun;
            let is_soon = (0..=LATE_WINDOWS * window_s).contains(&late_s) && group.is_open();
            let by_chance = seen.mean * late_s as f64 / window_s as f64;
            (is_soon && by_chance <= LATE_SHARE * group.size()).then_some((live, seen.mean))
        });
        let Some((live, _)) = groups.min_by(|left, right| left.1.total_cmp(&right.1)) else {
            return false;
        };
        let last = self.live[live].last;
        self.take_in(live, self.recent.len() - 1);
        self.live[live].last = last;
        true
    }

    /// A growing group spreads to a place of the newest anomaly that its members share.
    pub(super) fn spread(&mut self) -> bool {
        let at = self.newest().opening.at;
        let is_growing = |group: &Group| (at - group.last).abs() <= self.settings.window_s;
        let growing: Vec<usize> = (0..self.live.len())
            .filter(|&live| is_growing(&self.live[live]))
            .collect();
        // Each with how far it is beyond what is needed, and how much it is preferred.
        let mut candidates: Vec<(usize, Place, f64, f64)> = Vec::new();
        for (&place, seen) in self.places.iter().zip(&self.seen) {
            if let Some(&live) = growing.iter().find(|&&live| self.live[live].shares(place.id)) {
                let surprise = seen.surprise_of_loose_beside_a_group();
                let enough = SPREADING + SPREADING_WIDE * seen.mean / (1.0 + seen.mean);
                candidates.push((live, place, surprise - enough, surprise - place.shape.handicap()));
            }
        }
        if !candidates.iter().any(|(_, _, beyond, _)| *beyond >= 0.0) {
            return false;
        }
        // One that reads better may be a little less surprising.
        let close = candidates.into_iter().filter(|(_, _, beyond, _)| *beyond >= -0.5);
        let Some((live, place, ..)) = close.max_by(|left, right| left.3.total_cmp(&right.3)) else {
            return false;
        };
        self.settle(live, place);
        self.merge(live);
        true
    }

    /// A group begins where the loose anomalies are the most surprising, if they are surprising enough.
    pub(super) fn begin_group(&mut self) {
        let trials = self.trials();
        let enough = -self.settings.chance_per_day.log10();
        let least = u32::try_from(self.settings.min_members).unwrap_or(u32::MAX);
        let places = self.places.iter().zip(&self.seen);
        let surprising = places
            .filter(|(place, seen)| place.shape != Shape::Series && seen.loose >= least)
            .map(|(place, seen)| (*place, seen.surprise_of_loose() - trials - place.shape.handicap()))
            .filter(|(_, surprise)| *surprise >= enough);
        let Some((place, surprise)) = surprising.max_by(|left, right| left.1.total_cmp(&right.1)) else {
            return;
        };
        if self.loose_at(place).len() < self.settings.min_members {
            return;
        }
        if self.live.len() >= LIVE_MAX {
            let quietest = (0..self.live.len()).min_by_key(|&live| self.live[live].touched);
            self.end(quietest.expect("there are many"));
            self.counters.given_up += 1;
        }
        self.last_id += 1;
        self.counters.opened += 1;
        let at = self.newest().opening.at;
        self.live.push(Group::new(self.last_id, at, surprise));
        let live = self.live.len() - 1;
        self.settle(live, place);
        self.merge(live);
    }

    /// A group is open at `place` from now on, and takes in the loose anomalies there.
    fn settle(&mut self, live: usize, place: Place) {
        let glob = places::glob(&self.newest().opening.series, place.shape);
        let id = self.live[live].id;
        self.live[live].add_place(place.id, glob);
        self.at_place.insert(place.id, id);
        for recent in self.loose_at(place) {
            self.take_in(live, recent);
        }
    }

    /// Places in `recent` of the loose anomalies that have opened at `place`, at about the time of the newest.
    fn loose_at(&self, place: Place) -> Vec<usize> {
        let at = self.newest().opening.at;
        let seen = self
            .places
            .iter()
            .position(|other| other.id == place.id)
            .map(|number| self.seen[number]);
        let since = self.background.since(place.id, at, &seen.unwrap_or_default());
        let here = |recent: &Recent| {
            recent.is_loose
                && recent.opening.at >= since
                && recent.opening.at <= at + self.settings.window_s
                && recent.places.iter().any(|other| other.id == place.id)
        };
        let recent = self.recent.iter().enumerate();
        recent
            .filter(|(_, recent)| here(recent))
            .map(|(number, _)| number)
            .collect()
    }

    pub(super) fn take_in(&mut self, live: usize, recent: usize) {
        let recent = &mut self.recent[recent];
        recent.is_loose = false;
        for place in &recent.places {
            self.background.claim(place.id, recent.opening.at);
        }
        let group = &mut self.live[live];
        self.counters.unlisted += u64::from(!group.join(&recent.opening, &recent.places));
        for tag in recent.more_tags.drain(..) {
            let again = Opening {
                tag,
                ..recent.opening.clone()
            };
            group.join(&again, &[]);
        }
    }

    /// Groups that go together become one: the eldest.
    fn merge(&mut self, newest: usize) {
        let id = self.live[newest].id;
        let window = self.settings.window_s;
        while let Some(newest) = self.place_of(id) {
            let this = &self.live[newest];
            let partner = self.live.iter().position(|other| {
                let (elder, younger) = if this.begun < other.begun {
                    (this, other)
                } else {
                    (other, this)
                };
                let apart = younger.begun - elder.begun;
                let together = apart <= window / TOGETHER;
                let related = younger.begun - elder.last <= window / TOGETHER
                    && apart <= TOGETHER * window
                    && this.is_related_to(other);
                other.id != id && (together || related)
            });
            let Some(partner) = partner else { return };
            let (elder, younger) = if self.live[partner].id < id {
                (self.live[partner].id, newest)
            } else {
                (id, partner)
            };
            let younger = self.live.swap_remove(younger);
            for group in self.at_place.values_mut().filter(|group| **group == younger.id) {
                *group = elder;
            }
            let elder_place = self.place_of(elder).expect("one of the two");
            self.counters.unlisted += self.live[elder_place].absorb(younger, |shared| self.background.usual(shared));
            self.counters.merged += 1;
            if elder != id {
                return;
            }
        }
    }

    /// How many chances a day there are for a surprise (log10): one for each place of each anomaly.
    fn trials(&self) -> f64 {
        let places = f64::from(u32::try_from(self.places.len()).expect("a bound of places"));
        (self.background.per_day() * places).log10()
    }
}
