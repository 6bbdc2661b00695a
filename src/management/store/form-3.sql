-- Keys whose certificates are asked for.

CREATE TABLE certificate_requests (
    -- Never given to another one.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    region_host TEXT NOT NULL,
    subaccount TEXT NOT NULL,
    -- PEM.
    private_key TEXT NOT NULL
) STRICT;
