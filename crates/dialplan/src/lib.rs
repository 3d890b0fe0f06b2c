//! Dialplan route types, matching and compilation.
