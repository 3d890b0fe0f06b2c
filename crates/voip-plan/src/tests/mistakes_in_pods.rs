//! One test for each mistake in what is passed on to pods and the Service, and the forms in which that is done.

use serde_json::{Value, json};

use super::world::{cluster, kubernetes, nodes};
use crate::objects::{Release, render};
use crate::*;

fn paths(spec: Value) -> Vec<String> {
    let errors = validate(&cluster(spec), &kubernetes(nodes(2))).err().unwrap_or_default();
    assert!(errors.iter().all(|error| !error.fact.is_empty() && !error.mend.is_empty()));
    errors.into_iter().map(|error| error.path).collect()
}

fn many(count: usize) -> Value {
    (0..count).map(|at| (format!("k{at}"), json!("v"))).collect::<serde_json::Map<_, _>>().into()
}

/// Paths below the template, of which each kind of pod has one.
#[test]
fn mistakes_in_templates() {
    let spec = |more: Value| json!({"spec": more});
    let metadata = |more: Value| json!({"metadata": more});
    let resources = |more: Value| json!({"spec": {"resources": more}});
    let tolerations = |one: Value| json!({"spec": {"tolerations": [one]}});
    let long = "n".repeat(64);
    for (path, template) in [
        ("metadata.labels", metadata(json!({"labels": many(33)}))),
        ("metadata.labels[voip.dev/pool]", metadata(json!({"labels": {"voip.dev/pool": "a"}}))),
        (
            "metadata.labels[app.kubernetes.io/name]",
            metadata(json!({"labels": {"app.kubernetes.io/name": "a"}})),
        ),
        ("metadata.labels[a b]", metadata(json!({"labels": {"a b": "c"}}))),
        ("metadata.labels[team]", metadata(json!({"labels": {"team": "-voice"}}))),
        ("metadata.labels[team]", metadata(json!({"labels": {"team": long}}))),
        ("metadata.annotations", metadata(json!({"annotations": many(33)}))),
        ("metadata.annotations[voip.dev/x]", metadata(json!({"annotations": {"voip.dev/x": ""}}))),
        ("metadata.annotations[/x]", metadata(json!({"annotations": {"/x": ""}}))),
        ("metadata.annotations[x]", metadata(json!({"annotations": {"x": "y".repeat(4097)}}))),
        ("spec.nodeSelector", spec(json!({"nodeSelector": many(17)}))),
        ("spec.nodeSelector[zone]", spec(json!({"nodeSelector": {"zone": "a b"}}))),
        ("spec.tolerations", spec(json!({"tolerations": vec![json!({"operator": "Exists"}); 17]}))),
        ("spec.tolerations[0].key", tolerations(json!({"key": "a b"}))),
        ("spec.tolerations[0].key", tolerations(json!({"value": "a"}))),
        ("spec.tolerations[0].value", tolerations(json!({"key": "a", "value": "b c"}))),
        ("spec.tolerations[0].value", tolerations(json!({"key": "a", "operator": "Exists", "value": "b"}))),
        (
            "spec.tolerations[0].tolerationSeconds",
            tolerations(json!({"key": "a", "effect": "NoSchedule", "tolerationSeconds": 1})),
        ),
        (
            "spec.tolerations[0].tolerationSeconds",
            tolerations(json!({"key": "a", "effect": "NoExecute", "tolerationSeconds": 31_536_001})),
        ),
        ("spec.priorityClassName", spec(json!({"priorityClassName": "High"}))),
        ("spec.imagePullSecrets", spec(json!({"imagePullSecrets": vec![json!({"name": "a"}); 9]}))),
        ("spec.imagePullSecrets[0].name", spec(json!({"imagePullSecrets": [{"name": ""}]}))),
        ("spec.resources.requests.cpu", resources(json!({"requests": {"cpu": "half"}}))),
        ("spec.resources.requests.memory", resources(json!({"requests": {"memory": "1 Gi"}}))),
        ("spec.resources.limits.memory", resources(json!({"limits": {"memory": "1e9"}}))),
        (
            "spec.resources.limits.cpu",
            resources(json!({"requests": {"cpu": "2"}, "limits": {"cpu": "1999m"}})),
        ),
        ("spec.resources.limits.memory", resources(json!({"limits": {"memory": "255Mi"}}))),
    ] {
        let signaling = json!({"signaling": {"template": template}});
        assert_eq!(paths(signaling), [format!("spec.signaling.template.{path}")]);
        let media = json!({"media": {"pools": [{"name": "default", "template": template}]}});
        assert_eq!(paths(media), [format!("spec.media.pools[0].template.{path}")]);
    }
}

#[test]
fn a_limit_is_held_against_the_default_of_its_program() {
    let limited = json!({"spec": {"resources": {"limits": {"cpu": "250m"}}}});
    assert_eq!(paths(json!({"signaling": {"template": limited}})), [""; 0]);
    let media = json!({"media": {"pools": [{"name": "default", "template": limited}]}});
    assert_eq!(paths(media), ["spec.media.pools[0].template.spec.resources.limits.cpu"]);
}

#[test]
fn mistakes_in_the_service_and_images() {
    for (path, value) in [
        ("annotations", json!(many(33))),
        ("annotations[voip.dev/x]", json!({"voip.dev/x": ""})),
        ("loadBalancerClass", json!("a/b/c")),
        ("loadBalancerSourceRanges", json!((0..65).map(|at| format!("10.0.{at}.0/24")).collect::<Vec<_>>())),
        ("loadBalancerSourceRanges[0]", json!(["192.0.2.0"])),
        ("loadBalancerSourceRanges[0]", json!(["192.0.2.0/33"])),
        ("loadBalancerSourceRanges[0]", json!(["192.0.2.0/024"])),
        ("loadBalancerSourceRanges[0]", json!(["::ffff:1.2.3.4/120"])),
        ("loadBalancerSourceRanges[1]", json!(["192.0.2.0/24", "192.0.2.0/24"])),
    ] {
        let field = path.split('[').next().unwrap();
        let found = paths(json!({"signaling": {"service": {field: value}}}));
        assert_eq!(found, [format!("spec.signaling.service.{path}")]);
    }
    assert_eq!(
        paths(
            json!({"signaling": {"service": {"loadBalancerSourceRanges": ["2001:db8::/32", "0.0.0.0/0"]}}})
        ),
        [""; 0]
    );
    for image in [" a", "a b", &"a".repeat(513)] {
        assert_eq!(paths(json!({"images": {"media": image}})), ["spec.images.media"]);
    }
}

/// The API server stores quantities in one form; another would be applied again in every round.
#[test]
fn quantities_are_rendered_as_they_are_stored() {
    let asked = json!({"requests": {"cpu": "0.5", "memory": "1024Mi"}, "limits": {"cpu": "1000m", "memory": "1.5Gi"}});
    let template = json!({"spec": {"resources": asked}});
    let spec = json!({"signaling": {"template": template}, "media": {"pools": [{"name": "default", "template": template}]}});
    let observed = kubernetes(nodes(1));
    let valid = validate(&cluster(spec), &observed).unwrap();
    let images = ("sip".to_owned(), "media".to_owned());
    let release = Release { version: "1".to_owned(), signaling_image: images.0, media_image: images.1 };
    let objects = render(&valid, &plan(&valid, &observed), &release);
    let workloads =
        objects.iter().filter(|object| matches!(object.kind.as_str(), "Deployment" | "DaemonSet"));
    let found: Vec<&Value> = workloads
        .map(|object| &object.manifest["spec"]["template"]["spec"]["containers"][0]["resources"])
        .collect();
    let stored =
        json!({"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1536Mi"}});
    assert_eq!(found, [&stored, &stored]);
}
