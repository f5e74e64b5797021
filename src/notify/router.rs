//! Who is to be told what, and when: routes, waiting for what opens together, quiet hours, silences, and telling again.
//!
//! Pure: handed notices and the time, it knows no clock, thread or channel, and gives what each channel is to be told.
//!
//! An open anomaly is, on each route that it takes, in one of three states, and at most one thing is to happen to it there:
//!
//! ```text
//!             group_wait over                          it is told again ┌──────┐
//!  opens ─▶ Waiting ─────────▶ silenced or quiet? ── no ──▶ Told ──repeat───────┘
//!              │                   │ yes   ▲ over           │
//!              ▼ closes            ▼       │                ▼ closes
//!            nobody is told      Held ─────┘              its end is told, at once or when it is quiet no more
//! ```
//!
//! * What opens and closes again while it waits is not told, unless it does so again and again.
//! * An end is told wherever the beginning was; each mailbox knows whether it was. That is how ends arrive after a restart
//!   or a reload, whatever routes there are by then.
//! * What was told before a restart and is not open after it may come back: it is the same anomaly then. If it does not, its
//!   end is told after a while.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use super::{Alert, LinkSettings, Message, Status, mailbox::Outgoing};
use crate::{
    anomaly::{Anomaly, Notice, groups::GroupSummary},
    detect::Severity,
    line::Timestamp,
    shard::Change,
    silence::Marks,
};

/// Time after which a silence is looked at again (seconds).
const SILENCE_CHECK_S: i64 = 5;

/// Time that an anomaly which was open before a restart has to come back (seconds).
const ORPHAN_GRACE_S: i64 = 900;

/// How often an anomaly opens and closes within `group_wait` ...
const FLAPS: u32 = 3;
/// ... in so much time, until it is told (seconds) ...
const FLAP_WINDOW_S: i64 = 3600;
/// ... of so many at a time.
const FLAPPING_MAX: usize = 10_000;

/// What the router asks about anomalies.
pub(super) trait View {
    /// Is it silenced, or acknowledged?
    fn marks(&self, anomaly: &Anomaly) -> Marks;
    /// The group with this number, as it is now.
    fn group(&self, id: u64) -> Option<GroupSummary>;
}

/// Why people are not told of an anomaly, or not yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Hold {
    /// The route is quiet.
    Quiet,
    /// It is not to be told for now. What was told before is told to be over.
    Silenced,
    /// Somebody knows, and is not to be told again.
    Acknowledged,
}

/// What is to be told to one channel.
pub(super) type Delivery = (usize, Outgoing);

/// What a channel knows of an anomaly from before a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// It was told, last at this time.
    Told(Timestamp),
    /// It was not.
    Untold,
    /// There is nothing to know it from.
    Unsure,
}

/// What is open, and what is to happen to it.
#[derive(Debug, Default)]
pub(super) struct Router {
    routes: Vec<Alert>,
    links: LinkSettings,
    /// How many there are.
    channels: usize,
    /// By number.
    open: HashMap<u64, Open>,
    by_name: HashMap<Name, u64>,
    /// What is to happen: the time, the anomaly, and the route.
    agenda: BTreeSet<(Timestamp, u64, usize)>,
    /// When what waits on a route is told, for each.
    gathering: Vec<Option<Timestamp>>,
    /// Told before a restart, and not open since.
    orphans: HashMap<Name, Orphan>,
    flapping: HashMap<Name, Flapping>,
    /// Groups may have grown since it was last looked at them.
    groups_grow: bool,
    /// Messages that channels are not given, since this was asked last.
    held_back: BTreeMap<(usize, Hold), u64>,
}

/// Other routes to go by.
#[derive(Debug)]
pub(super) struct Routes {
    pub(super) alerts: Vec<Alert>,
    pub(super) links: LinkSettings,
    /// How many there are.
    pub(super) channels: usize,
}

/// Series and detector: of these there is one open anomaly at most.
type Name = (Arc<str>, Arc<str>);

#[derive(Debug)]
struct Open {
    anomaly: Arc<Anomaly>,
    group: Option<GroupSummary>,
    /// The highest so far.
    severity: Severity,
    /// The message that it is known by since before a restart.
    before: Option<Arc<Message>>,
    /// Routes whose patterns and detectors match.
    candidates: Vec<usize>,
    /// One of them may match when its group has grown.
    may_grow: bool,
    stages: Vec<Stage>,
}

/// How far it is on one route.
#[derive(Clone, Copy, Debug)]
struct Stage {
    route: usize,
    phase: Phase,
    /// Why what is to be told next is held back, as far as that is counted.
    counted: Option<Hold>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Until this, for others to tell it with.
    Waiting(Timestamp),
    /// It is quiet or silenced; to be looked at again at this.
    Held(Timestamp),
    /// To be told again at this, if at all.
    Told(Option<Timestamp>),
}

/// What a message is about.
#[derive(Clone, Copy)]
struct Matter<'a> {
    anomaly: &'a Anomaly,
    group: Option<&'a GroupSummary>,
    marks: &'a Marks,
    /// What it is known by since before a restart.
    before: Option<&'a Arc<Message>>,
}

#[derive(Debug)]
struct Orphan {
    until: Timestamp,
    message: Arc<Message>,
}

#[derive(Clone, Copy, Debug)]
struct Flapping {
    since: Timestamp,
    times: u32,
}

impl Router {
    /// Nothing is open yet.
    pub(super) fn new(routes: Vec<Alert>, links: LinkSettings, channels: usize) -> Self {
        Self {
            gathering: vec![None; routes.len()],
            routes,
            links,
            channels,
            ..Self::default()
        }
    }

    /// Takes in that an anomaly has opened, goes on, or has closed.
    pub(super) fn take(&mut self, notice: &Notice, now: Timestamp, view: &dyn View, out: &mut Vec<Delivery>) {
        self.groups_grow = true;
        match notice.change {
            Change::Opened => self.opened(notice, now, view, out),
            Change::Again => self.again(notice, now, view, out),
            Change::Closed => self.closed(notice, now, view, out),
        }
        // Before the next notice, which may be that it is over.
        self.do_what_is_due(now, view, out);
    }

    fn opened(&mut self, notice: &Notice, now: Timestamp, view: &dyn View, out: &mut Vec<Delivery>) {
        let anomaly = &notice.anomaly;
        if self.open.contains_key(&anomaly.id) {
            return;
        }
        let name = name_of(anomaly);
        // The board has put this in the place of another.
        if let Some(open) = self.by_name.get(&name).copied().and_then(|id| self.remove(id)) {
            let told: Vec<usize> = open.told().collect();
            let marks = view.marks(&open.anomaly);
            let matter = Matter {
                group: None,
                ..open.matter(&marks)
            };
            let end = self.message(Status::Resolved, 0, &matter);
            self.resolve(end, &told, now, out);
        }
        let before = self.orphans.remove(&name).map(|orphan| orphan.message);
        let was_told = before.is_some();
        self.insert(anomaly, notice.group.clone(), before);
        self.enter(anomaly.id, now, |_| was_told.then_some(now));
    }

    fn insert(&mut self, anomaly: &Arc<Anomaly>, group: Option<GroupSummary>, before: Option<Arc<Message>>) {
        let candidates = self.candidates(anomaly);
        let open = Open {
            anomaly: Arc::clone(anomaly),
            group,
            severity: severity_of(anomaly),
            before,
            candidates,
            may_grow: false,
            stages: Vec::new(),
        };
        self.by_name.insert(name_of(anomaly), anomaly.id);
        self.open.insert(anomaly.id, open);
    }

    fn candidates(&self, anomaly: &Anomaly) -> Vec<usize> {
        let matching = self.routes.iter().enumerate();
        let matching = matching.filter(|(_, route)| route.is_about(&anomaly.series, &anomaly.detector));
        matching.map(|(place, _)| place).collect()
    }

    /// Puts an anomaly on the routes that it takes by now. `told_at` says of a route when it was told there, if it was.
    fn enter(&mut self, id: u64, now: Timestamp, told_at: impl Fn(&Alert) -> Option<Timestamp>) {
        let Some(open) = self.open.get_mut(&id) else { return };
        open.may_grow = false;
        let members = open.group.as_ref().map_or(1, |group| group.members);
        for &place in &open.candidates {
            let route = &self.routes[place];
            if open.severity < route.severity {
                continue;
            }
            if members < route.members {
                open.may_grow = true;
                continue;
            }
            if !open.stages.iter().any(|stage| stage.route == place) {
                let phase = match told_at(route) {
                    Some(at) => Phase::Told(route.repeat_s.map(|repeat| at.saturating_add(repeat))),
                    None if route.group_wait_s == 0 => Phase::Waiting(now),
                    None => {
                        let due = self.gathering[place].get_or_insert(now.saturating_add(route.group_wait_s));
                        Phase::Waiting(*due)
                    }
                };
                open.stages.push(Stage {
                    route: place,
                    phase,
                    counted: None,
                });
                self.agenda.extend(phase.due().map(|due| (due, id, place)));
            }
            if !route.goes_on {
                break;
            }
        }
    }

    fn again(&mut self, notice: &Notice, now: Timestamp, view: &dyn View, out: &mut Vec<Delivery>) {
        let id = notice.anomaly.id;
        let Some(open) = self.open.get_mut(&id) else {
            // It was open before this was there to hear of it.
            return self.opened(notice, now, view, out);
        };
        open.anomaly = Arc::clone(&notice.anomaly);
        open.group.clone_from(&notice.group);
        open.severity = open.severity.max(severity_of(&notice.anomaly));
        let told: Vec<usize> = open.told().collect();
        let marks = view.marks(&open.anomaly);
        self.enter(id, now, |_| None);
        let (first, mut reached, mut untold) = (out.len(), BTreeSet::new(), BTreeMap::new());
        for place in told {
            let route = &self.routes[place];
            match Hold::of(route, &marks, true, now) {
                Some((hold, _)) => untold.extend(route.to.iter().map(|&channel| (channel, hold))),
                None => self.tell(id, place, Status::Again, (&marks, now), out),
            }
        }
        // One that several routes lead to is told once.
        let mut news = out.split_off(first);
        news.retain(|(channel, _)| reached.insert(*channel));
        out.append(&mut news);
        untold.retain(|channel, _| !reached.contains(channel));
        self.count_held_back(untold);
    }

    fn closed(&mut self, notice: &Notice, now: Timestamp, view: &dyn View, out: &mut Vec<Delivery>) {
        let marks = view.marks(&notice.anomaly);
        let Some(open) = self.remove(notice.anomaly.id) else {
            // Some mailbox may know of it from before a restart.
            let message = self.message(Status::Resolved, 0, &Matter::new(notice, &marks));
            return self.resolve(message, &[], now, out);
        };
        let matter = Matter {
            before: open.before.as_ref(),
            ..Matter::new(notice, &marks)
        };
        let mut message = self.message(Status::Resolved, 0, &matter);
        if open.told().next().is_none() && !self.flaps(&open, now) {
            // Some mailbox may have been told of it by routes that are not there any more.
            return self.resolve(message, &[], now, out);
        }
        let told: Vec<usize> = open.told().collect();
        if told.is_empty() {
            // It comes and goes: those who wait for it are told of it, and that it is over.
            let mut untold = BTreeMap::new();
            for stage in open.stages.iter().filter(|stage| stage.phase.is_waiting()) {
                let route = &self.routes[stage.route];
                if let Some((hold, _)) = Hold::of(route, &marks, false, now) {
                    untold.extend(route.to.iter().map(|&channel| (channel, hold)));
                    continue;
                }
                message.route = Arc::clone(&route.name);
                let opening = Matter {
                    anomaly: &open.anomaly,
                    ..matter
                };
                let mut first = self.message(Status::Firing, stage.route, &opening);
                first.reason += " (it comes and goes)";
                let first = Outgoing::now(first, route.resolved);
                out.extend(route.to.iter().map(|&channel| (channel, first.clone())));
            }
            self.count_held_back(untold);
        }
        self.resolve(message, &told, now, out);
    }

    /// Has an anomaly that was not told come and gone often enough to be told?
    fn flaps(&mut self, open: &Open, now: Timestamp) -> bool {
        if open.waiting().next().is_none() {
            return false;
        }
        let is_past = |flapping: &Flapping| now.saturating_sub(flapping.since) > FLAP_WINDOW_S;
        if self.flapping.len() >= FLAPPING_MAX {
            self.flapping.retain(|_, flapping| !is_past(flapping));
        }
        let name = name_of(&open.anomaly);
        if self.flapping.len() >= FLAPPING_MAX && !self.flapping.contains_key(&name) {
            return true;
        }
        let anew = Flapping { since: now, times: 0 };
        let flapping = self.flapping.entry(name.clone()).or_insert(anew);
        if is_past(flapping) {
            *flapping = anew;
        }
        flapping.times += 1;
        let often = flapping.times >= FLAPS;
        if often {
            self.flapping.remove(&name);
        }
        often
    }

    /// Tells everybody who was told that it is over; those on a route that is quiet when it is not any more.
    fn resolve(&self, message: Message, told: &[usize], now: Timestamp, out: &mut Vec<Delivery>) {
        // For each channel on a quiet route, when that ends to be quiet; it is not, on another one that leads there.
        let mut quiet: BTreeMap<usize, Option<Timestamp>> = BTreeMap::new();
        for &place in told {
            let until = self.routes[place].quiet.until(now);
            for &channel in &self.routes[place].to {
                let earliest = quiet.entry(channel).or_insert(until);
                *earliest = (*earliest).min(until);
            }
        }
        let message = Arc::new(message);
        out.extend((0..self.channels).map(|channel| {
            let outgoing = Outgoing {
                message: Arc::clone(&message),
                resolve: true,
                not_before: quiet.get(&channel).copied().flatten(),
            };
            (channel, outgoing)
        }));
    }

    fn remove(&mut self, id: u64) -> Option<Open> {
        let open = self.open.remove(&id)?;
        for stage in &open.stages {
            if let Some(due) = stage.phase.due() {
                self.agenda.remove(&(due, id, stage.route));
            }
        }
        let name = name_of(&open.anomaly);
        if self.by_name.get(&name) == Some(&id) {
            self.by_name.remove(&name);
        }
        Some(open)
    }

    /// Does what is due.
    pub(super) fn tick(&mut self, now: Timestamp, view: &dyn View, out: &mut Vec<Delivery>) {
        if std::mem::take(&mut self.groups_grow) {
            self.look_at_groups(now, view);
        }
        self.give_up_orphans(now, out);
        self.do_what_is_due(now, view, out);
        for due in &mut self.gathering {
            *due = due.filter(|due| *due > now);
        }
    }

    fn do_what_is_due(&mut self, now: Timestamp, view: &dyn View, out: &mut Vec<Delivery>) {
        let mut untold = Vec::new();
        while let Some(&(due, id, place)) = self.agenda.first().filter(|(due, ..)| *due <= now) {
            self.agenda.remove(&(due, id, place));
            untold.extend(self.come_up(id, place, now, view, out).map(|hold| (id, place, hold)));
        }
        // By now it is known what else was told.
        for (id, place, hold) in untold {
            self.note_held_back(id, place, hold);
        }
    }

    fn look_at_groups(&mut self, now: Timestamp, view: &dyn View) {
        let mut known: HashMap<u64, Option<GroupSummary>> = HashMap::new();
        let mut grown = Vec::new();
        for (id, open) in self.open.iter_mut().filter(|(_, open)| open.may_grow) {
            let Some(group) = open.anomaly.group.group() else {
                continue;
            };
            let summary = known.entry(group).or_insert_with(|| view.group(group));
            if summary.is_some() && open.group != *summary {
                open.group.clone_from(summary);
                grown.push(*id);
            }
        }
        grown.sort_unstable();
        for id in grown {
            self.enter(id, now, |_| None);
        }
    }

    fn give_up_orphans(&mut self, now: Timestamp, out: &mut Vec<Delivery>) {
        let over: Vec<Name> = {
            let over = self.orphans.iter().filter(|(_, orphan)| orphan.until <= now);
            over.map(|(name, _)| name.clone()).collect()
        };
        for name in over {
            let Some(orphan) = self.orphans.remove(&name) else {
                continue;
            };
            let mut message = Message::clone(&orphan.message);
            message.status = Status::Resolved;
            message.closed_at = Some(message.timestamp);
            "it was open before a restart, and has not come back".clone_into(&mut message.reason);
            self.resolve(message, &[], now, out);
        }
    }

    /// It is time for an anomaly on a route. Gives why nobody is told, if that is so.
    fn come_up(
        &mut self,
        id: u64,
        place: usize,
        now: Timestamp,
        view: &dyn View,
        out: &mut Vec<Delivery>,
    ) -> Option<Hold> {
        let open = self.open.get(&id)?;
        let stage = open.stages.iter().find(|stage| stage.route == place)?;
        let (was_told, marks) = (stage.phase.is_told(), view.marks(&open.anomaly));
        if let Some((hold, until)) = Hold::of(&self.routes[place], &marks, was_told, now) {
            let phase = if was_told {
                Phase::Told(Some(until))
            } else {
                Phase::Held(until)
            };
            self.set(id, place, phase);
            return Some(hold);
        }
        if was_told {
            self.tell(id, place, Status::Again, (&marks, now), out);
            return None;
        }
        if let Some(group) = open.anomaly.group.group()
            && let Some(summary) = view.group(group)
            && let Some(open) = self.open.get_mut(&id)
        {
            open.group = Some(summary);
        }
        self.tell(id, place, Status::Firing, (&marks, now), out);
        None
    }

    fn tell(
        &mut self,
        id: u64,
        place: usize,
        status: Status,
        (marks, now): (&Marks, Timestamp),
        out: &mut Vec<Delivery>,
    ) {
        let Some(open) = self.open.get(&id) else { return };
        let route = &self.routes[place];
        let message = self.message(status, place, &open.matter(marks));
        let outgoing = Outgoing::now(message, route.resolved);
        out.extend(route.to.iter().map(|&channel| (channel, outgoing.clone())));
        let again = route.repeat_s.map(|repeat| now.saturating_add(repeat));
        if let Some(stage) = self.set(id, place, Phase::Told(again)) {
            stage.counted = None;
        }
    }

    /// What is due on a route is held back: counted once, unless another route tells the channel, or has had it counted.
    fn note_held_back(&mut self, id: u64, place: usize, hold: Hold) {
        let Some(open) = self.open.get_mut(&id) else { return };
        let Some(stage) = open.stages.iter_mut().find(|stage| stage.route == place) else {
            return;
        };
        if stage.counted == Some(hold) {
            return;
        }
        stage.counted = Some(hold);
        let was_told = stage.phase.is_told();
        let mut untold: BTreeMap<usize, Hold> = self.routes[place].to.iter().map(|&channel| (channel, hold)).collect();
        for other in open.stages.iter().filter(|other| other.route != place) {
            if other.counted == Some(hold) || other.phase.is_told() && !was_told {
                for channel in &self.routes[other.route].to {
                    untold.remove(channel);
                }
            }
        }
        self.count_held_back(untold);
    }

    fn count_held_back(&mut self, untold: BTreeMap<usize, Hold>) {
        for place in untold {
            *self.held_back.entry(place).or_default() += 1;
        }
    }

    /// Messages that were held back since this was asked last: from which channel, why, and how many.
    pub(super) fn take_held_back(&mut self) -> impl Iterator<Item = (usize, Hold, u64)> + use<> {
        let held_back = std::mem::take(&mut self.held_back).into_iter();
        held_back.map(|((channel, hold), messages)| (channel, hold, messages))
    }

    fn set(&mut self, id: u64, place: usize, phase: Phase) -> Option<&mut Stage> {
        let open = self.open.get_mut(&id)?;
        let stage = open.stages.iter_mut().find(|stage| stage.route == place)?;
        let before = std::mem::replace(&mut stage.phase, phase);
        if let Some(due) = before.due() {
            self.agenda.remove(&(due, id, place));
        }
        self.agenda.extend(phase.due().map(|due| (due, id, place)));
        Some(stage)
    }

    fn message(&self, status: Status, place: usize, matter: &Matter<'_>) -> Message {
        let route = self
            .routes
            .get(place)
            .map_or_else(|| "".into(), |route| Arc::clone(&route.name));
        let mut message = Message::of(status, matter.anomaly, matter.group, matter.marks, &route);
        if let Some(before) = matter.before {
            message.fingerprint.clone_from(&before.fingerprint);
            message.opened_at = before.opened_at;
        }
        if status == Status::Resolved {
            // One that nobody has seen close is over as of what is known last.
            message.closed_at = message.closed_at.or(Some(message.timestamp));
        }
        message.links = self.links.of(&message);
        message
    }

    /// Tells all that waits for others now: nobody is there to tell it later.
    pub(super) fn hurry(&mut self, now: Timestamp, view: &dyn View, out: &mut Vec<Delivery>) {
        let waiting: Vec<(u64, usize)> = {
            let stages = |(id, open): (&u64, &Open)| open.waiting().map(|place| (*id, place)).collect::<Vec<_>>();
            self.open.iter().flat_map(stages).collect()
        };
        for (id, place) in waiting {
            self.set(id, place, Phase::Waiting(now));
        }
        self.tick(now, view, out);
    }

    /// Takes in all that is open: after a restart, and after notices were lost. What is not among it is over, and what was
    /// not there is told, if `known` does not say that it was. `told` are the last messages on all that was told before. Gives
    /// what channels are to take for told.
    pub(super) fn reconcile(
        &mut self,
        open: &[Notice],
        known: &dyn Fn(usize, &str) -> Known,
        told: &[Arc<Message>],
        now: Timestamp,
        view: &dyn View,
        out: &mut Vec<Delivery>,
    ) -> Vec<Delivery> {
        let mut assumed = Vec::new();
        let is_open: HashSet<u64> = open.iter().map(|notice| notice.anomaly.id).collect();
        let mut gone: Vec<u64> = self.open.keys().copied().filter(|id| !is_open.contains(id)).collect();
        gone.sort_unstable();
        for id in gone {
            let anomaly = Arc::clone(&self.open[&id].anomaly);
            let notice = Notice {
                change: Change::Closed,
                anomaly,
                group: None,
                marks: Marks::default(),
            };
            self.closed(&notice, now, view, out);
        }
        for notice in open {
            let anomaly = &notice.anomaly;
            if self.open.contains_key(&anomaly.id) {
                continue;
            }
            let key = super::fingerprint(&anomaly.series, &anomaly.detector, anomaly.opened.timestamp);
            self.insert(anomaly, notice.group.clone(), None);
            let known_on = |route: &Alert| -> Vec<Known> {
                let channels = route.to.iter();
                channels.map(|&channel| known(channel, &key)).collect()
            };
            let told_at = |known: &[Known]| {
                let told = known.iter().filter_map(|known| match known {
                    Known::Told(at) => Some(*at),
                    Known::Untold | Known::Unsure => None,
                });
                told.max()
            };
            let candidates = &self.open[&anomaly.id].candidates;
            let all: Vec<Known> = candidates
                .iter()
                .flat_map(|&place| known_on(&self.routes[place]))
                .collect();
            let unsure = told_at(&all).is_none() && all.contains(&Known::Unsure);
            self.enter(anomaly.id, now, |route| {
                told_at(&known_on(route)).or(unsure.then_some(now))
            });
            if unsure {
                let open = &self.open[&anomaly.id];
                for place in open.told() {
                    let route = &self.routes[place];
                    let message = self.message(Status::Firing, place, &open.matter(&Marks::default()));
                    let outgoing = Outgoing::now(message, route.resolved);
                    assumed.extend(route.to.iter().map(|&channel| (channel, outgoing.clone())));
                }
            }
        }
        self.adopt(told, now);
        assumed
    }

    /// Remembers what was told and is not open.
    fn adopt(&mut self, told: &[Arc<Message>], now: Timestamp) {
        let keys: HashSet<String> = self.open.values().map(Open::fingerprint).collect();
        for message in told.iter().filter(|message| !keys.contains(&message.fingerprint)) {
            let name = (Arc::clone(&message.series), Arc::clone(&message.detector));
            let until = now.saturating_add(ORPHAN_GRACE_S);
            let orphan = Orphan {
                until,
                message: Arc::clone(message),
            };
            // Is it open again already, under another number?
            let open = self.by_name.get(&name).and_then(|id| self.open.get_mut(id));
            match open {
                Some(open) if open.before.is_none() && open.told().next().is_none() => {
                    open.before = Some(Arc::clone(message));
                }
                _ => drop(self.orphans.entry(name).or_insert(orphan)),
            }
        }
    }

    /// Goes by other routes from now on. What is open and told is not told anew; what is not yet told goes by the new ones.
    pub(super) fn change(&mut self, to: Routes, now: Timestamp) {
        let Routes {
            alerts,
            links,
            channels,
        } = to;
        (self.routes, self.links, self.channels) = (alerts, links, channels);
        self.gathering = vec![None; self.routes.len()];
        self.agenda.clear();
        let mut ids: Vec<u64> = self.open.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            let anomaly = Arc::clone(&self.open[&id].anomaly);
            let candidates = self.candidates(&anomaly);
            let Some(open) = self.open.get_mut(&id) else { continue };
            let was_told = open.told().next().is_some();
            open.candidates = candidates;
            open.stages.clear();
            self.enter(id, now, |_| was_told.then_some(now));
        }
    }

    /// Anomalies that are open and not told for now, as they are silenced or it is quiet.
    pub(super) fn held(&self) -> usize {
        let is_held = |open: &&Open| open.stages.iter().any(|stage| matches!(stage.phase, Phase::Held(_)));
        self.open.values().filter(is_held).count()
    }
}

impl Open {
    /// Routes on which it was told.
    fn told(&self) -> impl Iterator<Item = usize> {
        self.stages
            .iter()
            .filter(|stage| stage.phase.is_told())
            .map(|stage| stage.route)
    }

    /// Routes on which it waits for others.
    fn waiting(&self) -> impl Iterator<Item = usize> {
        self.stages
            .iter()
            .filter(|stage| stage.phase.is_waiting())
            .map(|stage| stage.route)
    }

    fn matter<'a>(&'a self, marks: &'a Marks) -> Matter<'a> {
        Matter {
            anomaly: &self.anomaly,
            group: self.group.as_ref(),
            marks,
            before: self.before.as_ref(),
        }
    }

    fn fingerprint(&self) -> String {
        match &self.before {
            Some(before) => before.fingerprint.clone(),
            None => super::fingerprint(
                &self.anomaly.series,
                &self.anomaly.detector,
                self.anomaly.opened.timestamp,
            ),
        }
    }
}

impl<'a> Matter<'a> {
    fn new(notice: &'a Notice, marks: &'a Marks) -> Self {
        Self {
            anomaly: &notice.anomaly,
            group: notice.group.as_ref(),
            marks,
            before: None,
        }
    }
}

impl Hold {
    /// All there are, as in metrics.
    pub(super) const NAMES: [&str; 3] = [Self::Quiet.name(), Self::Silenced.name(), Self::Acknowledged.name()];

    /// As in metrics.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Silenced => "silenced",
            Self::Acknowledged => "acknowledged",
        }
    }

    /// Why a route does not tell, now, of an anomaly that it `was_told` of or not; and when to look again.
    fn of(route: &Alert, marks: &Marks, was_told: bool, now: Timestamp) -> Option<(Self, Timestamp)> {
        if let Some(until) = route.quiet.until(now) {
            return Some((Self::Quiet, until));
        }
        let hold = if !marks.silenced.is_empty() {
            Self::Silenced
        } else if was_told && marks.acknowledged.is_some() {
            // Somebody knows of it; it is news to the others all the same.
            Self::Acknowledged
        } else {
            return None;
        };
        Some((hold, now.saturating_add(SILENCE_CHECK_S)))
    }
}

impl Phase {
    fn due(self) -> Option<Timestamp> {
        match self {
            Self::Waiting(due) | Self::Held(due) => Some(due),
            Self::Told(again) => again,
        }
    }

    fn is_told(self) -> bool {
        matches!(self, Self::Told(_))
    }

    fn is_waiting(self) -> bool {
        matches!(self, Self::Waiting(_))
    }
}

fn name_of(anomaly: &Anomaly) -> Name {
    (Arc::clone(&anomaly.series), Arc::clone(&anomaly.detector))
}

/// What does not say how much it matters matters least.
fn severity_of(anomaly: &Anomaly) -> Severity {
    let severity = anomaly.latest().severity.or(anomaly.opened.severity);
    severity.unwrap_or(Severity::Info)
}
