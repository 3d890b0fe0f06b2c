//! The operator as its chart installs it, and the turn of a test to have the nodes for itself.

use std::sync::{Mutex, MutexGuard, PoisonError};

use e2e::kubernetes::kubectl;

use crate::chart::{CHART, helm};

/// Release and namespace of the operator.
pub(super) const RELEASE: &str = "voip-operator";
pub(super) const NAMESPACE: &str = "voip-system";

/// The installed operator. While a test holds it, no other runs.
pub(super) struct Operator(#[expect(dead_code, reason = "held, not read")] MutexGuard<'static, ()>);

impl Operator {
    /// Waits for this test's turn, and installs the operator if it is not there.
    pub(super) fn take() -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        // A test that failed has nothing that the next could break.
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        install();
        Self(turn)
    }

    /// What its pods have logged, for a test that fails.
    pub(super) fn log() -> String {
        let label = "app.kubernetes.io/name=voip-operator";
        kubectl(&["logs", "-n", NAMESPACE, "-l", label, "--tail=60", "--prefix"]).stdout
    }
}

/// Installs it, or finds it installed; returns when its pods are ready.
pub(super) fn install() {
    // Node n1 is never taken away by a test, and so the operator is not what a test waits for.
    let settings = "image.pullPolicy=Never,nodeSelector.kubernetes\\.io/hostname=n1";
    helm(
        &[
            &["upgrade", "--install", RELEASE, CHART, "--namespace", NAMESPACE, "--create-namespace"],
            &["--set", settings, "--wait", "--timeout", "90s"][..],
        ]
        .concat(),
    );
}
