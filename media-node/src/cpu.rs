//! How many relay threads this process may keep busy.

use std::path::Path;

/// Threads by default: the CPU quota of the control group rounded up, at most the CPUs we may run on, at least one.
pub(crate) fn relay_threads() -> usize {
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    quota(Path::new("/sys/fs/cgroup")).map_or(available, |quota| quota.clamp(1, available))
}

/// The quota in whole CPUs, rounded up; none where there is no limit. A container sees its own group at `root`.
/// (`available_parallelism` reads it too, but rounds down: half a thread per CPU of a quota of 1.5 would idle.)
fn quota(root: &Path) -> Option<usize> {
    let read = |file: &str| std::fs::read_to_string(root.join(file)).ok();
    if let Some(text) = read("cpu.max") {
        let (quota, period) = text.trim().split_once(' ')?;
        return whole_cpus(quota, period);
    }
    whole_cpus(read("cpu/cpu.cfs_quota_us")?.trim(), read("cpu/cpu.cfs_period_us")?.trim())
}

/// `max` and -1 mean no limit, and are no positive numbers.
fn whole_cpus(quota: &str, period: &str) -> Option<usize> {
    let (quota, period): (usize, usize) = (quota.parse().ok()?, period.parse().ok()?);
    (period > 0).then(|| quota.div_ceil(period))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_rounded_up_and_no_limit_is_none() {
        assert_eq!(whole_cpus("150000", "100000"), Some(2));
        assert_eq!(whole_cpus("50000", "100000"), Some(1));
        assert_eq!(whole_cpus("400000", "100000"), Some(4));
        for (quota, period) in [("max", "100000"), ("-1", "100000"), ("100000", "0")] {
            assert_eq!(whole_cpus(quota, period), None, "{quota} {period}");
        }
    }

    #[test]
    fn both_forms_of_control_group_are_read() {
        let root = std::env::temp_dir().join(format!("media-node-cgroup-{}", std::process::id()));
        std::fs::create_dir_all(root.join("cpu")).unwrap();
        assert_eq!(quota(&root), None);
        std::fs::write(root.join("cpu/cpu.cfs_quota_us"), "250000\n").unwrap();
        std::fs::write(root.join("cpu/cpu.cfs_period_us"), "100000\n").unwrap();
        assert_eq!(quota(&root), Some(3));
        std::fs::write(root.join("cpu.max"), "max 100000\n").unwrap();
        assert_eq!(quota(&root), None);
        std::fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn there_is_at_least_one_thread() {
        assert!(relay_threads() >= 1);
    }
}
