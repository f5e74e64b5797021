//! How many series have begun and ended below which prefixes, since somebody last asked.
//!
//! Costs a look-up or two when a series begins or ends, and nothing per sample. Whoever adds the changes up knows how many
//! series each subtree has, without ever passing over them.

use std::collections::HashMap;

/// Changes in the number of series.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Series begun, less those ended.
    pub series: i64,
    /// The same by subtree.
    pub subtrees: HashMap<Box<str>, i64>,
}

impl Census {
    /// Has nothing begun or ended?
    pub fn is_empty(&self) -> bool {
        // What has begun and ended leaves zeros behind, which say nothing and do no harm.
        self.series == 0 && self.subtrees.is_empty()
    }

    pub(super) fn begin(&mut self, name: &str) {
        self.add(name, 1);
    }

    pub(super) fn end(&mut self, name: &str) {
        self.add(name, -1);
    }

    fn add(&mut self, name: &str, change: i64) {
        self.series += change;
        for subtree in subtrees(name).into_iter().flatten() {
            if let Some(count) = self.subtrees.get_mut(subtree) {
                *count += change;
            } else {
                self.subtrees.insert(subtree.into(), change);
            }
        }
    }
}

/// The first node of `name`, and the first two, where other names may lie below as well: of `servers.web1.load` they are
/// `servers` and `servers.web1`. With tags, the whole dotted part is one, and has a `;` behind it.
pub fn subtrees(name: &str) -> [Option<&str>; 2] {
    let dotted = memchr::memchr(b';', name.as_bytes()).unwrap_or(name.len());
    let mut ends = memchr::memchr_iter(b'.', &name.as_bytes()[..dotted])
        .map(Some)
        .chain([(dotted < name.len()).then_some(dotted + 1)])
        .flatten();
    [ends.next(), ends.next()].map(|end| end.map(|end| &name[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_lies_in_two_subtrees_at_most() {
        let of = |name| subtrees(name);
        assert_eq!(of("servers.web1.load"), [Some("servers"), Some("servers.web1")]);
        assert_eq!(of("servers.load"), [Some("servers"), None]);
        assert_eq!(of("load"), [None, None]);
        assert_eq!(of("load;host=a.b"), [Some("load;"), None]);
        assert_eq!(of("disk.used;host=a.b"), [Some("disk"), Some("disk.used;")]);
        assert_eq!(of(""), [None, None]);
    }

    #[test]
    fn what_begins_and_ends_is_added_up() {
        let mut census = Census::default();
        assert!(census.is_empty());
        for name in ["a.b.c", "a.b.d", "a.e", "f"] {
            census.begin(name);
        }
        census.end("a.b.d");
        assert_eq!(census.series, 3);
        assert_eq!((census.subtrees["a"], census.subtrees["a.b"]), (2, 1));
        assert_eq!(census.subtrees.len(), 2);
    }
}
