//! The chart, rendered by the real helm. What an API server makes of it is tested beside this.

use std::process::{Command, Output};

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/voip-operator");

fn helm(arguments: &[&str]) -> Output {
    Command::new("helm").args(arguments).output().expect("start helm")
}

/// The chart as rendered with `settings`, without the CRDs: they are in `crds/` as well.
fn rendered(settings: &[&str]) -> String {
    let mut arguments = vec!["template", "voip-operator", CHART, "--namespace", "voip-system"];
    arguments.extend(["--set", "crds.enabled=false"]);
    arguments.extend(settings.iter().flat_map(|setting| ["--set-json", setting]));
    let output = helm(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("helm prints UTF-8")
}

fn refusal(setting: &str) -> String {
    let output = helm(&["template", "voip-operator", CHART, "--set-json", setting]);
    assert!(!output.status.success(), "{setting} was not refused");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn cluster_a_helm_lint_finds_nothing() {
    let output = helm(&["lint", "--strict", CHART]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn cluster_a_helm_renders_the_defaults() {
    insta::assert_snapshot!(rendered(&[]));
}

#[test]
fn cluster_a_helm_renders_a_role_for_each_watched_namespace() {
    let once = ["aggregatedRoles.enabled=false", r#"policies={"leases":false,"delete":false}"#];
    insta::assert_snapshot!(rendered(&[&[r#"watchNamespaces=["sales","support"]"#], &once[..]].concat()));
}

#[test]
fn cluster_a_helm_renders_every_setting() {
    insta::assert_snapshot!(rendered(&[
        r#"image={"repository":"registry.example.com/voip","tag":"1.2.3","pullPolicy":"Always"}"#,
        &format!(r#"image.digests={{"sip-node":"sha256:{}"}}"#, "0123456789abcdef".repeat(4)),
        r#"imagePullSecrets=[{"name":"pull"}]"#,
        "replicas=1",
        r#"policies.leaseWriters=["other:voip-operator"]"#,
        r#"serviceAccount={"name":"telephony","annotations":{"example.com/a":"b"}}"#,
        "resyncSeconds=30",
        r#"nodePorts="31000-31999""#,
        r#"ephemeralPorts="40000-50000""#,
        r#"log="debug""#,
        r#"nodeSelector={"example.com/pool":"system"}"#,
        r#"tolerations=[{"key":"a","operator":"Exists"}]"#,
        r#"affinity={"podAntiAffinity":{"preferredDuringSchedulingIgnoredDuringExecution":[]}}"#,
        r#"priorityClassName="system-cluster-critical""#,
        r#"podLabels={"example.com/team":"voice"}"#,
        r#"podAnnotations={"example.com/b":"c"}"#,
        r#"podMonitor={"enabled":true,"labels":{"release":"prometheus"}}"#,
    ]));
}

#[test]
fn cluster_a_helm_renders_crds_that_uninstalling_keeps() {
    let output = helm(&["template", "voip-operator", CHART]);
    let text = String::from_utf8(output.stdout).expect("helm prints UTF-8");
    let crds: Vec<&str> =
        text.split("\n---\n").filter(|part| part.contains("\nkind: CustomResourceDefinition\n")).collect();
    assert_eq!(crds.len(), 4);
    for crd in crds {
        assert!(crd.contains("helm.sh/resource-policy: keep\n"), "{crd}");
    }
    assert!(!rendered(&[]).contains("CustomResourceDefinition"));
}

/// Every word of the rules of the roles in `text`: verbs, resources, groups.
fn words_of_roles(text: &str) -> Vec<&str> {
    let roles = text.split("\n---\n").filter(|part| part.contains("Role\nmetadata:"));
    let rules = roles.map(|role| role.split_once("\nrules:").expect("a role has rules").1);
    let lines = rules.flat_map(str::lines).filter(|line| !line.trim_start().starts_with('#'));
    lines
        .flat_map(|line| line.split([' ', ',', '[', ']', ':', '"']))
        .filter(|word| !word.is_empty())
        .collect()
}

#[test]
fn cluster_a_helm_renders_no_wildcard_and_no_right_to_take_rights() {
    let settings = [&[][..], &[r#"watchNamespaces=["sales"]"#]];
    for text in settings.map(rendered) {
        let words = words_of_roles(&text);
        assert!(words.contains(&"rtpportleases") && words.contains(&"leases"), "{words:?}");
        let forbidden = ["*", "pods/exec", "roles", "clusterroles", "rolebindings", "clusterrolebindings"];
        let forbidden = [&forbidden[..], &["namespaces", "escalate", "bind", "impersonate"]];
        for word in forbidden.concat() {
            assert!(!words.contains(&word), "{word}");
        }
    }
}

#[test]
fn cluster_a_helm_refuses_bad_values_and_names_them() {
    for (setting, named) in [
        ("replica=3", "'replica' not allowed"),
        ("replicas=-1", "/replicas"),
        (r#"watchNamespaces="sales""#, "/watchNamespaces"),
        (r#"watchNamespaces=["Sales"]"#, "/watchNamespaces/0"),
        (r#"image.pullPolicy="Sometimes""#, "/image/pullPolicy"),
        (r#"image.digests={"operator":"sha256:1"}"#, "/image/digests/operator"),
        (r#"image.digests={"sip":"sha256:1"}"#, "'sip' not allowed"),
        (r#"podLabels={"app.kubernetes.io/name":"a"}"#, "/podLabels"),
        (r#"nodePorts="30000""#, "/nodePorts"),
        ("resyncSeconds=1", "/resyncSeconds"),
        (r#"policies.leaseWriters=["voip-operator"]"#, "/policies/leaseWriters/0"),
    ] {
        let said = refusal(setting);
        assert!(said.contains(named), "{setting}: {said}");
    }
}
