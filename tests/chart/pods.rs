//! The pod: what it may, how it is asked, how it ends.

use serde_json::{Value, json};

use crate::{
    combinations::{METRICS, ON_NODES, URING, each},
    helm::{at, find, rendered},
    suite::Suite,
};

pub fn add(suite: &mut Suite) {
    suite.helm("a_pod_is_locked_down", locked_down);
    suite.helm("a_pod_has_time_to_drain", time_to_drain);
    suite.helm("probes_ask_the_admin_port", probes);
}

/// The one template of a pod among the objects.
pub fn pod_of(objects: &[Value]) -> &Value {
    let mut found = objects.iter().filter_map(|object| object.pointer("/spec/template"));
    let first = found.next().unwrap();
    assert!(found.next().is_none());
    first
}

fn locked_down() {
    each(|values, objects| {
        let pod = at(pod_of(objects), "/spec");
        let context = at(pod, "/securityContext");
        assert_eq!(context["runAsNonRoot"], true);
        assert!(context["runAsUser"].as_u64().unwrap() > 0);
        let uring = values.contains(&URING);
        let seccomp = if uring { "Localhost" } else { "RuntimeDefault" };
        assert_eq!(at(context, "/seccompProfile/type"), seccomp);
        assert_eq!(context["seccompProfile"].get("localhostProfile").is_some(), uring);
        let container = at(pod, "/containers/0/securityContext");
        assert_eq!(container["allowPrivilegeEscalation"], false);
        assert_eq!(container["readOnlyRootFilesystem"], true);
        assert_eq!(at(container, "/capabilities"), &json!({"drop": ["ALL"]}));
        assert_eq!(pod.get("hostNetwork").is_some(), values.contains(&ON_NODES));
        assert!(pod.get("hostPID").is_none() && container.get("privileged").is_none());
        for volume in at(pod, "/volumes").as_array().unwrap() {
            assert!(volume.get("hostPath").is_none() && volume.get("emptyDir").is_none());
        }
    });
}

fn time_to_drain() {
    for (delay, deadline) in [(10, 120), (0, 1), (30, 3600)] {
        let delay_value = format!("deployment.drain.delaySeconds={delay}");
        let deadline_value = format!("deployment.drain.deadlineSeconds={deadline}");
        let objects = rendered(&[&delay_value, &deadline_value]);
        let pod = at(pod_of(&objects), "/spec");
        let grace = at(pod, "/terminationGracePeriodSeconds").as_u64().unwrap();
        assert!(grace >= delay + deadline + 10, "{grace} s for {delay} + {deadline}");
    }
    let objects = rendered(&[]);
    let strategy = at(find(&objects, "Deployment/test-causeway"), "/spec/strategy/rollingUpdate");
    assert_eq!(strategy, &json!({"maxSurge": 1, "maxUnavailable": 0}));
}

fn probes() {
    each(|values, objects| {
        let container = at(pod_of(objects), "/spec/containers/0");
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
            let get = at(container, &format!("/{probe}/httpGet"));
            assert_eq!(get["port"], "admin");
            let path = if probe == "livenessProbe" { "/healthz" } else { "/readyz" };
            assert_eq!(get["path"], path);
            // On a node's network the port is on loopback, unless metrics are to be had.
            let hidden = values.contains(&ON_NODES) && !values.contains(&METRICS);
            assert_eq!(get.get("host").is_some(), hidden, "{values:?}");
            // A look takes two seconds at most, and one may be waiting for another's.
            assert_eq!(at(container, &format!("/{probe}/timeoutSeconds")), 5);
        }
    });
}
