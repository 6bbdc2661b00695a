//! What the API's no means, in words for whoever runs the cluster.

use std::error::Error as _;
use std::time::Duration;

use kube::core::Status;

/// What was tried, as a role names it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    pub(super) verb: &'static str,
    pub(super) resource: &'static str,
    /// The API group of the resource.
    pub(super) group: &'static str,
}

impl Attempt {
    pub(super) const fn mappings(verb: &'static str, resource: &'static str) -> Self {
        Self { verb, resource, group: "connectivityproxy.sap.com" }
    }
}

/// A request that failed.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) message: String,
    pub(super) code: Option<u16>,
    pub(super) retry_after: Option<Duration>,
}

impl Refused {
    pub(super) fn of(attempt: Attempt, error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::by_status(attempt, status),
            other => Self::without_answer(attempt, chain(other)),
        }
    }

    pub(super) fn by_status(attempt: Attempt, status: &Status) -> Self {
        let Attempt { verb, resource, group } = attempt;
        let message = match status.code {
            403 => format!(
                "the API forbids to {verb} {resource} ({group}): {}; the role of this service \
                 account needs the verb `{verb}` on `{resource}`",
                status.message
            ),
            401 => "the API does not take our credentials (401): check the service account's \
                    token or the kubeconfig"
                .to_owned(),
            404 if resource == super::resource::PLURAL && verb != "patch" => {
                "the cluster has no resource servicemappings.connectivityproxy.sap.com; install \
                 it: causeway crd | kubectl apply -f -"
                    .to_owned()
            }
            code => format!(
                "the API answers {code} {} to {verb} {resource}: {}",
                status.reason, status.message
            ),
        };
        let seconds = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
        let retry_after = (seconds > 0).then(|| Duration::from_secs(seconds.into()));
        Self { message, code: Some(status.code), retry_after }
    }

    /// No answer, or none that can be read.
    pub(super) fn without_answer(attempt: Attempt, why: String) -> Self {
        let Attempt { verb, resource, .. } = attempt;
        Self { message: format!("cannot {verb} {resource}: {why}"), code: None, retry_after: None }
    }

    /// The version that was named is gone: 410, however it is wrapped.
    pub(super) fn is_expired(&self) -> bool {
        self.code == Some(410)
    }
}

/// An error with its causes, which say more than "client error".
fn chain(error: &kube::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use kube::core::response::StatusDetails;

    use super::*;

    #[test]
    fn a_verb_that_is_missing_is_named() {
        let status = Status::failure("no", "Forbidden").with_code(403);
        let attempt = Attempt::mappings("patch", "servicemappings/status");
        let refused = Refused::by_status(attempt, &status);
        assert!(refused.message.contains("verb `patch` on `servicemappings/status`"));
        let status = Status::failure("gone", "NotFound").with_code(404);
        let refused = Refused::by_status(Attempt::mappings("list", "servicemappings"), &status);
        assert!(refused.message.contains("causeway crd"), "{}", refused.message);
    }

    #[test]
    fn the_pause_that_is_asked_for_is_understood() {
        let details = serde_json::json!({ "retryAfterSeconds": 3 });
        let details: StatusDetails = serde_json::from_value(details).unwrap();
        let status = Status::failure("slow", "TooManyRequests").with_code(429);
        let refused = Refused::by_status(
            Attempt::mappings("list", "servicemappings"),
            &status.with_details(details),
        );
        assert_eq!(refused.retry_after, Some(Duration::from_secs(3)));
        assert!(!refused.is_expired());
    }
}
