//! What the API server refused, in the classes that a status tells apart.
//!
//! The server says why in a code, a reason and a sentence; admission, quota and missing rights all come as 403, so that
//! the sentence decides between them. This file must not know what was to be done about it.

use voip_plan::status::{Fault, FaultReason};

/// What the client said when `action` (`apply`, `list`, `delete`) was tried on `object` (kind and name).
pub fn fault(object: impl Into<String>, action: &str, error: &kube::Error) -> Fault {
    let message = match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    };
    Fault { object: object.into(), action: action.to_owned(), reason: reason(error), message }
}

/// The class of an error of the client.
pub fn reason(error: &kube::Error) -> FaultReason {
    let kube::Error::Api(status) = error else { return FaultReason::ApiUnavailable };
    if status.message.contains("admission webhook") && status.message.contains("denied the request") {
        return FaultReason::AdmissionDenied;
    }
    match status.code {
        403 if status.message.contains("exceeded quota") => FaultReason::QuotaExceeded,
        // RBAC names who asked; admission only speaks of the object.
        403 if status.message.contains("cannot") && status.message.contains("resource") => {
            FaultReason::Forbidden
        }
        403 => FaultReason::AdmissionDenied,
        401 => FaultReason::Forbidden,
        409 => FaultReason::Conflict,
        400 | 404 | 405 | 415 | 422 => FaultReason::CrdInvalid,
        _ => FaultReason::ApiUnavailable,
    }
}

/// Whether the server says that there is no such object, or no such kind.
pub(crate) fn is_absent(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

/// Whether somebody else wrote, made or deleted the object at the same time.
pub(crate) fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}

/// What became of `action` on the one object that was meant: if that is gone, or another has its name by now, nothing is
/// left to be done.
pub(crate) fn unless_gone<T>(
    answer: Result<T, kube::Error>,
    object: &str,
    action: &str,
) -> Result<(), Fault> {
    match answer {
        Err(error) if !is_absent(&error) && !is_conflict(&error) => Err(fault(object, action, &error)),
        _ => Ok(()),
    }
}

/// Whether the server says that the object would not be a valid one.
pub(crate) fn is_invalid(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 422)
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn reason(code: u16, message: &str) -> FaultReason {
        let status = Status { code, message: message.to_owned(), ..Status::default() };
        super::reason(&kube::Error::Api(Box::new(status)))
    }

    #[test]
    fn a_403_is_admission_quota_or_a_missing_right() {
        let quota = r#"pods "a" is forbidden: exceeded quota: small, requested: pods=1, used: pods=1, limited: pods=1"#;
        assert_eq!(reason(403, quota), FaultReason::QuotaExceeded);
        let rbac = r#"services is forbidden: User "system:serviceaccount:v:o" cannot patch resource "services" in API group"#;
        assert_eq!(reason(403, rbac), FaultReason::Forbidden);
        let security = r#"pods "a" is forbidden: violates PodSecurity "restricted:latest": host namespaces (hostNetwork=true)"#;
        assert_eq!(reason(403, security), FaultReason::AdmissionDenied);
    }

    #[test]
    fn a_webhook_denies_with_any_code() {
        let message = r#"admission webhook "validate.policy" denied the request: no host ports"#;
        for code in [400, 403, 422, 500] {
            assert_eq!(reason(code, message), FaultReason::AdmissionDenied);
        }
    }

    #[test]
    fn what_passes_is_told_from_what_stays() {
        for code in [429, 500, 502, 503, 504] {
            assert_eq!(reason(code, "try again"), FaultReason::ApiUnavailable, "{code}");
        }
        assert_eq!(reason(404, "the server could not find the requested resource"), FaultReason::CrdInvalid);
        assert_eq!(reason(409, "the object has been modified"), FaultReason::Conflict);
    }
}
