//! The command line.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use voip_contract::NodeName;
use voip_telemetry::LogFormat;

/// Registrar and B2BUA of a VoipCluster.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Name of this node, for logs and reports
    #[arg(long, default_value = "sip-0")]
    pub name: NodeName,
    /// Directory with sip.json and users.json or users-*.json; looked at once a second
    #[arg(long, value_name = "DIR")]
    pub config: PathBuf,
    /// Address of the SIP listeners; their ports are in sip.json
    #[arg(long, value_name = "IP")]
    pub bind: IpAddr,
    /// Address that phones are told [default: that of --bind]
    #[arg(long, value_name = "IP")]
    pub advertise: Option<IpAddr>,
    /// Where media-nodes and the operator dial
    #[arg(long, value_name = "IP:PORT")]
    pub peers: SocketAddr,
    /// Directory with tls.crt, tls.key and ca.crt for --peers [default: in plain text]
    #[arg(long, value_name = "DIR")]
    pub tls: Option<PathBuf>,
    /// Where /healthz, /readyz, /metrics and /api/v1 are served
    #[arg(long, value_name = "IP:PORT")]
    pub http: SocketAddr,
    /// File with the bearer token that /api/v1 asks for [default: it asks for none]
    #[arg(long, value_name = "FILE")]
    pub api_token: Option<PathBuf>,
    /// Directory for cdrs.sqlite; made when missing
    #[arg(long, value_name = "DIR")]
    pub state: PathBuf,
    /// Print each CDR that is final as {"cdr": ...} on a line of standard output; keep the newest 10,000 in --state
    #[arg(long)]
    pub cdr_log: bool,
    /// How long a SIGTERM waits for calls to end
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    pub drain: u64,
    /// End as on SIGTERM when standard input ends
    #[arg(long)]
    pub exit_with_stdin: bool,
    /// Log filter: a level, or target=level,...
    #[arg(long, value_name = "FILTER", default_value = "info")]
    pub log: String,
    /// Log format: text or json
    #[arg(long, value_name = "FORMAT", default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

impl Args {
    /// The address that phones are told; none when neither option names a usable one.
    pub fn advertised(&self) -> Option<IpAddr> {
        Some(self.advertise.unwrap_or(self.bind)).filter(|address| !address.is_unspecified())
    }
}
