//! Documents in, matcher out; every mistake at once.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use voip_contract::config::{DialplanDocument, RouteDocument};

use crate::action::{self, Action, Step};
use crate::error::{Advice, RouteError};
use crate::index::Index;
use crate::pattern::Pattern;

/// Most contexts of one Dialplan.
pub const MAX_CONTEXTS: usize = 16;
/// Most routes of one Dialplan.
pub const MAX_ROUTES: usize = 500;
/// Most routes of all Dialplans of a cluster together.
pub const MAX_ROUTES_IN_ALL: usize = 10_000;
/// Most actions of one route.
pub const MAX_ACTIONS: usize = 16;

/// The compiled Dialplans of a cluster.
#[derive(Debug, Default)]
pub struct Dialplan {
    contexts: HashMap<String, Index>,
    /// In order of precedence.
    routes: Vec<Route>,
    advice: Vec<Advice>,
}

#[derive(Debug)]
struct Route {
    dialplan: String,
    id: String,
    steps: Vec<Step>,
}

/// What to do with a number that was dialled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matched {
    /// Name of the Dialplan.
    pub dialplan: String,
    /// Id of the route in it.
    pub route: String,
    /// What to do, in order; never empty.
    pub actions: Vec<Action>,
}

impl Dialplan {
    /// The route for `number` in `context`; none when no route matches or there is no such context.
    pub fn route(&self, context: &str, number: &str) -> Option<Matched> {
        let rank = self.contexts.get(context)?.best(number)?;
        let route = self.routes.get(rank)?;
        Some(Matched {
            dialplan: route.dialplan.clone(),
            route: route.id.clone(),
            actions: route.steps.iter().map(|step| step.resolve(number)).collect(),
        })
    }

    /// Whether any Dialplan serves `context`.
    pub fn has_context(&self, context: &str) -> bool {
        self.contexts.contains_key(context)
    }

    /// Routes that work, though probably not as meant.
    pub fn advice(&self) -> &[Advice] {
        &self.advice
    }
}

/// A route that was found good, before it has a rank.
struct Candidate<'a> {
    plan: &'a DialplanDocument,
    route: &'a RouteDocument,
    pattern: Pattern,
    steps: Vec<Step>,
}

/// Compiles all Dialplans of a cluster.
///
/// Of the routes that match, the first in this order is taken: priority of the Dialplan, its name, priority of the
/// route, the more specific pattern (exact, then the longer prefix or suffix, then `*`), the route's id.
pub fn compile(documents: &[DialplanDocument]) -> Result<Dialplan, Vec<RouteError>> {
    let mut errors = Vec::new();
    let mut candidates = Vec::new();
    let mut names = BTreeSet::new();
    for plan in documents {
        if !names.insert(&plan.name) {
            errors.push(whole(plan, "name", "two Dialplans have this name", "rename one"));
        }
        check_contexts(plan, &mut errors);
        check_routes(plan, &mut candidates, &mut errors);
    }
    if candidates.len() > MAX_ROUTES_IN_ALL
        && let Some(last) = documents.last()
    {
        let fact = format!(
            "the Dialplans of the cluster hold {} routes, at most {MAX_ROUTES_IN_ALL} fit",
            candidates.len()
        );
        errors.push(whole(last, "routes", &fact, "join routes that do the same by a prefix"));
    }
    if errors.is_empty() { Ok(rank(candidates)) } else { Err(errors) }
}

fn rank(mut candidates: Vec<Candidate<'_>>) -> Dialplan {
    candidates.sort_by(|a, b| precedence(a).cmp(&precedence(b)));
    let mut dialplan = Dialplan::default();
    for (rank, candidate) in candidates.into_iter().enumerate() {
        for context in &candidate.plan.contexts {
            // A context whose routes are all disabled exists all the same.
            let index = dialplan.contexts.entry(context.clone()).or_default();
            if candidate.route.enabled {
                index.insert(&candidate.pattern, rank);
            }
        }
        dialplan.advice.extend(advise(&candidate));
        dialplan.routes.push(Route {
            dialplan: candidate.plan.name.clone(),
            id: candidate.route.id.clone(),
            steps: candidate.steps,
        });
    }
    dialplan
}

fn precedence<'a>(candidate: &'a Candidate<'_>) -> (i32, &'a str, i32, usize, &'a str) {
    let Candidate { plan, route, pattern, .. } = candidate;
    (plan.priority, plan.name.as_str(), route.priority, pattern.generality(), route.id.as_str())
}

/// `*43` is what feature codes look like on a phone, and here it is every number that ends in 43.
fn advise(candidate: &Candidate<'_>) -> Option<Advice> {
    let Pattern::Suffix(text) = &candidate.pattern else { return None };
    if text.len() > 3 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let at = candidate.plan.routes.iter().position(|route| route.id == candidate.route.id)?;
    Some(Advice {
        dialplan: candidate.plan.name.clone(),
        route: candidate.route.id.clone(),
        field: format!("routes[{at}].pattern"),
        fact: format!("*{text} matches every number that ends in {text}"),
        mend: format!("write \\*{text} if the number *{text} is meant"),
    })
}

fn whole(plan: &DialplanDocument, field: &str, fact: &str, mend: &str) -> RouteError {
    RouteError {
        dialplan: plan.name.clone(),
        route: None,
        field: field.to_owned(),
        fact: fact.to_owned(),
        mend: mend.to_owned(),
    }
}

fn check_contexts(plan: &DialplanDocument, errors: &mut Vec<RouteError>) {
    if plan.contexts.is_empty() || plan.contexts.len() > MAX_CONTEXTS {
        let fact = format!("{} contexts, there must be 1 to {MAX_CONTEXTS}", plan.contexts.len());
        errors.push(whole(plan, "contexts", &fact, "name the contexts it serves, for example internal"));
    }
    let mut seen = BTreeSet::new();
    for (at, context) in plan.contexts.iter().enumerate() {
        if !is_label(context) {
            let fact = format!("{context:?} is no name of a context");
            errors.push(whole(plan, &format!("contexts[{at}]"), &fact, "use 1 to 63 of a-z, 0-9 and -"));
        }
        if !seen.insert(context) {
            let fact = format!("{context} is named twice");
            errors.push(whole(plan, &format!("contexts[{at}]"), &fact, "remove it"));
        }
    }
}

fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&text.len())
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn check_routes<'a>(plan: &'a DialplanDocument, good: &mut Vec<Candidate<'a>>, errors: &mut Vec<RouteError>) {
    if plan.routes.is_empty() || plan.routes.len() > MAX_ROUTES {
        let fact = format!("{} routes, there must be 1 to {MAX_ROUTES}", plan.routes.len());
        errors.push(whole(plan, "routes", &fact, "split it into several Dialplans, or remove it"));
    }
    let mut ids = BTreeSet::new();
    for (at, route) in plan.routes.iter().enumerate() {
        let before = errors.len();
        let mut report = |field: &str, fact: String, mend: &str| {
            errors.push(RouteError {
                dialplan: plan.name.clone(),
                route: Some(route.id.clone()),
                field: format!("routes[{at}].{field}"),
                fact,
                mend: mend.to_owned(),
            });
        };
        if !is_label(&route.id) {
            report("id", format!("{:?} is no id", route.id), "use 1 to 63 of a-z, 0-9 and -");
        }
        if !ids.insert(&route.id) {
            report("id", format!("two routes are called {}", route.id), "rename one");
        }
        let pattern = Pattern::parse(&route.pattern)
            .map_err(|error| report("pattern", format!("{:?}: {error}", route.pattern), error.mend()));
        let steps = check_actions(route, &mut report);
        if let (Ok(pattern), true) = (pattern, errors.len() == before) {
            good.push(Candidate { plan, route, pattern, steps });
        }
    }
}

fn check_actions(route: &RouteDocument, report: &mut impl FnMut(&str, String, &str)) -> Vec<Step> {
    let count = route.actions.len();
    if count == 0 || count > MAX_ACTIONS {
        report(
            "actions",
            format!("{count} actions, there must be 1 to {MAX_ACTIONS}"),
            "keep what the call needs",
        );
    }
    if let Some(end) = route.actions.iter().position(action::ends_the_call)
        && end + 1 < count
    {
        let fact = "the call ends with the action before, so this one never runs".to_owned();
        report(&format!("actions[{}]", end + 1), fact, "remove it, or move it before");
    }
    let mut steps = Vec::with_capacity(count);
    for (at, document) in route.actions.iter().enumerate() {
        match action::check(document) {
            Ok(step) => steps.push(step),
            Err(mistake) => report(&format!("actions[{at}].{}", mistake.field), mistake.fact, mistake.mend),
        }
    }
    steps
}
