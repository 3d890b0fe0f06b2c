//! Finds the route of lowest rank among those whose pattern matches, in time proportional to the number's length.

use std::collections::HashMap;

use crate::pattern::Pattern;

/// Position of a route in the order of precedence: the lower wins.
pub(crate) type Rank = usize;

/// The routes of one context.
#[derive(Debug, Default)]
pub(crate) struct Index {
    exact: HashMap<String, Rank>,
    prefixes: Trie,
    suffixes: Trie,
    any: Option<Rank>,
}

impl Index {
    pub(crate) fn insert(&mut self, pattern: &Pattern, rank: Rank) {
        match pattern {
            Pattern::Exact(text) => {
                let best = self.exact.entry(text.clone()).or_insert(rank);
                *best = rank.min(*best);
            }
            Pattern::Prefix(text) => self.prefixes.insert(text.bytes(), rank),
            Pattern::Suffix(text) => self.suffixes.insert(text.bytes().rev(), rank),
            Pattern::Any => self.any = lower(self.any, Some(rank)),
        }
    }

    pub(crate) fn best(&self, number: &str) -> Option<Rank> {
        let exact = self.exact.get(number).copied();
        let prefix = self.prefixes.best(number.bytes());
        let suffix = self.suffixes.best(number.bytes().rev());
        lower(lower(exact, prefix), lower(suffix, self.any))
    }
}

fn lower(a: Option<Rank>, b: Option<Rank>) -> Option<Rank> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// A trie over bytes. UTF-8 makes byte prefixes and suffixes of whole characters agree with those of characters.
#[derive(Debug)]
struct Trie {
    nodes: Vec<Node>,
}

#[derive(Debug, Default)]
struct Node {
    best: Option<Rank>,
    /// Sorted by byte. Numbers have ten digits and a few signs, so a short list beats a table of 256.
    children: Vec<(u8, usize)>,
}

impl Default for Trie {
    fn default() -> Self {
        Self { nodes: vec![Node::default()] }
    }
}

impl Trie {
    fn insert(&mut self, path: impl Iterator<Item = u8>, rank: Rank) {
        let mut at = 0;
        for byte in path {
            at = self.child_or_new(at, byte);
        }
        if let Some(node) = self.nodes.get_mut(at) {
            node.best = lower(node.best, Some(rank));
        }
    }

    fn child_or_new(&mut self, at: usize, byte: u8) -> usize {
        let new = self.nodes.len();
        let Some(node) = self.nodes.get_mut(at) else { return at };
        match node.children.binary_search_by_key(&byte, |child| child.0) {
            Ok(found) => node.children.get(found).map_or(at, |child| child.1),
            Err(place) => {
                node.children.insert(place, (byte, new));
                self.nodes.push(Node::default());
                new
            }
        }
    }

    fn best(&self, path: impl Iterator<Item = u8>) -> Option<Rank> {
        let mut node = self.nodes.first()?;
        let mut best = node.best;
        for byte in path {
            let Ok(found) = node.children.binary_search_by_key(&byte, |child| child.0) else { break };
            let Some(next) = node.children.get(found).and_then(|child| self.nodes.get(child.1)) else {
                break;
            };
            node = next;
            best = lower(best, node.best);
        }
        best
    }
}
