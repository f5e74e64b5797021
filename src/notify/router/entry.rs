//! Which routes an anomaly takes: by its name and detector once and for all, and by its severity and group as these grow.
//!
//! Knows nothing of what is told on a route, but that what has been told on one is not news there.

use std::{collections::HashMap, sync::Arc};

use super::super::{Alert, Message};
use super::{
    Router, Routes, View,
    open::{Open, Phase, Stage, name_of, severity_of},
};
use crate::{
    anomaly::{Anomaly, groups::GroupSummary},
    line::Timestamp,
};

impl Router {
    /// Takes in that it is open; it is on no route yet.
    pub(super) fn insert(&mut self, anomaly: &Arc<Anomaly>, group: Option<GroupSummary>, before: Option<Arc<Message>>) {
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

    /// Routes that are about it.
    fn candidates(&self, anomaly: &Anomaly) -> Vec<usize> {
        let matching = self.routes.iter().enumerate();
        let matching = matching.filter(|(_, route)| route.is_about(&anomaly.series, &anomaly.detector));
        matching.map(|(place, _)| place).collect()
    }

    /// Puts an anomaly on the routes that it takes by now. `told_at` says of a route when it was told there, if it was.
    pub(super) fn enter(&mut self, id: u64, now: Timestamp, told_at: impl Fn(&Alert) -> Option<Timestamp>) {
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

    /// Puts those whose groups have grown on the routes that they take now.
    pub(super) fn look_at_groups(&mut self, now: Timestamp, view: &dyn View) {
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

    /// Goes by other routes from now on. What is open and told is not told anew; what is not yet told goes by the new ones.
    pub(in crate::notify) fn change(&mut self, to: Routes, now: Timestamp) {
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
}
