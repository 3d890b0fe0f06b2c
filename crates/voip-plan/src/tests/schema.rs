//! The patterns that the API server checks agree with the code that reads the fields on a call.

use proptest::prelude::*;
use voip_api::text;
use voip_contract::config::{ActionDocument, DialplanDocument, RouteDocument};

use crate::quantity::Quantity;

fn compiles(pattern: &str, action: ActionDocument) -> bool {
    let (id, priority, enabled) = ("r".to_owned(), 1, true);
    let route = RouteDocument { id, pattern: pattern.to_owned(), priority, enabled, actions: vec![action] };
    let (name, contexts) = ("p".to_owned(), vec!["internal".to_owned()]);
    dialplan::compile(&[DialplanDocument { name, contexts, priority, routes: vec![route] }]).is_ok()
}

proptest! {
    #[test]
    fn route_patterns(pattern in prop_oneof!["[*\\\\1]{0,5}", "[*1]?[12a +#]{0,3}[*]?"]) {
        let admitted = regex::Regex::new(text::PATTERN).unwrap().is_match(&pattern);
        prop_assert_eq!(admitted, compiles(&pattern, ActionDocument::Answer {}), "{:?}", pattern);
    }

    #[test]
    fn dial_targets(rest in prop_oneof!["[a1/@${} ]{0,4}", "[a1]{0,2}(\\$\\{destination\\}|\\$\\{caller\\}|\\$destination)[a1]{0,2}"]) {
        let target = format!("user/{rest}");
        let admitted = regex::Regex::new(text::TARGET).unwrap().is_match(&target);
        prop_assert_eq!(admitted, compiles("1", ActionDocument::Dial { target: target.clone(), timeout_seconds: 1 }), "{:?}", target);
    }

    #[test]
    fn prompts(prompt in "[a1_/. -]{0,4}") {
        let admitted = regex::Regex::new(text::PROMPT).unwrap().is_match(&prompt);
        prop_assert_eq!(admitted, compiles("1", ActionDocument::PlayAudio { prompt: prompt.clone(), repeat: 1 }), "{:?}", prompt);
    }

    #[test]
    fn quantities(text in prop_oneof!["[0-9.]{0,4}(m|k|M|G|T|Ki|Mi|Gi|Ti|K|n|E|)", "[0-9.mkKi -]{0,5}"]) {
        let admitted = regex::Regex::new(text::OPTIONAL_QUANTITY).unwrap().is_match(&text);
        prop_assert_eq!(admitted, text.is_empty() || Quantity::parse(&text).is_some(), "{:?}", text);
    }
}
