//! One test per way in which a file can be wrong: a small change to a good one.

use super::*;

const GOOD: &str = "\
apiVersion: voip.dev/v1alpha1
kind: VoipCluster
metadata: {name: office}
spec:
  media:
    pools:
    - name: default
      nodes: 2
---
apiVersion: voip.dev/v1alpha1
kind: SipUser
metadata: {name: \"1001\", labels: {team: desk}}
spec:
  clusterRef: {name: office}
  passwordSecretRef: {name: desk}
---
apiVersion: v1
kind: Secret
metadata: {name: desk}
type: Opaque
stringData:
  password: open sesame
data:
  other: c2VjcmV0
---
apiVersion: voip.dev/v1alpha1
kind: Dialplan
metadata: {name: main}
spec:
  clusterRef: {name: office}
  routes:
  - id: echo
    pattern: '*43'
    actions:
    - echo: {}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: anything, namespace: other}
data: {key: value}
";

fn load_text(text: &str) -> Result<Loaded, LoadError> {
    parse(Path::new("office.yaml"), text.to_owned(), DEFAULT_NAMESPACE)
}

fn message(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    load_text(&GOOD.replacen(from, to, 1)).unwrap_err().to_string()
}

#[test]
fn a_good_file_is_read_whole() {
    let loaded = load_text(GOOD).unwrap();
    assert_eq!(loaded.cluster.metadata.name.as_deref(), Some("office"));
    assert_eq!(loaded.cluster.metadata.namespace.as_deref(), Some("default"));
    assert_eq!(loaded.users.len(), 1);
    assert_eq!(loaded.dialplans.len(), 1);
    let secret = &loaded.secrets[&("default".to_owned(), "desk".to_owned())];
    assert_eq!(secret["password"], b"open sesame");
    assert_eq!(secret["other"], b"secret");
}

#[test]
fn string_data_wins_over_data() {
    let loaded = load_text(&GOOD.replace("other: c2VjcmV0", "password: c2VjcmV0")).unwrap();
    assert_eq!(loaded.secrets[&("default".to_owned(), "desk".to_owned())]["password"], b"open sesame");
}

#[test]
fn a_field_is_found_by_object_and_path() {
    let loaded = load_text(GOOD).unwrap();
    let id = |kind: &str, name: &str| ObjectId {
        kind: kind.to_owned(),
        namespace: "default".to_owned(),
        name: name.to_owned(),
    };
    assert_eq!(loaded.place(&id("VoipCluster", "office"), "spec.media.pools[0].nodes"), "office.yaml:8");
    assert_eq!(loaded.place(&id("SipUser", "1001"), "spec.passwordSecretRef.name"), "office.yaml:15");
    assert_eq!(loaded.place(&id("SipUser", "1009"), "spec"), "office.yaml");
}

#[test]
fn syntax_and_schema_errors_name_the_line_of_the_file() {
    let cases = [
        ("  - id: echo", "  - id: [echo", "office.yaml:3"),
        (
            "clusterRef: {name: office}\n  routes",
            "clusterRef: {name: office\n  routes",
            "office.yaml:31: spec.clusterRef: ",
        ),
        ("nodes: 2", "nodse: 2", "office.yaml:8: unknown field `nodse`: did you mean `nodes`?"),
        ("pattern: '*43'", "pattern: '*43'\n    colour: red", "office.yaml:34: unknown field `colour`"),
        (
            "clusterRef: {name: office}\n  passw",
            "passw",
            "office.yaml:14: field `clusterRef` is missing: add it",
        ),
        ("metadata: {name: \"1001\"", "metadata: {name: 1001", "office.yaml:12: 1001 is read as a number"),
        ("metadata: {name: main}", "metadata: {title: main}", "office.yaml:28: unknown field `title`"),
        ("type: Opaque", "typ: Opaque", "office.yaml:20: unknown field `typ`: did you mean `type`?"),
        (
            "- echo: {}",
            "- ekko: {}",
            "office.yaml:35: `ekko` is not possible here: use answer, playAudio, dial, echo or hangup",
        ),
        (
            "- echo: {}",
            "- {}",
            "office.yaml:35: spec.routes[0].actions[0]: exactly one key is wanted: give each its own list entry",
        ),
        (
            "- echo: {}",
            "- {echo: {}, hangup: {}}",
            "office.yaml:35: spec.routes[0].actions[0].echo: exactly one key is wanted",
        ),
        ("kind: SipUser", "sort: SipUser", "office.yaml:10: field `kind` is missing: add it"),
    ];
    for (from, to, expected) in cases {
        let message = message(from, to);
        assert!(message.starts_with(expected), "{from} -> {to}: {message}");
    }
}

#[test]
fn kinds_that_are_not_ours_are_refused() {
    assert_eq!(
        message("kind: Dialplan", "kind: Deployment"),
        "office.yaml:27: voip.dev/v1alpha1 Deployment is not known here: use VoipCluster, SipUser or Dialplan of \
         voip.dev/v1alpha1, or Secret or ConfigMap of v1"
    );
    assert_eq!(
        message("apiVersion: v1\nkind: Secret", "apiVersion: v2\nkind: Secret"),
        "office.yaml:18: apiVersion v2 of kind Secret is not known: write apiVersion: v1"
    );
    assert_eq!(
        message("apiVersion: v1\nkind: ConfigMap", "apiVersion: v1\nkind: List"),
        "office.yaml:38: kind List is not read here: write its items as documents of their own, separated by ---"
    );
}

#[test]
fn an_object_stands_once() {
    let again = "---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: desk\n";
    let message = load_text(&format!("{GOOD}{again}")).unwrap_err().to_string();
    assert_eq!(message, "office.yaml:45: Secret default/desk is in line 16 already: remove or rename one");
    let elsewhere = again.replace("desk", "desk\n  namespace: other");
    load_text(&format!("{GOOD}{elsewhere}")).unwrap();
}

#[test]
fn there_is_exactly_one_cluster() {
    let second = "---\napiVersion: voip.dev/v1alpha1\nkind: VoipCluster\nmetadata: {name: b}\nspec: {}\n";
    let message = load_text(&format!("{GOOD}{second}")).unwrap_err().to_string();
    assert!(
        message.starts_with("office.yaml:43: a second VoipCluster (the first is in line 1)"),
        "{message}"
    );
    for text in ["", "# nothing\n---\n", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"] {
        let message = load_text(text).unwrap_err().to_string();
        assert!(message.starts_with("office.yaml: no VoipCluster in it"), "{message}");
    }
}

#[test]
fn a_secret_that_is_no_base64_names_its_key() {
    assert_eq!(
        message("other: c2VjcmV0", "other: not base64!"),
        "office.yaml:24: data.other is not base64: encode it, or write the plain text under stringData"
    );
}

#[test]
fn a_file_that_is_not_there_or_no_text_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.yaml");
    assert!(load(&path).unwrap_err().to_string().starts_with(&format!("cannot read {}", path.display())));
    std::fs::write(&path, b"\xff\xfe").unwrap();
    assert!(load(&path).unwrap_err().to_string().ends_with("it is not UTF-8 text"));
}
