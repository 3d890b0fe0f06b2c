//! The command line.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use clap::Parser;
use voip_plan::PortRange;
use voip_telemetry::LogFormat;

/// Runs VoipClusters on Kubernetes. The API server and the rights come from the pod, or from KUBECONFIG.
#[derive(Debug, Clone, Parser)]
#[command(name = "voip-operator", version)]
pub struct Args {
    /// Namespaces to serve [default: all]
    #[arg(long, value_name = "NAMESPACE,..", value_delimiter = ',')]
    pub watch_namespaces: Vec<String>,
    /// Address of /healthz, /readyz and /metrics
    #[arg(long, value_name = "IP:PORT", default_value = "0.0.0.0:8080")]
    pub http: SocketAddr,
    /// Namespace of the Lease by which one operator leads [default: its own]
    #[arg(long, value_name = "NAMESPACE")]
    pub leader_election_namespace: Option<String>,
    /// Name of that Lease
    #[arg(long, value_name = "NAME", default_value = "voip-operator")]
    pub leader_election_name: String,
    /// Lead without asking: only where no other operator runs
    #[arg(long)]
    pub no_leader_election: bool,
    /// Image of sip-node
    #[arg(long, value_name = "IMAGE")]
    pub signaling_image: String,
    /// Image of media-node
    #[arg(long, value_name = "IMAGE")]
    pub media_image: String,
    /// How often everything is looked at although nothing changed
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(5..=86_400))]
    pub resync: u64,
    /// The API server's --service-node-port-range; RTP stays out of it
    #[arg(long, value_name = "FIRST-LAST", default_value = "30000-32767")]
    pub node_ports: Ports,
    /// The range of ephemeral ports of the nodes; RTP stays out of it
    #[arg(long, value_name = "FIRST-LAST", default_value = "32768-60999")]
    pub ephemeral_ports: Ports,
    /// Which log lines are written: a level, or target=level,...
    #[arg(long, default_value = "info")]
    pub log: String,
    /// How log lines look: text or json
    #[arg(long, default_value_t)]
    pub log_format: LogFormat,
}

impl Args {
    /// How often everything is looked at.
    pub fn resync(&self) -> Duration {
        Duration::from_secs(self.resync)
    }
}

/// A range of ports, `FIRST-LAST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports(pub PortRange);

impl FromStr for Ports {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (first, last) = text.split_once('-')?;
            Some((first.parse().ok()?, last.parse().ok()?))
        };
        match parse() {
            Some((first, last)) if 0 < first && first <= last => Ok(Self(PortRange::new(first, last))),
            _ => Err(format!("{text:?} is not FIRST-LAST, two ports in ascending order, as in 30000-32767")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_two_in_ascending_order() {
        assert_eq!("30000-32767".parse(), Ok(Ports(PortRange::new(30_000, 32_767))));
        for bad in ["", "30000", "2-1", "0-5", "1-70000", "a-b", "1-2-3"] {
            assert!(bad.parse::<Ports>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory as _;
        Args::command().debug_assert();
    }
}
