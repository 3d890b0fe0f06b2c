//! The command line.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use clap::Parser;
use voip_contract::NodeName;
use voip_telemetry::LogFormat;

/// Relays RTP and plays prompts for the sip-nodes that it dials.
#[derive(Debug, Clone, Parser)]
#[command(name = "media-node", version)]
pub struct Args {
    /// Name of this node in the plan
    #[arg(long)]
    pub name: NodeName,
    /// Pool that it belongs to
    #[arg(long, default_value = "default")]
    pub pool: String,
    /// Directory that holds media.json
    #[arg(long, value_name = "DIR")]
    pub config: PathBuf,
    /// Address that RTP sockets are bound to
    #[arg(long, value_name = "IP")]
    pub bind: IpAddr,
    /// Address that is written into SDP [default: that of --bind]
    #[arg(long, value_name = "IP")]
    pub advertise: Option<IpAddr>,
    /// RTP and RTCP ports that may be used
    #[arg(long, value_name = "FIRST-LAST")]
    pub ports: PortRange,
    /// Relayed two-leg calls that must fit
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub calls: u32,
    /// A sip-node to dial; every address that the name resolves to is dialled
    #[arg(long = "sip-node", value_name = "HOST:PORT", required = true)]
    pub sip_nodes: Vec<HostPort>,
    /// Address where operators are served
    #[arg(long, value_name = "IP:PORT")]
    pub admin: Option<SocketAddr>,
    /// Directory of tls.crt, tls.key and ca.crt [default: no TLS]
    #[arg(long, value_name = "DIR")]
    pub tls: Option<PathBuf>,
    /// Address of /healthz, /readyz and /metrics
    #[arg(long, value_name = "IP:PORT")]
    pub http: SocketAddr,
    /// Directory of prompts, *.wav; `welcome` is built in
    #[arg(long, value_name = "DIR")]
    pub prompts: Option<PathBuf>,
    /// Relay threads [default: the CPU quota]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: Option<u16>,
    /// How long a SIGTERM waits for calls before it ends them
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    pub drain: u64,
    /// Take the end of standard input for a SIGTERM
    #[arg(long)]
    pub exit_with_stdin: bool,
    /// Which log lines are written: a level, or target=level,...
    #[arg(long, default_value = "info")]
    pub log: String,
    /// How log lines look: text or json
    #[arg(long, default_value_t)]
    pub log_format: LogFormat,
}

impl Args {
    /// The address for SDP.
    pub fn advertised(&self) -> IpAddr {
        self.advertise.unwrap_or(self.bind)
    }
}

/// First and last port of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    /// Even.
    pub first: u16,
    /// Last, included.
    pub last: u16,
}

impl FromStr for PortRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers =
            text.split_once('-').and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
        match numbers {
            Some((first, last)) if first >= 1024 && first % 2 == 0 && last > first => {
                Ok(Self { first, last })
            }
            _ => Err("expected FIRST-LAST with an even FIRST of at least 1024 and LAST above it".to_owned()),
        }
    }
}

/// A name or address, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort(String);

impl HostPort {
    /// As `HOST:PORT`, the form that is resolved.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let well_formed = text.parse::<SocketAddr>().is_ok_and(|address| address.port() != 0)
            || text.rsplit_once(':').is_some_and(|(host, port)| {
                !host.is_empty()
                    && !host.contains([':', '/', ' '])
                    && port.parse::<u16>().is_ok_and(|port| port != 0)
            });
        if well_formed { Ok(Self(text.to_owned())) } else { Err("expected HOST:PORT".to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_even_unprivileged_and_not_empty() {
        assert_eq!("16384-17535".parse(), Ok(PortRange { first: 16_384, last: 17_535 }));
        for text in ["", "16384", "16385-17535", "80-90", "16384-16384", "16384-70000", "-", "a-b"] {
            assert!(text.parse::<PortRange>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn peers_are_names_or_addresses_with_a_port() {
        for text in ["127.0.0.1:7000", "[::1]:7000", "office-peers.voip.svc:7000"] {
            assert_eq!(text.parse::<HostPort>().unwrap().as_str(), text);
        }
        for text in ["", "host", "host:", ":7000", "host:0", "127.0.0.1:0", "http://host:1", "::1:7000"] {
            assert!(text.parse::<HostPort>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_advertised_address_is_that_of_the_socket_unless_said() {
        let line = "media-node --name a --config c --bind 127.0.0.1 --ports 20000-20063 --calls 1 \
                    --sip-node h:1 --http 127.0.0.1:0";
        let args = Args::try_parse_from(line.split_whitespace()).unwrap();
        assert_eq!(args.advertised(), args.bind);
        let line = format!("{line} --advertise 192.0.2.1 --sip-node k:2");
        let args = Args::try_parse_from(line.split_whitespace()).unwrap();
        assert_eq!(args.advertised().to_string(), "192.0.2.1");
        assert_eq!(args.sip_nodes.len(), 2);
    }
}
