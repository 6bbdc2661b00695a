-- Clients of a port may speak TLS.

ALTER TABLE channels ADD COLUMN tls INTEGER NOT NULL DEFAULT 0;
