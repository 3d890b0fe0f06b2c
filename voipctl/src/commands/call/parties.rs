//! Who calls, and who is to be expected at the other end.

use softphone::{AnswerPolicy, Expect, PhoneConfig, Secret, seed_of};
use voip_contract::admin::RegistrationReport;
use voip_contract::config::{SIP_DOCUMENT, SipDocument, USERS_DOCUMENT, UserDocument, UsersDocument};

use crate::cli::CallArgs;
use crate::failure::Failure;
use crate::http;
use crate::state::{RunFile, StateDir, StateError};

/// Both ends of the call.
#[derive(Debug)]
pub(super) struct Parties {
    /// Our phone that calls.
    pub(super) caller: PhoneConfig,
    /// The other end.
    pub(super) far_end: FarEnd,
}

/// What answers the call.
#[derive(Debug)]
pub(super) enum FarEnd {
    /// A phone of ours: nobody else has registered the user.
    Ours(Box<PhoneConfig>),
    /// Somebody else's phone, or nobody.
    Foreign,
    /// The cluster's echo.
    Echo,
    /// The cluster's announcement, or no route at all.
    Announcement,
}

impl Parties {
    /// Finds them among the users of the `up` that runs.
    pub(super) fn find(state: &StateDir, run: &RunFile, args: &CallArgs) -> Result<Self, Failure> {
        let directory = state.sip_config();
        let users: UsersDocument = state.read_document(&directory.join(USERS_DOCUMENT)).map_err(failure)?;
        let sip: SipDocument = state.read_document(&directory.join(SIP_DOCUMENT)).map_err(failure)?;
        let caller = user(&users, &args.caller)?;
        let config = |user: &UserDocument| {
            PhoneConfig::new(
                run.sip,
                run.domain.clone(),
                user.username.clone(),
                Secret::Ha1(user.ha1.clone()),
            )
        };
        let itself = |callee: &UserDocument| callee.username == caller.username;
        let mut far_end = FarEnd::Announcement;
        for action in actions(&sip, caller, &args.number)? {
            match action {
                dialplan::Action::Echo => far_end = FarEnd::Echo,
                dialplan::Action::Dial { target: dialplan::Target::User(name), .. } => {
                    far_end = match callee(&users, &name) {
                        Some(callee) if itself(callee) => {
                            let (number, name) = (&args.number, &args.caller);
                            return Err(Failure::input(format!(
                                "{number} is {name} itself: dial somebody else"
                            )));
                        }
                        Some(callee) if !is_registered(run, &callee.username)? => {
                            let mut config = config(callee);
                            config.answer = AnswerPolicy::AnswerAfter { ringing: None };
                            config.expect = Expect::Known(seed_of(&caller.username));
                            FarEnd::Ours(Box::new(config))
                        }
                        _ => FarEnd::Foreign,
                    };
                }
                dialplan::Action::PlayAudio { .. } => {}
                dialplan::Action::Answer | dialplan::Action::Hangup { .. } => continue,
            }
            break;
        }
        Ok(Self { caller: config(caller), far_end })
    }

    /// Whether only we end the call: whoever else does, something went wrong.
    pub(super) fn last_until_we_hang_up(&self) -> bool {
        matches!(self.far_end, FarEnd::Ours(_) | FarEnd::Echo)
    }

    /// What the caller should hear.
    pub(super) fn caller_expects(&self) -> Expect {
        match &self.far_end {
            FarEnd::Ours(callee) => Expect::Known(seed_of(&callee.user)),
            FarEnd::Echo => Expect::Own,
            FarEnd::Foreign | FarEnd::Announcement => Expect::Anything,
        }
    }
}

fn failure(error: StateError) -> Failure {
    Failure::failed(error)
}

fn user<'a>(users: &'a UsersDocument, name: &str) -> Result<&'a UserDocument, Failure> {
    let Some(user) = users.users.iter().find(|user| user.username == name) else {
        let names: Vec<&str> = users.users.iter().map(|user| user.username.as_str()).take(10).collect();
        return Err(Failure::input(format!("--as {name}: no such user; there are {}", names.join(", "))));
    };
    if user.enabled {
        Ok(user)
    } else {
        Err(Failure::input(format!(
            "--as {name}: this user is not enabled: set spec.enabled of the SipUser to true"
        )))
    }
}

/// By user name first, then by one of the numbers, as the registrar finds them.
fn callee<'a>(users: &'a UsersDocument, name: &str) -> Option<&'a UserDocument> {
    let by_name = users.users.iter().find(|user| user.username == name);
    by_name.or_else(|| users.users.iter().find(|user| user.numbers.iter().any(|number| number == name)))
}

fn actions(sip: &SipDocument, caller: &UserDocument, number: &str) -> Result<Vec<dialplan::Action>, Failure> {
    let compiled = dialplan::compile(&sip.dialplans)
        .map_err(|errors| Failure::failed(errors.first().map(ToString::to_string).unwrap_or_default()))?;
    Ok(compiled.route(&caller.context, number).map(|matched| matched.actions).unwrap_or_default())
}

fn is_registered(run: &RunFile, user: &str) -> Result<bool, Failure> {
    let report: Option<RegistrationReport> =
        http::get(run.http, &format!("/api/v1/registrations/{user}")).map_err(Failure::failed)?;
    Ok(report.is_some_and(|report| report.contacts > 0))
}
