//! What the API server will check agrees with what the code checks, and is what it accepts as a CRD.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn schemas() -> Vec<(String, Value)> {
    let schema = |crd: &CustomResourceDefinition| {
        (
            crd.spec.names.kind.clone(),
            serde_json::to_value(crd.spec.versions[0].schema.as_ref().unwrap()).unwrap(),
        )
    };
    custom_resource_definitions().iter().map(schema).collect()
}

/// Calls `check` with every schema inside `schema`.
fn walk(path: &str, schema: &Value, check: &mut impl FnMut(&str, &Value)) {
    check(path, schema);
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        walk(&format!("{path}.{name}"), property, check);
    }
    if schema["items"].is_object() {
        walk(&format!("{path}[]"), &schema["items"], check);
    }
}

/// CEL is refused at install where its cost cannot be bounded, and what has no maximum has no bound.
#[test]
fn strings_and_lists_have_maxima() {
    for (kind, schema) in schemas() {
        walk(&kind, &schema["openAPIV3Schema"], &mut |path, schema| {
            let bounded = match schema["type"].as_str() {
                Some("string") => ["maxLength", "enum", "format"].iter().any(|key| !schema[key].is_null()),
                Some("array") => !schema["maxItems"].is_null() && !schema["x-kubernetes-list-type"].is_null(),
                Some("integer") => !schema["maximum"].is_null() && !schema["minimum"].is_null(),
                _ => {
                    let values = &schema["additionalProperties"];
                    values.is_null() || !schema["maxProperties"].is_null() && !values["maxLength"].is_null()
                }
            };
            assert!(bounded, "{path}: {schema}");
        });
    }
}

#[test]
fn every_rule_says_how_to_mend_it() {
    for (kind, schema) in schemas() {
        walk(&kind, &schema["openAPIV3Schema"], &mut |path, schema| {
            for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
                assert!(rule["message"].is_string(), "{path}: {rule}");
            }
        });
    }
}

#[test]
fn the_api_server_has_nothing_to_warn_about() {
    for (kind, schema) in schemas() {
        walk(&kind, &schema["openAPIV3Schema"], &mut |path, schema| {
            let format = schema["format"].as_str().unwrap_or("int32");
            assert!(["int32", "int64", "date-time"].contains(&format), "{path}: {format}");
            assert!(schema["x-kubernetes-int-or-string"].is_null() || schema["nullable"].is_null(), "{path}");
        });
    }
}

/// The defaults in the schema are those of the types, or the operator and `kubectl get` would disagree.
#[test]
fn an_empty_spec_is_the_default() {
    let spec: VoipClusterSpec = serde_json::from_value(json!({})).unwrap();
    assert_eq!(spec.signaling.replicas, 1);
    let (_, schema) = schemas().into_iter().find(|(kind, _)| kind == "VoipCluster").unwrap();
    let fields = schema["openAPIV3Schema"]["properties"]["spec"]["properties"].clone();
    for (name, value) in serde_json::to_value(&spec).unwrap().as_object().unwrap() {
        assert_eq!(fields[name]["default"], *value, "{name}");
    }
}

#[test]
fn unknown_fields_are_refused_at_every_level() {
    for spec in [
        json!({"domain": []}),
        json!({"signaling": {"replica": 1}}),
        json!({"signaling": {"listeners": [{"name": "a", "protocol": "UDP", "port": 1, "tls": true}]}}),
        json!({"media": {"pools": [{"name": "a", "calls": 1}]}}),
        json!({"signaling": {"template": {"spec": {"hostNetwork": true}}}}),
        json!({"network": {"stunServer": "a"}}),
        json!({"state": {"type": "Bundled"}}),
        json!({"drain": {"seconds": 1}}),
    ] {
        assert!(serde_json::from_value::<VoipClusterSpec>(spec.clone()).is_err(), "{spec}");
    }
    for action in
        [json!({"echo": {"x": 1}}), json!({"dial": {"to": "user/1"}}), json!({"record": {}}), json!({})]
    {
        assert!(serde_json::from_value::<RouteAction>(action.clone()).is_err(), "{action}");
    }
}

#[test]
fn resources_survive_json() {
    let spec = json!({
        "domains": ["a.example"], "realm": "r", "digestAlgorithms": ["MD5"],
        "signaling": {
            "replicas": 1, "exposure": "NodePort", "advertisedAddress": "192.0.2.2",
            "service": {"annotations": {"a": "b"}, "loadBalancerSourceRanges": ["192.0.2.0/24"], "externalTrafficPolicy": "Cluster"},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"priorityClassName": "p"}},
            "listeners": [{"name": "udp", "protocol": "UDP", "port": 5070}],
        },
        "media": {"pools": [{
            "name": "a", "nodes": "50%", "callsPerNode": 1, "podsPerNode": 1,
            "template": {"spec": {
                "nodeSelector": {"a": "b"}, "tolerations": [{"key": "k", "operator": "Exists", "effect": "NoExecute"}],
                "imagePullSecrets": [{"name": "s"}], "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}},
            }},
        }]},
        "network": {"mode": "Bridge", "bridge": "PodAddress", "mediaAddresses": ["192.0.2.1"], "portRange": "20000-20999"},
        "state": {"type": "Memory"}, "drain": {"timeoutSeconds": 0},
        "updates": {"maxUnavailable": "10%", "paused": true}, "images": {"media": "m:1", "pullPolicy": "Never"},
    });
    let typed: VoipClusterSpec = serde_json::from_value(spec.clone()).unwrap();
    assert_keeps("spec", &serde_json::to_value(typed).unwrap(), &spec);
}

/// What was written is there, whatever defaults are added.
fn assert_keeps(path: &str, now: &Value, written: &Value) {
    match written {
        Value::Object(fields) => {
            fields
                .iter()
                .for_each(|(name, value)| assert_keeps(&format!("{path}.{name}"), &now[name], value));
        }
        Value::Array(items) => {
            assert_eq!(now.as_array().map(Vec::len), Some(items.len()), "{path}");
            items
                .iter()
                .enumerate()
                .for_each(|(at, value)| assert_keeps(&format!("{path}[{at}]"), &now[at], value));
        }
        value => assert_eq!(now, value, "{path}"),
    }
}

proptest! {
    /// Alphabets are chosen so that both answers are common.
    #[test]
    fn forms_agree_with_their_patterns(text in prop_oneof!["[a-cA-C0-2.+*#_-]{0,6}", "[a-b0-1-]{0,5}", ".{0,4}", "\"?[\\\\a\u{7f}\t é]{0,4}"]) {
        type Form = fn(&str) -> bool;
        let forms: [(&str, Form); 8] = [
            (text::LABEL_1035, text::is_label_1035),
            (text::LABEL_1123, text::is_label_1123),
            (text::USERNAME, text::is_username),
            (text::NUMBER, text::is_number),
            (text::DISPLAY_NAME, text::is_display_name),
            (text::REALM, text::is_realm),
            (text::DOMAIN, text::is_domain),
            (text::OPTIONAL_NUMBER, |text| text.is_empty() || text::is_number(text)),
        ];
        for (pattern, form) in forms {
            prop_assert_eq!(matches(pattern, &text), form(&text), "{} {:?}", pattern, text);
        }
    }

    #[test]
    fn percentages_and_ranges_agree_with_their_patterns(text in prop_oneof!["[0-9]{0,4}%?", "[+0-9]{3,6}-[0-9]{3,6}", ".{0,4}"]) {
        prop_assert_eq!(matches(text::PERCENT, &text), text::percent(&text).is_some(), "{:?}", text);
        let in_16_bits = text.split('-').all(|part| part.parse::<u32>().is_ok_and(|port| port <= 65535));
        prop_assert_eq!(matches(text::PORT_RANGE, &text) && in_16_bits, text::port_range(&text).is_some(), "{:?}", text);
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    regex::Regex::new(pattern).unwrap().is_match(text)
}
