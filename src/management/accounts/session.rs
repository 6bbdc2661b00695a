//! Sessions of people who logged in on the page: a cookie that says who, and a token that says that
//! the page itself sends the request, and not another one that the browser shows.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::{Role, Secret};
use crate::limits::{SESSION_AGE_MAX, SESSION_IDLE_MAX, SESSIONS_MAX};

/// Who is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The account.
    pub account: String,
    /// Its role when it logged in.
    pub role: Role,
    csrf: Secret,
    opened_at: Instant,
    used_at: Instant,
}

impl Session {
    fn is_over(&self, now: Instant) -> bool {
        let since = |moment| now.saturating_duration_since(moment);
        since(self.used_at) > SESSION_IDLE_MAX || since(self.opened_at) > SESSION_AGE_MAX
    }

    /// Whether a request carries the token of this session's page.
    #[must_use]
    pub fn is_of_its_page(&self, csrf: &str) -> bool {
        self.csrf.is(csrf)
    }

    /// For how long it may still be used at most.
    #[must_use]
    pub fn left(&self, now: Instant) -> Duration {
        SESSION_AGE_MAX.saturating_sub(now.saturating_duration_since(self.opened_at))
    }
}

/// What is given out when a session begins; only hashes of it are kept.
#[derive(Clone, Debug)]
pub struct Opened {
    /// For the cookie.
    pub id: String,
    /// For the header `X-CSRF-Token`.
    pub csrf: String,
}

/// All sessions.
#[derive(Debug, Default)]
pub struct Sessions {
    open: HashMap<Secret, Session>,
    /// How often all of an account were ended.
    endings: u64,
}

impl Sessions {
    /// Begins one. Beyond [`SESSIONS_MAX`] the one that was used longest ago ends.
    pub fn open(&mut self, account: &str, role: Role, now: Instant) -> Opened {
        self.open.retain(|_, session| !session.is_over(now));
        while self.open.len() >= SESSIONS_MAX {
            let quiet = self.open.iter().min_by_key(|(_, session)| session.used_at);
            let Some(quiet) = quiet.map(|(id, _)| *id) else { break };
            self.open.remove(&quiet);
        }
        let (id, kept) = Secret::make();
        let csrf = csrf_of(&id);
        let (account, kept_csrf) = (account.to_owned(), Secret::of(&csrf));
        let session = Session { account, role, csrf: kept_csrf, opened_at: now, used_at: now };
        self.open.insert(kept, session);
        Opened { id, csrf }
    }

    /// The session of a cookie, which is used by that.
    pub fn find(&mut self, id: &str, now: Instant) -> Option<Session> {
        // Found by what it hashes to: how long that takes tells nothing of the text.
        let id = Secret::of(id);
        let session = self.open.get_mut(&id)?;
        if session.is_over(now) {
            self.open.remove(&id);
            return None;
        }
        session.used_at = now;
        Some(session.clone())
    }

    /// Ends one; whether there was such a one.
    pub fn close(&mut self, id: &str) -> bool {
        self.open.remove(&Secret::of(id)).is_some()
    }

    /// Changes whenever all sessions of some account are ended: whoever was found to know a
    /// password before that may know an old one.
    #[must_use]
    pub fn endings(&self) -> u64 {
        self.endings
    }

    /// Ends all of an account: it is gone, or has another role or password.
    pub fn close_all_of(&mut self, account: &str) {
        self.endings += 1;
        self.open.retain(|_, session| session.account != account);
    }

    /// Ends all there are: other accounts are in the place of those they are of.
    pub fn close_all(&mut self) {
        self.endings += 1;
        self.open.clear();
    }
}

/// The token of the page of the session with that cookie, for whoever has the cookie: a page that
/// is loaded again asks for it, and a page of somebody else's can neither read the cookie nor have
/// a browser send the token.
#[must_use]
pub fn csrf_of(id: &str) -> String {
    Secret::of(&format!("csrf {id}")).hex()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_known_by_its_cookie_until_it_is_over() {
        let (mut sessions, start) = (Sessions::default(), Instant::now());
        let opened = sessions.open("ada", Role::Display, start);
        let other = sessions.open("bob", Role::Monitoring, start);
        let found = sessions.find(&opened.id, start).unwrap();
        assert_eq!((found.account.as_str(), found.role), ("ada", Role::Display));
        assert!(found.is_of_its_page(&opened.csrf) && !found.is_of_its_page(&other.csrf));
        assert!(sessions.find("", start).is_none() && sessions.find(&opened.csrf, start).is_none());
        // Used again and again it lives a working day, and not longer.
        let mut now = start;
        while now + SESSION_IDLE_MAX / 2 <= start + SESSION_AGE_MAX {
            now += SESSION_IDLE_MAX / 2;
            assert!(sessions.find(&opened.id, now).is_some());
        }
        assert!(sessions.find(&opened.id, now + SESSION_IDLE_MAX / 2).is_none());
        assert!(sessions.find(&other.id, now).is_none(), "nobody used it");
    }

    #[test]
    fn sessions_end_with_their_account_or_when_told() {
        let (mut sessions, now) = (Sessions::default(), Instant::now());
        let first = sessions.open("ada", Role::Administrator, now);
        let second = sessions.open("ada", Role::Administrator, now);
        assert!(sessions.close(&first.id) && !sessions.close(&first.id));
        assert!(sessions.find(&second.id, now).is_some());
        let endings = sessions.endings();
        sessions.close_all_of("ada");
        assert_ne!(sessions.endings(), endings);
        assert!(sessions.find(&second.id, now).is_none());
        let (third, endings) = (sessions.open("bob", Role::Administrator, now), sessions.endings());
        sessions.close_all();
        assert!(sessions.find(&third.id, now).is_none());
        assert_ne!(sessions.endings(), endings);
    }

    #[test]
    fn beyond_the_bound_the_longest_quiet_one_ends() {
        let (mut sessions, start) = (Sessions::default(), Instant::now());
        let first = sessions.open("ada", Role::Display, start);
        let second = sessions.open("ada", Role::Display, start);
        let later = start + Duration::from_secs(1);
        sessions.find(&first.id, later);
        for _ in 0..SESSIONS_MAX - 1 {
            sessions.open("bob", Role::Display, later);
        }
        assert!(sessions.find(&first.id, later).is_some());
        assert!(sessions.find(&second.id, later).is_none());
        assert_eq!(sessions.open.len(), SESSIONS_MAX);
    }
}
