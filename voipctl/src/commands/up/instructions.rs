//! What a user does next: which phones to register, what to dial, what to type in a second terminal.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use voip_contract::config::{ActionDocument, RouteDocument};

use crate::planned::{PasswordSource, Planned, PlannedUser};
use crate::show;
use crate::state::{RunFile, RunUser, StateDir};

use super::programs::Sockets;

/// Users and numbers listed; more are counted.
const SHOWN: usize = 20;

/// Everything, once calls are possible.
pub(super) fn text(planned: &Planned, sockets: &Sockets, state: &StateDir) -> String {
    let plan = &planned.plan;
    let mut text = String::new();
    let _ = writeln!(
        text,
        "\nready: {}, {} at a time\n",
        show::count(u32::try_from(plan.media.len()).unwrap_or(u32::MAX), "media-node"),
        show::count(plan.capacity.calls, "call")
    );
    let _ = writeln!(text, "Register phones at");
    let _ = writeln!(text, "  server    {}, transport UDP", sockets.sip);
    let _ = writeln!(text, "  domain    {}\n", domain(planned, sockets));
    text.push_str(&indented(&users(planned.users.iter())));
    let _ = writeln!(text, "\nDial");
    text.push_str(&indented(&numbers(planned)));
    let _ = writeln!(text, "\nIn a second terminal");
    for command in commands(planned, state) {
        let _ = writeln!(text, "  {command}");
    }
    let _ = writeln!(text, "\nLogs are in {}. Ctrl-C ends everything.", state.logs().display());
    text
}

/// The passwords of users who were not there before; empty when there are none.
pub(super) fn new_users(old: &Planned, new: &Planned) -> String {
    let known: BTreeSet<&str> = old.users.iter().map(|user| user.username.as_str()).collect();
    let mut added = new.users.iter().filter(|user| !known.contains(user.username.as_str())).peekable();
    if added.peek().is_none() { String::new() } else { indented(&users(added)) }
}

/// What other commands must know.
pub(super) fn run_file(planned: &Planned, sockets: &Sockets, state: &StateDir) -> RunFile {
    let users = planned.users.iter().map(|user| RunUser {
        username: user.username.clone(),
        password_from: match &user.password {
            PasswordSource::Generated(_) => state.passwords_file().display().to_string(),
            PasswordSource::Secret(name) => format!("Secret {name}"),
        },
    });
    RunFile {
        pid: std::process::id().cast_signed(),
        cluster: planned.plan.cluster.clone(),
        sip: sockets.sip,
        domain: domain(planned, sockets),
        media_address: sockets.sip.ip(),
        http: sockets.http,
        users: users.collect(),
    }
}

/// Host part of addresses of record. Without `spec.domains` any host is ours, so the address will do.
fn domain(planned: &Planned, sockets: &Sockets) -> String {
    let first = planned.plan.documents.sip.domains.first();
    first.cloned().unwrap_or_else(|| sockets.sip.ip().to_string())
}

fn users<'a>(users: impl Iterator<Item = &'a PlannedUser>) -> String {
    let mut rows: Vec<Vec<String>> = users
        .map(|user| {
            let password = match &user.password {
                PasswordSource::Generated(password) => password.clone(),
                PasswordSource::Secret(name) => format!("as in Secret {name}"),
            };
            let note = if user.enabled { "" } else { "not enabled" };
            vec![user.username.clone(), password, note.to_owned()]
        })
        .collect();
    if rows.is_empty() {
        return "no users: add SipUsers to the file\n".to_owned();
    }
    let more = rows.len().saturating_sub(SHOWN);
    rows.truncate(SHOWN);
    let mut text = show::table(&["USER", "PASSWORD", ""], rows);
    if more > 0 {
        let _ = writeln!(text, "and {more} more");
    }
    text
}

/// The numbers that the dialplans of the users' contexts know.
fn numbers(planned: &Planned) -> String {
    let documents = &planned.plan.documents;
    let contexts: BTreeSet<&str> = documents.users.users.iter().map(|user| user.context.as_str()).collect();
    let reachable = documents.sip.dialplans.iter().filter(|plan| {
        contexts.is_empty() || plan.contexts.iter().any(|context| contexts.contains(context.as_str()))
    });
    let mut meanings: BTreeMap<String, String> = BTreeMap::new();
    for route in reachable.flat_map(|plan| &plan.routes).filter(|route| route.enabled) {
        if let Some(meaning) = meaning(route) {
            meanings.entry(number(&route.pattern)).or_insert(meaning);
        }
    }
    let more = meanings.len().saturating_sub(SHOWN);
    let rows = meanings.into_iter().take(SHOWN).map(|(number, meaning)| vec![number, meaning]);
    let mut text = show::table(&["NUMBER", "WHAT HAPPENS"], rows);
    if more > 0 {
        let _ = writeln!(text, "and {more} more");
    }
    text
}

/// A pattern as people read it: `*43` for `\*43`, `1...` for `1*`.
fn number(pattern: &str) -> String {
    let literal = |text: &str| text.replace(r"\*", "*");
    if pattern == "*" {
        return "any other".to_owned();
    }
    if let Some(prefix) = pattern.strip_suffix('*').filter(|prefix| !prefix.ends_with('\\')) {
        return format!("{}...", literal(prefix));
    }
    match pattern.strip_prefix('*') {
        Some(suffix) => format!("...{}", literal(suffix)),
        None => literal(pattern),
    }
}

fn meaning(route: &RouteDocument) -> Option<String> {
    route.actions.iter().find_map(|action| match action {
        ActionDocument::Answer {} => None,
        ActionDocument::PlayAudio { prompt, .. } => Some(format!("announcement {prompt:?}")),
        ActionDocument::Dial { target, .. } if target == "user/${destination}" => {
            Some("rings the user of that name or number".to_owned())
        }
        ActionDocument::Dial { target, .. } => Some(format!("rings {target}")),
        ActionDocument::Echo {} => Some("echo test: you hear yourself".to_owned()),
        ActionDocument::Hangup { status } => Some(format!("ends with {status}")),
    })
}

fn commands(planned: &Planned, state: &StateDir) -> Vec<String> {
    let program = std::env::args().next().unwrap_or_else(|| "voipctl".to_owned());
    let usual = StateDir::new(None).is_ok_and(|usual| usual.root() == state.root());
    let tail = if usual { String::new() } else { format!(" --state-dir {}", state.root().display()) };
    let mut commands = vec![format!("{program} status{tail}")];
    let mut callers = planned.users.iter().filter(|user| user.enabled);
    if let (Some(one), Some(two)) = (callers.next(), callers.next()) {
        commands.push(format!("{program} call {} --as {} --duration 5s{tail}", two.username, one.username));
    }
    commands.push(format!("{program} cdrs{tail}"));
    commands
}

fn indented(text: &str) -> String {
    text.lines().fold(String::new(), |mut all, line| {
        let _ = writeln!(all, "  {line}");
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_read_as_numbers() {
        for (pattern, text) in [
            ("600", "600"),
            (r"\*43", "*43"),
            ("1*", "1..."),
            ("*99", "...99"),
            ("*", "any other"),
            (r"1\*", "1*"),
        ] {
            assert_eq!(number(pattern), text);
        }
    }
}
