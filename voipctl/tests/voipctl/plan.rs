//! `voipctl plan`: what would run, and nothing that must stay secret.

use super::harness::{Finished, Site, json, voipctl};

fn plan(site: &Site, more: &[&str]) -> Finished {
    Finished::of(voipctl().arg("plan").arg(site.file()).args(more))
}

#[test]
fn the_table_names_nodes_ranges_addresses_capacity_and_mode() {
    let site = Site::new();
    let plan = plan(&site, &[]);
    assert_eq!((plan.code, plan.err.as_str()), (Some(0), ""));
    for text in [
        "VoipCluster default/office",
        "HostNetwork (Local: everything runs on this machine)",
        "8 calls, 4 without the busiest node",
        "default-0",
        "default-1",
        "127.0.0.1  Local",
        &format!("{}/UDP", site.sip_port()),
    ] {
        assert!(plan.out.contains(text), "{text} is not in\n{}", plan.out);
    }
}

#[test]
fn machines_get_the_kubernetes_objects_as_json_and_yaml() {
    let site = Site::new();
    let value = json(&plan(&site, &["-o", "json"]).out);
    let items = value["items"].as_array().unwrap();
    let of_kind = |kind: &str| items.iter().filter(|item| item["kind"] == kind).count();
    let kinds = ["RtpPortLease", "ServiceAccount", "ConfigMap", "Service", "Deployment", "DaemonSet"];
    assert_eq!(kinds.map(of_kind), [2, 2, 2, 3, 1, 2], "{value}");
    assert_eq!(items[0]["spec"]["space"]["name"], "node-1", "leases come first");
    let yaml = plan(&site, &["-o", "yaml"]).out;
    let documents = yaml.split("---\n").count();
    assert_eq!(documents, items.len());
    assert!(yaml.contains("name: office-sip") && yaml.contains("kind: Deployment"), "{yaml}");
}

#[test]
fn the_address_of_this_machine_is_nothing_to_kubernetes() {
    let refused = plan(&Site::new(), &["-o", "yaml", "--address", "127.0.0.2"]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    assert!(refused.err.contains("--address"), "{}", refused.err);
}

#[test]
fn nothing_secret_is_printed_and_nothing_is_kept() {
    let site = Site::new();
    for format in [&[][..], &["-o", "json"], &["-o", "yaml"]] {
        let out = plan(&site, format).out.to_lowercase();
        assert!(
            !out.contains("\"ha1\"")
                && !out.contains("ha1:")
                && !out.contains("password")
                && !out.contains("correct horse"),
            "{out}"
        );
    }
    assert!(!site.state().exists());
}

#[test]
fn an_address_of_this_machine_is_planned_with() {
    let site = Site::new();
    let out = plan(&site, &["--address", "127.0.0.2"]).out;
    assert!(out.contains("127.0.0.2  Local"), "{out}");
}

#[test]
fn every_example_is_planned() {
    let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut count = 0;
    for entry in std::fs::read_dir(examples).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            for more in [&[][..], &["-o", "yaml"]] {
                let finished = Finished::of(voipctl().arg("plan").arg(&path).args(more));
                assert_eq!(finished.code, Some(0), "{}: {}", path.display(), finished.err);
            }
            count += 1;
        }
    }
    assert!(count > 0);
}
