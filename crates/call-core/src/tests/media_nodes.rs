//! Where calls are placed.

use voip_contract::media::Announcement;
use voip_contract::{Incarnation, NodeName};

use crate::media_nodes::{Arrival, MediaNodes};

fn said(name: &str, capacity: u32, sessions: u32) -> Announcement {
    Announcement {
        node: NodeName::new(name).unwrap(),
        incarnation: Incarnation(1),
        pool: "default".to_owned(),
        ports: (20_000, 20_100),
        capacity,
        sessions,
        ports_in_use: 0,
        draining: false,
    }
}

fn placed(nodes: &MediaNodes) -> Option<String> {
    nodes.place(None).map(|place| place.node.to_string())
}

#[test]
fn the_least_loaded_share_takes_the_next_call() {
    let mut nodes = MediaNodes::default();
    nodes.announced(said("big", 100, 30));
    nodes.announced(said("small", 10, 4));
    assert_eq!(placed(&nodes).as_deref(), Some("big"));
    for _ in 0..41 {
        nodes.placed(&NodeName::new("big").unwrap());
    }
    assert_eq!(placed(&nodes).as_deref(), Some("small"), "what we placed counts before the node says so");
}

#[test]
fn full_draining_and_lost_nodes_take_nothing() {
    let mut nodes = MediaNodes::default();
    nodes.announced(said("full", 5, 5));
    nodes.announced(Announcement { draining: true, ..said("draining", 5, 0) });
    assert_eq!(placed(&nodes), None);
    assert!(nodes.any_ready(), "a full node is a ready one");
    nodes.announced(said("free", 5, 0));
    let free = NodeName::new("free").unwrap();
    assert_eq!(nodes.place(Some(&free)), None, "not the one that refused");
    let timer =
        crate::timers::Timers::default().set(sip_core::Instant::default(), crate::timers::Timer::Media(0));
    assert!(!nodes.disconnected(&free, Incarnation(2), timer), "of another run");
    assert!(nodes.disconnected(&free, Incarnation(1), timer));
    assert_eq!(placed(&nodes), None);
    assert!(nodes.grace_over(&free, Incarnation(1)) && !nodes.grace_over(&free, Incarnation(1)));
    assert_eq!(nodes.announced(said("free", 5, 0)), Arrival::New { replaces: None });
    assert_eq!(placed(&nodes).as_deref(), Some("free"));
}
