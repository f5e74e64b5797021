//! The page at `/`: where everything is, until it shows more.

use axum::response::Html;

/// A page without a script and without data.
pub(super) async fn page() -> Html<&'static str> {
    Html(include_str!("page.html"))
}
