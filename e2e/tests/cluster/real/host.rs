//! Mode `HostNetwork`: signaling and media on the nodes' own network.

use std::collections::BTreeSet;

use super::nodes::{NODES, Node};
use super::office::Office;
use super::operator::Operator;
use super::phones::{Phones, SOON, Talk};

#[test]
fn cluster_c_two_phones_talk_through_the_media_node_of_each_node() {
    let operator = Operator::take();
    let office = Office::on_host(&operator, "host");
    let cluster = office.cluster();
    assert_eq!(cluster["status"]["network"]["mode"], "HostNetwork", "{cluster:#}");
    let server = office.server();
    assert!(NODES.map(Node::address).contains(&server.ip()) && server.port() == office.port, "{server}");
    let phones = Phones::register(&office);
    let talks: Vec<Talk> = NODES.iter().map(|_| phones.talk()).collect();
    for talk in &talks {
        talk.assert_bit_for_bit();
        let [one, other] = talk.relays();
        assert_eq!(one, other, "one media-node relays a call");
    }
    let relays: BTreeSet<_> = talks.iter().map(|talk| talk.relays()[0]).collect();
    assert_eq!(relays, NODES.map(Node::address).into(), "the calls are spread over all nodes");
    for talk in &talks {
        talk.hang_up();
    }
    for record in office.records.await_answered(talks.len(), SOON) {
        assert_eq!((&record["from"], &record["to"]), (&"1001".into(), &"1002".into()), "{record}");
        assert_eq!(record["sipStatus"], 200, "{record}");
    }
}
