//! Counting votes.

use super::{super::Outcome, Algorithm, Settings};

/// The votes so far, and what the missing ones could still change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ballot {
    consensus: u32,
    algorithms: u32,
    published_votes: bool,
    votes: u32,
    votes_true: u32,
    votes_false: u32,
    /// May one that is still to vote fail? Only `ks_test` can.
    may_fail: bool,
    failed: bool,
}

impl Ballot {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            consensus: settings.consensus,
            algorithms: u32::try_from(settings.algorithms.len()).expect("nine at most"),
            published_votes: settings.published_votes,
            votes: 0,
            votes_true: 0,
            votes_false: 0,
            may_fail: settings.algorithms.contains(&Algorithm::KsTest),
            failed: false,
        }
    }

    pub(super) fn add(&mut self, algorithm: Algorithm, outcome: Outcome) {
        self.votes += 1;
        match outcome {
            Outcome::True => self.votes_true += 1,
            Outcome::False => self.votes_false += 1,
            Outcome::Nothing => {}
            Outcome::Failed => self.failed = true,
        }
        if algorithm == Algorithm::KsTest {
            self.may_fail = false;
        }
    }

    /// Are the votes so far enough whatever the missing ones will be, unless one of these fails?
    pub(super) fn can_only_fail(&self) -> bool {
        let (least, _) = self.support_range();
        !self.failed && least >= self.consensus && self.may_fail
    }

    /// None of the missing votes will fail.
    pub(super) fn rule_out_failure(&mut self) {
        self.may_fail = false;
    }

    /// Do the votes so far make an anomaly?
    pub(super) fn is_elected(&self) -> bool {
        !self.failed && self.support(self.votes_false) >= self.consensus
    }

    /// Is the outcome the same whatever the missing votes will be?
    pub(super) fn is_decided(&self) -> bool {
        let (least, most) = self.support_range();
        self.failed || most < self.consensus || (least >= self.consensus && !self.may_fail)
    }

    /// Votes for an anomaly over votes needed; 0 when an algorithm failed.
    pub(super) fn score(&self) -> f64 {
        if self.failed {
            0.0
        } else {
            f64::from(self.support(self.votes_false)) / f64::from(self.consensus)
        }
    }

    pub(super) fn reason(&self) -> String {
        let Self {
            algorithms, consensus, ..
        } = self;
        let support = self.support(self.votes_false);
        if self.failed {
            "no verdict: ks_test cannot be computed of a reference without variation".to_owned()
        } else if self.published_votes {
            format!("{support} of {algorithms} algorithms not against, {consensus} needed")
        } else {
            format!("{support} of {algorithms} algorithms, {consensus} needed")
        }
    }

    /// The least and the most votes for an anomaly that it can come to.
    fn support_range(&self) -> (u32, u32) {
        let missing = self.algorithms - self.votes;
        if self.published_votes {
            (self.support(self.votes_false + missing), self.support(self.votes_false))
        } else {
            (self.votes_true, self.votes_true + missing)
        }
    }

    /// Votes that count for an anomaly. The original counts those that are not against, hence a missing return for it.
    fn support(&self, votes_false: u32) -> u32 {
        if self.published_votes {
            self.algorithms - votes_false
        } else {
            self.votes_true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ballot(published_votes: bool, outcomes: &[Outcome]) -> Ballot {
        let settings = Settings {
            published_votes,
            ..Settings::default()
        };
        let mut ballot = Ballot::new(&settings);
        for (algorithm, &outcome) in Algorithm::ALL.into_iter().zip(outcomes) {
            ballot.add(algorithm, outcome);
        }
        ballot
    }

    #[test]
    fn six_of_nine_elect() {
        use Outcome::{False, Nothing, True};
        let votes = [True, True, True, True, True, False, False, Nothing, False];
        assert!(!ballot(false, &votes).is_elected());
        assert_eq!(ballot(false, &votes).reason(), "5 of 9 algorithms, 6 needed");
        assert!(ballot(true, &votes).is_elected());
        assert_eq!(ballot(true, &votes).reason(), "6 of 9 algorithms not against, 6 needed");
        let votes = [True, True, True, True, True, True, False, Nothing, False];
        assert!(ballot(false, &votes).is_elected());
        assert!((ballot(true, &votes).score() - 7.0 / 6.0).abs() < 1e-15);
    }

    #[test]
    fn a_failure_undoes_every_vote() {
        let mut votes = [Outcome::True; 9];
        votes[8] = Outcome::Failed;
        assert!(!ballot(false, &votes).is_elected());
        assert!(!ballot(false, &votes[..8]).is_decided());
        assert!(ballot(false, &votes).is_decided());
        assert!(ballot(false, &votes).score() < 1.0);
    }

    #[test]
    fn what_has_enough_votes_can_only_fail() {
        let votes = [Outcome::True; 6];
        assert!(!ballot(false, &votes[..5]).can_only_fail());
        let mut ballot = ballot(false, &votes);
        assert!(ballot.can_only_fail() && !ballot.is_decided());
        ballot.rule_out_failure();
        assert!(!ballot.can_only_fail() && ballot.is_decided() && ballot.is_elected());
    }

    #[test]
    fn four_against_decide() {
        assert!(!ballot(false, &[Outcome::False; 3]).is_decided());
        assert!(ballot(false, &[Outcome::False; 4]).is_decided());
        assert!(ballot(true, &[Outcome::False; 4]).is_decided());
        assert!(!ballot(true, &[Outcome::Nothing; 8]).is_decided());
    }
}
