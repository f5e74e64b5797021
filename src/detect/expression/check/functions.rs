//! What is called.

use std::{ops::Range, time::Duration};

use super::{
    super::{
        mistake::Mistake,
        syntax::{Named, Syntax, What},
        term::{Binary, Fact, Operation, Part, PartNeeds, Reach, Statistic, Term, TextTerm, Type, Unary},
    },
    Checked, Checker, place_of,
    vocabulary::{FIGURES, MOMENTARY, NAMES, SPECIAL, UNARY, WINDOWED, known, list_of, usage},
};
use crate::units;

/// Samples that a part of a window may be counted in.
const SAMPLES_MAX: u32 = 100_000;

impl Checker {
    pub(super) fn call(&mut self, name: &Named, arguments: &[Syntax], at: Range<usize>) -> Result<Checked, Mistake> {
        let function = name.text.as_str();
        let wrong = || Mistake::new(at.clone(), format!("expected {}", usage(function)));
        let fact = |kind, fact| {
            Checked::Term(Term {
                at: at.clone(),
                kind,
                what: Operation::Fact(fact),
            })
        };
        if let ("min" | "max", [left, right]) = (function, arguments)
            && !matches!(left.what, What::Text(_))
        {
            return self.extreme(function, left, right, at);
        }
        if let Some((_, statistic)) = WINDOWED.iter().find(|(known, _)| *known == function) {
            return self.windowed(*statistic, arguments, at.clone(), wrong);
        }
        if let Some((_, momentary, kind)) = MOMENTARY.iter().find(|(known, ..)| *known == function) {
            return if arguments.is_empty() {
                Ok(fact(*kind, *momentary))
            } else {
                Err(wrong())
            };
        }
        if let Some((_, unary)) = UNARY.iter().find(|(known, _)| *known == function) {
            let [argument] = arguments else { return Err(wrong()) };
            let argument = self.of_type(argument, Type::Number, &format!("in {function}()"))?;
            return Ok(Checked::Term(Term {
                at,
                kind: Type::Number,
                what: Operation::Unary(*unary, Box::new(argument)),
            }));
        }
        self.special(name, arguments, at)
    }

    /// A function of another form.
    fn special(&mut self, name: &Named, arguments: &[Syntax], at: Range<usize>) -> Result<Checked, Mistake> {
        let function = name.text.as_str();
        let wrong = || Mistake::new(at.clone(), format!("expected {}", usage(function)));
        let fact = |kind, fact| {
            Checked::Term(Term {
                at: at.clone(),
                kind,
                what: Operation::Fact(fact),
            })
        };
        match (function, arguments) {
            ("quantile", [share, rest @ ..]) => {
                let share = match share.what {
                    What::Number(share) if (0.0..=1.0).contains(&share) => share,
                    _ => {
                        return Err(Mistake::new(
                            share.at.clone(),
                            "expected a number from 0 to 1, such as 0.99",
                        ));
                    }
                };
                self.windowed(Statistic::Quantile(share), rest, at.clone(), wrong)
            }
            ("ewma" | "ew_stddev", [com]) => {
                let com = match com.what {
                    What::Number(com) if (0.0..=1e6).contains(&com) && com > 0.0 => com,
                    _ => {
                        let message = "expected how far the mean leans back: a number of samples above 0, such as 50";
                        return Err(Mistake::new(com.at.clone(), message));
                    }
                };
                #[expect(clippy::float_cmp, reason = "both were written down")]
                let place = place_of(
                    &mut self.needs.smooths,
                    |other| *other == com,
                    || com,
                    "weighted means",
                    &at,
                )?;
                let smooth = if function == "ewma" {
                    Fact::Smooth
                } else {
                    Fact::SmoothDeviation
                };
                Ok(fact(Type::Number, smooth(place)))
            }
            ("pow" | "t_quantile", [left, right]) => {
                let place = format!("in {function}()");
                let left = self.of_type(left, Type::Number, &place)?;
                let right = self.of_type(right, Type::Number, &place)?;
                let binary = if function == "pow" {
                    Binary::Power
                } else {
                    Binary::StudentQuantile
                };
                Ok(Checked::Term(Term {
                    at,
                    kind: Type::Number,
                    what: Operation::Binary(binary, Box::new([left, right])),
                }))
            }
            ("known", [argument]) => {
                let argument = self.term(argument)?;
                Ok(Checked::Term(Term {
                    at,
                    kind: Type::Boolean,
                    what: Operation::Unary(Unary::Known, Box::new(argument)),
                }))
            }
            ("node", [node]) => Ok(Checked::Text(TextTerm::Node(node_number(node)?))),
            ("detector", [_]) => Err(Mistake::new(
                at,
                format!(
                    "say what of it: {} behind a `.`",
                    list_of(FIGURES.map(|figure| figure.0))
                ),
            )),
            ("series", [_]) => Err(Mistake::new(at, "say what of it: `value` or `age` behind a `.`")),
            _ if SPECIAL.contains(&function) => Err(wrong()),
            _ if NAMES.contains(&function) => {
                let message = format!("`{function}` is no function: leave out the parentheses");
                Err(Mistake::new(at, message))
            }
            _ => {
                let message = format!("there is no function `{function}`");
                Err(Mistake::new(name.at.clone(), message).meant(function, known()))
            }
        }
    }

    /// The smaller or the larger of two.
    fn extreme(&mut self, function: &str, left: &Syntax, right: &Syntax, at: Range<usize>) -> Result<Checked, Mistake> {
        let left = self.term(left)?;
        if left.kind == Type::Boolean {
            let message = format!("this is true or false, expected a number in {function}()");
            return Err(Mistake::new(left.at, message));
        }
        let right = self.of_type(right, left.kind, &format!("in {function}(), as before the comma"))?;
        let binary = if function == "min" {
            Binary::Smaller
        } else {
            Binary::Larger
        };
        Ok(Checked::Term(Term {
            at,
            kind: left.kind,
            what: Operation::Binary(binary, Box::new([left, right])),
        }))
    }

    fn windowed(
        &mut self,
        statistic: Statistic,
        arguments: &[Syntax],
        at: Range<usize>,
        wrong: impl FnOnce() -> Mistake,
    ) -> Result<Checked, Mistake> {
        let part = match arguments {
            [reach] => Part {
                reach: self.reach(reach)?,
                ago_s: 0,
            },
            [reach, ago] => {
                let reach = Reach::Seconds(self.seconds(reach)?);
                let ago_s = self.seconds(ago)?;
                Part { reach, ago_s }
            }
            _ => return Err(wrong()),
        };
        if let Reach::Seconds(seconds) = part.reach
            && seconds + part.ago_s > self.span_s
        {
            let span = units::show_duration(Duration::from_secs(self.span_s.unsigned_abs()));
            let message = format!("this reaches back further than window.span, which is {span}");
            return Err(Mistake::new(at, message));
        }
        let parts = &mut self.needs.parts;
        let place = place_of(
            parts,
            |needs| needs.part == part,
            || PartNeeds {
                part,
                statistics: Vec::new(),
            },
            "parts of the window",
            &at,
        )?;
        let statistics = &mut parts[usize::from(place)].statistics;
        if !statistics.contains(&statistic) {
            statistics.push(statistic);
        }
        Ok(Checked::Term(Term {
            at,
            kind: Type::Number,
            what: Operation::Fact(Fact::Windowed(place, statistic)),
        }))
    }

    /// How far a part of the window reaches: samples or a time.
    fn reach(&mut self, syntax: &Syntax) -> Result<Reach, Mistake> {
        if let What::Number(number) = syntax.what {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "the range is checked"
            )]
            return if (1.0..=f64::from(SAMPLES_MAX)).contains(&number) && number.fract() == 0.0 {
                Ok(Reach::Samples(number as u32))
            } else {
                let message = format!("expected 1 to {SAMPLES_MAX} samples, or a time such as '1h'");
                Err(Mistake::new(syntax.at.clone(), message))
            };
        }
        self.seconds(syntax).map(Reach::Seconds)
    }

    /// A time of whole seconds that is written down.
    fn seconds(&mut self, syntax: &Syntax) -> Result<i64, Mistake> {
        let text = self.literal(syntax, "a time in quotes, such as '1h'")?;
        let duration = units::duration(&text).map_err(|expected| Mistake::new(syntax.at.clone(), expected))?;
        if duration.subsec_nanos() != 0 || duration < Duration::from_secs(1) {
            return Err(Mistake::new(syntax.at.clone(), "expected whole seconds, 1s or more"));
        }
        Ok(i64::try_from(duration.as_secs())
            .unwrap_or(i64::MAX / 4)
            .min(i64::MAX / 4))
    }
}

fn node_number(syntax: &Syntax) -> Result<i32, Mistake> {
    let (number, sign) = match &syntax.what {
        What::Number(number) => (*number, 1.0),
        What::Negative(inner) => match inner.what {
            What::Number(number) => (number, -1.0),
            _ => (0.0, 1.0),
        },
        _ => (0.0, 1.0),
    };
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    if (1.0..=1000.0).contains(&number) && number.fract() == 0.0 {
        Ok((sign * number) as i32)
    } else {
        let message = "expected which node of the name: 1 is the first, 2 the second, -1 the last";
        Err(Mistake::new(syntax.at.clone(), message))
    }
}
