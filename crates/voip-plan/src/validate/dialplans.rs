//! The Dialplans: what `dialplan::compile` says of them, and what depends on the users.

use std::collections::BTreeSet;

use voip_api::{Dialplan, Route, RouteAction};
use voip_contract::config::{ActionDocument, BUILT_IN_PROMPT, DialplanDocument, RouteDocument};

use super::{Report, ValidCluster, Verdicts, namespace};
use crate::problem::{FieldError, Problem, Reason};
use crate::resources::Resources;

/// Checks all Dialplans and fills `valid.dialplans`, in order of precedence; the built-in one when there is none.
pub(super) fn check(resources: &Resources, valid: &mut ValidCluster, errors: &mut Vec<FieldError>) {
    for plan in &resources.dialplans {
        check_reference(plan, valid, errors);
        valid.dialplans.push(document_of(plan));
    }
    if valid.dialplans.is_empty() {
        valid.dialplans.push(dialplan::built_in());
    }
    valid.dialplans.sort_by(|a, b| (a.priority, &a.name).cmp(&(b.priority, &b.name)));
    match dialplan::compile(&valid.dialplans) {
        Ok(compiled) => advise(&compiled, valid),
        Err(mistakes) => errors.extend(mistakes.into_iter().map(|mistake| field_error(mistake, valid))),
    }
}

/// The same, but in the place of a Dialplan with a mistake stands the version that was loaded before, if there was one,
/// and else nothing. Calls find no route then; they are not given to the built-in Dialplan.
pub(super) fn check_leniently(
    resources: &Resources,
    valid: &mut ValidCluster,
    previous: &[DialplanDocument],
) -> Verdicts {
    let mut verdicts = Verdicts::new();
    for plan in &resources.dialplans {
        let mut mistakes = Vec::new();
        check_reference(plan, valid, &mut mistakes);
        let document = document_of(plan);
        mistakes.extend(compile_errors(std::slice::from_ref(&document), valid));
        let name = document.name.clone();
        if mistakes.is_empty() {
            valid.dialplans.push(document);
            verdicts.insert(name, Ok(()));
        } else {
            valid.dialplans.extend(previous.iter().find(|old| old.name == name).cloned());
            verdicts.insert(name, Err(mistakes));
        }
    }
    refuse_together(valid, &mut verdicts);
    if resources.dialplans.is_empty() {
        valid.dialplans.push(dialplan::built_in());
    }
    valid.dialplans.sort_by(|a, b| (a.priority, &a.name).cmp(&(b.priority, &b.name)));
    if let Ok(compiled) = dialplan::compile(&valid.dialplans) {
        advise(&compiled, valid);
    }
    verdicts
}

/// Leaves out what is good alone and not together with the others. Each round leaves at least one out.
fn refuse_together(valid: &mut ValidCluster, verdicts: &mut Verdicts) {
    loop {
        let Err(mistakes) = dialplan::compile(&valid.dialplans) else { return };
        let refused: BTreeSet<&str> = mistakes.iter().map(|mistake| mistake.dialplan.as_str()).collect();
        let before = valid.dialplans.len();
        valid.dialplans.retain(|plan| !refused.contains(plan.name.as_str()));
        if valid.dialplans.len() == before {
            valid.dialplans.clear();
        }
        for mistake in mistakes {
            let verdict = verdicts.entry(mistake.dialplan.clone()).or_insert(Ok(()));
            let mut told = std::mem::replace(verdict, Ok(())).err().unwrap_or_default();
            told.push(field_error(mistake, valid));
            *verdict = Err(told);
        }
    }
}

fn compile_errors(plans: &[DialplanDocument], valid: &ValidCluster) -> Vec<FieldError> {
    let mistakes = dialplan::compile(plans).err().unwrap_or_default();
    mistakes.into_iter().map(|mistake| field_error(mistake, valid)).collect()
}

fn field_error(mistake: dialplan::RouteError, valid: &ValidCluster) -> FieldError {
    FieldError {
        document: format!("Dialplan {}/{}", valid.namespace, mistake.dialplan),
        path: if mistake.field == "name" {
            "metadata.name".into()
        } else {
            format!("spec.{}", mistake.field)
        },
        fact: mistake.fact,
        mend: mistake.mend,
    }
}

fn check_reference(plan: &Dialplan, valid: &ValidCluster, errors: &mut Vec<FieldError>) {
    let name = plan.metadata.name.as_deref().unwrap_or_default();
    let (space, cluster) = (namespace(&plan.metadata), &plan.spec.cluster_ref.name);
    let mut report = Report::new(format!("Dialplan {space}/{name}"), errors);
    if name.is_empty() {
        report.error("metadata.name", "it has no name", "give it one");
    }
    if space != valid.namespace {
        let fact =
            format!("it lies in namespace {space}, and VoipCluster {} in {}", valid.name, valid.namespace);
        report.error("metadata.namespace", fact, format!("set it to {}", valid.namespace));
    } else if *cluster != valid.name {
        let fact = format!("there is no VoipCluster {cluster} here");
        report.error("spec.clusterRef.name", fact, format!("set it to {}", valid.name));
    }
    check_priorities(plan, &mut report);
    check_prompts(plan, &mut report);
}

fn check_prompts(plan: &Dialplan, report: &mut Report<'_>) {
    for (at, route) in plan.spec.routes.iter().enumerate() {
        for (step, action) in route.actions.iter().enumerate() {
            let RouteAction::PlayAudio { prompt, .. } = action else { continue };
            if prompt != BUILT_IN_PROMPT {
                let path = format!("spec.routes[{at}].actions[{step}].playAudio.prompt");
                let fact = format!("no media-node has a prompt {prompt}");
                report.error(path, fact, format!("use {BUILT_IN_PROMPT}, the only one there is so far"));
            }
        }
    }
}

fn check_priorities(plan: &Dialplan, report: &mut Report<'_>) {
    let routes = plan.spec.routes.iter().enumerate();
    let routes = routes.map(|(at, route)| (format!("spec.routes[{at}].priority"), route.priority));
    for (path, priority) in std::iter::once(("spec.priority".to_owned(), plan.spec.priority)).chain(routes) {
        if !(0..=100_000).contains(&priority) {
            report.error(path, format!("{priority} is out of range"), "set it between 0 and 100000");
        }
    }
}

/// What works, though a caller will wonder.
fn advise(compiled: &dialplan::Dialplan, valid: &mut ValidCluster) {
    let namespace = valid.namespace.clone();
    let problem = |document, path, fact, mend| Problem { document, path, reason: Reason::Advice, fact, mend };
    let mut advice: Vec<Problem> = Vec::new();
    for advised in compiled.advice() {
        let document = format!("Dialplan {namespace}/{}", advised.dialplan);
        let path = format!("spec.{}", advised.field);
        advice.push(problem(document, path, advised.fact.clone(), advised.mend.clone()));
    }
    for (document, path, fact, mend) in nobody_rings(valid) {
        advice.push(problem(document, path, fact, mend));
    }
    let unserved = valid.users.iter().filter(|user| !compiled.has_context(&user.context));
    let unserved: BTreeSet<&str> = unserved.map(|user| user.context.as_str()).collect();
    for context in unserved {
        let users: Vec<&str> = valid
            .users
            .iter()
            .filter(|user| user.context == context)
            .map(|user| user.username.as_str())
            .collect();
        let fact =
            format!("no Dialplan serves context {context} of users {}", crate::nodes::some_of(&users, ", "));
        let mend = format!("add {context} to the contexts of a Dialplan, or they can call nobody");
        advice.push(problem(valid.document(), "spec.contexts".to_owned(), fact, mend));
    }
    valid.advice.extend(advice);
}

/// Targets that name somebody who is not there: document, path, fact and mend of each.
fn nobody_rings(valid: &ValidCluster) -> Vec<(String, String, String, String)> {
    let users = valid.users.iter();
    let known: BTreeSet<&str> = users
        .flat_map(|user| std::iter::once(&user.username).chain(&user.numbers))
        .map(String::as_str)
        .collect();
    let mut found = Vec::new();
    for plan in &valid.dialplans {
        for (at, route) in plan.routes.iter().enumerate() {
            for (step, action) in route.actions.iter().enumerate() {
                let ActionDocument::Dial { target, .. } = action else { continue };
                let Some(name) = target.strip_prefix("user/") else { continue };
                if name.contains("${") || known.contains(name) {
                    continue;
                }
                found.push((
                    format!("Dialplan {}/{}", valid.namespace, plan.name),
                    format!("spec.routes[{at}].actions[{step}].dial.target"),
                    format!("no SipUser has the name or number {name}"),
                    "add one, or name one that is there".to_owned(),
                ));
            }
        }
    }
    found
}

fn document_of(plan: &Dialplan) -> DialplanDocument {
    DialplanDocument {
        name: plan.metadata.name.clone().unwrap_or_default(),
        contexts: plan.spec.contexts.clone(),
        priority: plan.spec.priority,
        routes: plan.spec.routes.iter().map(route).collect(),
    }
}

fn route(route: &Route) -> RouteDocument {
    RouteDocument {
        id: route.id.clone(),
        pattern: route.pattern.clone(),
        priority: route.priority,
        enabled: route.enabled,
        actions: route.actions.iter().map(action).collect(),
    }
}

fn action(action: &RouteAction) -> ActionDocument {
    match action {
        RouteAction::Answer {} => ActionDocument::Answer {},
        RouteAction::PlayAudio { prompt, repeat } => {
            ActionDocument::PlayAudio { prompt: prompt.clone(), repeat: *repeat }
        }
        RouteAction::Dial { target, timeout_seconds } => {
            ActionDocument::Dial { target: target.clone(), timeout_seconds: *timeout_seconds }
        }
        RouteAction::Echo {} => ActionDocument::Echo {},
        RouteAction::Hangup { status } => ActionDocument::Hangup { status: *status },
    }
}
