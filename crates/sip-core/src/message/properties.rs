//! Properties: what is built is read back; what changes on the way never makes the parser fall.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::endpoint::Fingerprints;
use crate::{NameAddr, Params, Via};

fn token() -> impl Strategy<Value = String> {
    "[A-Za-z0-9.!%*_+`'~-]{1,12}"
}

fn uri() -> impl Strategy<Value = Uri> {
    let host = prop_oneof![
        "[a-z][a-z0-9]{0,8}(\\.[a-z]{1,5}){0,2}".prop_map(crate::Host::Name),
        any::<[u8; 4]>().prop_map(|ip| crate::Host::Ip(ip.into())),
        any::<[u8; 16]>().prop_map(|ip| crate::Host::Ip(ip.into())),
    ];
    (any::<String>(), host, any::<Option<u16>>(), params()).prop_map(|(user, host, port, params)| {
        let mut uri = Uri::sip(&user, host, port);
        uri.params = params;
        uri
    })
}

fn params() -> impl Strategy<Value = Params> {
    vec((token(), proptest::option::of(token())), 0..3).prop_map(|list| {
        let mut params = Params::default();
        for (name, value) in list {
            params.set(&name, value);
        }
        params
    })
}

fn address() -> impl Strategy<Value = NameAddr> {
    ("[^\\p{Cc}]{0,12}", uri(), params()).prop_map(|(display_name, uri, params)| NameAddr {
        display_name,
        uri,
        params,
    })
}

fn builder() -> impl Strategy<Value = Message> {
    let strangers = vec((token(), vec(any::<u8>(), 0..20)), 0..6);
    (token(), uri(), address(), address(), vec(address(), 0..4), strangers, vec(any::<u8>(), 0..64)).prop_map(
        |(method, uri, from, to, contacts, strangers, body)| {
            let method = Method::parse(method.as_bytes()).unwrap();
            let mut builder = Message::request(method.clone(), &uri)
                .header(Header::Via, Via::new("UDP", crate::Host::Name("h".into()), None, "z9hG4bK1"))
                .header(Header::From, from)
                .header(Header::To, to)
                .header(Header::CallId, "c")
                .header(Header::CSeq, CSeq { number: 7, method });
            for contact in contacts {
                builder = builder.header(Header::Contact, contact);
            }
            for (name, value) in strangers {
                builder = builder.line(format!("X-{name}").as_bytes(), &value);
            }
            builder.body("application/octet-stream", body).build()
        },
    )
}

/// Uses everything that decodes.
fn exercise(message: &Message) {
    let _ = (
        message.validate(),
        message.method(),
        message.status(),
        message.reason_phrase(),
        message.request_uri(),
    );
    let _ = (
        message.from(),
        message.to(),
        message.via(),
        message.contacts(),
        message.routes(),
        message.record_routes(),
    );
    let _ = (
        message.cseq(),
        message.expires(),
        message.max_forwards(),
        message.content_type(),
        message.call_id(),
    );
    let _ = (message.to_tag(), message.from_tag(), message.body(), format!("{message:?}{message}"));
    let _ = Fingerprints::new(&[0; 32]).server(message, "INVITE");
    let response = Message::response_to(message, StatusCode::OK).to_tag("t").build();
    let copy = message.edit().prepend(Header::Via, "SIP/2.0/UDP h").build();
    for built in [response, copy] {
        // A malformed request may be copied into a malformed answer, but never into another set of lines.
        if let Ok(again) = Message::parse(built.bytes().clone()) {
            assert!(again.lines().eq(built.lines()));
        }
    }
}

fn examine(bytes: Vec<u8>) {
    match Message::examine(bytes.into()) {
        Ok(message) => exercise(&message),
        Err(Malformed { message: Some(message), .. }) => exercise(&message),
        Err(Malformed { message: None, .. }) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_is_built_is_read_back(message in builder()) {
        let again = Message::parse(message.bytes().clone()).unwrap();
        prop_assert_eq!(again.validate(), Ok(()));
        prop_assert!(again.lines().eq(message.lines()));
        prop_assert_eq!(again.body(), message.body());
        let once = again.edit().build();
        prop_assert_eq!(once.bytes(), message.bytes());
        for name in [Header::From, Header::To, Header::Contact] {
            for address in again.addresses(name).unwrap() {
                prop_assert_eq!(NameAddr::parse(address.to_string().as_bytes()), Ok(address));
            }
        }
        exercise(&again);
    }

    #[test]
    fn addresses_survive_printing(address in address()) {
        prop_assert_eq!(NameAddr::parse(address.to_string().as_bytes()), Ok(address));
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in vec(any::<u8>(), 0..600)) {
        examine(bytes);
    }

    #[test]
    fn arbitrary_sip_like_text_does_no_harm(
        text in "(INVITE|ACK|SIP/2.0) (sip:|200)?[a-z@:\\[\\];]{0,9} (SIP/2.0)?\r\n((v|f|To|m|CSeq|l|Via|Q)[ :]{1,2}[ -~\\s]{0,30}\r\n){0,8}\r\n?[a-z]{0,5}"
    ) {
        examine(text.into_bytes());
    }

    #[test]
    fn mutations_of_good_messages_do_no_harm(
        message in builder(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..8),
    ) {
        let mut bytes = message.bytes().to_vec();
        for (at, byte, kind) in changes {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => { bytes.remove(at); }
                _ => bytes.truncate(at),
            }
        }
        examine(bytes);
    }
}
