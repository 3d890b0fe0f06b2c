use voip_contract::Epoch;
use voip_contract::Generation;
use voip_contract::media::{MediaNotice, MediaOperation, MediaOutcome, MediaReply};

use super::*;

fn said(node: &str, incarnation: u64) -> Announcement {
    Announcement {
        node: NodeName::new(node).unwrap(),
        incarnation: Incarnation(incarnation),
        pool: "default".to_owned(),
        ports: (16_384, 16_447),
        capacity: 10,
        sessions: 0,
        ports_in_use: 0,
        draining: false,
    }
}

fn request(ticket: u64) -> MediaRequest {
    MediaRequest {
        ticket,
        session: CallId(1),
        epoch: Epoch(1),
        generation: Generation(0),
        operation: MediaOperation::Release,
        record: None,
    }
}

fn reply() -> FromMediaNode {
    let result = Ok(MediaOutcome::default());
    FromMediaNode::Reply(MediaReply { ticket: 1, session: CallId(1), result })
}

struct Bench {
    links: MediaLinks,
    seen: Vec<String>,
}

impl Bench {
    fn new() -> Self {
        Self { links: MediaLinks::default(), seen: Vec::new() }
    }

    fn take(&mut self, input: MediaInput) -> Vec<String> {
        let seen = &mut self.seen;
        self.links.take(input, |event| {
            seen.push(match event {
                MediaEvent::Announced(said) => format!("announced {} {}", said.node, said.incarnation.0),
                MediaEvent::Disconnected { node, incarnation } => {
                    format!("disconnected {node} {}", incarnation.0)
                }
                MediaEvent::Replied { node, incarnation, .. } => format!("replied {node} {}", incarnation.0),
                MediaEvent::Noticed { node, .. } => format!("noticed {node}"),
                MediaEvent::Undeliverable { .. } => "undeliverable".to_owned(),
            });
        });
        std::mem::take(seen)
    }

    fn open(&mut self, stream: u64, said: Announcement) -> (Vec<String>, mpsc::Receiver<ToMediaNode>) {
        let (outbound, queue) = mpsc::channel(2);
        (self.take(MediaInput::Opened { stream, announcement: said, outbound }), queue)
    }
}

#[test]
fn a_node_comes_speaks_and_goes() {
    let mut bench = Bench::new();
    let (seen, _queue) = bench.open(1, said("a", 7));
    assert_eq!(seen, ["announced a 7"]);
    assert_eq!(bench.take(MediaInput::Received { stream: 1, message: reply() }), ["replied a 7"]);
    let notice = MediaNotice::SessionLost { session: CallId(1), detail: String::new(), drained: false };
    let message = FromMediaNode::Notice(notice);
    assert_eq!(bench.take(MediaInput::Received { stream: 1, message }), ["noticed a"]);
    let message = FromMediaNode::Announce(said("a", 7));
    assert_eq!(bench.take(MediaInput::Received { stream: 1, message }), ["announced a 7"]);
    assert_eq!(bench.take(MediaInput::Closed { stream: 1 }), ["disconnected a 7"]);
    assert!(bench.take(MediaInput::Closed { stream: 1 }).is_empty());
}

#[test]
fn a_newer_run_replaces_the_old_and_late_words_of_the_old_are_not_heard() {
    let mut bench = Bench::new();
    let (_, mut old) = bench.open(1, said("a", 7));
    let (seen, _new) = bench.open(2, said("a", 8));
    assert_eq!(seen, ["disconnected a 7", "announced a 8"]);
    assert!(matches!(old.try_recv(), Err(mpsc::error::TryRecvError::Disconnected)));
    assert!(bench.take(MediaInput::Received { stream: 1, message: reply() }).is_empty());
    assert!(bench.take(MediaInput::Closed { stream: 1 }).is_empty());
    assert_eq!(bench.take(MediaInput::Received { stream: 2, message: reply() }), ["replied a 8"]);
}

#[test]
fn a_stream_that_changes_its_name_is_closed() {
    let mut bench = Bench::new();
    let (_, mut queue) = bench.open(1, said("a", 7));
    let message = FromMediaNode::Announce(said("b", 7));
    assert_eq!(bench.take(MediaInput::Received { stream: 1, message }), ["disconnected a 7"]);
    assert!(matches!(queue.try_recv(), Err(mpsc::error::TryRecvError::Disconnected)));
}

#[test]
fn requests_without_a_stream_or_room_are_undeliverable_and_counted() {
    let mut bench = Bench::new();
    let node = NodeName::new("a").unwrap();
    assert!(!bench.links.request(&node, request(1)));
    let (_, mut queue) = bench.open(1, said("a", 7));
    assert!(bench.links.request(&node, request(2)));
    assert!(bench.links.claim(&node, Vec::new()));
    assert!(!bench.links.request(&node, request(3)));
    assert_eq!(bench.links.undeliverable(), 2);
    assert_eq!(queue.try_recv(), Ok(ToMediaNode::Request(request(2))));
    assert!(bench.links.request(&node, request(4)));
}
