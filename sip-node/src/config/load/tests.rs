use super::*;

const SIP: &str = r#"{
  "version": 1, "fingerprint": "aa", "cluster": "voip/office", "domains": [], "realm": "office",
  "digestAlgorithms": ["SHA-256"],
  "listeners": [{"name": "udp", "protocol": "UDP", "port": 5060}],
  "localCidrs": [],
  "dialplans": []
}"#;
const USERS: &str = r#"{"version": 1, "fingerprint": "bb", "users": [
  {"username": "1001", "ha1": {"SHA-256": "00"}, "displayName": "", "numbers": [], "context": "internal",
   "callerId": "", "maxCalls": 4, "maxContacts": 4, "enabled": true}
]}"#;

fn check(sip: &str, users: &str) -> Result<Loaded, ConfigError> {
    let content = Content { sip: Ok(sip.as_bytes().to_vec()), users: Ok(users.as_bytes().to_vec()) };
    content.check(Path::new("conf"))
}

fn refused(sip: &str, users: &str) -> String {
    check(sip, users).unwrap_err().to_string()
}

#[test]
fn good_documents_load() {
    let loaded = check(SIP, USERS).unwrap();
    assert_eq!(loaded.documents.sip.fingerprint, "aa");
    assert_eq!(loaded.documents.users.users[0].username, "1001");
}

#[test]
fn an_unknown_field_is_named_with_its_line() {
    let message = refused(&SIP.replace("\"localCidrs\"", "\"localCdirs\": [], \"localCidrs\""), USERS);
    assert!(message.starts_with("conf/sip.json:5:"), "{message}");
    assert!(message.contains("unknown field `localCdirs`"), "{message}");
    assert!(!message.contains("at line"), "{message}");
}

#[test]
fn a_truncated_file_is_named_with_its_line() {
    let message = refused(SIP, &USERS[..USERS.len() - 3]);
    assert!(message.starts_with("conf/users.json:3:"), "{message}");
}

#[test]
fn a_newer_document_says_so_whatever_else_is_in_it() {
    let message = refused(&SIP.replace("\"version\": 1", "\"version\": 2, \"new\": {}"), USERS);
    assert!(message.contains("this release reads 1, the document has 2"), "{message}");
}

#[test]
fn fields_that_cannot_run_are_named() {
    let listener = r#"{"name": "udp", "protocol": "UDP", "port": 5060}"#;
    let user = &USERS[USERS.find("{\"username").unwrap()..USERS.rfind(']').unwrap()];
    for (sip, users, field) in [
        (SIP.replace("\"office\"", "\"\""), USERS.to_owned(), "realm"),
        (SIP.replace("\"SHA-256\"", ""), USERS.to_owned(), "digestAlgorithms"),
        (SIP.replace(listener, ""), USERS.to_owned(), "listeners"),
        (SIP.replace("5060", "0"), USERS.to_owned(), "listeners[0].port"),
        (SIP.replace(listener, &format!("{listener},{listener}")), USERS.to_owned(), "listeners[1].name"),
        (
            SIP.replace(listener, &format!("{listener},{}", listener.replace("udp", "b"))),
            USERS.to_owned(),
            "listeners[1].port",
        ),
        (
            SIP.replace(
                "\"dialplans\": []",
                r#""dialplans": [{"name":"d","contexts":["internal"],"priority":1,"routes":[{"id":"r",
                "pattern":"1**2","priority":1,"enabled":true,"actions":[{"echo":{}}]}]}]"#,
            ),
            USERS.to_owned(),
            "dialplans: Dialplan d, route r: ",
        ),
        (SIP.to_owned(), USERS.replace("\"1001\"", "\"\""), "users[0].username"),
        (SIP.to_owned(), USERS.replace(user, &format!("{user},{user}")), "users[1].username"),
    ] {
        let message = refused(&sip, &users);
        assert!(message.contains(&format!(".json: {field}")), "{field}: {message}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let message = load(Path::new("/nonexistent")).unwrap_err().to_string();
    assert!(message.starts_with("/nonexistent/sip.json: cannot be read"), "{message}");
}

#[test]
fn content_prints_no_credentials() {
    assert!(!format!("{:?}", check(SIP, USERS).unwrap().content).contains("SHA"));
}
