//! Users over Secrets.

use std::collections::BTreeMap;

use voip_contract::config::{DigestAlgorithm, UserDocument, UsersDocument};

use crate::objects::users::buckets;
use crate::objects::{BUCKET_BYTES, BUCKETS};

fn document(count: usize, numbers: usize) -> UsersDocument {
    let user = |at: usize| UserDocument {
        username: format!("user-{at:05}"),
        ha1: BTreeMap::from([
            (DigestAlgorithm::Sha256, "a".repeat(64)),
            (DigestAlgorithm::Md5, "b".repeat(32)),
        ]),
        display_name: "N".repeat(128),
        numbers: (0..numbers).map(|number| format!("{at:05}-{number:02}-{}", "9".repeat(50))).collect(),
        context: "internal".to_owned(),
        caller_id: String::new(),
        max_calls: 4,
        max_contacts: 4,
        enabled: true,
    };
    UsersDocument { version: 1, fingerprint: String::new(), users: (0..count).map(user).collect() }
}

fn bytes(document: &UsersDocument) -> usize {
    serde_json::to_vec(document).unwrap().len()
}

#[test]
fn ten_thousand_users_fit_and_each_is_there_once() {
    let all = document(10_000, 8);
    let spread = buckets(&all);
    assert_eq!((spread.left_out.len(), spread.documents.len()), (0, BUCKETS));
    let mut found: Vec<_> = spread.documents.iter().flat_map(|bucket| bucket.users.clone()).collect();
    found.sort_by(|a, b| a.username.cmp(&b.username));
    assert_eq!(found, all.users);
    assert!(spread.documents.iter().all(|bucket| bytes(bucket) <= BUCKET_BYTES));
}

#[test]
fn one_user_more_rewrites_one_secret() {
    let (before, after) = (buckets(&document(2_000, 1)), buckets(&document(2_001, 1)));
    let changed = before.documents.iter().zip(&after.documents).filter(|(before, after)| before != after);
    assert_eq!(changed.count(), 1);
}

#[test]
fn who_finds_no_room_is_named_and_no_secret_is_too_large() {
    let all = document(10_000, 16);
    let spread = buckets(&all);
    let placed: usize = spread.documents.iter().map(|bucket| bucket.users.len()).sum();
    assert!(!spread.left_out.is_empty());
    assert_eq!(placed + spread.left_out.len(), all.users.len());
    for bucket in &spread.documents {
        assert!(bytes(bucket) <= BUCKET_BYTES && bytes(bucket) > BUCKET_BYTES - 4096, "{}", bytes(bucket));
    }
}
