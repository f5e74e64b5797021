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

mod entry;
mod flaps;
mod held;
mod open;
mod restart;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use flaps::Flaps;
use held::HeldBack;
pub(super) use held::Hold;
use open::{Matter, Name, Open, Phase, Stage, name_of, severity_of};
pub(super) use restart::Known;
use restart::Orphan;

use super::{Alert, LinkSettings, Message, Status, mailbox::Outgoing};
use crate::{
    anomaly::{Anomaly, Notice, groups::GroupSummary},
    line::Timestamp,
    shard::Change,
    silence::Marks,
};

/// What the router asks about anomalies.
pub(super) trait View {
    /// Is it silenced, or acknowledged?
    fn marks(&self, anomaly: &Anomaly) -> Marks;
    /// The group with this number, as it is now.
    fn group(&self, id: u64) -> Option<GroupSummary>;
}

/// What is to be told to one channel.
pub(super) type Delivery = (usize, Outgoing);

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
    flaps: Flaps,
    /// Groups may have grown since it was last looked at them.
    groups_grow: bool,
    /// Messages that channels are not given, since this was asked last.
    held_back: HeldBack,
}

/// Other routes to go by.
#[derive(Debug)]
pub(super) struct Routes {
    pub(super) alerts: Vec<Alert>,
    pub(super) links: LinkSettings,
    /// How many there are.
    pub(super) channels: usize,
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
        self.held_back.add(untold);
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
        let mut comes_and_goes =
            || open.waiting().next().is_some() && self.flaps.are_many(&name_of(&open.anomaly), now);
        if open.told().next().is_none() && !comes_and_goes() {
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
            self.held_back.add(untold);
        }
        self.resolve(message, &told, now, out);
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
        self.held_back.add(untold);
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

    /// What was held back since this was asked last: from which channel, why, and how many messages.
    pub(super) fn take_held_back(&mut self) -> impl Iterator<Item = (usize, Hold, u64)> + use<> {
        self.held_back.take()
    }

    /// Anomalies that are open and not told for now, as they are silenced or it is quiet.
    pub(super) fn held(&self) -> usize {
        let is_held = |open: &&Open| open.stages.iter().any(|stage| matches!(stage.phase, Phase::Held(_)));
        self.open.values().filter(is_held).count()
    }
}
