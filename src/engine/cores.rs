//! How many workers, and whether each is pinned to a core of its own.
//!
//! Affinity masks know cpusets but not quotas: in a pod with a CPU limit every program would pin
//! itself to cores 0…n. Unless told otherwise, workers are pinned only where that cannot happen.

use std::{fs, num::NonZero, path::Path, thread};

use core_affinity::CoreId;

/// Whether workers are pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinWanted {
    /// Where it is safe.
    Auto,
    /// In any case.
    Always,
    /// In no case.
    Never,
}

/// Where workers run, decided once on the main thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorePlan {
    /// One entry per worker: the core it is pinned to, if any.
    pub cores: Vec<Option<usize>>,
    /// What was chosen and why, for the log.
    pub line: String,
}

/// What the choice depends on.
#[derive(Clone, Debug)]
struct Host {
    /// Cores this process may run on.
    allowed: Vec<usize>,
    /// Cores the machine has online.
    online: usize,
    /// Cores' worth of time this process may use, quotas included.
    parallelism: usize,
    /// The file that holds a CPU quota in force.
    quota: Option<String>,
}

/// Cores' worth of time this process may use: affinity and cgroup quota considered.
#[must_use]
pub fn usable_cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Plans `count` workers (0: one per usable core). Call it before any thread is pinned.
#[must_use]
pub fn plan(count: usize, pin: PinWanted) -> CorePlan {
    let allowed = core_affinity::get_core_ids().unwrap_or_default();
    let host = Host {
        allowed: allowed.into_iter().map(|core| core.id).collect(),
        online: online_cores(),
        parallelism: usable_cores(),
        quota: cpu_quota(Path::new("/")),
    };
    decide(count, pin, &host)
}

/// Pins the calling thread; false when the kernel refuses.
#[must_use]
pub fn pin_current(core: usize) -> bool {
    core_affinity::set_for_current(CoreId { id: core })
}

fn decide(count: usize, pin: PinWanted, host: &Host) -> CorePlan {
    let workers = if count == 0 { host.parallelism.max(1) } else { count };
    let (pinned, why) = match pin {
        PinWanted::Never => (false, "as configured".to_owned()),
        _ if host.allowed.is_empty() => (false, "the affinity mask cannot be read".to_owned()),
        PinWanted::Always => (true, "as configured".to_owned()),
        PinWanted::Auto => pin_automatically(workers, host),
    };
    let core = |worker: usize| pinned.then(|| host.allowed[worker % host.allowed.len()]);
    let cores: Vec<Option<usize>> = (0..workers).map(core).collect();
    let origin = if count == 0 { "one per usable core" } else { "as configured" };
    let placed = if pinned { "pinned" } else { "not pinned" };
    let line = format!("workers={workers} ({origin}), {placed} ({why})");
    CorePlan { cores, line }
}

fn pin_automatically(workers: usize, host: &Host) -> (bool, String) {
    if workers > host.allowed.len() {
        return (false, format!("{workers} workers share {} cores", host.allowed.len()));
    }
    if host.allowed.len() < host.online {
        let (allowed, online) = (host.allowed.len(), host.online);
        return (true, format!("{allowed} of {online} cores are set aside for this process"));
    }
    match &host.quota {
        Some(file) => {
            (false, format!("{file} sets a CPU quota, so others may sit on the same cores"))
        }
        None => (true, "no CPU quota is in force".to_owned()),
    }
}

fn online_cores() -> usize {
    let list = fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    count_list(&list).unwrap_or_else(usable_cores)
}

/// Counts the cores of a list like `0-3,8`.
fn count_list(list: &str) -> Option<usize> {
    list.trim().split(',').try_fold(0, |count, range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        Some(count + last.checked_sub(first)? + 1)
    })
}

/// The file of the first CPU quota found from this process's cgroup upwards (version 2, then 1).
fn cpu_quota(root: &Path) -> Option<String> {
    let membership = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    membership.lines().find_map(|line| {
        // hierarchy:controllers:path
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        match controllers {
            "" => quota_upwards(root, "sys/fs/cgroup", path, "cpu.max"),
            _ if controllers.split(',').any(|controller| controller == "cpu") => {
                quota_upwards(root, "sys/fs/cgroup/cpu", path, "cpu.cfs_quota_us")
            }
            _ => None,
        }
    })
}

fn quota_upwards(root: &Path, mount: &str, path: &str, file: &str) -> Option<String> {
    Path::new(path).ancestors().find_map(|group| {
        let group = group.strip_prefix("/").unwrap_or(group);
        let file = Path::new(mount).join(group).join(file);
        let text = fs::read_to_string(root.join(&file)).ok()?;
        // "max 100000" and "-1" mean no quota.
        let limited = text.split_whitespace().next()?.parse::<i64>().is_ok_and(|quota| quota > 0);
        limited.then(|| format!("/{}", file.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> Host {
        Host { allowed: vec![0, 1, 2, 3], online: 4, parallelism: 4, quota: None }
    }

    fn quota() -> Option<String> {
        Some("/sys/fs/cgroup/cpu.max".to_owned())
    }

    #[test]
    fn a_whole_machine_is_pinned_one_worker_a_core() {
        let plan = decide(0, PinWanted::Auto, &host());
        assert_eq!(plan.cores, [Some(0), Some(1), Some(2), Some(3)]);
        assert!(plan.line.contains("no CPU quota"), "{}", plan.line);
    }

    #[test]
    fn a_cpu_quota_keeps_workers_unpinned_and_counts() {
        let plan = decide(0, PinWanted::Auto, &Host { parallelism: 2, quota: quota(), ..host() });
        assert_eq!(plan.cores, [None, None]);
        assert!(plan.line.contains("/sys/fs/cgroup/cpu.max"), "{}", plan.line);
    }

    #[test]
    fn cores_set_aside_are_pinned_in_spite_of_a_quota() {
        let host = Host { allowed: vec![2, 3], parallelism: 2, quota: quota(), ..host() };
        assert_eq!(decide(0, PinWanted::Auto, &host).cores, [Some(2), Some(3)]);
    }

    #[test]
    fn more_workers_than_cores_are_not_pinned_unless_told() {
        assert_eq!(decide(5, PinWanted::Auto, &host()).cores, [None; 5]);
        let told = decide(5, PinWanted::Always, &host());
        assert_eq!(told.cores, [Some(0), Some(1), Some(2), Some(3), Some(0)]);
    }

    #[test]
    fn never_means_never() {
        assert_eq!(decide(2, PinWanted::Never, &host()).cores, [None, None]);
    }

    #[test]
    fn core_lists_are_counted() {
        assert_eq!(count_list("0-3,8\n"), Some(5));
        assert_eq!(count_list("0"), Some(1));
        assert_eq!(count_list(""), None);
        assert_eq!(count_list("3-0"), None);
    }

    #[test]
    fn quotas_of_both_cgroup_versions_are_found_in_any_parent() {
        let root = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| {
            let file = root.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        write("proc/self/cgroup", "0::/pod/app\n");
        write("sys/fs/cgroup/pod/app/cpu.max", "max 100000\n");
        assert_eq!(cpu_quota(root.path()), None);
        write("sys/fs/cgroup/pod/cpu.max", "150000 100000\n");
        assert_eq!(cpu_quota(root.path()).as_deref(), Some("/sys/fs/cgroup/pod/cpu.max"));
        write("proc/self/cgroup", "3:cpu,cpuacct:/\n");
        write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
        assert_eq!(cpu_quota(root.path()), None);
        write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000\n");
        let file = cpu_quota(root.path());
        assert_eq!(file.as_deref(), Some("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"));
    }

    #[test]
    fn a_pinned_thread_runs_on_its_core_only() {
        let cores = core_affinity::get_core_ids().unwrap();
        let core = cores.last().unwrap().id;
        let mask = thread::spawn(move || {
            assert!(pin_current(core));
            core_affinity::get_core_ids().unwrap()
        });
        assert_eq!(mask.join().unwrap(), [CoreId { id: core }]);
    }
}
