//! Questions to all shards, a portion at a time, so that no shard is held up for long.

use std::{collections::BTreeSet, sync::Arc};

use super::Sources;
use crate::{
    analysis::{Analysis, Stopped},
    glob::Glob,
    shard::{Condition, Listing, Page, Shard},
};

/// Slots of a shard looked at before it goes on with its samples.
const SEARCH_SLOTS: usize = 10_000;

/// A page of the series that are to be listed, and how many there are.
pub(super) async fn page(sources: &Sources, listing: Listing) -> Result<Page, Stopped> {
    let listing = Arc::new(listing);
    let look = move |shard: &Shard, slot, page: &mut Page| shard.list(&listing, slot, SEARCH_SLOTS, page);
    through_all(&sources.analysis, Page::default(), look).await
}

/// How many series there are in each condition, in the order of [`Condition::ALL`].
pub(super) async fn conditions(analysis: &Analysis) -> Result<[usize; Condition::ALL.len()], Stopped> {
    let none = [0; Condition::ALL.len()];
    through_all(analysis, none, |shard, slot, counts| {
        shard.count(slot, SEARCH_SLOTS, counts)
    })
    .await
}

/// What `pick` makes of the names of all series that have a window: all there is, or somewhat more than `max` of it.
pub(super) async fn names<K: Ord + Send + 'static>(
    sources: &Sources,
    pick: impl Fn(&Arc<str>) -> Option<K> + Clone + Send + 'static,
    max: usize,
) -> Result<BTreeSet<K>, Stopped> {
    let look = move |shard: &Shard, slot, found: &mut BTreeSet<K>| {
        if found.len() > max {
            return None;
        }
        shard.names(slot, SEARCH_SLOTS, |name| found.extend(pick(name)))
    };
    through_all(&sources.analysis, BTreeSet::new(), look).await
}

/// Hands `found` through all shards: `look` adds what it sees from a slot on, and gives the slot to go on at.
async fn through_all<T: Send + 'static>(
    analysis: &Analysis,
    mut found: T,
    look: impl Fn(&Shard, usize, &mut T) -> Option<usize> + Clone + Send + 'static,
) -> Result<T, Stopped> {
    for shard in 0..analysis.shards() {
        let mut slot = Some(0);
        while let Some(from) = slot {
            let look = look.clone();
            let question = move |shard: &mut Shard| {
                let next = look(shard, from, &mut found);
                (found, next)
            };
            (found, slot) = analysis.ask(shard, question).await?;
        }
    }
    Ok(found)
}

/// How many series that are judged match one of `globs`, and the names of some.
pub(super) async fn count(
    sources: &Sources,
    globs: &Arc<[Glob]>,
    examples: usize,
) -> Result<(usize, Vec<Arc<str>>), Stopped> {
    let (mut matching, mut some) = (0, Vec::new());
    // So that many patterns hold no shard up for longer.
    let slots = SEARCH_SLOTS / globs.len().max(1) + 1;
    for shard in 0..sources.analysis.shards() {
        let mut slot = Some(0);
        while let Some(from) = slot {
            let (globs, missing) = (Arc::clone(globs), examples - some.len());
            let look = move |shard: &mut Shard| {
                let (mut matching, mut some) = (0_usize, Vec::new());
                let next = shard.names(from, slots, |name| {
                    if globs.iter().any(|glob| glob.matches(name)) {
                        matching += 1;
                        if some.len() < missing {
                            some.push(Arc::clone(name));
                        }
                    }
                });
                (matching, some, next)
            };
            let (more, names, next) = sources.analysis.ask(shard, look).await?;
            matching += more;
            some.extend(names);
            slot = next;
        }
    }
    some.sort();
    Ok((matching, some))
}
