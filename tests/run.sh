#!/usr/bin/env bash
# All tests, on a bare Debian machine with Rust: installs the real peers, then checks form, lints and tests.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; }

step 'real peers'
tests/peers/install.sh
step 'form'
cargo fmt --all --check
step 'lints, benches included'
cargo clippy --locked --all-targets -- -D warnings
step 'documentation'
RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --document-private-items --quiet
step 'tests'
cargo test --locked --no-fail-fast
