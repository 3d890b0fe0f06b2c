//! What is wrong with a dialplan, in words that say where and how to mend it.

/// A field of a Dialplan that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Dialplan {dialplan}{}: {field}: {fact}: {mend}", route.as_ref().map(|id| format!(", route {id}")).unwrap_or_default())]
pub struct RouteError {
    /// Name of the Dialplan.
    pub dialplan: String,
    /// Id of the route; none when the Dialplan as a whole is meant.
    pub route: Option<String>,
    /// Path inside the Dialplan: `routes[2].actions[0].dial.target`.
    pub field: String,
    /// What is wrong with it.
    pub fact: String,
    /// The smallest change that mends it.
    pub mend: String,
}

/// Something that works, though probably not as meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// Name of the Dialplan.
    pub dialplan: String,
    /// Id of the route.
    pub route: String,
    /// Path inside the Dialplan.
    pub field: String,
    /// What it does as written.
    pub fact: String,
    /// What to write when something else is meant.
    pub mend: String,
}
