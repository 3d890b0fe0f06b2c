//! Registration and digest, against a registrar that checks.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sip_core::digest::DigestAlgorithm;
use sip_core::digest::ha1;
use softphone::{CallOptions, Phone, PhoneConfig, PhoneError, RegistrationState, Secret};
use voip_contract::config::DigestAlgorithm as ContractAlgorithm;

use crate::pair::LONG;
use crate::registrar::{PASSWORD, REALM, Registrar};

const ALL: &[DigestAlgorithm] = &[DigestAlgorithm::Sha512_256, DigestAlgorithm::Sha256, DigestAlgorithm::Md5];
const MD5: &[DigestAlgorithm] = &[DigestAlgorithm::Md5];
const HOUR: Duration = Duration::from_hours(1);

fn phone(registrar: &Registrar, user: &str, secret: Secret) -> Phone {
    let config = PhoneConfig {
        patience: Duration::from_secs(4),
        ..PhoneConfig::new(registrar.address, REALM, user, secret)
    };
    Phone::start(config).unwrap()
}

fn password() -> Secret {
    Secret::Password(PASSWORD.into())
}

#[test]
fn a_phone_registers_with_what_the_server_offers_and_leaves_when_dropped() {
    for algorithms in [ALL, MD5] {
        let registrar = Registrar::start(algorithms, 0, 60);
        let phone = phone(&registrar, "1001", password());
        assert_eq!(phone.registration(), RegistrationState::None);
        assert_eq!(phone.register(HOUR).unwrap(), Duration::from_mins(1));
        assert_eq!(phone.registration(), RegistrationState::Registered { expires: Duration::from_mins(1) });
        drop(phone);
        assert_eq!(*registrar.shared.expires.lock().unwrap(), [60, 0]);
        assert_eq!(registrar.challenges(), 1, "the second request used the nonce again");
    }
}

#[test]
fn unregister_removes_the_contact_once() {
    let registrar = Registrar::start(ALL, 0, 60);
    let phone = phone(&registrar, "1001", password());
    phone.register(HOUR).unwrap();
    phone.unregister().unwrap();
    assert_eq!(phone.registration(), RegistrationState::None);
    drop(phone);
    assert_eq!(*registrar.shared.expires.lock().unwrap(), [60, 0]);
}

#[test]
fn ha1_is_as_good_as_the_password() {
    let registrar = Registrar::start(ALL, 0, 60);
    let secret = ha1(DigestAlgorithm::Sha256, "1001", REALM, PASSWORD);
    let phone = phone(&registrar, "1001", Secret::Ha1(BTreeMap::from([(ContractAlgorithm::Sha256, secret)])));
    phone.register(HOUR).unwrap();
}

#[test]
fn a_wrong_password_and_an_unknown_user_are_told_from_other_failures() {
    let registrar = Registrar::start(ALL, 0, 60);
    for (user, secret) in [("1001", Secret::Password("wrong".into())), ("nobody", password())] {
        let phone = phone(&registrar, user, secret);
        let error = phone.register(HOUR).unwrap_err();
        assert!(matches!(error, PhoneError::WrongCredentials { status: 401, .. }), "{error}");
        assert!(!error.to_string().contains("wrong\""), "{error}");
        let call = phone.call("1002", CallOptions::default()).unwrap();
        let ended = call.wait_ended(LONG).unwrap();
        assert_eq!((ended.status, ended.wrong_credentials), (Some(407), true));
        assert!(matches!(phone.registration(), RegistrationState::Failed { status: Some(401), .. }));
    }
    assert_eq!(registrar.accepted(), 0);
    let phone = phone(&registrar, "1001", Secret::None);
    assert!(matches!(phone.register(HOUR), Err(PhoneError::Challenge { status: 401, .. })));
}

#[test]
fn a_stale_nonce_is_replaced_without_a_word() {
    let registrar = Registrar::start(ALL, 0, 60);
    let phone = phone(&registrar, "1001", password());
    phone.register(HOUR).unwrap();
    registrar.shared.forget.store(true, Ordering::SeqCst);
    phone.register(HOUR).unwrap();
    assert_eq!((registrar.challenges(), registrar.accepted()), (2, 2));
}

#[test]
fn an_invite_is_challenged_by_407_and_sent_again() {
    let registrar = Registrar::start(ALL, 0, 60);
    let phone = phone(&registrar, "1001", password());
    let call = phone.call("1002", CallOptions::default()).unwrap();
    let ended = call.wait_ended(LONG).unwrap();
    assert_eq!((ended.status, ended.wrong_credentials), (Some(404), false));
    assert_eq!((registrar.challenges(), registrar.accepted()), (1, 1));
}

#[test]
fn a_registration_is_refreshed_at_half_its_time() {
    let registrar = Registrar::start(ALL, 0, 1);
    let phone = phone(&registrar, "1001", password());
    assert_eq!(phone.register(HOUR).unwrap(), Duration::from_secs(1));
    registrar.wait_registered(4, LONG);
}

#[test]
fn an_interval_that_is_too_brief_is_lengthened() {
    let registrar = Registrar::start(ALL, 30, 60);
    let phone = phone(&registrar, "1001", password());
    assert_eq!(phone.register(Duration::from_secs(5)).unwrap(), Duration::from_secs(30));
}

#[test]
fn a_silent_server_is_named() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let config = PhoneConfig {
        patience: Duration::from_millis(300),
        ..PhoneConfig::new(address, REALM, "1001", password())
    };
    let phone = Phone::start(config).unwrap();
    let error = phone.register(HOUR).unwrap_err();
    assert_eq!(error.to_string(), format!("{address} did not answer REGISTER within 300 ms"));
    assert!(phone.options().is_err());
}

#[test]
fn a_taken_port_and_a_bad_domain_are_named() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let mut config = PhoneConfig::new(address, REALM, "1001", password());
    config.bind = address;
    let error = Phone::start(config.clone()).unwrap_err();
    assert!(error.to_string().starts_with(&format!("cannot open the SIP socket on {address}: ")), "{error}");
    config.bind.set_port(0);
    config.domain = "not a host".into();
    let phone = Phone::start(config).unwrap();
    assert!(matches!(phone.register(HOUR), Err(PhoneError::BadTarget { .. })));
}
