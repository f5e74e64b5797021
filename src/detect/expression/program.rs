//! A term as a flat list of steps on a stack: what runs at each sample.
//!
//! * About a nanosecond a step, and what facts cost. No allocation.
//! * What is behind `and`, `or`, `then` and `else` is skipped where it does not matter.

use super::{
    syntax::Comparison,
    term::{Binary, Fact, Facts, Operation, Term, UNKNOWN, Unary, both, either, is_true, within},
};

/// Values on the stack at once: a term that needs more is refused.
const STACK_LEN: usize = 64;

/// Steps that leave the value of a term behind.
#[derive(Clone, Debug)]
pub(super) struct Program {
    steps: Vec<Step>,
    /// Values of each `let`.
    bound: usize,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Constant(f64),
    Fact(Fact),
    /// The value of a `let`, which lies at the bottom of the stack.
    Bound(u16),
    Unary(Unary),
    Binary(Binary),
    And,
    Or,
    Within,
    /// Takes an element off, and says whether it equals the value below the answer so far.
    Among,
    /// Lays an answer on top: no.
    Nobody,
    /// Takes away what lies below the top.
    Settle,
    /// Goes on elsewhere if the top is false, or true.
    SkipIfFalse(u16),
    SkipIfTrue(u16),
    /// Takes a condition off and goes on: behind it, at `otherwise`, or at `end`, where nothing is known.
    Choose {
        otherwise: u16,
        end: u16,
    },
    Skip(u16),
}

/// A term is too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

struct Compiler {
    steps: Vec<Step>,
    depth: usize,
    deepest: usize,
}

impl Program {
    /// What works out `bindings`, then `result`.
    pub(super) fn new(bindings: &[Term], result: &Term) -> Result<Self, TooLarge> {
        let mut compiler = Compiler {
            steps: Vec::new(),
            depth: 0,
            deepest: 0,
        };
        for term in bindings.iter().chain([result]) {
            compiler.term(term);
        }
        let fits = compiler.deepest <= STACK_LEN && u16::try_from(compiler.steps.len()).is_ok();
        fits.then_some(Self {
            steps: compiler.steps,
            bound: bindings.len(),
        })
        .ok_or(TooLarge)
    }

    /// The value of the result.
    pub(super) fn run(&self, facts: &mut impl Facts) -> f64 {
        let mut stack = Stack {
            values: [0.0; STACK_LEN],
            len: 0,
        };
        let mut place = 0;
        while let Some(&step) = self.steps.get(place) {
            place += 1;
            match step {
                Step::Constant(value) => stack.push(value),
                Step::Fact(fact) => stack.push(facts.fact(fact)),
                Step::Bound(bound) => stack.push(stack.values[usize::from(bound) % STACK_LEN]),
                Step::Unary(unary) => {
                    let top = stack.pop();
                    stack.push(unary.of(top));
                }
                Step::Binary(binary) => stack.join(|left, right| binary.of(left, right)),
                Step::And => stack.join(both),
                Step::Or => stack.join(either),
                Step::Within => {
                    let (high, low, value) = (stack.pop(), stack.pop(), stack.pop());
                    stack.push(within(value, low, high));
                }
                Step::Nobody => stack.push(0.0),
                Step::Among => {
                    let (element, found, value) = (stack.pop(), stack.pop(), stack.pop());
                    let equal = Binary::Comparison(Comparison::Equal).of(value, element);
                    stack.push(value);
                    stack.push(either(found, equal));
                }
                Step::Settle => stack.join(|_, right| right),
                Step::SkipIfFalse(to) => {
                    if stack.top() == 0.0 {
                        place = to.into();
                    }
                }
                Step::SkipIfTrue(to) => {
                    if is_true(stack.top()) {
                        place = to.into();
                    }
                }
                Step::Choose { otherwise, end } => {
                    let condition = stack.pop();
                    if condition.is_nan() {
                        stack.push(UNKNOWN);
                        place = end.into();
                    } else if condition == 0.0 {
                        place = otherwise.into();
                    }
                }
                Step::Skip(to) => place = to.into(),
            }
        }
        debug_assert_eq!(stack.len, self.bound + 1, "one value is left above those of each `let`");
        stack.pop()
    }
}

/// Values, the last on top. A program that was compiled never takes more than is there, nor lays more than fits: the
/// remainder only spares the check.
struct Stack {
    values: [f64; STACK_LEN],
    len: usize,
}

impl Stack {
    fn push(&mut self, value: f64) {
        self.values[self.len % STACK_LEN] = value;
        self.len += 1;
    }

    fn pop(&mut self) -> f64 {
        self.len = self.len.wrapping_sub(1);
        self.values[self.len % STACK_LEN]
    }

    fn top(&self) -> f64 {
        self.values[self.len.wrapping_sub(1) % STACK_LEN]
    }

    fn join(&mut self, with: impl FnOnce(f64, f64) -> f64) {
        let right = self.pop();
        let left = self.pop();
        self.push(with(left, right));
    }
}

impl Compiler {
    fn grow(&mut self) {
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
    }

    /// Adds a step that lays one value more on the stack than it takes off, or so many fewer.
    fn lay(&mut self, step: Step) {
        self.steps.push(step);
        self.grow();
    }

    fn join(&mut self, step: Step, fewer: usize) {
        self.steps.push(step);
        self.depth -= fewer;
    }

    fn here(&self) -> u16 {
        // Beyond, the program is refused as too large.
        u16::try_from(self.steps.len()).unwrap_or(u16::MAX)
    }

    /// A place for a step that is known later.
    fn later(&mut self) -> usize {
        self.steps.push(Step::Skip(0));
        self.steps.len() - 1
    }

    /// Adds the steps that lay the value of `term` on top.
    fn term(&mut self, term: &Term) {
        match &term.what {
            Operation::Constant(value) => self.lay(Step::Constant(*value)),
            Operation::Fact(fact) => self.lay(Step::Fact(*fact)),
            Operation::Bound(place) => self.lay(Step::Bound(u16::try_from(*place).unwrap_or(u16::MAX))),
            Operation::Unary(unary, inner) => {
                self.term(inner);
                self.steps.push(Step::Unary(*unary));
            }
            Operation::Binary(binary, terms) => {
                self.terms(&**terms);
                self.join(Step::Binary(*binary), 1);
            }
            Operation::And(terms) => self.unless_decided(terms, Step::SkipIfFalse, Step::And),
            Operation::Or(terms) => self.unless_decided(terms, Step::SkipIfTrue, Step::Or),
            Operation::Within(terms) => {
                self.terms(&**terms);
                self.join(Step::Within, 2);
            }
            Operation::Among(subject, others) => {
                self.term(subject);
                self.lay(Step::Nobody);
                for other in others {
                    self.term(other);
                    self.join(Step::Among, 1);
                }
                self.join(Step::Settle, 1);
            }
            Operation::If(terms) => {
                let [condition, then, otherwise] = &**terms;
                self.term(condition);
                let choose = self.later();
                self.depth -= 1;
                self.term(then);
                let skip = self.later();
                self.depth -= 1;
                let begins = self.here();
                self.term(otherwise);
                let end = self.here();
                self.steps[choose] = Step::Choose { otherwise: begins, end };
                self.steps[skip] = Step::Skip(end);
            }
        }
    }

    fn terms(&mut self, terms: &[Term]) {
        for term in terms {
            self.term(term);
        }
    }

    fn unless_decided(&mut self, terms: &[Term; 2], skip: impl FnOnce(u16) -> Step, step: Step) {
        let [left, right] = terms;
        self.term(left);
        let place = self.later();
        self.term(right);
        self.join(step, 1);
        self.steps[place] = skip(self.here());
    }
}
