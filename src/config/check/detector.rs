//! Detectors, by name: `[detector.NAME]`. How each kind is read lies in a file of its own.

mod absence;
pub(super) mod adaptive;
mod ensemble;
mod expression;
mod forecast;
mod skyline;
mod threshold;
mod trend;

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use ensemble::Rule;

use super::{
    kind,
    routes::{Patterns, does_not_exist},
};
use crate::{
    config::{
        report::{At, Place, Report, quoted},
        section::Section,
    },
    detect::{DEPTH_MAX, Definition, Kind, Orders, Unordered},
    shard::{self, Watch},
};

/// Kinds that there are.
const KINDS: [&str; 10] = [
    "adaptive",
    "skyline",
    "threshold",
    "trend",
    "forecast",
    "expression",
    "absence",
    "all_of",
    "any_of",
    "k_of",
];

/// The name of the detector that exists even when it is not declared.
const DEFAULT: &str = "default";

/// All detectors. Those that could not be read are there under their names, so that a watch may name them.
#[derive(Debug)]
pub(super) struct Detectors {
    definitions: Vec<Definition>,
    by_name: HashMap<String, usize>,
    /// Where each declared one begins; `default` is behind these when it is not among them.
    declared: Vec<Place>,
    /// Those that other detectors go by.
    gone_by: HashSet<usize>,
}

/// A detector that another one names.
#[derive(Debug)]
struct Mention {
    /// The key that names it, as in `detector.both.of`.
    key: String,
    name: String,
    place: Place,
    /// Where in the text that is written at `place`, if not all of it is the name.
    within: Option<Range<usize>>,
    /// What is asked of it there; `None`: this is where it is named for the first time.
    figure: Option<&'static str>,
}

impl Mention {
    fn new(key: String, name: &At<&str>) -> Self {
        Self {
            key,
            name: name.value.to_owned(),
            place: name.place,
            within: None,
            figure: None,
        }
    }

    /// Notes a mistake with carets below the name.
    fn point_out(&self, report: &Report, message: String) {
        let whole = 0..self.name.len();
        report.say_within(self.place, self.within.as_ref().unwrap_or(&whole), message);
    }

    fn say(&self, report: &Report, message: String) {
        match &self.within {
            Some(within) => report.say_within(self.place, within, message),
            None => report.say(self.place, message),
        }
    }
}

/// Reads all detectors, for windows as `shard` has them.
pub(super) fn read(top: &mut Section<'_>, shard: &shard::Settings, patterns: &mut Patterns) -> Detectors {
    let mut declared = Vec::new();
    let mut mentions = Vec::new();
    let mut definitions = top.named("detector", |name, section| {
        declared.push(section.start());
        let mut named = Vec::new();
        let kind = match kind(section, &KINDS, &[]) {
            Some("adaptive") => Kind::Adaptive(adaptive::read(section)),
            Some("skyline") => Kind::Skyline(skyline::read(section, shard.span_s)),
            Some("threshold") => Kind::Threshold(threshold::read(section)),
            Some("trend") => Kind::Trend(trend::read(section)),
            Some("forecast") => Kind::Forecast(forecast::read(section)),
            Some("expression") => expression::read(section, shard.span_s, &mut named)
                .map_or_else(|| Definition::default().kind, Kind::Expression),
            Some("absence") => {
                let settings = absence::read(section, shard.expire_after_s, patterns);
                if name.value == DEFAULT && !settings.of.is_empty() {
                    let message = format!(
                        "{} has patterns, but the detector `{DEFAULT}` judges series where no other is named: give this one another name",
                        section.path("of")
                    );
                    section.report().say(section.place("of"), message);
                }
                Kind::Absence(settings)
            }
            Some("all_of") => Kind::Ensemble(ensemble::read(section, Rule::All, &mut named)),
            Some("any_of") => Kind::Ensemble(ensemble::read(section, Rule::Any, &mut named)),
            Some("k_of") => Kind::Ensemble(ensemble::read(section, Rule::K, &mut named)),
            Some(other) => unreachable!("{other} is among the kinds"),
            None => Definition::default().kind,
        };
        let by = declared.len() - 1;
        mentions.extend(named.into_iter().map(|mention| (by, mention)));
        Definition {
            name: name.value.into(),
            kind,
        }
    });
    let mut by_name: HashMap<String, usize> = definitions
        .iter()
        .enumerate()
        .map(|(index, definition)| (definition.name.to_string(), index))
        .collect();
    by_name.entry(DEFAULT.to_owned()).or_insert_with(|| {
        definitions.push(Definition::default());
        definitions.len() - 1
    });
    let gone_by = mentions
        .iter()
        .filter_map(|(_, mention)| by_name.get(&mention.name).copied())
        .collect();
    let detectors = Detectors {
        definitions,
        by_name,
        declared,
        gone_by,
    };
    detectors.check_mentions(top.report(), &mentions);
    detectors
}

impl Detectors {
    /// The detector that judges where nothing is said about it: `default` when it is declared, or else the only one that
    /// is declared for series by itself, or `default` all the same when none is. Otherwise: where the first is declared.
    ///
    /// One that looks at patterns judges no series that a watch gives it, and one that another detector goes by is there for
    /// that one: neither stands for what it was that judged everything before.
    pub(super) fn implied(&self) -> Result<usize, Place> {
        let default = self.by_name[DEFAULT];
        if default < self.declared.len() {
            return Ok(default);
        }
        let is_for_series =
            |place: &usize| self.definitions[*place].kind.globs().is_empty() && !self.gone_by.contains(place);
        let mut by_themselves = (0..self.declared.len()).filter(is_for_series);
        match (by_themselves.next(), by_themselves.next()) {
            (None, _) => Ok(default),
            (Some(only), None) => Ok(only),
            (Some(first), Some(_)) => Err(self.declared[first]),
        }
    }

    /// Notes names that no detector has, and detectors that would have to be asked before themselves. With each mention comes
    /// the place of the detector that makes it.
    fn check_mentions(&self, report: &Report, mentions: &[(usize, Mention)]) {
        let mut all_known = true;
        for (_, mention) in mentions {
            let Mention { key, name, figure, .. } = mention;
            if let Some(figure) = figure {
                self.check_figure(report, mention, figure);
            } else if self.find(name).is_none() {
                all_known = false;
                mention.say(report, does_not_exist(report, name, key, "detector", self.names()));
            } else if self.is_absence(name) {
                let shown = quoted(name);
                let message =
                    format!("{key} names {shown}, which tells of silence, when there is no sample to agree on");
                mention.say(report, message);
            }
        }
        if !all_known {
            return;
        }
        // One that is not declared goes by none.
        let declared: Vec<usize> = (0..self.declared.len()).collect();
        match Orders::new(&self.definitions).of(&declared) {
            Ok(_) => {}
            Err(Unordered::Unknown(name)) => unreachable!("{name} was looked for"),
            Err(Unordered::Circular(circle)) => {
                let (first, next) = (circle[0], circle.get(1).unwrap_or(&circle[0]));
                let is_step = |(by, mention): &&(usize, Mention)| {
                    *by == first && mention.figure.is_none() && self.find(&mention.name) == Some(*next)
                };
                let step = mentions.iter().find(is_step);
                let (_, step) = step.expect("a detector goes by those that it mentions");
                step.point_out(report, self.in_a_circle(&circle));
            }
            Err(Unordered::Deep(first)) => {
                let name = quoted(&self.definitions[first].name);
                let message = format!(
                    "detector {name} goes by one that goes by another, and so on, expected {DEPTH_MAX} in a row at most"
                );
                report.say(self.declared[first], message);
            }
        }
    }

    /// Notes that a detector is asked for what it never has.
    fn check_figure(&self, report: &Report, mention: &Mention, figure: &str) {
        let Some(place) = self.find(&mention.name) else { return };
        let Definition { name, kind } = &self.definitions[place];
        if !has(kind, figure) {
            let message = format!(
                "{} asks for `{figure}` of {}, of kind `{}`, which never has any",
                mention.key,
                quoted(name),
                kind.name()
            );
            mention.say(report, message);
        }
    }

    fn is_absence(&self, name: &str) -> bool {
        let place = self.find(name);
        place.is_some_and(|place| matches!(self.definitions[place].kind, Kind::Absence(_)))
    }

    /// Notes that a watch names a detector that looks at patterns of its own.
    pub(super) fn check_watchable(&self, report: &Report, name: &At<&str>) {
        let place = self.find(name.value);
        if place.is_some_and(|place| !self.definitions[place].kind.globs().is_empty()) {
            let shown = quoted(name.value);
            let message = format!("watch.detectors names {shown}, which looks at the patterns of its `of` by itself");
            report.say(name.place, message);
        }
    }

    /// Notes detectors that judge nothing: no watch names them, or what goes by them.
    pub(super) fn check_named(&self, report: &Report, watches: &[Watch]) {
        let mut named = self.gone_by.clone();
        named.extend(watches.iter().flat_map(|watch| &watch.detectors));
        for (place, &begins) in self.declared.iter().enumerate() {
            let Definition { name, kind } = &self.definitions[place];
            if kind.globs().is_empty() && !named.contains(&place) {
                let message = format!(
                    "nothing names the detector {}: it judges no series until a [[watch]] has it in its `detectors`",
                    quoted(name)
                );
                report.warn(begins, message);
            }
        }
    }

    fn in_a_circle(&self, circle: &[usize]) -> String {
        let mut names = circle.iter().map(|&place| quoted(&self.definitions[place].name));
        let first = names.next().expect("a circle is not empty");
        let mut message = format!("detector {first} goes by ");
        for name in names {
            message.push_str(&name);
            message.push_str(", which goes by ");
        }
        message + &first + ", expected detectors that do not wait for themselves"
    }

    /// The place of the detector called `name`.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// All names, in the order in which they are declared.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.definitions.iter().map(|definition| &*definition.name)
    }

    /// The definitions, in the order to which places refer.
    pub(super) fn into_definitions(self) -> Vec<Definition> {
        self.definitions
    }
}

/// Has a detector of this kind ever got what an expression asks it for?
fn has(kind: &Kind, figure: &str) -> bool {
    let [lower, expected, upper] = match kind {
        // That absence cannot be asked for anything is told by itself.
        Kind::Adaptive(_) | Kind::Trend(_) | Kind::Forecast(_) | Kind::Absence(_) => [true; 3],
        Kind::Skyline(_) | Kind::Ensemble(_) => [false; 3],
        Kind::Threshold(settings) => {
            let (lower, upper) = settings.odd.allowed();
            [lower.is_some(), false, upper.is_some()]
        }
        Kind::Expression(settings) => {
            let sources = settings.model.sources();
            [&sources.lower, &sources.expected, &sources.upper].map(Option::is_some)
        }
    };
    match figure {
        "lower" => lower,
        "expected" => expected,
        "upper" => upper,
        _ => true,
    }
}
