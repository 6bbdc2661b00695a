//! The API servers that tests run against, and whether they behave like some.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{port::HeldPort, suite::Suite, suite::root};

/// A server that runs until this is dropped.
pub struct Server {
    directory: tempfile::TempDir,
    _ports: [HeldPort; 3],
}

fn script(arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(root().join("tests/kubernetes/servers.sh"));
    let output = command.args(arguments).env("CAUSEWAY_KUBERNETES_LIMIT", "600").output();
    let output = output.map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(if output.status.success() {
        &output.stdout
    } else {
        &output.stderr
    });
    if output.status.success() { Ok(text.into_owned()) } else { Err(text.into_owned()) }
}

impl Server {
    /// Whether a kind is built; says so if it is not.
    pub fn built(kind: &str) -> bool {
        let built = script(&["built", kind]).is_ok();
        if !built {
            eprintln!(
                "SKIPPED: tests of the chart against the API server {kind}, they are not counted \
                 as passed: it is not built; run tests/kubernetes/servers.sh build {kind}"
            );
        }
        built
    }

    pub fn start(kind: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ports = [(); 3].map(|()| HeldPort::new());
        let numbers: Vec<String> =
            ports.iter().map(|port| port.address.port().to_string()).collect();
        let [api, etcd, peer] = &numbers[..] else { unreachable!() };
        let path = directory.path().to_str().unwrap();
        let up = script(&["up", kind, path, api, etcd, peer]);
        // Dropped also when it did not come up: a part of it may run.
        let server = Self { directory, _ports: ports };
        up.unwrap();
        server
    }

    pub fn kubeconfig(&self) -> PathBuf {
        self.directory.path().join("kubeconfig")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(why) = script(&["down", self.directory.path().to_str().unwrap()]) {
            eprintln!("{why}");
        }
    }
}

pub fn add(suite: &mut Suite) {
    suite.when(Server::built("full"), "the_full_server_passes_its_checks", || checked("full"));
    suite.when(Server::built("crds"), "the_server_of_resources_passes_its_checks", || {
        checked("crds");
    });
    suite.plain("the_scripts_are_shell", scripts);
}

fn checked(kind: &str) {
    let server = Server::start(kind);
    let mut command = Command::new(root().join("tests/kubernetes/checks.sh"));
    let output = command.env("KUBECONFIG", server.kubeconfig()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("21 checks, 0 failed"), "{said}");
}

fn scripts() {
    let folder = root().join("tests/kubernetes");
    let is_script = |path: &Path| path.extension().is_some_and(|end| end == "sh");
    let scripts: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| is_script(path))
        .chain([root().join(".ci/run")])
        .collect();
    assert!(scripts.len() > 4, "{scripts:?}");
    for script in scripts {
        let output = Command::new("bash").arg("-n").arg(&script).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {error}", script.display());
    }
}
