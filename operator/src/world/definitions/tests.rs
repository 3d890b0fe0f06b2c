use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use super::*;

fn clusters() -> CustomResourceDefinition {
    let all = custom_resource_definitions();
    all.into_iter().find(|it| it.name_any() == "voipclusters.voip.dev").expect("ours")
}

/// The schema of `spec`.
fn spec(of: &mut CustomResourceDefinition) -> &mut BTreeMap<String, JSONSchemaProps> {
    let schema = of.spec.versions[0].schema.as_mut().unwrap().open_api_v3_schema.as_mut().unwrap();
    let spec = schema.properties.as_mut().unwrap().get_mut("spec").unwrap();
    spec.properties.as_mut().unwrap()
}

fn told(found: &CustomResourceDefinition) -> Option<String> {
    wrong(Some(found), &clusters())
}

#[test]
fn a_definition_that_keeps_every_field_is_right_whatever_else_it_says() {
    let mut found = clusters();
    found.spec.versions[0].additional_printer_columns = None;
    spec(&mut found).insert("later".to_owned(), JSONSchemaProps::default());
    spec(&mut found).get_mut("media").unwrap().description = Some("other words".to_owned());
    assert_eq!(told(&found), None);
    let media = spec(&mut found).get_mut("media").unwrap();
    *media =
        JSONSchemaProps { x_kubernetes_preserve_unknown_fields: Some(true), ..JSONSchemaProps::default() };
    assert_eq!(told(&found), None);
}

#[test]
fn a_field_that_is_lacking_is_named_however_deep_it_is() {
    let mut found = clusters();
    let pools =
        spec(&mut found).get_mut("media").unwrap().properties.as_mut().unwrap().get_mut("pools").unwrap();
    let Some(api::JSONSchemaPropsOrArray::Schema(pool)) = &mut pools.items else { panic!("{pools:?}") };
    pool.properties.as_mut().unwrap().remove("callsPerNode").unwrap();
    assert_eq!(told(&found).as_deref(), Some("it lacks .spec.media.pools[].callsPerNode"));
    spec(&mut found).remove("media").unwrap();
    assert_eq!(told(&found).as_deref(), Some("it lacks .spec.media"));
}

#[test]
fn a_definition_that_goes_or_is_gone_or_serves_another_version_is_wrong() {
    assert_eq!(wrong(None, &clusters()).as_deref(), Some("it is not there"));
    let mut found = clusters();
    found.spec.versions[0].served = false;
    assert_eq!(told(&found).as_deref(), Some("it does not serve v1alpha1"));
    found.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
    assert_eq!(told(&found).as_deref(), Some("it is being deleted with all its objects"));
}

#[tokio::test(start_paused = true)]
async fn what_was_wrong_counts_as_wrong_until_everything_is_listed_anew() {
    let (verdict, wanted) = (Verdict::default(), clusters());
    verdict.judge(Some(&wanted), &wanted);
    assert!(verdict.wrong().is_empty());
    verdict.judge(None, &wanted);
    let early = tokio::time::timeout(SETTLED, verdict.mended.notified()).await;
    assert!(early.is_err(), "{early:?}");
    verdict.judge(Some(&wanted), &wanted);
    tokio::time::timeout(SETTLED, verdict.mended.notified()).await.expect("it is mended");
    assert_eq!(verdict.wrong()["voipclusters.voip.dev"], "it is not there");
}
