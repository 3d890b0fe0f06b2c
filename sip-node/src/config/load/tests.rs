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
    check_all(sip, &[("users.json", users)])
}

fn check_all(sip: &str, users: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    let users = users.iter().map(|(file, text)| ((*file).to_owned(), Ok(text.as_bytes().to_vec())));
    Content { sip: Ok(sip.as_bytes().to_vec()), users: users.collect() }.check(Path::new("conf"))
}

fn refused(sip: &str, users: &str) -> String {
    check(sip, users).unwrap_err().to_string()
}

#[test]
fn good_documents_load() {
    let loaded = check(SIP, USERS).unwrap();
    assert_eq!(loaded.documents.sip.fingerprint, "aa");
    assert_eq!(loaded.documents.users[0].username, "1001");
}

#[test]
fn the_users_are_those_of_all_documents() {
    let second = USERS.replace("1001", "1002").replace("bb", "cc");
    let loaded = check_all(SIP, &[("users-00.json", USERS), ("users-01.json", &second)]).unwrap();
    let names: Vec<_> = loaded.documents.users.iter().map(|user| user.username.as_str()).collect();
    assert_eq!(names, ["1001", "1002"]);
    let files = [("sip.json", "aa"), ("users-00.json", "bb"), ("users-01.json", "cc")];
    assert_eq!(loaded.fingerprints, files.map(|(file, print)| (file.to_owned(), print.to_owned())).into());
}

#[test]
fn a_user_of_two_documents_is_named_with_the_second() {
    let error =
        check_all(SIP, &[("users-00.json", USERS), ("users-01.json", USERS)]).unwrap_err().to_string();
    assert!(error.starts_with("conf/users-01.json: users[0].username: another user"), "{error}");
    let numbers = |text: &str| text.replace("\"numbers\": []", "\"numbers\": [\"+49\"]");
    let second = numbers(&USERS.replace("1001", "1002"));
    let error = check_all(SIP, &[("users-00.json", &numbers(USERS)), ("users-01.json", &second)]);
    assert!(error.unwrap_err().to_string().starts_with("conf/users*.json: \"+49\" is"));
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
