//! URIs against the examples of RFC 3261 section 19.1 and RFC 3966, in our own words.

use super::*;

fn uri(text: &str) -> Uri {
    Uri::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn every_shape_prints_as_it_was_read() {
    for text in [
        "sip:alice@example.com",
        "sip:alice:secret@example.com;transport=tcp",
        "sips:alice@example.com?subject=x&priority=urgent",
        "sip:+1-212-555-1212:1234@gateway.example;user=phone",
        "sip:192.0.2.4:5070",
        "sip:bob@[2001:db8::10]:5070;lr",
        "sip:a;day=tuesday@example.com",
        "sip:a?b/c@example.com",
        "sip:sip%3Auser%40example.com@other.example",
        "tel:+358-555-1234567;postd=pp22",
        "nobodyKnowsThisScheme:totallyopaquecontent",
        "http://www.example.com/a?b=c;d",
    ] {
        assert_eq!(uri(text).to_string(), text);
    }
}

#[test]
fn broken_ones_are_refused() {
    for text in [
        "",
        "alice",
        "sip:",
        "sip:@example.com",
        "sip:a@",
        "sip:a@b c",
        "sip:a@b:port",
        "sip:a@b:65536",
        "sip:a@b:+5",
        "sip:a@[::1",
        "sip:a@[::g]",
        "1sip:a@b",
        "<sip:a@b>",
        "tel:",
        "sip:a@b;=x",
    ] {
        assert!(Uri::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn comparison_follows_section_19_1_4() {
    let same = [
        ("sip:%61lice@atlanta.example;transport=TCP", "sip:alice@AtlanTa.example;Transport=tcp"),
        ("sip:carol@chicago.example", "sip:carol@chicago.example;newparam=5"),
        ("sip:carol@chicago.example;newparam=5", "sip:carol@chicago.example;security=on"),
        ("sip:b.example;method=REGISTER?to=a&x=1", "sip:b.example;method=REGISTER?x=1&to=a"),
    ];
    for (a, b) in same {
        assert!(uri(a).matches(&uri(b)) && uri(b).matches(&uri(a)), "{a} {b}");
    }
    let different = [
        ("SIP:ALICE@a.example;transport=udp", "sip:alice@a.example;Transport=UDP"),
        ("sip:bob@b.example", "sip:bob@b.example:5060"),
        ("sip:bob@b.example", "sip:bob@b.example;transport=udp"),
        ("sip:bob@b.example", "sips:bob@b.example"),
        ("sip:carol@c.example", "sip:carol@c.example?Subject=x"),
        ("sip:carol@c.example;security=on", "sip:carol@c.example;security=off"),
        ("sip:bob@phone.example", "sip:bob@192.0.2.4"),
    ];
    for (a, b) in different {
        assert!(!uri(a).matches(&uri(b)) && !uri(b).matches(&uri(a)), "{a} {b}");
    }
}

#[test]
fn user_parts_are_escaped_and_unescaped() {
    let built = Uri::sip("a b@c%", Host::Name("x.example".into()), None);
    assert_eq!(built.to_string(), "sip:a%20b%40c%25@x.example");
    assert_eq!(uri(&built.to_string()).username().as_deref(), Some("a b@c%"));
    assert_eq!(unescape("%zz%4"), "%zz%4");
}

#[test]
fn json_is_the_text() {
    let json = serde_json::to_string(&uri("sip:a@b;lr")).unwrap();
    assert_eq!(json, "\"sip:a@b;lr\"");
    assert_eq!(serde_json::from_str::<Uri>(&json).unwrap(), uri("sip:a@b;lr"));
}
