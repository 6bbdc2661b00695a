-- Use of the channels of the configuration file as well, which the table of channels does not have;
-- and what each carried in all.

CREATE TABLE hours_of_any (
    channel INTEGER NOT NULL,
    hour INTEGER NOT NULL,
    received INTEGER NOT NULL,
    sent INTEGER NOT NULL,
    PRIMARY KEY (channel, hour)
) STRICT, WITHOUT ROWID;

INSERT INTO hours_of_any SELECT channel, hour, received, sent FROM hours;
DROP TABLE hours;
ALTER TABLE hours_of_any RENAME TO hours;

CREATE TABLE totals (
    channel INTEGER PRIMARY KEY,
    received INTEGER NOT NULL,
    sent INTEGER NOT NULL
) STRICT;

INSERT INTO totals SELECT channel, sum(received), sum(sent) FROM hours GROUP BY channel;

CREATE TRIGGER use_goes_with_its_channel AFTER DELETE ON channels BEGIN
    DELETE FROM hours WHERE channel = OLD.id;
    DELETE FROM totals WHERE channel = OLD.id;
END;

-- Since when totals are counted.
INSERT INTO settings
SELECT 'use_since', CAST(coalesce(min(hour) * 3600000, unixepoch() * 1000) AS TEXT) FROM hours;
