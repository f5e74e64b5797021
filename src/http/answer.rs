//! Answers as JSON, and answers that are none: a status, and why.

use axum::{
    extract::rejection::QueryRejection,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use serde::Serialize;

use crate::{analysis::Stopped, glob::Glob, report};

/// The most that an answer of lists holds (bytes), a little below the megabyte that nobody is to wait for.
pub(super) const ANSWER_BYTES_MAX: usize = 960_000;

/// Cuts a list where its JSON would be longer than [`ANSWER_BYTES_MAX`]. Was it?
pub(super) fn fit<T: Serialize>(list: &mut Vec<T>) -> bool {
    let mut text = Vec::new();
    let fits = list.iter().take_while(|one| {
        report::write_json(&mut text, one).expect("answers have keys of text, and a Vec takes everything");
        text.push(b',');
        text.len() <= ANSWER_BYTES_MAX
    });
    let fitting = fits.count();
    let is_cut = fitting < list.len();
    list.truncate(fitting);
    is_cut
}

/// An answer.
pub(super) struct Json<T>(pub(super) T);

/// An answer that is not one.
#[derive(Debug)]
pub(super) struct Refusal(pub(super) StatusCode, pub(super) String);

impl Refusal {
    /// The question was wrongly put.
    pub(super) fn bad(why: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, why.into())
    }
}

/// How many are asked for: no more than `max` are given, and nobody asks for none.
pub(super) fn limit(wanted: usize, max: usize) -> Result<usize, Refusal> {
    match wanted {
        0 => Err(Refusal::bad(format!("limit: expected 1 to {max}"))),
        wanted => Ok(wanted.min(max)),
    }
}

/// The pattern that was asked for by the parameter called `parameter`.
pub(super) fn glob(parameter: &str, pattern: &str) -> Result<Glob, Refusal> {
    Glob::new(pattern).map_err(|error| Refusal::bad(format!("{parameter}: {error}")))
}

impl From<QueryRejection> for Refusal {
    fn from(rejection: QueryRejection) -> Self {
        // What the reader of parameters says, without the words of the library around it.
        let text = rejection.body_text();
        let why = text.split_once(": ").map_or(text.as_str(), |(_, why)| why);
        Self::bad(format!("the question is not understood: {why}"))
    }
}

impl From<Stopped> for Refusal {
    fn from(stopped: Stopped) -> Self {
        Self(StatusCode::SERVICE_UNAVAILABLE, stopped.to_string())
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        let mut text = Vec::new();
        report::write_json(&mut text, &self.0).expect("answers have keys of text, and a Vec takes everything");
        ([(header::CONTENT_TYPE, "application/json")], text).into_response()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(status, error) = self;
        (status, Json(serde_json::json!({ "error": error }))).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_cut_before_its_answer_is_too_long() {
        let name = "\u{202e}".repeat(300);
        let mut names = vec![name.clone(); 1000];
        assert!(fit(&mut names));
        let mut text = Vec::new();
        report::write_json(&mut text, &names).unwrap();
        assert!((900_000..1_000_000).contains(&text.len()), "{}", text.len());
        let mut few = vec![name; 3];
        assert!(!fit(&mut few));
        assert_eq!(few.len(), 3);
    }
}
