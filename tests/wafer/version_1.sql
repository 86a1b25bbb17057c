-- Frozen: a catalogue as the first version made it.
CREATE TABLE configurations (
    id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL UNIQUE, study TEXT NOT NULL, columns TEXT NOT NULL,
    begun_at TEXT NOT NULL);
CREATE TABLE sources (
    id INTEGER PRIMARY KEY, configuration INTEGER NOT NULL REFERENCES configurations (id),
    name TEXT NOT NULL, identity TEXT NOT NULL, chunk_size INTEGER NOT NULL, begun_at TEXT NOT NULL,
    UNIQUE (configuration, identity));
CREATE TABLE chunks (
    source INTEGER NOT NULL REFERENCES sources (id), number INTEGER NOT NULL, devices INTEGER NOT NULL,
    done_at TEXT NOT NULL, PRIMARY KEY (source, number)) WITHOUT ROWID;
CREATE TABLE devices (
    configuration INTEGER NOT NULL REFERENCES configurations (id), device TEXT NOT NULL, wafer TEXT NOT NULL,
    split TEXT NOT NULL, source INTEGER NOT NULL REFERENCES sources (id), chunk INTEGER NOT NULL,
    place INTEGER NOT NULL, flags INTEGER NOT NULL, sums BLOB NOT NULL,
    UNIQUE (configuration, wafer, device));
CREATE INDEX devices_in_order ON devices (source, chunk, place);
CREATE TABLE faults (
    source INTEGER NOT NULL REFERENCES sources (id), chunk INTEGER NOT NULL, place INTEGER NOT NULL,
    device TEXT NOT NULL, wafer TEXT NOT NULL, split TEXT NOT NULL, at TEXT NOT NULL, what TEXT NOT NULL,
    todo TEXT NOT NULL, PRIMARY KEY (source, chunk, place)) WITHOUT ROWID;
ALTER TABLE devices ADD COLUMN "slope_ratio" REAL;
INSERT INTO configurations VALUES (1, 'f00d', '', '["slope_ratio"]', '2026-01-01T00:00:00+00:00');
INSERT INTO sources VALUES (1, 1, '/data/t.csv', 'i1', 4, '2026-01-01T00:00:00+00:00');
INSERT INTO chunks VALUES (1, 0, 1, '2026-01-01T00:00:00+00:00');
INSERT INTO devices VALUES (1, 'd', 'w', '', 1, 0, 0, 0, x'000000000000F03F', -0.1);
PRAGMA application_id = 0x4D544A66;
PRAGMA user_version = 1;
