//! Where the process runs: kernel, container, privileges. Only reads.

use std::{env, fs, path::Path};

/// What surrounds the process, as far as its traces tell. Decides which fix is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Surroundings {
    Kubernetes,
    Podman,
    Docker,
    Container,
    Systemd,
    Host,
}

pub(super) fn surroundings() -> Surroundings {
    let root = Path::new("/");
    let systemd = env::var_os("INVOCATION_ID").is_some();
    recognise(root, env::var_os("KUBERNETES_SERVICE_HOST").is_some(), systemd)
}

fn recognise(root: &Path, kubernetes: bool, systemd: bool) -> Surroundings {
    let cgroup = fs::read_to_string(root.join("proc/1/cgroup")).unwrap_or_default();
    let has = |names: &[&str]| names.iter().any(|name| cgroup.contains(name));
    if kubernetes || has(&["kubepods"]) {
        Surroundings::Kubernetes
    } else if root.join("run/.containerenv").exists() || has(&["libpod"]) {
        Surroundings::Podman
    } else if root.join(".dockerenv").exists() || has(&["docker"]) {
        Surroundings::Docker
    } else if has(&["containerd", "lxc"]) {
        Surroundings::Container
    } else if systemd {
        Surroundings::Systemd
    } else {
        Surroundings::Host
    }
}

/// The running kernel's release, like `6.8.0-45-generic`.
pub(super) fn kernel_release() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    release.trim().to_owned()
}

/// Major and minor number of a release.
pub(super) fn kernel_version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// What /proc/self/status says about this process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    /// 0 none, 1 strict, 2 a filter.
    pub(super) seccomp: Option<u8>,
    pub(super) ipc_lock: bool,
    pub(super) sys_admin: bool,
    pub(super) groups: Vec<i64>,
}

/// Bits of capabilities(7).
const CAP_IPC_LOCK: u32 = 14;
const CAP_SYS_ADMIN: u32 = 21;

impl Status {
    pub(super) fn read() -> Self {
        Self::parse(&fs::read_to_string("/proc/self/status").unwrap_or_default())
    }

    fn parse(text: &str) -> Self {
        let field = |name: &str| {
            text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
        };
        let capabilities = field("CapEff").and_then(|hex| u64::from_str_radix(hex, 16).ok());
        let has = |bit: u32| capabilities.is_some_and(|bits| bits >> bit & 1 == 1);
        // Real, effective, saved and file system gid, then the supplementary ones.
        let ids = [field("Gid"), field("Groups")];
        let ids = ids.into_iter().flatten().flat_map(str::split_whitespace);
        Self {
            seccomp: field("Seccomp").and_then(|mode| mode.parse().ok()),
            ipc_lock: has(CAP_IPC_LOCK),
            sys_admin: has(CAP_SYS_ADMIN),
            groups: ids.filter_map(|id| id.parse().ok()).collect(),
        }
    }
}

/// A number the kernel shows under /proc/sys; `None` where this kernel has no such switch.
pub(super) fn sysctl(path: &str) -> Option<i64> {
    fs::read_to_string(Path::new("/proc/sys").join(path)).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surroundings_are_recognised_by_their_traces() {
        let root = tempfile::tempdir().unwrap();
        let at = |kubernetes, systemd| recognise(root.path(), kubernetes, systemd);
        assert_eq!(at(false, false), Surroundings::Host);
        assert_eq!(at(false, true), Surroundings::Systemd);
        assert_eq!(at(true, false), Surroundings::Kubernetes);
        fs::write(root.path().join(".dockerenv"), "").unwrap();
        assert_eq!(at(false, false), Surroundings::Docker);
        fs::create_dir_all(root.path().join("proc/1")).unwrap();
        fs::write(root.path().join("proc/1/cgroup"), "0::/kubepods/pod1\n").unwrap();
        assert_eq!(at(false, false), Surroundings::Kubernetes);
        fs::write(root.path().join("proc/1/cgroup"), "0::/libpod-1\n").unwrap();
        assert_eq!(at(false, false), Surroundings::Podman);
    }

    #[test]
    fn status_tells_seccomp_capabilities_and_groups() {
        let text = "Name:\tx\nGid:\t10\t11\t11\t11\nGroups:\t5 7 \nCapEff:\t0000000000004000\n\
                    Seccomp:\t2\nSeccomp_filters:\t1\n";
        let status = Status::parse(text);
        assert_eq!(status.seccomp, Some(2));
        assert!(status.ipc_lock && !status.sys_admin);
        assert_eq!(status.groups, [10, 11, 11, 11, 5, 7]);
        assert_eq!(Status::parse(""), Status::default());
    }

    #[test]
    fn kernel_releases_are_read_as_numbers() {
        assert_eq!(kernel_version("6.8.0-45-generic"), Some((6, 8)));
        assert_eq!(kernel_version("5.14.0-427.el9"), Some((5, 14)));
        assert_eq!(kernel_version("unknown"), None);
    }
}
