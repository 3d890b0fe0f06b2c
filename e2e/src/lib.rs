//! The end-to-end test harness around the real programs.
