//! Asks which kinds of pods would be admitted, by `kubectl create --dry-run=server`: nothing is made.

use k8s_openapi::api::core::v1::Pod;
use voip_plan::objects::ProbePods;
use voip_plan::{Admission, Verdict};

use super::kubectl::{Kubectl, KubectlError};

/// What admission says, and what is assumed where it cannot be asked.
pub(crate) fn ask(
    kubectl: &Kubectl,
    probes: &ProbePods,
) -> Result<(Admission, Option<String>), KubectlError> {
    let plain = match one(kubectl, &probes.plain) {
        Ok(verdict) => verdict,
        Err(KubectlError::Forbidden { verb, resource, said }) => {
            return Ok(assumed(&format!("cannot {verb} {resource}, not even to try"), &said));
        }
        Err(KubectlError::NotFound(said)) => return Ok(assumed("admission cannot be asked", &said)),
        Err(error) => return Err(error),
    };
    if plain != Verdict::Admitted {
        // Then it is not host network or ports that are refused, so nothing is known of them.
        let note = match &plain {
            Verdict::Denied(said) => format!("no pod of any kind is admitted: {said}"),
            _ => "admission gave no answer that decides anything".to_owned(),
        };
        return Ok((Admission { plain, ..Admission::default() }, Some(note)));
    }
    let (host_network, host_ports) = (one(kubectl, &probes.host_network)?, one(kubectl, &probes.host_ports)?);
    Ok((Admission { host_network, host_ports, plain }, None))
}

fn assumed(fact: &str, said: &str) -> (Admission, Option<String>) {
    let allowed = || Verdict::Admitted;
    let admission = Admission { host_network: allowed(), host_ports: allowed(), plain: allowed() };
    (admission, Some(format!("{fact}: the plan rests on the host network being admitted ({said})")))
}

fn one(kubectl: &Kubectl, pod: &Pod) -> Result<Verdict, KubectlError> {
    let mut pod = serde_json::to_value(pod).unwrap_or_default();
    pod["apiVersion"] = "v1".into();
    pod["kind"] = "Pod".into();
    let arguments = ["create", "--dry-run=server", "-o", "name", "-f", "-"];
    match kubectl.run(&arguments, &pod.to_string()) {
        Ok(_) => Ok(Verdict::Admitted),
        Err(KubectlError::Failed { said, .. }) => Ok(verdict(&said)),
        Err(error) => Err(error),
    }
}

/// Pod Security and quota say Forbidden. Webhooks and admission policies choose the code but always say that they denied
/// the request.
fn verdict(said: &str) -> Verdict {
    let denied =
        ["(Forbidden)", " denied the request", " denied request"].iter().any(|words| said.contains(words));
    if !denied || !said.starts_with("Error from server") {
        return Verdict::Unknown;
    }
    let reason = said.split_once("error when creating \"STDIN\": ").map_or(said, |(_, reason)| reason);
    Verdict::Denied(reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_from_a_failure() {
        let security = "Error from server (Forbidden): error when creating \"STDIN\": pods \"a\" is forbidden: violates \
                        PodSecurity \"restricted:latest\": host namespaces (hostNetwork=true)";
        let Verdict::Denied(reason) = verdict(security) else { panic!("not denied") };
        assert!(reason.starts_with("pods \"a\" is forbidden: violates"), "{reason}");
        let webhook = "Error from server: error when creating \"STDIN\": admission webhook \"x\" denied the request: no";
        assert!(matches!(verdict(webhook), Verdict::Denied(_)));
        for broken in ["Error from server (InternalError): an error on the server", "unable to read STDIN"] {
            assert_eq!(verdict(broken), Verdict::Unknown);
        }
    }
}
