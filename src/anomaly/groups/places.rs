//! The places that a series belongs to: where in the tree of names something may be going on.
//!
//! A name lies below each of its prefixes (`servers.web042.**`), below a prefix whose last node has its number replaced
//! (`servers.web*.**`), in the patterns that leave one node open (`servers.*.disk.**`, `servers.*.disk.sda.util`), and with
//! all names that hold one of its words, wherever (`**checkout**`, `**web042**`, and the leaf alone). A tagged name lies
//! with those of equal tags as well (`**;host=web1**`).
//!
//! Knows nothing of time and counts. Every place is written as a glob that its series match. A name has some twenty
//! places and [`PLACES_MAX`] at most; each is a number that is made from the hashes of the nodes, without a `String`.

use std::ops::Range;

use ahash::RandomState;

/// Places of one name.
pub(super) const PLACES_MAX: usize = 40;

/// Nodes of a name that are told apart: what is behind them belongs to the last.
const NODES_MAX: usize = 8;

/// Tags of a name that are looked at.
const TAGS_MAX: usize = 8;

/// Words shorter than this say nothing (bytes).
const WORD_BYTES_MIN: usize = 2;

/// A place in the tree of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The same for all names that lie there, and nearly certainly for no others.
    pub(super) id: u64,
    /// How it reads, given a name that lies there.
    pub(super) shape: Shape,
}

/// How a place is made of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// All names.
    Everywhere,
    /// So many nodes, and anything below.
    Prefix { nodes: u8 },
    /// So many nodes, the last without its number, and anything below.
    Stem { nodes: u8 },
    /// So many nodes, of which one is any, and anything below.
    Pattern { nodes: u8, open: u8 },
    /// Names that hold the text of this node.
    Word { node: u8 },
    /// Names that hold the text of this node before its number.
    WordStem { node: u8 },
    /// Names with this tag.
    Tag { tag: u8 },
    /// Names with this tag and the same dotted part.
    TagOf { tag: u8 },
    /// The series itself.
    Series,
}

impl Shape {
    /// Number of [`Self::kind`]s.
    pub(super) const KINDS: usize =
        2 + 2 * (NODES_MAX + TAGS_MAX) + 2 * TAGS_MAX + 2 * (NODES_MAX + 1) + (NODES_MAX + 1) * NODES_MAX;

    /// Places of one kind are alike: what is known of some may be expected of others.
    pub(super) fn kind(self) -> usize {
        let words = 2;
        let tags = words + 2 * (NODES_MAX + TAGS_MAX);
        let prefixes = tags + 2 * TAGS_MAX;
        let stems = prefixes + NODES_MAX + 1;
        let patterns = stems + NODES_MAX + 1;
        match self {
            Self::Everywhere => 0,
            Self::Series => 1,
            Self::Word { node } => words + 2 * usize::from(node),
            Self::WordStem { node } => words + 2 * usize::from(node) + 1,
            Self::Tag { tag } => tags + 2 * usize::from(tag),
            Self::TagOf { tag } => tags + 2 * usize::from(tag) + 1,
            Self::Prefix { nodes } => prefixes + usize::from(nodes),
            Self::Stem { nodes } => stems + usize::from(nodes),
            Self::Pattern { nodes, open } => patterns + usize::from(nodes) * NODES_MAX + usize::from(open),
        }
    }

    /// How much more surprising (log10) than another a place has to be to be preferred: where two hold about the same
    /// series, one reads better.
    pub(super) fn handicap(self) -> f64 {
        match self {
            Self::Prefix { .. } => 0.0,
            Self::Stem { .. } => 0.1,
            Self::Tag { .. } | Self::TagOf { .. } => 0.2,
            Self::Pattern { .. } => 0.3,
            Self::WordStem { .. } => 1.4,
            Self::Word { .. } | Self::Series | Self::Everywhere => 1.5,
        }
    }
}

/// Where the nodes and tags of a name lie.
struct Parts<'a> {
    name: &'a str,
    nodes: Vec<Range<usize>>,
    tags: Vec<Range<usize>>,
}

/// Appends the places of `name`: everywhere first, then its prefixes from the top.
pub(super) fn of(name: &str, hasher: &RandomState, places: &mut Vec<Place>) {
    let parts = Parts::new(name);
    let hash = |text: &str| hasher.hash_one(text);
    let begin = places.len();
    let mut put = |id: u64, shape: Shape| {
        let known = &places[begin..];
        if known.len() < PLACES_MAX && !known.iter().any(|place| place.id == id) {
            places.push(Place { id, shape });
        }
    };
    put(mix(0, 1), Shape::Everywhere);
    put(mix(hash(name), 2), Shape::Series);

    let of_nodes: Vec<u64> = parts.nodes.iter().map(|node| hash(&name[node.clone()])).collect();
    let any = mix(0, 3);
    let mut prefix = mix(0, 4);
    for (node, (range, &of_node)) in parts.nodes.iter().zip(&of_nodes).enumerate() {
        let nodes = small(node + 1);
        let has_below = parts.has_below(node + 1);
        if has_below && let Some((before, behind)) = number(&name[range.clone()]) {
            let stem = mix(mix(prefix, hash(before)), mix(hash(behind), 5));
            put(stem, Shape::Stem { nodes });
        }
        prefix = mix(prefix, of_node);
        if has_below {
            // What is below a node, and what has tags behind it, are two places.
            put(
                mix(prefix, u64::from(node + 1 == of_nodes.len())),
                Shape::Prefix { nodes },
            );
        }
    }
    for (node, range) in parts.nodes.iter().enumerate() {
        let text = &name[range.clone()];
        words(text, &hash, |id, stem| {
            let node = small(node);
            put(
                id,
                if stem {
                    Shape::WordStem { node }
                } else {
                    Shape::Word { node }
                },
            );
        });
    }
    for (tag, range) in parts.tags.iter().enumerate() {
        let text = &name[range.clone()];
        let of_tag = mix(hash(text), 6);
        put(of_tag, Shape::Tag { tag: small(tag) });
        put(mix(prefix, of_tag), Shape::TagOf { tag: small(tag) });
        let value = text.split_once('=').map_or(text, |(_, value)| value);
        words(value, &hash, |id, stem| {
            let node = small(NODES_MAX + tag);
            put(
                id,
                if stem {
                    Shape::WordStem { node }
                } else {
                    Shape::Word { node }
                },
            );
        });
    }
    // The longest first: when there are too many, the vague ones go without.
    for nodes in (3..=of_nodes.len()).rev() {
        for open in 1..nodes - 1 {
            let id = of_nodes[..nodes]
                .iter()
                .enumerate()
                .fold(mix(0, 7), |id, (node, &of_node)| {
                    mix(id, if node == open { any } else { of_node })
                });
            // One that ends here, and one that goes on, are two places.
            let id = mix(id, u64::from(parts.has_below(nodes)));
            put(
                id,
                Shape::Pattern {
                    nodes: small(nodes),
                    open: small(open),
                },
            );
        }
    }
}

/// The glob of the place that `shape` makes of `name`.
pub(super) fn glob(name: &str, shape: Shape) -> String {
    let parts = Parts::new(name);
    let below = |nodes: u8| match usize::from(nodes) {
        nodes if nodes < parts.nodes.len() => ".**",
        nodes if parts.has_below(nodes) => ";**",
        _ => "",
    };
    let text = |node: u8| {
        let node = usize::from(node);
        match node.checked_sub(NODES_MAX) {
            None => &name[parts.nodes[node].clone()],
            Some(tag) => {
                let tag = &name[parts.tags[tag].clone()];
                tag.split_once('=').map_or(tag, |(_, value)| value)
            }
        }
    };
    match shape {
        Shape::Everywhere => "**".to_owned(),
        Shape::Series => name.to_owned(),
        Shape::Prefix { nodes } => {
            let end = parts.nodes[usize::from(nodes) - 1].end;
            format!("{}{}", &name[..end], below(nodes))
        }
        Shape::Stem { nodes } => {
            let last = parts.nodes[usize::from(nodes) - 1].clone();
            let (before, behind) = number(&name[last.clone()]).unwrap_or((&name[last.clone()], ""));
            format!("{}{before}*{behind}{}", &name[..last.start], below(nodes))
        }
        Shape::Pattern { nodes, open } => {
            let node = |node: u8| if node == open { "*" } else { text(node) };
            let nodes_of: Vec<&str> = (0..nodes).map(node).collect();
            format!("{}{}", nodes_of.join("."), below(nodes))
        }
        Shape::Word { node } => format!("**{}**", text(node)),
        Shape::WordStem { node } => format!("**{}**", stem(text(node))),
        Shape::Tag { tag } => format!("**;{}**", &name[parts.tags[usize::from(tag)].clone()]),
        Shape::TagOf { tag } => {
            let dotted = parts.nodes.last().map_or(0, |node| node.end);
            format!(
                "{};**{}**",
                &name[..dotted],
                &name[parts.tags[usize::from(tag)].clone()]
            )
        }
    }
}

impl<'a> Parts<'a> {
    fn new(name: &'a str) -> Self {
        let dotted = memchr::memchr(b';', name.as_bytes()).unwrap_or(name.len());
        let mut nodes = Vec::with_capacity(NODES_MAX);
        let mut start = 0;
        while nodes.len() + 1 < NODES_MAX
            && let Some(length) = memchr::memchr(b'.', &name.as_bytes()[start..dotted])
        {
            nodes.push(start..start + length);
            start += length + 1;
        }
        nodes.push(start..dotted);
        let mut tags = Vec::new();
        let mut start = dotted + 1;
        while start < name.len() && tags.len() < TAGS_MAX {
            let end = memchr::memchr(b';', &name.as_bytes()[start..]).map_or(name.len(), |length| start + length);
            tags.push(start..end);
            start = end + 1;
        }
        Self { name, nodes, tags }
    }

    /// Can there be other names that begin with as many nodes as this one?
    fn has_below(&self, nodes: usize) -> bool {
        nodes < self.nodes.len() || self.nodes.last().is_some_and(|last| last.end < self.name.len())
    }
}

/// Gives the word that `text` is, and the one that is left without its number; numbers are no words.
fn words(text: &str, hash: &impl Fn(&str) -> u64, mut put: impl FnMut(u64, bool)) {
    let id = |word: &str| mix(hash(word), 8);
    let stem = stem(text);
    if stem.len() >= WORD_BYTES_MIN {
        put(id(stem), true);
    }
    if stem.len() < text.len() && text.bytes().any(|byte| byte.is_ascii_alphabetic()) {
        put(id(text), false);
    }
}

/// What is before and behind the last number in `text`.
fn number(text: &str) -> Option<(&str, &str)> {
    let end = text.rfind(|character: char| character.is_ascii_digit())? + 1;
    let start = text[..end]
        .rfind(|character: char| !character.is_ascii_digit())
        .map_or(0, |last| last + text[last..].chars().next().map_or(1, char::len_utf8));
    Some((&text[..start], &text[end..]))
}

/// `text` before its last number, without what parts the two.
fn stem(text: &str) -> &str {
    number(text).map_or(text, |(before, _)| before.trim_end_matches(['-', '_', '.']))
}

fn small(number: usize) -> u8 {
    u8::try_from(number).expect("names are cut to a few nodes and tags")
}

/// A hash of two, in this order.
fn mix(left: u64, right: u64) -> u64 {
    let mixed = (left.rotate_left(23) ^ right).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^ (mixed >> 29)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::glob::Glob;

    fn globs(name: &str) -> Vec<String> {
        let mut places = Vec::new();
        of(name, &RandomState::with_seeds(1, 2, 3, 4), &mut places);
        assert!(places.len() <= PLACES_MAX);
        places.iter().map(|place| glob(name, place.shape)).collect()
    }

    fn sorted(mut globs: Vec<String>) -> Vec<String> {
        globs.sort();
        globs
    }

    #[test]
    fn a_name_lies_below_its_prefixes_in_its_patterns_and_with_its_words() {
        assert_eq!(
            sorted(globs("servers.web042.disk.sda.util")),
            [
                "**",
                "**disk**",
                "**sda**",
                "**servers**",
                "**util**",
                "**web**",
                "**web042**",
                "servers.**",
                "servers.*.disk.**",
                "servers.*.disk.sda.**",
                "servers.*.disk.sda.util",
                "servers.web*.**",
                "servers.web042.**",
                "servers.web042.*.sda.**",
                "servers.web042.*.sda.util",
                "servers.web042.disk.**",
                "servers.web042.disk.*.util",
                "servers.web042.disk.sda.**",
                "servers.web042.disk.sda.util",
            ]
        );
        assert_eq!(sorted(globs("load")), ["**", "**load**", "load"]);
    }

    #[test]
    fn numbers_are_left_open_and_are_no_words() {
        let globs = globs("servers.rack7-03.cpu.3.user");
        for place in [
            "servers.rack7-*.**",
            "servers.rack7-03.cpu.*.**",
            "**rack7**",
            "**rack7-03**",
        ] {
            assert!(globs.iter().any(|glob| glob == place), "{place}: {globs:?}");
        }
        assert!(!globs.iter().any(|glob| glob == "**3**"), "{globs:?}");
    }

    #[test]
    fn a_tagged_name_lies_with_its_tags() {
        assert_eq!(
            sorted(globs("disk.used;dc=north;host=web1")),
            [
                "**",
                "**;dc=north**",
                "**;host=web1**",
                "**disk**",
                "**north**",
                "**used**",
                "**web**",
                "**web1**",
                "disk.**",
                "disk.used;**",
                "disk.used;**dc=north**",
                "disk.used;**host=web1**",
                "disk.used;dc=north;host=web1",
            ]
        );
    }

    #[test]
    fn a_place_has_one_number_for_all_its_names_and_is_a_glob_that_they_match() {
        let hasher = RandomState::with_seeds(1, 2, 3, 4);
        let names = [
            "servers.web042.disk.sda.util",
            "servers.web043.disk.sda.util",
            "servers.web042.disk.sdb.await",
            "stats.web042.timers.mean_90",
            "servers.web042",
            "a.b.c.d.e.f.g.h.i.j.k.l",
            "disk.used;host=web042",
            "disk.used;dc=north;host=web042",
            "ünï.cødé7.☃",
            "..",
            "a..b",
            ";",
            "a;;b=",
            "9",
        ];
        let mut by_id = std::collections::HashMap::new();
        for name in names {
            let mut places = Vec::new();
            of(name, &hasher, &mut places);
            for place in places {
                let text = glob(name, place.shape);
                assert!(Glob::new(&text).unwrap().matches(name), "{name} in {text}");
                assert_eq!(by_id.entry(place.id).or_insert_with(|| text.clone()), &text, "{name}");
            }
        }
        assert!(by_id.len() > 50);
    }
}
