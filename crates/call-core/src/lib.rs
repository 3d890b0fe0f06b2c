//! Registrar, routing and B2BUA: events in, actions out.
