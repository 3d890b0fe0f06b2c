//! Build tasks: lint, test, codegen.
fn main() {}
