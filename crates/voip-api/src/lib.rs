//! The voip.dev/v1alpha1 resource types and their CEL rules.
