//! Validate, plan, port leases and addresses: pure functions over what was observed.
