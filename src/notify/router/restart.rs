//! What the router makes of a past that it has not seen: what was open, and told, before a restart or before notices were
//! lost.
//!
//! What was told is in the mailboxes, and what is open on the board; neither knows of the other. One that is on both goes on as
//! the same, one that is only on the board is told, and one that only a mailbox knows may come back for a while: then its end
//! is told.

use std::{collections::HashSet, sync::Arc};

use super::super::{Alert, Message, Status, fingerprint, mailbox::Outgoing};
use super::{
    Delivery, Router, View,
    open::{Name, Open},
};
use crate::{anomaly::Notice, line::Timestamp, shard::Change, silence::Marks};

/// Time that an anomaly which was open before a restart has to come back (seconds).
const ORPHAN_GRACE_S: i64 = 900;

/// What a channel knows of an anomaly from before a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::notify) enum Known {
    /// It was told, last at this time.
    Told(Timestamp),
    /// It was not.
    Untold,
    /// There is nothing to know it from.
    Unsure,
}

/// Told before a restart, and not open since.
#[derive(Debug)]
pub(super) struct Orphan {
    pub(super) until: Timestamp,
    pub(super) message: Arc<Message>,
}

impl Router {
    /// Takes in all that is open: after a restart, and after notices were lost. What is not among it is over, and what was
    /// not there is told, if `known` does not say that it was. `told` are the last messages on all that was told before. Gives
    /// what channels are to take for told.
    pub(in crate::notify) fn reconcile(
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
            let key = fingerprint(&anomaly.series, &anomaly.detector, anomaly.opened.timestamp);
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

    /// Tells the end of what has not come back.
    pub(super) fn give_up_orphans(&mut self, now: Timestamp, out: &mut Vec<Delivery>) {
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
}
