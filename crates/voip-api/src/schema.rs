//! Small corrections to derived schemas, each for a rule of the API server that the derive does not know.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};

/// Makes `crd` acceptable without a warning.
pub(crate) fn corrected(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        if let Some(root) = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut()) {
            correct(root);
        }
    }
    crd
}

fn correct(schema: &mut JSONSchemaProps) {
    // A structural schema forbids `additionalProperties: false`; it prunes unknown fields by itself.
    if matches!(schema.additional_properties, Some(JSONSchemaPropsOrBool::Bool(false))) {
        schema.additional_properties = None;
    }
    // "unrecognized format" is a warning at every apply; the bounds say the same.
    if schema.format.as_deref().is_some_and(|format| format.starts_with("uint")) {
        schema.format = None;
    }
    // The derive takes every int-or-string for an optional one. A stored null could not be read back.
    if schema.x_kubernetes_int_or_string == Some(true) {
        schema.nullable = None;
    }
    for property in schema.properties.iter_mut().flat_map(|properties| properties.values_mut()) {
        correct(property);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        correct(items);
    }
}
