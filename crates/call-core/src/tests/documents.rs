//! The documents that tests run.

use voip_contract::NodeName;
use voip_contract::config::{
    ActionDocument, DialplanDocument, DigestAlgorithm, RouteDocument, SipDocument, UserDocument,
};

use super::phone::DOMAIN;
use crate::Documents;

pub(crate) const REALM: &str = "voip.test";

pub(crate) fn node(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

pub(crate) fn user(name: &str) -> UserDocument {
    let ha1 = |algorithm| sip_core::digest::ha1(algorithm, name, REALM, &format!("secret-{name}"));
    UserDocument {
        username: name.to_owned(),
        ha1: [
            (DigestAlgorithm::Sha256, ha1(sip_core::DigestAlgorithm::Sha256)),
            (DigestAlgorithm::Md5, ha1(sip_core::DigestAlgorithm::Md5)),
        ]
        .into(),
        display_name: format!("User {name}"),
        numbers: vec![format!("+49{name}")],
        context: "internal".to_owned(),
        caller_id: String::new(),
        max_calls: 4,
        max_contacts: 4,
        enabled: true,
    }
}

pub(crate) fn documents(dialplans: Vec<DialplanDocument>, users: Vec<UserDocument>) -> Documents {
    Documents {
        sip: SipDocument {
            version: 1,
            fingerprint: String::new(),
            cluster: "voip/test".to_owned(),
            domains: vec![DOMAIN.to_owned()],
            realm: REALM.to_owned(),
            digest_algorithms: vec![DigestAlgorithm::Sha256, DigestAlgorithm::Md5],
            listeners: Vec::new(),
            addresses: Vec::new(),
            local_cidrs: vec!["10.0.0.0/8".parse().unwrap()],
            dialplans,
        },
        users,
    }
}

pub(crate) fn plan(routes: &[(&str, Vec<ActionDocument>)]) -> Vec<DialplanDocument> {
    let route = |(pattern, actions): &(&str, Vec<ActionDocument>)| RouteDocument {
        id: pattern.replace(['*', '\\'], "x"),
        pattern: (*pattern).to_owned(),
        priority: 100,
        enabled: true,
        actions: actions.clone(),
    };
    vec![DialplanDocument {
        name: "test".to_owned(),
        contexts: vec!["internal".to_owned()],
        priority: 100,
        routes: routes.iter().map(route).collect(),
    }]
}

pub(crate) fn dial(target: &str, timeout_seconds: u32) -> ActionDocument {
    ActionDocument::Dial { target: format!("user/{target}"), timeout_seconds }
}
