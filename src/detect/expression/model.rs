//! A model as people write it, checked and compiled.

use std::{ops::Range, sync::Arc};

use super::{
    check::{Bound, Checker, figure_name},
    futile,
    mistake::Mistake,
    parser::parse,
    parts::PartPlan,
    program::Program,
    term::{Fact, Facts, Needs, Operation, Term, Type},
};

/// What people write. `score`, `expected`, `lower` and `upper` may use the names that `when` gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// When the series is anomalous: true or false.
    pub when: String,
    /// How far out of the ordinary a sample is: a number, 1 at the boundary. `None`: see [`super`].
    pub score: Option<String>,
    /// The value that was expected: a number.
    pub expected: Option<String>,
    /// The lowest usual value: a number.
    pub lower: Option<String>,
    /// The highest usual value: a number.
    pub upper: Option<String>,
}

/// A model: sources that have been checked, and what they were made into.
#[derive(Clone, Debug)]
pub struct Model {
    sources: Sources,
    pub(super) when: Term,
    pub(super) score: Option<Term>,
    pub(super) expected: Option<Term>,
    pub(super) lower: Option<Term>,
    pub(super) upper: Option<Term>,
    /// The value of each `let`.
    pub(super) bindings: Vec<Term>,
    /// The source of each of these.
    bound_in: Vec<&'static str>,
    names: Vec<(String, Bound)>,
    mentions: Vec<(&'static str, Range<usize>)>,
    pub(super) program: Program,
    pub(super) needs: Needs,
    pub(super) plans: Vec<PartPlan>,
    /// Does it ask what clocks show?
    pub(super) asks_clocks: bool,
}

/// Something that a model asks another detector for.
#[derive(Clone, Debug)]
pub struct AskedFigure<'a> {
    /// Name of the source.
    pub source: &'static str,
    /// The bytes of it that ask.
    pub at: Range<usize>,
    /// Name of the detector.
    pub detector: &'a str,
    /// What it is asked for, as it stands behind the dot.
    pub figure: &'static str,
}

/// Two are the same when they read the same.
impl PartialEq for Model {
    fn eq(&self, other: &Self) -> bool {
        self.sources == other.sources
    }
}

/// What is never anomalous.
impl Default for Model {
    fn default() -> Self {
        let sources = Sources {
            when: "false".to_owned(),
            ..Sources::default()
        };
        Self::new(sources, 1).expect("it is one word of the language")
    }
}

impl Sources {
    /// Those that are there, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let Self {
            when,
            score,
            expected,
            lower,
            upper,
        } = self;
        let others = [
            ("score", score),
            ("expected", expected),
            ("lower", lower),
            ("upper", upper),
        ];
        let others = others.into_iter();
        std::iter::once(("when", when.as_str()))
            .chain(others.filter_map(|(name, source)| Some((name, source.as_deref()?))))
    }
}

impl Model {
    /// Checks `sources`, for windows that reach back `span_s` seconds.
    ///
    /// # Errors
    /// The first mistake of each source, with the name of the source.
    pub fn new(sources: Sources, span_s: i64) -> Result<Self, Vec<(&'static str, Mistake)>> {
        let mut mistakes = Vec::new();
        let mut scripts = Vec::new();
        for (name, source) in sources.iter() {
            match parse(source) {
                Ok(script) => scripts.push((name, script)),
                Err(mistake) => mistakes.push((name, mistake)),
            }
        }
        let mut checker = Checker::new(span_s);
        let mut terms = Vec::new();
        let mut when_bindings = 0;
        // Without the names that `when` gives, what is wrong with the rest would be a guess.
        let is_whole = scripts.first().is_some_and(|(name, _)| *name == "when");
        for (name, script) in scripts.iter().filter(|_| is_whole) {
            let kind = if *name == "when" { Type::Boolean } else { Type::Number };
            checker.source = name;
            let term = checker.script(script, kind);
            if *name == "when" {
                when_bindings = checker.bindings.len();
                if term.is_err() && !script.bindings.is_empty() {
                    mistakes.extend(term.err().map(|mistake| (*name, mistake)));
                    break;
                }
            }
            match term {
                Ok(term) => terms.push((*name, term)),
                Err(mistake) => mistakes.push((*name, mistake)),
            }
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let mut take = |wanted: &str| {
            let place = terms.iter().position(|(name, _)| *name == wanted)?;
            Some(terms.swap_remove(place).1)
        };
        let when = take("when").expect("without a mistake it is there");
        let (score, expected) = (take("score"), take("expected"));
        let (lower, upper) = (take("lower"), take("upper"));
        let program = Program::new(&checker.bindings[..when_bindings], &when);
        let program = program.map_err(|_| vec![("when", too_large(&when))])?;
        let mut model = Self {
            plans: checker.needs.parts.iter().map(PartPlan::new).collect(),
            sources,
            when,
            score,
            expected,
            lower,
            upper,
            bindings: checker.bindings,
            bound_in: checker.bound_in,
            program,
            names: checker.names,
            mentions: checker.mentions,
            needs: checker.needs,
            asks_clocks: false,
        };
        model.asks_clocks = model.asks(&|fact| matches!(fact, Fact::Hour | Fact::Minute | Fact::Weekday));
        Ok(model)
    }

    /// The value of each `let` and the result of each source, with the name of the source.
    pub(super) fn terms(&self) -> impl Iterator<Item = (&'static str, &Term)> {
        let Self {
            when,
            score,
            expected,
            lower,
            upper,
            bindings,
            bound_in,
            ..
        } = self;
        let others = [
            ("score", score),
            ("expected", expected),
            ("lower", lower),
            ("upper", upper),
        ]
        .into_iter();
        let others = others.filter_map(|(source, term)| Some((source, term.as_ref()?)));
        let bindings = bound_in.iter().copied().zip(bindings);
        bindings.chain([("when", when)]).chain(others)
    }

    /// Does it ask for a fact of which `is_such` holds?
    pub(super) fn asks(&self, is_such: &impl Fn(Fact) -> bool) -> bool {
        self.terms().any(|(_, term)| term.asks(is_such))
    }

    /// Parts that have one value only, whatever comes, each with the name of its source: nobody means that.
    pub fn slips(&self) -> Vec<(&'static str, Mistake)> {
        futile::search(self)
    }

    /// What it asks detectors for besides their opinion, as often as it does so.
    pub fn figures(&self) -> Vec<AskedFigure<'_>> {
        let mut figures = Vec::new();
        for (source, term) in self.terms() {
            self.add_figures(source, term, &mut figures);
        }
        figures
    }

    fn add_figures<'a>(&'a self, source: &'static str, term: &Term, figures: &mut Vec<AskedFigure<'a>>) {
        if let Operation::Fact(Fact::Vote(place, figure)) = term.what {
            figures.push(AskedFigure {
                source,
                at: term.at.clone(),
                detector: &self.needs.detectors[usize::from(place)],
                figure: figure_name(figure),
            });
        }
        for part in term.parts() {
            self.add_figures(source, part, figures);
        }
    }

    /// Each `let` that is no text: its name, and the place of its value.
    pub(super) fn names(&self) -> impl Iterator<Item = (&str, usize)> {
        self.names.iter().filter_map(|(name, bound)| match bound {
            Bound::Term(place) => Some((name.as_str(), *place)),
            Bound::Text(_) => None,
        })
    }

    /// What people wrote.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// The detectors that it goes by, by name, each once.
    pub fn detectors(&self) -> &[Arc<str>] {
        &self.needs.detectors
    }

    /// Where each of these is named first: source, and bytes of it.
    pub fn mentions(&self) -> &[(&'static str, Range<usize>)] {
        &self.mentions
    }

    /// The other series that it goes by, by name, each once.
    pub fn series(&self) -> &[Arc<str>] {
        &self.needs.series
    }

    /// The value of each `let`, by walking its tree.
    pub(super) fn bound(&self, facts: &mut impl Facts) -> Vec<f64> {
        let mut bound = Vec::with_capacity(self.bindings.len());
        for term in &self.bindings {
            let value = term.evaluate(&bound, facts);
            bound.push(value);
        }
        bound
    }
}

fn too_large(when: &Term) -> Mistake {
    Mistake::new(
        when.at.clone(),
        "too many values are waited for here; name some of them by `let`",
    )
}
