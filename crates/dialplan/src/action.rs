//! What a route does: checked once at compile time, filled in with the number dialled at each call.

use serde::{Deserialize, Serialize};
use voip_contract::config::ActionDocument;

/// The only variable there is yet.
const DESTINATION: &str = "${destination}";
/// Longest name of a prompt or a user, in characters.
const MAX_NAME_CHARS: usize = 64;

/// One step, ready to be carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Answers the call if nothing has yet.
    Answer,
    /// Plays a prompt to its end; answers first if nothing has.
    PlayAudio {
        /// Name of the prompt.
        prompt: String,
        /// How often, 1 to 100.
        repeat: u32,
    },
    /// Calls `target` and joins both until one hangs up; the next action follows when nobody answers.
    Dial {
        /// Whom to call.
        target: Target,
        /// How long it may ring, seconds, 1 to 300.
        timeout_seconds: u32,
    },
    /// Sends the caller's audio back until the caller hangs up; answers first if nothing has.
    Echo,
    /// Ends the call.
    Hangup {
        /// SIP status for a call that is not answered, 400 to 699.
        status: u16,
    },
}

/// Whom a `dial` calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// A user, by user name or by one of the user's numbers.
    User(String),
}

/// An action whose target is not filled in yet.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Fixed(Action),
    Dial { user: Template, timeout_seconds: u32 },
}

impl Step {
    pub(crate) fn resolve(&self, number: &str) -> Action {
        match self {
            Self::Fixed(action) => action.clone(),
            Self::Dial { user, timeout_seconds } => {
                Action::Dial { target: Target::User(user.fill(number)), timeout_seconds: *timeout_seconds }
            }
        }
    }
}

/// Literal texts between which the destination stands.
#[derive(Debug, Clone)]
pub(crate) struct Template(Vec<String>);

impl Template {
    fn fill(&self, destination: &str) -> String {
        self.0.join(destination)
    }
}

/// A mistake in an action: field inside it, fact, mend.
pub(crate) struct Mistake {
    pub(crate) field: &'static str,
    pub(crate) fact: String,
    pub(crate) mend: &'static str,
}

/// Checks an action and makes it a step.
pub(crate) fn check(document: &ActionDocument) -> Result<Step, Mistake> {
    match document {
        ActionDocument::Answer {} => Ok(Step::Fixed(Action::Answer)),
        ActionDocument::Echo {} => Ok(Step::Fixed(Action::Echo)),
        ActionDocument::PlayAudio { prompt, repeat } => {
            within("playAudio.repeat", *repeat, 1, 100, "set it between 1 and 100")?;
            prompt_name(prompt)?;
            Ok(Step::Fixed(Action::PlayAudio { prompt: prompt.clone(), repeat: *repeat }))
        }
        ActionDocument::Dial { target, timeout_seconds } => {
            within("dial.timeoutSeconds", *timeout_seconds, 1, 300, "set it between 1 and 300")?;
            Ok(Step::Dial { user: user_target(target)?, timeout_seconds: *timeout_seconds })
        }
        ActionDocument::Hangup { status } => {
            within("hangup.status", u32::from(*status), 400, 699, "set a SIP final failure, 400 to 699")?;
            Ok(Step::Fixed(Action::Hangup { status: *status }))
        }
    }
}

/// Nothing after such an action is ever reached.
pub(crate) fn ends_the_call(document: &ActionDocument) -> bool {
    matches!(document, ActionDocument::Hangup { .. } | ActionDocument::Echo {})
}

fn within(field: &'static str, value: u32, low: u32, high: u32, mend: &'static str) -> Result<(), Mistake> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(Mistake { field, fact: format!("{value} is out of range"), mend })
}

fn prompt_name(prompt: &str) -> Result<(), Mistake> {
    let fine = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if !prompt.is_empty() && prompt.len() <= MAX_NAME_CHARS && prompt.bytes().all(fine) {
        return Ok(());
    }
    Err(Mistake {
        field: "playAudio.prompt",
        fact: format!("{prompt:?} is no name of a prompt"),
        mend: "use 1 to 64 letters, digits, - or _, without directory or ending",
    })
}

fn user_target(target: &str) -> Result<Template, Mistake> {
    let mistake = |fact: String, mend| Mistake { field: "dial.target", fact, mend };
    let Some(name) = target.strip_prefix("user/") else {
        return Err(mistake(format!("{target:?} is not a target"), "write user/NAME or user/${destination}"));
    };
    let texts: Vec<String> = name.split(DESTINATION).map(str::to_owned).collect();
    if texts.iter().any(|text| text.contains("${")) {
        let fact = format!("{target:?} uses a variable that does not exist");
        return Err(mistake(fact, "the only variable is ${destination}"));
    }
    let plain = |c: char| !(c.is_whitespace() || c.is_control() || matches!(c, '/' | '@' | '$' | '{' | '}'));
    if name.is_empty() || name.len() > MAX_NAME_CHARS || !texts.iter().all(|text| text.chars().all(plain)) {
        let fact = format!("{target:?} names no user");
        return Err(mistake(fact, "write user/NAME with a user name of at most 64 characters"));
    }
    Ok(Template(texts))
}
