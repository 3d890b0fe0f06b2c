//! Every example is planned, on a laptop and on fixed nodes; the plans are reviewed as snapshots.

use voip_contract::config::{MediaDocument, SipDocument, UsersDocument};

use super::world::{examples, kubernetes, nodes};
use crate::*;

#[test]
fn examples_on_a_laptop() {
    for (name, resources) in examples() {
        let observed = laptop_world(&resources.cluster, None);
        let valid = validate(&resources, &observed).unwrap_or_else(|errors| panic!("{name}: {errors:#?}"));
        let plan = plan(&valid, &observed);
        assert_eq!(plan.problems, [], "{name}");
        insta::assert_yaml_snapshot!(format!("laptop-{name}"), plan);
    }
}

#[test]
fn examples_on_three_nodes() {
    for (name, resources) in examples() {
        let observed = kubernetes(nodes(3));
        let valid = validate(&resources, &observed).unwrap_or_else(|errors| panic!("{name}: {errors:#?}"));
        let plan = plan(&valid, &observed);
        assert_eq!(plan.problems, [], "{name}");
        insta::assert_yaml_snapshot!(format!("kubernetes-{name}"), plan);
    }
}

#[test]
fn documents_load_again() {
    for (name, resources) in examples() {
        let observed = laptop_world(&resources.cluster, None);
        let documents = plan(&validate(&resources, &observed).unwrap(), &observed).documents;
        let sip: SipDocument = through_json(&documents.sip);
        assert_eq!(sip, documents.sip, "{name}");
        dialplan::compile(&sip.dialplans).unwrap_or_else(|errors| panic!("{name}: {errors:#?}"));
        assert_eq!(through_json::<UsersDocument>(&documents.users), documents.users, "{name}");
        assert_eq!(through_json::<MediaDocument>(&documents.media), documents.media, "{name}");
        for user in &documents.users.users {
            assert_eq!(user.ha1.len(), sip.digest_algorithms.len(), "{name}");
        }
    }
}

fn through_json<T: serde::Serialize + for<'de> serde::Deserialize<'de>>(document: &T) -> T {
    serde_json::from_str(&serde_json::to_string(document).unwrap()).unwrap()
}
