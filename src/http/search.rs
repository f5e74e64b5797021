//! Questions to all shards, a portion at a time, so that no shard is held up for long.

use std::{collections::BTreeSet, sync::Arc};

use super::Sources;
use crate::{
    analysis::Stopped,
    glob::Glob,
    shard::{SeriesReport, Shard},
};

/// Slots of a shard looked at before it goes on with its samples.
const SEARCH_SLOTS: usize = 10_000;

/// Reports on series that match, `wanted` at most, in no order.
pub(super) async fn reports(sources: &Sources, glob: &Glob, wanted: usize) -> Result<Vec<SeriesReport>, Stopped> {
    let mut found = Vec::new();
    for shard in 0..sources.analysis.shards() {
        let mut slot = Some(0);
        while let Some(from) = slot
            && found.len() < wanted
        {
            let (glob, missing) = (glob.clone(), wanted - found.len());
            let search = move |shard: &mut Shard| {
                let mut found = Vec::new();
                let next = shard.search(&glob, from, SEARCH_SLOTS, missing, &mut found);
                (found, next)
            };
            let (some, next) = sources.analysis.ask(shard, search).await?;
            found.extend(some);
            slot = next;
        }
    }
    Ok(found)
}

/// What `pick` makes of the names of all series that have a window: all there is, or somewhat more than `max` of it.
pub(super) async fn names<K: Ord + Send + 'static>(
    sources: &Sources,
    pick: impl Fn(&Arc<str>) -> Option<K> + Clone + Send + 'static,
    max: usize,
) -> Result<BTreeSet<K>, Stopped> {
    let mut found = BTreeSet::new();
    for shard in 0..sources.analysis.shards() {
        let mut slot = Some(0);
        while let Some(from) = slot
            && found.len() <= max
        {
            let pick = pick.clone();
            let look = move |shard: &mut Shard| {
                let mut picked = BTreeSet::new();
                let next = shard.names(from, SEARCH_SLOTS, |name| picked.extend(pick(name)));
                (picked, next)
            };
            let (some, next) = sources.analysis.ask(shard, look).await?;
            found.extend(some);
            slot = next;
        }
    }
    Ok(found)
}
