//! What stands alone, and what is behind a dot.

use std::{ops::Range, sync::Arc};

use super::{
    super::{
        mistake::Mistake,
        syntax::{Named, Syntax, What},
        term::{Fact, Figure, Operation, Term, Type, truth},
    },
    Bound, Checked, Checker, place_of,
    vocabulary::{DEFAULT_DETECTOR, FIGURES, is_known, known, list_of, usage},
};

impl Checker {
    pub(super) fn name(&mut self, name: &str, at: Range<usize>) -> Result<Checked, Mistake> {
        if let Some((_, bound)) = self.names.iter().find(|(other, _)| other == name) {
            return Ok(match bound {
                Bound::Text(text) => Checked::Text(text.clone()),
                Bound::Term(place) => Checked::Term(Term {
                    at,
                    kind: self.bindings[*place].kind,
                    what: Operation::Bound(*place),
                }),
            });
        }
        let (kind, what) = match name {
            "true" | "false" => (Type::Boolean, Operation::Constant(truth(name == "true"))),
            "value" => (Type::Number, Operation::Fact(Fact::Value)),
            "previous" => (Type::Number, Operation::Fact(Fact::Previous)),
            "expected" => self.figure(DEFAULT_DETECTOR, Figure::Expected, &at)?,
            "lower" => self.figure(DEFAULT_DETECTOR, Figure::Lower, &at)?,
            "upper" => self.figure(DEFAULT_DETECTOR, Figure::Upper, &at)?,
            function if is_known(function) => {
                let message = format!(
                    "`{function}` is a function, expected its arguments: {}",
                    usage(function)
                );
                return Err(Mistake::new(at, message));
            }
            _ => {
                let message = format!("nothing is called `{name}`");
                let mut names: Vec<&str> = known().collect();
                names.extend(self.names.iter().map(|(own, _)| own.as_str()));
                return Err(Mistake::new(at, message).meant(name, names));
            }
        };
        Ok(Checked::Term(Term { at, kind, what }))
    }

    pub(super) fn member(&mut self, of: &Syntax, name: &Named) -> Result<(Type, Operation), Mistake> {
        if let What::Call {
            name: function,
            arguments,
        } = &of.what
        {
            match (function.text.as_str(), arguments.as_slice()) {
                ("detector", [detector]) => {
                    let name_of = self.literal(detector, "the name of a detector, in quotes")?;
                    let Some((_, figure, _)) = FIGURES.iter().find(|(known, ..)| *known == name.text) else {
                        let message = format!(
                            "a detector has no `{}`, but {}",
                            name.text,
                            list_of(FIGURES.map(|figure| figure.0))
                        );
                        let mistake = Mistake::new(name.at.clone(), message);
                        return Err(mistake.meant(&name.text, FIGURES.map(|figure| figure.0)));
                    };
                    return self.figure(&name_of, *figure, &detector.at);
                }
                ("series", [series]) => {
                    let series = self.literal(series, "the name of a series, in quotes")?;
                    let find = |other: &Arc<str>| **other == *series;
                    let place = place_of(&mut self.needs.series, find, || (*series).into(), "series", &of.at)?;
                    return match name.text.as_str() {
                        "value" => Ok((Type::Number, Operation::Fact(Fact::OtherValue(place)))),
                        "age" => Ok((Type::Duration, Operation::Fact(Fact::OtherAge(place)))),
                        other => {
                            let message = format!("a series has no `{other}`, but `value` or `age`");
                            Err(Mistake::new(name.at.clone(), message).meant(other, ["value", "age"]))
                        }
                    };
                }
                ("detector" | "series", _) => {
                    let message = format!("expected {}", usage(&function.text));
                    return Err(Mistake::new(of.at.clone(), message));
                }
                _ => {}
            }
        }
        let message = "only detector('…') and series('…') have anything behind a `.`";
        Err(Mistake::new(name.at.clone(), message))
    }

    fn figure(&mut self, detector: &str, figure: Figure, at: &Range<usize>) -> Result<(Type, Operation), Mistake> {
        let find = |other: &Arc<str>| **other == *detector;
        let place = place_of(&mut self.needs.detectors, find, || detector.into(), "detectors", at)?;
        if self.mentions.len() < self.needs.detectors.len() {
            self.mentions.push((self.source, at.clone()));
        }
        let kind = FIGURES.iter().find(|(_, other, _)| *other == figure);
        let kind = kind.map_or(Type::Number, |(.., kind)| *kind);
        Ok((kind, Operation::Fact(Fact::Vote(place, figure))))
    }
}
