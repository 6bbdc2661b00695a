//! Queries of the API: every parameter is known or refused, because one that is misspelt would
//! show, or end, more than was meant.

use std::collections::BTreeMap;

use axum::{extract::Query, http::Uri};

use super::{Selection, Unanswered};
use crate::{
    limits::{LIST_ENTRIES, LIST_ENTRIES_MAX},
    protocol::Question,
};

/// What is left of a query while its parameters are taken out.
struct Rest(BTreeMap<String, String>);

impl Rest {
    fn of(uri: &Uri) -> Result<Self, Unanswered> {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|error| Unanswered::Bad(format!("the query: {error}")))?;
        let mut rest = BTreeMap::new();
        for (name, value) in pairs.0 {
            if rest.insert(name.clone(), value).is_some() {
                return Err(Unanswered::Bad(format!("{name} is there twice")));
            }
        }
        Ok(Self(rest))
    }

    fn text(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    fn parsed<T: std::str::FromStr>(
        &mut self,
        name: &str,
        what: &str,
    ) -> Result<Option<T>, Unanswered> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let value = text.parse().map_err(|_| Unanswered::Bad(format!("{name} is not {what}")))?;
        Ok(Some(value))
    }

    fn flag(&mut self, name: &str) -> Result<bool, Unanswered> {
        Ok(self.parsed(name, "true or false")?.unwrap_or(false))
    }

    fn end(self, known: &str) -> Result<(), Unanswered> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(Unanswered::Bad(format!("{name} is unknown; there are {known}"))),
        }
    }
}

/// Which entries of a list.
pub(super) fn selection(uri: &Uri) -> Result<Selection, Unanswered> {
    let mut rest = Rest::of(uri)?;
    let limit = rest.parsed("limit", "a number")?.unwrap_or(LIST_ENTRIES);
    if limit > LIST_ENTRIES_MAX {
        return Err(Unanswered::Bad(format!("limit is more than {LIST_ENTRIES_MAX}")));
    }
    let selection = Selection {
        subaccount: rest.text("subaccount"),
        service: rest.text("service"),
        location: rest.text("location"),
        worker: rest.parsed("worker", "a number")?,
        state: rest.text("state"),
        peer: rest.parsed("peer", "an IP address")?,
        after: rest.text("after"),
        limit,
    };
    rest.end("subaccount, service, location, worker, state, peer, limit, after")?;
    Ok(selection)
}

/// A CONNECT to be explained.
pub(super) fn question(uri: &Uri) -> Result<Question, Unanswered> {
    let mut rest = Rest::of(uri)?;
    let service = rest.text("service");
    let question = Question {
        subaccount: rest.text("subaccount"),
        certificate_location: rest.text("certificate_location"),
        server_name: rest.text("server_name"),
        peer: rest.parsed("peer", "an IP address")?,
        method: rest.text("method"),
        service: service.ok_or_else(|| Unanswered::Bad("service is missing".to_owned()))?,
        port: rest.text("port"),
        location: rest.text("location"),
        service_type: rest.text("type"),
        new_tunnel: rest.flag("new_tunnel")?,
        dial: rest.flag("dial")?,
    };
    rest.end(
        "subaccount, service, location, type, certificate_location, server_name, peer, method, \
         port, new_tunnel, dial",
    )?;
    Ok(question)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bad(query: &str) -> String {
        let uri: Uri = format!("/streams?{query}").parse().unwrap();
        match selection(&uri) {
            Err(Unanswered::Bad(why)) => why,
            other => panic!("{query}: {other:?}"),
        }
    }

    #[test]
    fn what_is_misspelt_or_there_twice_is_refused() {
        assert!(bad("subacount=a").starts_with("subacount is unknown"), "{}", bad("subacount=a"));
        assert_eq!(bad("worker=0&worker=1"), "worker is there twice");
        assert_eq!(bad("worker=one"), "worker is not a number");
        assert_eq!(bad("limit=1001"), "limit is more than 1000");
    }

    #[test]
    fn an_empty_location_is_the_default_one_and_none_is_any() {
        let of = |query: &str| selection(&format!("/streams{query}").parse().unwrap()).unwrap();
        assert_eq!(of("?location=").location.as_deref(), Some(""));
        assert_eq!(of("").location, None);
        assert_eq!(of("").limit, LIST_ENTRIES);
        assert_eq!(of("?subaccount=a%20b%2Fc").subaccount.as_deref(), Some("a b/c"));
    }
}
