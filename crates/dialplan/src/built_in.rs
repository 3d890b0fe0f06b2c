//! The dialplan of a cluster that has none.

use voip_contract::config::{ActionDocument, DialplanDocument, RouteDocument};

/// Context of users who name no other.
pub const BUILT_IN_CONTEXT: &str = "internal";

/// Context `internal`: users call each other, and `*43` is the echo test.
pub fn built_in() -> DialplanDocument {
    DialplanDocument {
        name: "built-in".to_owned(),
        contexts: vec![BUILT_IN_CONTEXT.to_owned()],
        priority: 100,
        routes: vec![
            route("echo", r"\*43", ActionDocument::Echo {}),
            route(
                "users",
                "*",
                ActionDocument::Dial { target: "user/${destination}".to_owned(), timeout_seconds: 30 },
            ),
        ],
    }
}

fn route(id: &str, pattern: &str, action: ActionDocument) -> RouteDocument {
    RouteDocument {
        id: id.to_owned(),
        pattern: pattern.to_owned(),
        priority: 100,
        enabled: true,
        actions: vec![action],
    }
}
