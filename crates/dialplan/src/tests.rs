//! The matcher against a naive scan, one test per mistake, and the cost law by counting.

use proptest::prelude::*;
use voip_contract::config::{ActionDocument, DialplanDocument, RouteDocument};

use super::*;

fn route(id: &str, pattern: &str, priority: i32) -> RouteDocument {
    let actions = vec![ActionDocument::Answer {}];
    RouteDocument { id: id.to_owned(), pattern: pattern.to_owned(), priority, enabled: true, actions }
}

fn plan(name: &str, priority: i32, routes: Vec<RouteDocument>) -> DialplanDocument {
    DialplanDocument { name: name.to_owned(), contexts: vec!["internal".to_owned()], priority, routes }
}

fn taken(dialplan: &Dialplan, number: &str) -> Option<String> {
    dialplan.route("internal", number).map(|matched| format!("{}/{}", matched.dialplan, matched.route))
}

#[test]
fn built_in_calls_users_and_echoes() {
    let dialplan = compile(&[built_in()]).unwrap();
    let matched = dialplan.route(BUILT_IN_CONTEXT, "1002").unwrap();
    assert_eq!(matched.actions, [Action::Dial { target: Target::User("1002".into()), timeout_seconds: 30 }]);
    assert_eq!(dialplan.route(BUILT_IN_CONTEXT, "*43").unwrap().actions, [Action::Echo]);
    assert_eq!(dialplan.route("elsewhere", "1002"), None);
    assert!(dialplan.advice().is_empty());
}

#[test]
fn specific_patterns_go_first() {
    let routes = vec![
        route("any", "*", 100),
        route("exact", "1234", 100),
        route("long", "123*", 100),
        route("short", "1*", 100),
        route("end", "*34", 100),
    ];
    let dialplan = compile(&[plan("a", 100, routes)]).unwrap();
    for (number, expected) in [
        ("1234", "a/exact"),
        ("1239", "a/long"),
        ("1999", "a/short"),
        ("1134", "a/end"),
        ("9", "a/any"),
        ("123", "a/long"),
    ] {
        assert_eq!(taken(&dialplan, number).as_deref(), Some(expected), "{number}");
    }
}

#[test]
fn priority_beats_specificity_and_the_dialplan_beats_both() {
    let low = plan("b", 10, vec![route("any", "*", 900)]);
    let same = plan("a", 20, vec![route("exact", "1", 100), route("first", "*", 1)]);
    let dialplan = compile(&[same.clone(), low]).unwrap();
    assert_eq!(taken(&dialplan, "1").as_deref(), Some("b/any"));
    let dialplan = compile(&[same]).unwrap();
    assert_eq!(taken(&dialplan, "1").as_deref(), Some("a/first"));
}

#[test]
fn disabled_routes_take_no_call() {
    let mut off = route("off", "1", 1);
    off.enabled = false;
    let dialplan = compile(&[plan("a", 100, vec![off])]).unwrap();
    assert_eq!(taken(&dialplan, "1"), None);
    assert!(dialplan.has_context("internal"));
}

#[test]
fn a_feature_code_without_backslash_is_pointed_out() {
    let dialplan = compile(&[plan("a", 100, vec![route("echo", "*43", 1)])]).unwrap();
    assert_eq!(taken(&dialplan, "1043").as_deref(), Some("a/echo"));
    let [advice] = dialplan.advice() else { panic!("{:?}", dialplan.advice()) };
    assert_eq!(advice.field, "routes[0].pattern");
    assert!(advice.mend.contains(r"\*43"), "{}", advice.mend);
}

/// A good Dialplan, spoiled in one place.
fn refusal(spoil: impl FnOnce(&mut DialplanDocument)) -> RouteError {
    let mut document = plan("office", 100, vec![route("one", "1*", 100), route("two", "2*", 100)]);
    spoil(&mut document);
    let errors = compile(&[document]).unwrap_err();
    assert_eq!(errors.len(), 1, "{errors:#?}");
    errors.into_iter().next().unwrap()
}

#[test]
fn each_mistake_names_its_field() {
    let dial =
        |target: &str, timeout_seconds| ActionDocument::Dial { target: target.to_owned(), timeout_seconds };
    let play = |prompt: &str, repeat| ActionDocument::PlayAudio { prompt: prompt.to_owned(), repeat };
    let action = |action: ActionDocument| move |d: &mut DialplanDocument| d.routes[1].actions = vec![action];
    let mut cases: Vec<(&str, RouteError)> = vec![
        ("contexts", refusal(|d| d.contexts.clear())),
        ("contexts[0]", refusal(|d| d.contexts[0] = "In ternal".into())),
        ("contexts[1]", refusal(|d| d.contexts.push("internal".into()))),
        ("routes", refusal(|d| d.routes.clear())),
        ("routes[1].id", refusal(|d| d.routes[1].id = "one".into())),
        ("routes[1].id", refusal(|d| d.routes[1].id = "Zwei!".into())),
        ("routes[1].pattern", refusal(|d| d.routes[1].pattern = "2*3".into())),
        ("routes[1].actions", refusal(|d| d.routes[1].actions.clear())),
        (
            "routes[1].actions[1]",
            refusal(|d| d.routes[1].actions = vec![ActionDocument::Echo {}, ActionDocument::Answer {}]),
        ),
    ];
    for (field, document) in [
        ("routes[1].actions[0].dial.target", dial("1002", 30)),
        ("routes[1].actions[0].dial.target", dial("user/", 30)),
        ("routes[1].actions[0].dial.target", dial("user/a@b", 30)),
        ("routes[1].actions[0].dial.target", dial("user/${caller}", 30)),
        ("routes[1].actions[0].dial.timeoutSeconds", dial("user/1", 0)),
        ("routes[1].actions[0].dial.timeoutSeconds", dial("user/1", 301)),
        ("routes[1].actions[0].playAudio.repeat", play("welcome", 0)),
        ("routes[1].actions[0].playAudio.prompt", play("../welcome", 1)),
        ("routes[1].actions[0].hangup.status", ActionDocument::Hangup { status: 200 }),
    ] {
        cases.push((field, refusal(action(document))));
    }
    for (field, error) in cases {
        assert_eq!(error.field, field, "{error}");
        assert_eq!(error.dialplan, "office");
        assert!(!error.mend.is_empty());
        assert_eq!(error.route.is_some(), field.starts_with("routes["));
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let mut bad = plan("a", 1, vec![route("x", "1*2", 1), route("x", "", 1)]);
    bad.contexts.clear();
    assert_eq!(compile(&[bad.clone(), bad]).unwrap_err().len(), 9);
}

#[test]
fn targets_are_filled_in() {
    let mut plan = plan("a", 1, vec![route("desk", "9*", 1)]);
    plan.routes[0].actions = vec![ActionDocument::Dial {
        target: "user/x${destination}-${destination}".into(),
        timeout_seconds: 5,
    }];
    let matched = compile(&[plan]).unwrap().route("internal", "91").unwrap();
    assert_eq!(matched.actions, [Action::Dial { target: Target::User("x91-91".into()), timeout_seconds: 5 }]);
}

/// What the documentation says, without an index.
fn scan(documents: &[DialplanDocument], context: &str, number: &str) -> Option<(String, String)> {
    let mut matching = Vec::new();
    for plan in documents.iter().filter(|plan| plan.contexts.iter().any(|name| name == context)) {
        for route in plan.routes.iter().filter(|route| route.enabled) {
            let pattern = Pattern::parse(&route.pattern).unwrap();
            if pattern.matches(number) {
                let key = (
                    plan.priority,
                    plan.name.clone(),
                    route.priority,
                    pattern.generality(),
                    route.id.clone(),
                );
                matching.push((key, (plan.name.clone(), route.id.clone())));
            }
        }
    }
    matching.into_iter().min().map(|(_, found)| found)
}

fn any_pattern() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("*".to_owned()),
        "[12é]{1,3}",
        "[12é]{1,3}\\*",
        "\\*[12é]{1,3}",
        Just(r"\*1".to_owned()),
        Just(r"\**".to_owned()),
    ]
}

fn any_routes() -> impl Strategy<Value = Vec<RouteDocument>> {
    let parts = (any_pattern(), 0..3i32, prop::bool::weighted(0.9));
    prop::collection::vec(parts, 1..12).prop_map(|all| {
        let build = |(at, (pattern, priority, enabled)): (usize, (String, i32, bool))| RouteDocument {
            enabled,
            // Unique, and in no relation to their place.
            ..route(&format!("r{}", (at * 7) % 12), &pattern, priority)
        };
        all.into_iter().enumerate().map(build).collect()
    })
}

fn any_plans() -> impl Strategy<Value = Vec<DialplanDocument>> {
    let contexts = prop::sample::subsequence(vec!["internal".to_owned(), "inbound".to_owned()], 1..=2);
    let one = (0..2i32, contexts, any_routes()).prop_map(|(priority, contexts, routes)| DialplanDocument {
        contexts,
        ..plan("unnamed", priority, routes)
    });
    prop::collection::vec(one, 0..4).prop_map(|mut plans| {
        for (at, plan) in plans.iter_mut().enumerate() {
            plan.name = format!("plan-{}", 9 - at);
        }
        plans
    })
}

proptest! {
    #[test]
    fn agrees_with_a_scan(plans in any_plans(), numbers in prop::collection::vec("[*12é]{0,5}", 1..20)) {
        let dialplan = compile(&plans).unwrap();
        for number in &numbers {
            for context in ["internal", "inbound"] {
                let found = dialplan.route(context, number).map(|m| (m.dialplan, m.route));
                prop_assert_eq!(found, scan(&plans, context, number), "{} {}", context, number);
            }
        }
    }

    #[test]
    fn no_text_makes_it_panic(pattern in ".{0,70}", target in ".{0,20}", number in ".{0,20}") {
        let mut document = plan("a", 1, vec![route("r", &pattern, 1)]);
        document.routes[0].actions = vec![ActionDocument::Dial { target: format!("user/{target}"), timeout_seconds: 1 }];
        if let Ok(dialplan) = compile(&[document]) {
            let _ = dialplan.route("internal", &number);
        }
    }
}
