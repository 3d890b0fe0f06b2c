//! Certificates that are renewed in the middle of a call: the files change as kubelet changes them, and nothing starts anew.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use e2e::cluster::voipctl;
use e2e::wait::until;
use e2e::wire::Wire;
use serde_json::{Value, json};
use sip_core::digest::{DigestAlgorithm, ha1};
use softphone::{AnswerPolicy, Call, CallOptions, Expect, Phone, PhoneConfig, PhoneError, Secret, seed_of};
use testkit::certificates::{Authority, Leaf, SecretVolume};
use tokio::runtime::Runtime;
use voip_contract::node_admin::Role;
use voip_grpc::admin::{self, AdminSession};
use voip_grpc::tls::Identity;
use voip_grpc::{GrpcError, Security};

const SOON: Duration = Duration::from_secs(10);
const REGISTERED_FOR: Duration = Duration::from_mins(2);
/// Packets in a second.
const SECOND: u64 = 50;
const REALM: &str = "office";

/// A program; ended when dropped.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A sip-node and a media-node that know each other by certificate, with a wire between them.
struct Office {
    host: Ipv4Addr,
    directory: PathBuf,
    sip: SecretVolume,
    media: SecretVolume,
    wire: Wire,
    programs: Vec<Program>,
}

impl Office {
    /// Both run, and calls are possible.
    fn open(authority: &Authority) -> Self {
        let [.., high, low] = std::process::id().to_be_bytes();
        // An address of its own, away from those that other tests use: every port of it is free.
        let host = Ipv4Addr::new(127, 192, high, low);
        let directory = std::env::temp_dir().join(format!("voip-e2e-renewal-{}", std::process::id()));
        let wire = Wire::to((host, 9090).into());
        let (sip, media) = (SecretVolume::new(), SecretVolume::new());
        let mut office = Self { host, directory, sip, media, wire, programs: Vec::new() };
        office.write_documents();
        office.renew(authority);
        office.programs = vec![office.start_sip_node(), office.start_media_node()];
        until("calls are possible", SOON, || match office.status() {
            Some(status) if status["ready"] == true => Ok(()),
            status => Err(status),
        });
        office
    }

    fn write_documents(&self) {
        let user = |name: &str| {
            let secret = ha1(DigestAlgorithm::Sha256, name, REALM, &password(name));
            json!({
                "username": name, "ha1": {"SHA-256": secret}, "displayName": "", "numbers": [], "context": "internal",
                "callerId": "", "maxCalls": 4, "maxContacts": 4, "enabled": true,
            })
        };
        let documents = [
            (
                "sip.json",
                json!({
                    "version": 1, "fingerprint": "sip", "cluster": "voip/office", "domains": [], "realm": REALM,
                    "digestAlgorithms": ["SHA-256"], "listeners": [{"name": "udp", "protocol": "UDP", "port": 5060}],
                    "localCidrs": [], "dialplans": [],
                }),
            ),
            (
                "users.json",
                json!({"version": 1, "fingerprint": "users", "users": [user("1001"), user("1002")]}),
            ),
            (
                "media.json",
                json!({
                    "version": 1, "fingerprint": "media", "cluster": "voip/office", "localCidrs": [], "orphanSeconds": 20,
                }),
            ),
        ];
        std::fs::create_dir_all(&self.directory).expect("the temporary directory is writable");
        for (file, document) in documents {
            std::fs::write(self.directory.join(file), document.to_string())
                .expect("the directory is writable");
        }
    }

    /// Gives each program another leaf, and trust in `authority` alone.
    fn renew(&self, authority: &Authority) {
        for (volume, role) in [(&self.sip, Role::SipNode), (&self.media, Role::MediaNode)] {
            volume.swap(&authority.leaf(role.server_name()), &authority.pem());
        }
    }

    fn at(&self, port: u16) -> SocketAddr {
        (self.host, port).into()
    }

    fn start_sip_node(&self) -> Program {
        let (peers, http) = (self.at(9090).to_string(), self.at(8080).to_string());
        let state = self.directory.join("state");
        self.start(
            "sip-node",
            &self.sip,
            &["--peers", &peers, "--http", &http, "--state", &state.display().to_string()],
        )
    }

    fn start_media_node(&self) -> Program {
        let (sip_node, admin, http) =
            (self.wire.address().to_string(), self.at(9091).to_string(), self.at(8081).to_string());
        let control = ["--sip-node", &sip_node, "--admin", &admin, "--http", &http];
        let media = ["--name", "media-0", "--ports", "20000-20511", "--calls", "20"];
        self.start("media-node", &self.media, &[&control[..], &media].concat())
    }

    fn start(&self, program: &str, volume: &SecretVolume, arguments: &[&str]) -> Program {
        let log = std::fs::File::create(self.directory.join(format!("{program}.log"))).expect("a log");
        let child = Command::new(voipctl())
            .args(["run", program, "--bind", &self.host.to_string(), "--config"])
            .arg(&self.directory)
            .arg("--tls")
            .arg(volume.path())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("voipctl starts");
        Program(child)
    }

    /// What sip-node says of itself; none while it does not.
    fn status(&self) -> Option<Value> {
        let mut answer = ureq::get(format!("http://{}/api/v1/status", self.at(8080))).call().ok()?;
        serde_json::from_str(&answer.body_mut().read_to_string().ok()?).ok()
    }

    fn phone(&self, user: &str, other: &str) -> Phone {
        let secret = Secret::Password(password(user));
        let mut config = PhoneConfig::new(self.at(5060), self.host.to_string(), user, secret);
        config.answer = AnswerPolicy::AnswerAfter { ringing: None };
        config.expect = Expect::Known(seed_of(other));
        let phone = Phone::start(config).expect("a phone starts");
        phone.register(REGISTERED_FOR).expect("the phone registers");
        phone
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        self.programs.clear();
        if std::thread::panicking() {
            for program in ["sip-node", "media-node"] {
                let log = std::fs::read_to_string(self.directory.join(format!("{program}.log")));
                eprintln!("{program} said:\n{}", log.unwrap_or_default());
            }
        }
        std::fs::remove_dir_all(&self.directory).ok();
    }
}

fn password(user: &str) -> String {
    format!("secret-{user}")
}

/// Both ends of a call.
struct Talk([Call; 2]);

impl Talk {
    fn begin(caller: &Phone, callee: &Phone) -> Result<Self, PhoneError> {
        let options = CallOptions { expect: Expect::Known(seed_of("1002")), ..CallOptions::default() };
        let call = caller.call("1002", options)?;
        call.wait_answered(SOON)?;
        Ok(Self([call, callee.incoming(SOON)?]))
    }

    /// One more second of audio comes to both ends, and since the call began nothing was lost or changed.
    fn assert_bit_for_bit(&self) {
        let sides = self.0.each_ref().map(|side| (side, side.report().received + SECOND));
        for (side, enough) in sides {
            let report = side.wait_media(SOON, |report| report.received >= enough).expect("audio arrives");
            assert_eq!((report.matches, report.mismatched, report.lost), (Some(true), 0, 0), "{report:?}");
        }
    }

    fn end(&self) {
        self.0[0].hangup().expect("a call that is up");
        self.0[1].wait_ended(SOON).expect("BYE reaches 1002");
    }
}

/// An operator of the cluster whose CA `authority` is.
struct Operator<'a> {
    runtime: &'a Runtime,
    security: Security,
}

impl<'a> Operator<'a> {
    fn new(runtime: &'a Runtime, authority: &Authority) -> Self {
        let Leaf { certificate, key } = authority.leaf(Role::Operator.server_name());
        let trust = authority.pem();
        let identity = Identity::from_pem(certificate.as_bytes(), key.as_bytes(), trust.as_bytes());
        Self { runtime, security: Security::Fixed(identity.expect("a certificate and its key")) }
    }

    fn dial(&self, address: SocketAddr, role: Role) -> Result<AdminSession, GrpcError> {
        self.runtime.block_on(async {
            let session = admin::connect(address, role, &self.security);
            tokio::time::timeout(SOON, session).await.expect("an answer in time")
        })
    }

    fn hears(&self, session: &mut AdminSession) {
        self.runtime.block_on(async {
            let report = tokio::time::timeout(SOON, session.reports.next()).await;
            report.expect("a report in time").expect("the session is open").expect("a report");
        });
    }
}

#[test]
fn certificates_are_renewed_in_the_middle_of_a_call() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    // Another CA altogether, so that it shows which certificates a connection was made with.
    let (before, after) = (Authority::new(), Authority::new());
    let office = Office::open(&before);
    let programs = [(office.at(9090), Role::SipNode), (office.at(9091), Role::MediaNode)];
    let (former, latter) = (Operator::new(&runtime, &before), Operator::new(&runtime, &after));
    let mut sessions = programs.map(|(address, role)| former.dial(address, role).expect("a session"));
    let (caller, callee) = (office.phone("1001", "1002"), office.phone("1002", "1001"));
    let talk = Talk::begin(&caller, &callee).expect("a call");
    talk.assert_bit_for_bit();

    office.renew(&after);
    for (address, role) in programs {
        until(&format!("{role:?} has its new certificate"), SOON, || latter.dial(address, role).map(drop));
        assert!(former.dial(address, role).is_err(), "{role:?} trusts the new CA alone");
    }
    talk.assert_bit_for_bit();
    for session in &mut sessions {
        former.hears(session);
    }
    assert_eq!(office.wire.connections(), 1, "media-node's stream is the one from before");
    let second = Talk::begin(&caller, &callee).expect("a second call");
    second.assert_bit_for_bit();
    talk.assert_bit_for_bit();
    second.end();
    talk.end();

    // The next connection of media-node is made with the new certificates on both ends.
    office.wire.cut();
    until("media-node dials again", SOON, || match office.wire.connections() {
        1 => Err("it has not dialled"),
        _ => Ok(()),
    });
    let third = until("calls are possible again", SOON, || Talk::begin(&caller, &callee));
    third.assert_bit_for_bit();
    third.end();
}
