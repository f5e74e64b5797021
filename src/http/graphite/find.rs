//! `/metrics/find`: what there is, one node of the tree at a time.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{RawQuery, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::{Parameters, too_much};
use crate::{
    graphite::target,
    http::{
        Sources,
        answer::{Json, Refusal, glob},
        search,
    },
};

/// Nodes in an answer.
const NODES_MAX: usize = 10_000;

/// A node that matches. Sorted by whether it is a leaf: branches come first.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Node {
    is_leaf: bool,
    /// From the root.
    path: String,
}

/// A node, as trees show it.
#[derive(Serialize, PartialEq)]
struct TreeNode {
    text: String,
    id: String,
    #[serde(rename = "allowChildren")]
    allow_children: u8,
    expandable: u8,
    leaf: u8,
}

/// A node, as fields that complete what is typed show it.
#[derive(Serialize)]
struct Completion {
    path: String,
    name: String,
    is_leaf: &'static str,
}

pub(super) async fn find(
    State(sources): State<Sources>,
    query: RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let parameters = Parameters::read(query, &headers, &body)?;
    let query = parameters
        .last("query")
        .ok_or_else(|| Refusal::bad("query: it is missing"))?;
    match parameters.last("format").unwrap_or("treejson") {
        "treejson" => {
            let nodes = nodes(&sources, query).await?;
            let with_star = parameters.last("wildcards") == Some("1");
            Ok(Json(tree(&nodes, query, with_star)).into_response())
        }
        "completer" => {
            let mut pattern = query.replace("..", "*.");
            if !pattern.ends_with('*') {
                pattern.push('*');
            }
            let mut nodes = nodes(&sources, &pattern).await?;
            nodes.sort_by(|left, right| left.path.cmp(&right.path));
            let metrics: Vec<_> = nodes.iter().map(Completion::from).collect();
            Ok(Json(serde_json::json!({ "metrics": metrics })).into_response())
        }
        other => Err(Refusal::bad(format!(
            "format: {other:?} is not given here, only \"treejson\" and \"completer\""
        ))),
    }
}

/// Nodes that match, as deep in the tree as the pattern is.
async fn nodes(sources: &Sources, pattern: &str) -> Result<Vec<Node>, Refusal> {
    let glob = glob("query", pattern)?;
    let depth = target::nodes(pattern).len();
    let pick = move |name: &Arc<str>| {
        let end = name.match_indices('.').nth(depth - 1).map(|(end, _)| end);
        let path = &name[..end.unwrap_or(name.len())];
        glob.matches(path).then(|| Node {
            is_leaf: end.is_none(),
            path: path.to_owned(),
        })
    };
    let nodes = search::names(sources, pick, NODES_MAX).await?;
    if nodes.len() > NODES_MAX {
        return Err(too_much(&format!("more than {NODES_MAX} nodes match")));
    }
    Ok(nodes.into_iter().collect())
}

fn tree(nodes: &[Node], query: &str, with_star: bool) -> Vec<TreeNode> {
    let base = query.rfind('.').map_or("", |dot| &query[..=dot]);
    let tree_node = |text: &str, is_leaf: bool| TreeNode {
        text: text.to_owned(),
        id: format!("{base}{text}"),
        allow_children: u8::from(!is_leaf),
        expandable: u8::from(!is_leaf),
        leaf: u8::from(is_leaf),
    };
    let star = (with_star && nodes.len() > 1).then(|| tree_node("*", nodes.iter().all(|node| node.is_leaf)));
    let mut tree: Vec<_> = star.into_iter().collect();
    let begins = tree.len();
    tree.extend(nodes.iter().map(|node| tree_node(node.name(), node.is_leaf)));
    // The same name below several branches is one node.
    tree[begins..].sort_by(|left, right| (left.leaf, &left.text).cmp(&(right.leaf, &right.text)));
    tree.dedup();
    tree
}

impl Node {
    fn name(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or(&self.path)
    }
}

impl From<&Node> for Completion {
    fn from(node: &Node) -> Self {
        let (dot, is_leaf) = if node.is_leaf { ("", "1") } else { (".", "0") };
        Self {
            path: format!("{}{dot}", node.path),
            name: node.name().to_owned(),
            is_leaf,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_below_many_branches_is_one_node() {
        let node = |path: &str, is_leaf| Node {
            is_leaf,
            path: path.to_owned(),
        };
        let nodes = [
            node("a.x", false),
            node("b.x", false),
            node("a.load", true),
            node("b.load", true),
        ];
        let shown: Vec<_> = tree(&nodes, "*.*", true)
            .into_iter()
            .map(|node| (node.id, node.leaf))
            .collect();
        let expected = [("*.*", 0), ("*.x", 0), ("*.load", 1)];
        assert_eq!(shown, expected.map(|(id, leaf)| (id.to_owned(), leaf)));
    }
}
