//! Messages that templates are tried out on: every sort there is, with all that a message can have and with no more than it
//! must, and with names that try to be something else.

use std::sync::Arc;

use crate::{
    detect::Severity,
    notify::{Links, Message, MessageAcknowledgement, MessageGroup, MessageVote, Status, Summary, Votes},
};

/// What senders may send, if they mean harm: it ends strings and objects, and begins templates and tags.
const HOSTILE: &str = "\"}],\\\"\\u0000{{x}}{%y%}</script>'&;z=\",\"a\":1";

/// One at a time, and, where there is room for them, all together.
pub(super) fn messages(batch_max: usize) -> Vec<Vec<Arc<Message>>> {
    let all: Vec<_> = all().into_iter().map(Arc::new).collect();
    let mut batches: Vec<_> = all.iter().map(|message| vec![Arc::clone(message)]).collect();
    if batch_max > 1 {
        batches.push(all.into_iter().take(batch_max).collect());
    }
    batches
}

fn all() -> Vec<Message> {
    let statuses = [Status::Firing, Status::Again, Status::Resolved, Status::Summary];
    let mut all = Vec::new();
    for status in statuses {
        let most = most(status);
        all.push(least(most.clone()));
        all.push(most);
    }
    all
}

/// All that a message can have.
fn most(status: Status) -> Message {
    let vote = MessageVote {
        vote: Some(true),
        failed: false,
        statistic: Some(4.5),
        threshold: Some(1.0),
        details: [(HOSTILE.to_owned(), 2.0)].into(),
    };
    Message {
        status,
        test: true,
        route: HOSTILE.into(),
        id: 1,
        fingerprint: "0123456789abcdef".to_owned(),
        opened_at: 1_700_000_000,
        closed_at: (status == Status::Resolved).then_some(1_700_000_600),
        rank: 2.5,
        group: Some(MessageGroup {
            id: 1,
            place: HOSTILE.into(),
            since: 1_700_000_000,
            members: 3,
            rank: 9.5,
        }),
        silenced: vec![HOSTILE.to_owned()],
        acknowledged: Some(MessageAcknowledgement {
            author: HOSTILE.to_owned(),
            reason: HOSTILE.to_owned(),
            at: 1_700_000_300,
        }),
        series: format!("servers.web1.{HOSTILE}.load").into(),
        timestamp: 1_700_000_600,
        value: 12.5,
        detector: HOSTILE.into(),
        score: 4.5,
        severity: Some(Severity::Critical),
        expected: Some(1.25),
        lower: Some(0.5),
        upper: Some(2.5),
        reason: HOSTILE.to_owned(),
        votes: Votes(vec![(HOSTILE.to_owned(), vote)]),
        links: Links {
            page: Some("http://127.0.0.1:2080/".to_owned()),
            graph: Some("http://127.0.0.1/render".to_owned()),
        },
        summary: (status == Status::Summary).then(|| Summary {
            opened: 5,
            closed: 2,
            series: vec![HOSTILE.into()],
        }),
    }
}

/// The same with no more than it must have.
fn least(most: Message) -> Message {
    Message {
        test: false,
        group: None,
        silenced: Vec::new(),
        acknowledged: None,
        severity: None,
        expected: None,
        lower: None,
        upper: None,
        votes: Votes::default(),
        links: Links::default(),
        ..most
    }
}
