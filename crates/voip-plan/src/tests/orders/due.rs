//! When to look again although nothing changes.

use super::*;

/// The orders of a round, and when something falls due after it, in milliseconds from then.
fn due(model: &mut Model) -> (Vec<Order>, Option<u64>) {
    let given = model.round();
    let valid = validate(&model.resources, &model.observed).unwrap();
    let mut planned = plan(&valid, &model.observed);
    planned.orders.clone_from(&given);
    (given, next_ms(&planned, &model.observed).map(|time| time - model.observed.now_ms))
}

#[test]
fn a_world_that_is_as_asked_for_has_no_date() {
    assert_eq!(due(&mut serving(&json!({}))), (vec![], None));
}

#[test]
fn a_drain_for_an_update_is_looked_at_again_at_its_deadline() {
    let mut model = serving(&json!({}));
    model.release.media_image = "media:2".to_owned();
    model.calls.extend(model.observed.pods.iter().map(|pod| (pod.name.clone(), 1)));
    model.round();
    assert_eq!(due(&mut model).1, Some(5_000));
    model.observed.now_ms += 5_000;
    assert_eq!(due(&mut model).1, Some(65_000));
    model.observed.now_ms += 65_000;
    assert_eq!(deleted(&due(&mut model).0).len(), 1);
}

#[test]
fn a_node_that_leaves_has_no_date() {
    let mut model = serving(&json!({}));
    model.node("w1").cordoned = true;
    assert_eq!(due(&mut model).1, None);
}

#[test]
fn a_quarantine_has_one() {
    let mut model = serving(&json!({}));
    model.observed.nodes.pop();
    assert_eq!(due(&mut model).1, Some(180_000));
    model.observed.now_ms += 180_000;
    assert_eq!(due(&mut model).1, None);
}

#[test]
fn ports_that_can_move_soon_have_one() {
    let mut model = serving(&json!({}));
    model.spec(&json!({"network": {"portRange": "20000-29999"}}));
    model.round();
    assert_eq!(deleted(&model.round()).len(), 1);
    assert_eq!(due(&mut model), (vec![], Some(5_000)));
}
