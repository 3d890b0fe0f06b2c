//! Requests that do not wait for each other: one for each of a thousand pods takes a second, not a minute.

use std::future::Future;

use futures_util::future::join_all;
use voip_plan::status::Fault;

/// How many are under way: the API server gives one client a share of its attention.
const AT_ONCE: usize = 16;

/// Does all of `work`, some of it at a time. Returns what could not be done.
pub(crate) async fn all<F>(work: Vec<F>) -> Vec<Fault>
where
    F: Future<Output = Result<(), Fault>>,
{
    let (mut work, mut faults) = (work.into_iter(), Vec::new());
    loop {
        let batch: Vec<F> = work.by_ref().take(AT_ONCE).collect();
        if batch.is_empty() {
            return faults;
        }
        faults.extend(join_all(batch).await.into_iter().filter_map(Result::err));
    }
}
