//! The order in which a run's requests are computed, and what that will cost, before it begins.
//!
//! All requests of a call become a prefix tree over token ids. It is walked depth first and cut into batches: what several
//! requests begin with is computed once, and the branches of many documents ride in one batch, each row seeing its own path
//! alone. An engine needs memory for the longest sequence and one batch, and computes nothing twice.
//!
//! ```text
//! requests   a b c | d e      batch  row        a  b  c  d  x  y
//!            a b c | x y z           position   0  1  2  3  3  4
//!                                    end        6  6  6  4  6  6
//!                                    scores           d,x e  y  z
//! ```

use std::ops::Range;

use crate::model::{LanguageModel, TokenPair};
use crate::request::{Tokens, asked, tokens};
use crate::run::{RunError, RunOptions};
use crate::task::Task;

/// Tokens of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Context and continuation tokens of all requests, each counted as often as it is asked.
    pub tokens_asked: u64,
    /// Tokens the engine computes. Of generations their context only.
    pub tokens_computed: u64,
    /// Most tokens that generations add: each may end earlier.
    pub tokens_generated: u64,
}

/// Rows an engine computes together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Place of the first row in the cache: what lies before is the path kept so far.
    pub base: usize,
    /// Rows, each after the rows it continues.
    pub rows: Vec<Row>,
    /// What is read off the rows.
    pub scored: Vec<Scored>,
    /// What of the cache lives on afterwards.
    pub keep: Keep,
}

/// One token of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its id.
    pub token: u32,
    /// Its place in the sequences it belongs to.
    pub position: usize,
    /// It sees the places `0 .. path` of the cache,
    pub path: usize,
    /// and of the batch all rows `j` up to itself whose `end` lies behind it: `end` is one past the last row that continues it.
    pub end: usize,
}

/// A token whose probability is read off a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scored {
    /// Row of the batch after which it would stand.
    pub row: usize,
    /// Request it belongs to.
    pub request: usize,
    /// Its place in the request's continuation.
    pub index: usize,
    /// Its id.
    pub target: u32,
}

/// The path that later batches continue: place and position in the cache are one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// So much of the path so far,
    pub path: usize,
    /// and then these rows of the batch, in ascending order.
    pub rows: Vec<usize>,
}

/// The batches that answer some requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// In the order in which they are computed.
    pub batches: Vec<Batch>,
    /// Tokens of the path that is in the cache afterwards.
    pub path: Vec<u32>,
}

impl Schedule {
    /// Plans `pairs` for an engine that holds keys and values of the sequence `kept`, and computes at most `rows_max` rows at
    /// once. A context is never empty.
    pub fn new(kept: &[u32], pairs: &[TokenPair], rows_max: usize) -> Self {
        let mut tree = Tree::default();
        for (request, pair) in pairs.iter().enumerate() {
            tree.insert(request, pair);
        }
        tree.along_first(kept);
        tree.schedule(kept, rows_max.max(1))
    }

    /// Rows of all batches.
    pub fn tokens(&self) -> usize {
        self.batches.iter().map(|batch| batch.rows.len()).sum()
    }
}

/// A prefix tree; a node stands for a token after all above it.
#[derive(Default)]
struct Tree {
    nodes: Vec<Node>,
    /// Nodes of first tokens, in the order of the requests.
    roots: Vec<usize>,
}

struct Node {
    token: u32,
    position: usize,
    parent: Option<usize>,
    children: Vec<usize>,
    /// Request, index and target of what is read off here.
    scored: Vec<(usize, usize, u32)>,
}

impl Tree {
    fn insert(&mut self, request: usize, pair: &TokenPair) {
        let mut at = None;
        for (position, token) in read(pair).into_iter().enumerate() {
            let node = self.child(at, token).unwrap_or_else(|| {
                let node = self.nodes.len();
                self.nodes.push(Node {
                    token,
                    position,
                    parent: at,
                    children: Vec::new(),
                    scored: Vec::new(),
                });
                self.children_mut(at).push(node);
                node
            });
            if let Some(index) = (position + 1).checked_sub(pair.context.len())
                && let Some(&target) = pair.continuation.get(index)
            {
                self.nodes[node].scored.push((request, index, target));
            }
            at = Some(node);
        }
    }

    fn children(&self, of: Option<usize>) -> &[usize] {
        of.map_or(&self.roots, |node| &self.nodes[node].children)
    }

    fn children_mut(&mut self, of: Option<usize>) -> &mut Vec<usize> {
        match of {
            None => &mut self.roots,
            Some(node) => &mut self.nodes[node].children,
        }
    }

    fn child(&self, of: Option<usize>, token: u32) -> Option<usize> {
        let children = self.children(of).iter().rev();
        children
            .copied()
            .find(|&child| self.nodes[child].token == token)
    }

    /// Nodes that `kept` runs through, from the first token on.
    fn along(&self, kept: &[u32]) -> Vec<usize> {
        let mut path: Vec<usize> = Vec::new();
        for &token in kept {
            match self.child(path.last().copied(), token) {
                Some(node) => path.push(node),
                None => break,
            }
        }
        path
    }

    /// Puts the nodes along `kept` before their siblings: what is in the cache is used before it makes room.
    fn along_first(&mut self, kept: &[u32]) {
        for node in self.along(kept) {
            let siblings = self.children_mut(self.nodes[node].parent);
            if let Some(at) = siblings.iter().position(|&sibling| sibling == node) {
                siblings[..=at].rotate_right(1);
            }
        }
    }

    /// Nodes in depth-first order, those before the ones that continue them.
    fn preorder(&self) -> Vec<usize> {
        let mut order = Vec::with_capacity(self.nodes.len());
        let mut waiting: Vec<usize> = self.roots.iter().rev().copied().collect();
        while let Some(node) = waiting.pop() {
            order.push(node);
            waiting.extend(self.nodes[node].children.iter().rev());
        }
        order
    }

    fn schedule(&self, kept: &[u32], rows_max: usize) -> Schedule {
        // What is in the cache is computed again only where its output is asked for.
        let mut path = self.along(kept);
        let mut cached = vec![false; self.nodes.len()];
        path.iter().for_each(|&node| cached[node] = true);
        let mut order = self.preorder();
        let last = order.last().copied();
        order.retain(|&node| !cached[node] || !self.nodes[node].scored.is_empty());

        let mut batches = Vec::new();
        for (chunk, nodes) in order.chunks(rows_max).enumerate() {
            let next = order.get((chunk + 1) * rows_max).copied();
            // The path must lead to what comes next; after the last batch, to the last token. What is in the cache comes
            // first, and stays while it is computed again.
            let lead = match next {
                None => last,
                Some(next) if cached[next] => path.last().copied(),
                Some(next) => self.nodes[next].parent,
            };
            batches.push(self.batch(nodes, &cached, &mut path, lead));
        }
        Schedule {
            batches,
            path: path.iter().map(|&node| self.nodes[node].token).collect(),
        }
    }

    /// The batch of some nodes. `path` holds the nodes in the cache, and afterwards those up to `lead`.
    fn batch(
        &self,
        nodes: &[usize],
        cached: &[bool],
        path: &mut Vec<usize>,
        lead: Option<usize>,
    ) -> Batch {
        let base = path.len();
        // Later rows see a node that is in the cache there, not where it is computed again.
        let row_of = |node: usize, before: Range<usize>| {
            let found = nodes[before].iter().rposition(|&other| other == node);
            found.filter(|_| !cached[node])
        };
        let (mut rows, mut parents): (Vec<Row>, Vec<Option<usize>>) = (Vec::new(), Vec::new());
        let mut scored = Vec::new();
        for (row, &node) in nodes.iter().enumerate() {
            let Node {
                token, position, ..
            } = self.nodes[node];
            let parent = self.nodes[node]
                .parent
                .and_then(|parent| row_of(parent, 0..row));
            rows.push(Row {
                token,
                position,
                path: parent.map_or(position, |parent| rows[parent].path),
                end: row + 1,
            });
            parents.push(parent);
            let mut above = parent;
            while let Some(row_above) = above {
                rows[row_above].end = row + 1;
                above = parents[row_above];
            }
            let here = self.nodes[node].scored.iter();
            scored.extend(here.map(|&(request, index, target)| Scored {
                row,
                request,
                index,
                target,
            }));
        }
        let mut chain = Vec::new();
        let mut at = lead.and_then(|lead| row_of(lead, 0..nodes.len()));
        while let Some(row) = at {
            chain.push(row);
            at = parents[row];
        }
        chain.reverse();
        let kept = match (chain.first(), lead) {
            (Some(&first), _) => rows[first].path,
            (None, Some(lead)) => self.nodes[lead].position + 1,
            (None, None) => 0,
        };
        path.truncate(kept);
        path.extend(chain.iter().map(|&row| nodes[row]));
        Batch {
            base,
            rows,
            scored,
            keep: Keep {
                path: kept,
                rows: chain,
            },
        }
    }
}

/// Rows of a batch, on every lane: enough to share the widening of weights, few enough to stop well within a second.
pub const BATCH_ROWS: usize = 128;

/// Documents that are asked together: until they add so many tokens to each other.
const WINDOW_TOKENS: usize = 512;

/// Decides which documents are asked together, from the requests of each in turn.
///
/// Few, so that a run that is stopped loses little; many where documents are short, so that batches are full.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    previous: Vec<u32>,
    tokens: usize,
}

impl Window {
    /// Whether the window is full with one more document.
    pub(crate) fn add(&mut self, requests: &[Tokens]) -> bool {
        for request in requests {
            let Tokens::Pairs(pairs) = request else {
                return true;
            };
            for pair in pairs {
                let tokens = read(pair);
                let both = tokens.iter().zip(&self.previous);
                self.tokens += tokens.len() - both.take_while(|(a, b)| a == b).count();
                self.previous = tokens;
            }
        }
        self.tokens >= WINDOW_TOKENS
    }
}

/// Counts requests as the engine computes them.
#[derive(Clone, Debug, Default)]
pub struct Counter {
    plan: Plan,
    /// Tokens whose keys and values the engine holds.
    path: Vec<u32>,
}

impl Counter {
    /// Counts log-likelihoods that are asked in one call.
    pub fn add(&mut self, pairs: &[TokenPair]) {
        let asked = |pair: &TokenPair| (pair.context.len() + pair.continuation.len()) as u64;
        self.plan.tokens_asked += pairs.iter().map(asked).sum::<u64>();
        let schedule = Schedule::new(&self.path, pairs, BATCH_ROWS);
        self.plan.tokens_computed += schedule.tokens() as u64;
        self.path = schedule.path;
    }

    /// Counts one generation after `context`.
    pub fn add_generation(&mut self, context: &[u32], max_tokens: u32) {
        let pair = TokenPair {
            context: context.to_vec(),
            continuation: vec![0], // whichever: it is not read
        };
        self.add(&[pair]);
        self.plan.tokens_asked -= 1;
        self.plan.tokens_generated += u64::from(max_tokens);
    }

    /// What was counted so far.
    pub fn plan(&self) -> Plan {
        self.plan
    }
}

/// Counts the tokens of a run.
pub fn plan<M: LanguageModel>(
    model: &M,
    task: &Task,
    options: &RunOptions,
) -> Result<Plan, RunError<M::Error>> {
    let (mut counter, mut window) = (Counter::default(), Window::default());
    let mut waiting: Vec<TokenPair> = Vec::new();
    for prompt in task.prompts(options)? {
        let asked = asked(model, task, &prompt, options).map_err(|source| RunError::Model {
            task: task.name().into(),
            doc_id: prompt.doc_id,
            source,
        })?;
        let requests = tokens(model, task, prompt.doc_id, &asked)?;
        let full = window.add(&requests);
        let mut generations = Vec::new();
        for request in requests {
            match request {
                Tokens::Pairs(pairs) => waiting.extend(pairs),
                Tokens::Generations(requests) => generations.extend(requests),
            }
        }
        if full {
            counter.add(&std::mem::take(&mut waiting));
            window = Window::default();
        }
        for one in &generations {
            counter.add_generation(&one.context, one.max_tokens);
        }
    }
    counter.add(&waiting);
    Ok(counter.plan())
}

/// What a model reads for a request: all tokens but the last.
pub fn read(pair: &TokenPair) -> Vec<u32> {
    let scored = pair.continuation.len().saturating_sub(1);
    pair.context
        .iter()
        .chain(&pair.continuation[..scored])
        .copied()
        .collect()
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
