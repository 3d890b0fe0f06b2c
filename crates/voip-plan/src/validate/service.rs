//! The Service before sip-node: what is passed on to it.

use std::net::IpAddr;

use voip_api::SignalingService;

use super::names::is_qualified;
use super::{Report, template};

const PATH: &str = "spec.signaling.service";

/// Checks what a Service would be refused for.
pub(super) fn check(service: &SignalingService, report: &mut Report<'_>) {
    template::annotations(&format!("{PATH}.annotations"), &service.annotations, report);
    let class = &service.load_balancer_class;
    let mend = "use a name such as example.com/internal, or leave it out";
    report.form(class.is_empty() || is_qualified(class), &format!("{PATH}.loadBalancerClass"), class, mend);
    let (path, ranges) = (format!("{PATH}.loadBalancerSourceRanges"), &service.load_balancer_source_ranges);
    report.at_most(&path, ranges.len(), 64);
    for (at, range) in ranges.iter().enumerate() {
        report.form(is_network(range), &format!("{path}[{at}]"), range, "use a network such as 192.0.2.0/24");
    }
    report.distinct(&path, ranges);
}

/// Address and length of the prefix, as CEL's `isCIDR` reads it.
fn is_network(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else { return false };
    let most = match address.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(v6)) if v6.to_ipv4_mapped().is_none() => 128,
        _ => return false,
    };
    let plain = length.bytes().all(|b| b.is_ascii_digit()) && (length == "0" || !length.starts_with('0'));
    plain && length.parse::<u32>().is_ok_and(|length| length <= most)
}
