//! Requests that do not wait for each other: one for each of a thousand pods takes a second, not a minute.

use std::future::Future;

use futures_util::future::join_all;
use voip_plan::status::Fault;

/// How many are under way: the API server gives one client a share of its attention.
pub(crate) const AT_ONCE: usize = 16;

/// Does all of `work`, some of it at a time. Returns what could not be done.
pub(crate) async fn all<F>(work: Vec<F>) -> Vec<Fault>
where
    F: Future<Output = Result<(), Fault>>,
{
    let (mut work, mut faults) = (work.into_iter(), Vec::new());
    while let Some(done) = some(&mut work).await {
        faults.extend(done.into_iter().filter_map(Result::err));
    }
    faults
}

/// Does as much of `work` as is done at a time. None: there is no more.
pub(crate) async fn some<F: Future>(work: &mut impl Iterator<Item = F>) -> Option<Vec<F::Output>> {
    let batch: Vec<F> = work.take(AT_ONCE).collect();
    if batch.is_empty() { None } else { Some(join_all(batch).await) }
}
