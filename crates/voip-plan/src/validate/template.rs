//! What users may say of pods: labels, tolerations, CPU and memory; and the images that they are run from.

use std::collections::BTreeMap;

use voip_api::{Images, PodMetadata, PodTemplate, TaintEffect, Toleration, TolerationOperator};

use super::Report;
use super::names::{is_label_value, is_qualified, is_subdomain};
use crate::objects::default_request;
use crate::observed::Component;
use crate::quantity::Quantity;

/// Prefixes of labels that the operator sets.
const OURS: [&str; 2] = ["voip.dev/", "app.kubernetes.io/"];

/// Checks the template at `path` of pods of `component`.
pub(super) fn check(path: &str, template: &PodTemplate, component: Component, report: &mut Report<'_>) {
    metadata(&format!("{path}.metadata"), &template.metadata, report);
    let (path, spec) = (format!("{path}.spec"), &template.spec);
    labels(&format!("{path}.nodeSelector"), &spec.node_selector, (16, &[]), report);
    report.at_most(&format!("{path}.tolerations"), spec.tolerations.len(), 16);
    for (at, one) in spec.tolerations.iter().enumerate() {
        toleration(&format!("{path}.tolerations[{at}]"), one, report);
    }
    let class = &spec.priority_class_name;
    let mend = "use the name of a PriorityClass, or leave it out";
    report.form(class.is_empty() || is_subdomain(class), &format!("{path}.priorityClassName"), class, mend);
    report.at_most(&format!("{path}.imagePullSecrets"), spec.image_pull_secrets.len(), 8);
    for (at, secret) in spec.image_pull_secrets.iter().enumerate() {
        let path = format!("{path}.imagePullSecrets[{at}].name");
        report.form(is_subdomain(&secret.name), &path, &secret.name, "use the name of a Secret");
    }
    let (requests, limits) = (&spec.resources.requests, &spec.resources.limits);
    let path = format!("{path}.resources");
    for (name, asked, limit) in
        [("cpu", &requests.cpu, &limits.cpu), ("memory", &requests.memory, &limits.memory)]
    {
        amounts(&path, name, (asked, limit), component, report);
    }
}

/// Images of both programs.
pub(super) fn images(images: &Images, report: &mut Report<'_>) {
    for (name, image) in [("signaling", &images.signaling), ("media", &images.media)] {
        let good = image.len() <= 512 && !image.contains(|c: char| c.is_whitespace() || c.is_control());
        report.form(good, &format!("spec.images.{name}"), image, "use at most 512 characters without spaces");
    }
}

fn metadata(path: &str, metadata: &PodMetadata, report: &mut Report<'_>) {
    labels(&format!("{path}.labels"), &metadata.labels, (32, &OURS), report);
    annotations(&format!("{path}.annotations"), &metadata.annotations, report);
}

/// Annotations of pods or of the Service.
pub(super) fn annotations(path: &str, annotations: &BTreeMap<String, String>, report: &mut Report<'_>) {
    report.at_most(path, annotations.len(), 32);
    for (key, value) in annotations {
        let path = format!("{path}[{key}]");
        check_key(&path, key, &["voip.dev/"], report);
        if value.len() > 4096 {
            report.error(path, format!("it has {} bytes", value.len()), "use at most 4096");
        }
    }
}

fn labels(
    path: &str,
    labels: &BTreeMap<String, String>,
    (most, ours): (usize, &[&str]),
    report: &mut Report<'_>,
) {
    report.at_most(path, labels.len(), most);
    for (key, value) in labels {
        let path = format!("{path}[{key}]");
        check_key(&path, key, ours, report);
        let mend = "use at most 63 letters, digits, -, _ and ., with a letter or digit at both ends";
        report.form(is_label_value(value), &path, value, mend);
    }
}

fn check_key(path: &str, key: &str, ours: &[&str], report: &mut Report<'_>) {
    if let Some(prefix) = ours.iter().find(|prefix| key.starts_with(**prefix)) {
        report.error(path, format!("{prefix} is the operator's"), "use another prefix");
    }
    report.form(is_qualified(key), path, key, "use a name such as example.com/team");
}

/// What the API server asks of tolerations.
fn toleration(path: &str, toleration: &Toleration, report: &mut Report<'_>) {
    let Toleration { key, operator, value, effect, toleration_seconds } = toleration;
    report.form(key.is_empty() || is_qualified(key), &format!("{path}.key"), key, "use the key of a taint");
    match operator {
        TolerationOperator::Equal if key.is_empty() => {
            report.error(format!("{path}.key"), "it is empty", "name a taint, or set operator to Exists");
        }
        TolerationOperator::Exists if !value.is_empty() => {
            report.error(format!("{path}.value"), "operator Exists looks at no value", "leave it out");
        }
        _ => report.form(is_label_value(value), &format!("{path}.value"), value, "use the value of a taint"),
    }
    let path = format!("{path}.tolerationSeconds");
    report.range(&path, toleration_seconds.unwrap_or(0), 0, 31_536_000);
    if toleration_seconds.is_some() && *effect != Some(TaintEffect::NoExecute) {
        report.error(path, "only NoExecute taints are put up with for a time", "set effect to NoExecute");
    }
}

fn amounts(
    path: &str,
    name: &str,
    (asked, limit): (&String, &String),
    component: Component,
    report: &mut Report<'_>,
) {
    let mut read = |list: &str, text: &str| {
        let amount = Quantity::parse(text).filter(|_| text.len() <= 32);
        let good = text.is_empty() || amount.is_some();
        report.form(good, &format!("{path}.{list}.{name}"), text, "use a quantity such as 500m, 2 or 256Mi");
        amount
    };
    let (request, limit) = (read("requests", asked), read("limits", limit));
    // What is not asked for has a default.
    let request =
        request.or_else(|| Quantity::parse(default_request(component, name)).filter(|_| asked.is_empty()));
    if let (Some(request), Some(limit)) = (request, limit)
        && request.milli > limit.milli
    {
        let fact = format!("{} are requested, which is more", request.canonical());
        let mend = format!("set it to at least {}, or requests.{name} to less", request.canonical());
        report.error(format!("{path}.limits.{name}"), fact, mend);
    }
}
