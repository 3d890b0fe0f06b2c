//! The users, spread over Secrets: etcd takes no value larger than 1 MiB or so, and a change of one user should not
//! rewrite all.

use voip_contract::config::{UserDocument, UsersDocument};

use crate::digest::fingerprint;
use crate::documents;

/// How many Secrets there are at most; sip-node reads all of them.
pub const BUCKETS: usize = 16;
/// Most bytes of one.
pub const BUCKET_BYTES: usize = 700 * 1024;
/// What a document holds besides its users.
const FRAME: usize = 128;

/// Users by bucket, in their order; and the names of those for whom there is no room.
#[derive(Debug, Default)]
pub(crate) struct Buckets {
    pub(crate) documents: Vec<UsersDocument>,
    pub(crate) left_out: Vec<String>,
}

/// A user's bucket follows from the name alone; only when it is full the next one with room is taken.
pub(crate) fn buckets(all: &UsersDocument) -> Buckets {
    let mut left_out = Vec::new();
    let mut filled: Vec<(usize, Vec<UserDocument>)> = vec![(FRAME, Vec::new()); BUCKETS];
    for user in &all.users {
        let bytes = serde_json::to_vec(user).map_or(0, |json| json.len() + 1);
        let home = home(&user.username);
        let mut order: Vec<usize> = (home..BUCKETS).chain(0..home).collect();
        order.retain(|at| filled.get(*at).is_some_and(|(used, _)| used + bytes <= BUCKET_BYTES));
        match order.first().and_then(|at| filled.get_mut(*at)) {
            Some((used, users)) => {
                *used += bytes;
                users.push(user.clone());
            }
            None => left_out.push(user.username.clone()),
        }
    }
    let documents = filled.into_iter().map(|(_, users)| document(all.version, users)).collect();
    Buckets { documents, left_out }
}

fn home(username: &str) -> usize {
    let hash = fingerprint(username.as_bytes());
    hash.chars().next().and_then(|digit| digit.to_digit(16)).map_or(0, |digit| digit as usize)
}

fn document(version: u32, users: Vec<UserDocument>) -> UsersDocument {
    let mut document = UsersDocument { version, fingerprint: String::new(), users };
    document.fingerprint = documents::content(&document);
    document
}
