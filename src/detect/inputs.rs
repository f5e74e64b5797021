//! Which detector goes by which others, and in which order those of a series are asked.

use std::{collections::HashMap, sync::Arc};

use super::Definition;

/// A detector whose opinion another one goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Its name.
    pub detector: Arc<str>,
    /// Are the ends of its band wanted, too? With kind `adaptive` that is some 200 scores for each sample.
    pub band: bool,
}

/// A detector among those of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its place among the definitions.
    pub detector: usize,
    /// Does it tell people, rather than only other detectors?
    pub heard: bool,
    /// What others want to know of it.
    pub wanted: Wanted,
}

/// What other detectors of a series want to know of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wanted {
    /// Nothing: none of them goes by it.
    #[default]
    Nothing,
    /// Its opinion, without the ends of the band.
    Opinion,
    /// Its opinion with the ends of the band.
    Band,
}

/// Why detectors cannot be asked in any order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unordered {
    /// One goes by a detector that does not exist: its name.
    Unknown(Arc<str>),
    /// One would have to be asked before itself: the places of detectors of which each goes by the next, and the last by
    /// the first.
    Circular(Vec<usize>),
    /// One goes by others that go by others, and so on for more than [`DEPTH_MAX`] times: its place.
    Deep(usize),
}

/// Detectors that go by each other in a row, at most.
pub const DEPTH_MAX: usize = 32;

/// Finds out in which order detectors are asked.
#[derive(Debug)]
pub struct Orders<'a> {
    definitions: &'a [Definition],
    by_name: HashMap<&'a str, usize>,
}

impl<'a> Orders<'a> {
    /// Orders of some of `definitions`.
    pub fn new(definitions: &'a [Definition]) -> Self {
        let names = definitions.iter().map(|definition| &*definition.name);
        Self {
            definitions,
            by_name: names.enumerate().map(|(place, name)| (name, place)).collect(),
        }
    }

    /// The detectors to ask where those at the places `heard` are to be heard: these and all that they go by, each behind
    /// all that it goes by, else in the order of `heard`.
    ///
    /// # Errors
    /// When there is no such order.
    pub fn of(&self, heard: &[usize]) -> Result<Vec<Asked>, Unordered> {
        let mut order = Order {
            orders: self,
            asked: Vec::new(),
            at: HashMap::new(),
            path: Vec::new(),
        };
        for &detector in heard {
            let at = order.visit(detector)?;
            order.asked[at].heard = true;
        }
        Ok(order.asked)
    }

    /// The place of the detector called `name`.
    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }
}

/// An order that is being found.
struct Order<'a> {
    orders: &'a Orders<'a>,
    asked: Vec<Asked>,
    /// Where each is in the order.
    at: HashMap<usize, usize>,
    /// Detectors whose inputs are being visited.
    path: Vec<usize>,
}

impl Order<'_> {
    /// Adds `detector`, and before it all that it goes by. Gives where it is in the order.
    fn visit(&mut self, detector: usize) -> Result<usize, Unordered> {
        if let Some(&at) = self.at.get(&detector) {
            return Ok(at);
        }
        if let Some(begin) = self.path.iter().position(|&other| other == detector) {
            return Err(Unordered::Circular(self.path[begin..].to_vec()));
        }
        if self.path.len() >= DEPTH_MAX {
            return Err(Unordered::Deep(self.path[0]));
        }
        self.path.push(detector);
        for input in self.orders.definitions[detector].kind.inputs() {
            let place = self.orders.place(&input.detector);
            let at = self.visit(place.ok_or(Unordered::Unknown(input.detector))?)?;
            let wanted = if input.band { Wanted::Band } else { Wanted::Opinion };
            self.asked[at].wanted = self.asked[at].wanted.max(wanted);
        }
        self.path.pop();
        self.asked.push(Asked {
            detector,
            heard: false,
            wanted: Wanted::Nothing,
        });
        self.at.insert(detector, self.asked.len() - 1);
        Ok(self.asked.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{Kind, ensemble};

    /// Detectors by name, each with what it goes by; one that goes by nothing is of the default kind.
    fn definitions(all: &[(&str, &[&str])]) -> Vec<Definition> {
        let definition = |&(name, of): &(&str, &[&str])| Definition {
            name: name.into(),
            kind: if of.is_empty() {
                Definition::default().kind
            } else {
                Kind::Ensemble(ensemble::Settings {
                    needed: 1,
                    of: of.iter().map(|&name| name.into()).collect(),
                    severity: None,
                })
            },
        };
        all.iter().map(definition).collect()
    }

    fn order(definitions: &[Definition], heard: &[usize]) -> Result<Vec<Asked>, Unordered> {
        Orders::new(definitions).of(heard)
    }

    fn asked(detector: usize, heard: bool, wanted: Wanted) -> Asked {
        Asked {
            detector,
            heard,
            wanted,
        }
    }

    #[test]
    fn members_come_first_and_are_not_heard_by_that() {
        let all = definitions(&[("both", &["a", "b"]), ("a", &[]), ("b", &[]), ("c", &[])]);
        let (yes, no, wanted, unwanted) = (true, false, Wanted::Opinion, Wanted::Nothing);
        assert_eq!(
            order(&all, &[0]).unwrap(),
            [asked(1, no, wanted), asked(2, no, wanted), asked(0, yes, unwanted)]
        );
        assert_eq!(
            order(&all, &[3, 0, 1]).unwrap(),
            [
                asked(3, yes, unwanted),
                asked(1, yes, wanted),
                asked(2, no, wanted),
                asked(0, yes, unwanted)
            ]
        );
        assert_eq!(
            order(&all, &[2, 1]).unwrap(),
            [asked(2, yes, unwanted), asked(1, yes, unwanted)]
        );
        assert_eq!(order(&all, &[]).unwrap(), []);
    }

    #[test]
    fn ensembles_of_ensembles_are_ordered_from_within() {
        let all = definitions(&[
            ("outer", &["inner", "a"]),
            ("inner", &["a", "b"]),
            ("a", &[]),
            ("b", &[]),
        ]);
        let places = order(&all, &[0]).unwrap();
        let places: Vec<usize> = places.iter().map(|asked| asked.detector).collect();
        assert_eq!(places, [2, 3, 1, 0], "each once");
    }

    #[test]
    fn circles_and_unknown_names_are_refused() {
        let all = definitions(&[("x", &["a", "y"]), ("y", &["z"]), ("z", &["y"]), ("a", &[])]);
        assert_eq!(order(&all, &[0]), Err(Unordered::Circular(vec![1, 2])));
        let own = definitions(&[("x", &["x"])]);
        assert_eq!(order(&own, &[0]), Err(Unordered::Circular(vec![0])));
        let none = definitions(&[("x", &["nobody"])]);
        assert_eq!(order(&none, &[0]), Err(Unordered::Unknown("nobody".into())));
    }

    #[test]
    fn a_row_has_an_end() {
        let names: Vec<String> = (0..1000).map(|place| format!("x{place}")).collect();
        let members: Vec<&[String]> = (1..=1000).map(|place| &names[place..1000.min(place + 1)]).collect();
        let all: Vec<Definition> = std::iter::zip(&names, members)
            .map(|(name, of)| {
                let of: Vec<&str> = of.iter().map(String::as_str).collect();
                definitions(&[(name, &of)]).remove(0)
            })
            .collect();
        assert_eq!(order(&all, &[5]), Err(Unordered::Deep(5)));
        assert_eq!(order(&all, &[1000 - DEPTH_MAX]).map(|asked| asked.len()), Ok(DEPTH_MAX));
    }
}
