-- Times are milliseconds since 1970, UTC.

CREATE TABLE subaccounts (
    region_host TEXT NOT NULL,
    subaccount TEXT NOT NULL,
    location TEXT NOT NULL,
    display_name TEXT NOT NULL,
    description TEXT NOT NULL,
    connected INTEGER NOT NULL,
    managed INTEGER NOT NULL,
    -- PEM; the certificate is missing between the request for one and its arrival.
    certificate TEXT,
    private_key TEXT NOT NULL,
    authorities TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (region_host, subaccount)
) STRICT, WITHOUT ROWID;

CREATE TABLE channels (
    -- Never given to another one.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    region_host TEXT NOT NULL,
    subaccount TEXT NOT NULL,
    cluster TEXT NOT NULL,
    service TEXT NOT NULL,
    port INTEGER NOT NULL,
    connections INTEGER NOT NULL,
    enabled INTEGER NOT NULL,
    comment TEXT NOT NULL,
    local_address TEXT NOT NULL,
    mode TEXT NOT NULL,
    allowed_sources TEXT NOT NULL,
    bytes_per_second_max INTEGER NOT NULL,
    FOREIGN KEY (region_host, subaccount) REFERENCES subaccounts ON DELETE CASCADE
) STRICT;

CREATE INDEX channels_of_subaccounts ON channels (region_host, subaccount);

CREATE TABLE accounts (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL,
    -- A PHC string; missing where only a client certificate is accepted.
    password TEXT,
    certificate TEXT UNIQUE,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE changes (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    account TEXT NOT NULL,
    source TEXT NOT NULL,
    what TEXT NOT NULL
) STRICT;

CREATE TABLE hours (
    channel INTEGER NOT NULL REFERENCES channels ON DELETE CASCADE,
    hour INTEGER NOT NULL,
    received INTEGER NOT NULL,
    sent INTEGER NOT NULL,
    PRIMARY KEY (channel, hour)
) STRICT, WITHOUT ROWID;

CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
