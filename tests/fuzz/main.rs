//! Hostile input, made up by the million: whatever the bytes are, reading them ends soon, with an answer.
//!
//! One test for each reader of bytes that strangers or a bad disk have written. Inputs are made from real ones, and from the
//! pieces that real ones are made of, so that they get far into what reads them; each answer is held against a plain
//! reading of the same bytes where there is one. A panic on any thread, an input that takes a minute, or more memory than
//! the input is worth fails the test, which shows the smallest input that does it.
//!
//! ```text
//! cargo test --test fuzz                                                # a minute
//! SKYRELAY_FUZZ_SECONDS=600 cargo test --release --test fuzz -- lines   # ten minutes for each target of that name
//! SKYRELAY_FUZZ_SEED=17 cargo test --test fuzz                          # the same inputs again
//! ```
//!
//! Query strings are read by axum, and of what is in them only patterns are read by us: see `patterns`.
#![expect(clippy::unwrap_used, reason = "a test may")]

mod changes;
mod configurations;
mod cuts;
mod harness;
mod lines;
mod patterns;
mod plain_line;
mod series;
mod snapshots;
