//! The `SipUser`s, and their credentials.

use std::collections::{BTreeMap, BTreeSet};

use voip_api::{SipUser, text};
use voip_contract::config::{DigestAlgorithm, UserDocument};

use super::{Report, ValidCluster, Verdicts, age, namespace};
use crate::digest;
use crate::problem::FieldError;
use crate::resources::{Resources, SecretValue};

/// Most users of a cluster: beyond that a database serves them better.
const MAX_USERS: usize = 10_000;
/// Longest password, bytes.
const MAX_PASSWORD_BYTES: usize = 128;

/// Checks all users and fills `valid.users`, in the order of their user names.
pub(super) fn check(resources: &Resources, valid: &mut ValidCluster, errors: &mut Vec<FieldError>) {
    check_count(resources, valid, errors);
    let mut dialled = Dialled::default();
    for user in &resources.users {
        let document = check_one(resources, user, valid, &mut dialled, errors);
        valid.users.push(document);
    }
    valid.users.sort_by(|a, b| a.username.cmp(&b.username));
}

/// The same, but a user with a mistake is left out and keeps nobody else out. Of two users with one name or number the
/// older stays, and of too many the oldest.
pub(super) fn check_leniently(resources: &Resources, valid: &mut ValidCluster) -> Verdicts {
    let mut users: Vec<&SipUser> = resources.users.iter().collect();
    users.sort_by_cached_key(|user| age(&user.metadata));
    let mut dialled = Dialled::default();
    let mut verdicts = Verdicts::new();
    for user in users {
        let name = user.metadata.name.clone().unwrap_or_default();
        if valid.users.len() >= MAX_USERS {
            verdicts.entry(name).or_insert_with(|| Err(vec![one_too_many(user, valid)]));
            continue;
        }
        let mut mistakes = Vec::new();
        let document = check_one(resources, user, valid, &mut dialled, &mut mistakes);
        if mistakes.is_empty() {
            valid.users.push(document);
            verdicts.insert(name, Ok(()));
        } else {
            dialled.forget(user, &name);
            verdicts.insert(name, Err(mistakes));
        }
    }
    valid.users.sort_by(|a, b| a.username.cmp(&b.username));
    verdicts
}

fn one_too_many(user: &SipUser, valid: &ValidCluster) -> FieldError {
    FieldError {
        document: format!(
            "SipUser {}/{}",
            namespace(&user.metadata),
            user.metadata.name.as_deref().unwrap_or_default()
        ),
        path: "spec.clusterRef.name".to_owned(),
        fact: format!("VoipCluster {} serves {MAX_USERS} older SipUsers already, and not more", valid.name),
        mend: "name another VoipCluster, or remove SipUsers of this one".to_owned(),
    }
}

fn check_count(resources: &Resources, valid: &ValidCluster, errors: &mut Vec<FieldError>) {
    if resources.users.len() > MAX_USERS {
        let fact = format!("{} SipUsers refer to it, at most {MAX_USERS} are served", resources.users.len());
        Report::new(valid.document(), errors).error(
            "metadata.name",
            fact,
            "spread them over several VoipClusters",
        );
    }
}

fn check_one(
    resources: &Resources,
    user: &SipUser,
    valid: &ValidCluster,
    dialled: &mut Dialled,
    errors: &mut Vec<FieldError>,
) -> UserDocument {
    let name = user.metadata.name.clone().unwrap_or_default();
    let document = format!("SipUser {}/{name}", namespace(&user.metadata));
    let mut report = Report::new(document, errors);
    if !dialled.names.insert(name.clone()) {
        report.error("metadata.name", "two SipUsers have this name", "rename one");
    }
    check_reference(user, valid, &mut report);
    check_fields(user, &name, &mut report);
    dialled.add(user, &name, &mut report);
    let ha1 = credentials(resources, user, &name, valid, &mut report);
    document_of(user, &name, ha1)
}

fn username<'a>(user: &'a SipUser, name: &'a str) -> &'a str {
    user.spec.username.as_deref().unwrap_or(name)
}

fn check_reference(user: &SipUser, valid: &ValidCluster, report: &mut Report<'_>) {
    let (space, cluster) = (namespace(&user.metadata), &user.spec.cluster_ref.name);
    if space != valid.namespace {
        let fact =
            format!("it lies in namespace {space}, and VoipCluster {} in {}", valid.name, valid.namespace);
        report.error("metadata.namespace", fact, format!("set it to {}", valid.namespace));
    } else if *cluster != valid.name {
        let fact = format!("there is no VoipCluster {cluster} here");
        report.error("spec.clusterRef.name", fact, format!("set it to {}", valid.name));
    }
}

fn check_fields(user: &SipUser, name: &str, report: &mut Report<'_>) {
    let spec = &user.spec;
    let path = if spec.username.is_some() { "spec.username" } else { "metadata.name" };
    let username = username(user, name);
    let good = text::is_username(username) && username.len() <= 64;
    report.form(good, path, username, "a user name has at most 64 letters, digits and . _ + -");
    let good = text::is_display_name(&spec.display_name) && spec.display_name.chars().count() <= 128;
    report.form(
        good,
        "spec.displayName",
        &spec.display_name,
        "use at most 128 characters without quotes and line ends",
    );
    report.at_most("spec.numbers", spec.numbers.len(), 16);
    for (at, number) in spec.numbers.iter().enumerate() {
        let good = text::is_number(number) && number.len() <= 64;
        report.form(
            good,
            &format!("spec.numbers[{at}]"),
            number,
            "use at most 64 letters, digits and . _ + * # -",
        );
    }
    let good = text::is_label_1123(&spec.context) && spec.context.len() <= 63;
    report.form(good, "spec.context", &spec.context, "use at most 63 of a-z, 0-9 and -");
    let good = spec.caller_id.is_empty() || (text::is_number(&spec.caller_id) && spec.caller_id.len() <= 64);
    report.form(good, "spec.callerId", &spec.caller_id, "use at most 64 letters, digits and . _ + * # -");
    report.range("spec.maxCalls", spec.max_calls, 1, 1000);
    report.range("spec.maxContacts", spec.max_contacts, 1, 100);
}

/// User names and numbers share one space: each rings one user.
#[derive(Default)]
struct Dialled {
    /// Names of the `SipUser`s.
    names: BTreeSet<String>,
    /// User names and numbers, to the SipUser that has them.
    owners: BTreeMap<String, String>,
}

impl Dialled {
    fn add(&mut self, user: &SipUser, name: &str, report: &mut Report<'_>) {
        let path = if user.spec.username.is_some() { "spec.username" } else { "metadata.name" };
        self.claim(username(user, name), name, path, "use another", report);
        for (at, number) in user.spec.numbers.iter().enumerate() {
            self.claim(number, name, &format!("spec.numbers[{at}]"), "remove it here or there", report);
        }
    }

    /// Gives back what a user has that is left out.
    fn forget(&mut self, user: &SipUser, name: &str) {
        for number in user.spec.numbers.iter().map(String::as_str).chain([username(user, name)]) {
            if self.owners.get(number).is_some_and(|owner| owner == name) {
                self.owners.remove(number);
            }
        }
    }

    fn claim(&mut self, number: &str, name: &str, path: &str, mend: &str, report: &mut Report<'_>) {
        match self.owners.get(number) {
            Some(owner) if owner == name => {
                report.error(path, format!("{number} is there twice"), "remove one");
            }
            Some(owner) => report.error(path, format!("{number} already rings SipUser {owner}"), mend),
            None => {
                self.owners.insert(number.to_owned(), name.to_owned());
            }
        }
    }
}

type Ha1 = BTreeMap<DigestAlgorithm, String>;

/// HA1 for every algorithm of the cluster.
fn credentials(
    resources: &Resources,
    user: &SipUser,
    name: &str,
    valid: &ValidCluster,
    report: &mut Report<'_>,
) -> Ha1 {
    let Some(reference) = &user.spec.password_secret_ref else {
        let Some(password) = resources.passwords.get(name) else {
            let mend = "name a Secret in spec.passwordSecretRef, or let the caller generate one";
            report.error("spec.passwordSecretRef", "the user has no password", mend);
            return Ha1::new();
        };
        return hash(password, username(user, name), valid, "the generated password", report);
    };
    let Some(secret) = resources.secrets.get(&reference.name) else {
        let fact = format!("there is no Secret {}/{}", valid.namespace, reference.name);
        report.error(
            "spec.passwordSecretRef.name",
            fact,
            "make it, or remove the reference to have a password generated",
        );
        return Ha1::new();
    };
    if let Some(password) = secret.get(&reference.key) {
        let source = format!("key {} of Secret {}", reference.key, reference.name);
        return hash(password, username(user, name), valid, &source, report);
    }
    if secret.keys().any(|key| key.starts_with("ha1-")) {
        return stored(secret, &reference.name, valid, report);
    }
    let fact = format!("Secret {} has no key {}", reference.name, reference.key);
    report.error("spec.passwordSecretRef.key", fact, "add the key, or name the one that holds the password");
    Ha1::new()
}

fn hash(
    password: &SecretValue,
    username: &str,
    valid: &ValidCluster,
    source: &str,
    report: &mut Report<'_>,
) -> Ha1 {
    let bytes = password.reveal();
    let path = "spec.passwordSecretRef";
    if bytes.is_empty() || bytes.len() > MAX_PASSWORD_BYTES {
        let fact = format!("{source} has {} bytes", bytes.len());
        report.error(path, fact, format!("use a password of 1 to {MAX_PASSWORD_BYTES} bytes"));
    } else if bytes.ends_with(b"\n") {
        let fact = format!("{source} ends with a line end, which no phone sends");
        report.error(path, fact, "make it with `printf %s` or `echo -n`");
    } else if std::str::from_utf8(bytes).map_or(true, |text| text.chars().any(char::is_control)) {
        report.error(
            path,
            format!("{source} is no text that a phone can be given"),
            "use printable characters",
        );
    }
    let ha1 = |algorithm| digest::ha1(algorithm, username, &valid.realm, bytes);
    valid.algorithms.iter().map(|algorithm| (*algorithm, ha1(*algorithm))).collect()
}

/// HA1 values are bound to a realm, so a Secret that holds them names it.
fn stored(
    secret: &BTreeMap<String, SecretValue>,
    name: &str,
    valid: &ValidCluster,
    report: &mut Report<'_>,
) -> Ha1 {
    let path = "spec.passwordSecretRef.name";
    match secret.get("realm").map(|realm| String::from_utf8_lossy(realm.reveal())) {
        None => {
            let fact = format!("Secret {name} holds HA1 values and does not say of which realm");
            report.error(path, fact, format!("add key realm with value {} if it is that one", valid.realm));
        }
        Some(realm) if realm != valid.realm => {
            let fact = format!(
                "Secret {name} holds HA1 values of realm {realm:?}, and the cluster's is {}",
                valid.realm
            );
            report.error(
                path,
                fact,
                format!("set spec.realm of the VoipCluster to {realm}, or store the password"),
            );
        }
        Some(_) => {}
    }
    let mut ha1 = Ha1::new();
    for algorithm in &valid.algorithms {
        let key = key_of(*algorithm);
        let value = secret.get(key).map(|value| String::from_utf8_lossy(value.reveal()).into_owned());
        let hexadecimal = |text: &String| {
            text.len() == digest::digits(*algorithm)
                && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        match value {
            Some(value) if hexadecimal(&value) => {
                ha1.insert(*algorithm, value);
            }
            Some(_) => {
                let mend = format!("store {} digits 0-9 a-f", digest::digits(*algorithm));
                report.error(path, format!("{key} of Secret {name} is no HA1"), mend);
            }
            None => {
                let mend =
                    "add it, store the password instead, or leave the algorithm out of spec.digestAlgorithms";
                report.error(path, format!("Secret {name} has no key {key}"), mend);
            }
        }
    }
    ha1
}

fn key_of(algorithm: DigestAlgorithm) -> &'static str {
    match algorithm {
        DigestAlgorithm::Md5 => "ha1-md5",
        DigestAlgorithm::Sha256 => "ha1-sha-256",
        DigestAlgorithm::Sha512_256 => "ha1-sha-512-256",
    }
}

fn document_of(user: &SipUser, name: &str, ha1: Ha1) -> UserDocument {
    let spec = &user.spec;
    UserDocument {
        username: username(user, name).to_owned(),
        ha1,
        display_name: spec.display_name.clone(),
        numbers: spec.numbers.clone(),
        context: spec.context.clone(),
        caller_id: spec.caller_id.clone(),
        max_calls: spec.max_calls,
        max_contacts: spec.max_contacts,
        enabled: spec.enabled,
    }
}
