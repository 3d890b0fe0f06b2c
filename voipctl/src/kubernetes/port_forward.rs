//! `kubectl port-forward` as a child process: a port of this machine that leads to one of a pod.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::timeout;

use super::kubectl::{Kubectl, KubectlError, refusal, start_error};

/// From the start of kubectl to its first line.
const PATIENCE: Duration = Duration::from_secs(30);

/// A port that is forwarded until this is dropped. Must live inside a tokio runtime.
#[derive(Debug)]
pub(crate) struct PortForward {
    address: SocketAddr,
    /// Killed when dropped.
    _child: Child,
}

impl PortForward {
    /// Forwards a free port of this machine to `port` of `pod`.
    pub(crate) async fn open(kubectl: &Kubectl, pod: &str, port: u16) -> Result<Self, KubectlError> {
        let arguments = ["port-forward", "--address=127.0.0.1", &format!("pod/{pod}"), &format!(":{port}")];
        let mut child = Command::from(kubectl.command(&arguments))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(start_error)?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let failed = |said: &str| refusal(&arguments.join(" "), said);
        let (Some(stdout), Some(stderr)) = (stdout, stderr) else { return Err(failed("")) };
        match timeout(PATIENCE, first_line(stdout, stderr)).await {
            Ok(Ok(address)) => Ok(Self { address, _child: child }),
            Ok(Err(said)) => Err(failed(&said)),
            Err(_) => Err(failed("it did not forward the port within 30 s")),
        }
    }

    /// The port of this machine.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// `Forwarding from 127.0.0.1:40123 -> 8080`, or what it says instead. Later lines are read and forgotten, so that
/// kubectl never waits for a reader.
async fn first_line(stdout: ChildStdout, mut stderr: ChildStderr) -> Result<SocketAddr, String> {
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(address) = forwarded(&line) {
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            tokio::spawn(async move { tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await });
            return Ok(address);
        }
    }
    let mut said = String::new();
    // What was read before an error is all that can be told.
    let _ = stderr.read_to_string(&mut said).await;
    Err(said)
}

fn forwarded(line: &str) -> Option<SocketAddr> {
    let (address, _) = line.strip_prefix("Forwarding from ")?.split_once(" -> ")?;
    address.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubectl_says_which_port_it_took() {
        let line = "Forwarding from 127.0.0.1:40123 -> 8080";
        assert_eq!(forwarded(line), Some(([127, 0, 0, 1], 40_123).into()));
        assert_eq!(forwarded("Handling connection for 40123"), None);
    }
}
