//! One open anomaly, and how far it is on each route that it takes.

use std::sync::Arc;

use super::{
    super::{Message, fingerprint},
    held::Hold,
};
use crate::{
    anomaly::{Anomaly, Notice, groups::GroupSummary},
    detect::Severity,
    line::Timestamp,
    silence::Marks,
};

/// Series and detector: of these there is one open anomaly at most.
pub(super) type Name = (Arc<str>, Arc<str>);

/// One that is open.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) anomaly: Arc<Anomaly>,
    pub(super) group: Option<GroupSummary>,
    /// The highest so far.
    pub(super) severity: Severity,
    /// The message that it is known by since before a restart.
    pub(super) before: Option<Arc<Message>>,
    /// Routes whose patterns and detectors match.
    pub(super) candidates: Vec<usize>,
    /// One of them may match when its group has grown.
    pub(super) may_grow: bool,
    pub(super) stages: Vec<Stage>,
}

/// How far it is on one route.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stage {
    pub(super) route: usize,
    pub(super) phase: Phase,
    /// Why what is to be told next is held back, as far as that is counted.
    pub(super) counted: Option<Hold>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Until this, for others to tell it with.
    Waiting(Timestamp),
    /// It is quiet or silenced; to be looked at again at this.
    Held(Timestamp),
    /// To be told again at this, if at all.
    Told(Option<Timestamp>),
}

/// What a message is about.
#[derive(Clone, Copy)]
pub(super) struct Matter<'a> {
    pub(super) anomaly: &'a Anomaly,
    pub(super) group: Option<&'a GroupSummary>,
    pub(super) marks: &'a Marks,
    /// What it is known by since before a restart.
    pub(super) before: Option<&'a Arc<Message>>,
}

impl Open {
    /// Routes on which it was told.
    pub(super) fn told(&self) -> impl Iterator<Item = usize> {
        self.stages
            .iter()
            .filter(|stage| stage.phase.is_told())
            .map(|stage| stage.route)
    }

    /// Routes on which it waits for others.
    pub(super) fn waiting(&self) -> impl Iterator<Item = usize> {
        self.stages
            .iter()
            .filter(|stage| stage.phase.is_waiting())
            .map(|stage| stage.route)
    }

    pub(super) fn matter<'a>(&'a self, marks: &'a Marks) -> Matter<'a> {
        Matter {
            anomaly: &self.anomaly,
            group: self.group.as_ref(),
            marks,
            before: self.before.as_ref(),
        }
    }

    pub(super) fn fingerprint(&self) -> String {
        match &self.before {
            Some(before) => before.fingerprint.clone(),
            None => fingerprint(
                &self.anomaly.series,
                &self.anomaly.detector,
                self.anomaly.opened.timestamp,
            ),
        }
    }
}

impl<'a> Matter<'a> {
    pub(super) fn new(notice: &'a Notice, marks: &'a Marks) -> Self {
        Self {
            anomaly: &notice.anomaly,
            group: notice.group.as_ref(),
            marks,
            before: None,
        }
    }
}

impl Phase {
    pub(super) fn due(self) -> Option<Timestamp> {
        match self {
            Self::Waiting(due) | Self::Held(due) => Some(due),
            Self::Told(again) => again,
        }
    }

    pub(super) fn is_told(self) -> bool {
        matches!(self, Self::Told(_))
    }

    pub(super) fn is_waiting(self) -> bool {
        matches!(self, Self::Waiting(_))
    }
}

pub(super) fn name_of(anomaly: &Anomaly) -> Name {
    (Arc::clone(&anomaly.series), Arc::clone(&anomaly.detector))
}

/// What does not say how much it matters matters least.
pub(super) fn severity_of(anomaly: &Anomaly) -> Severity {
    let severity = anomaly.latest().severity.or(anomaly.opened.severity);
    severity.unwrap_or(Severity::Info)
}
