-- A state database of version 0.1 with schema 0001, with some rows of each table (F06).
BEGIN TRANSACTION;
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE owners (feed VARCHAR NOT NULL, name VARCHAR NOT NULL, upstream VARCHAR NOT NULL, since_ms BIGINT NOT NULL, PRIMARY KEY (feed, name));
INSERT INTO "owners" VALUES('pypi','demo','up',1793610000000);
CREATE TABLE sightings (upstream VARCHAR NOT NULL, subdir VARCHAR NOT NULL, name VARCHAR NOT NULL, payload BLOB NOT NULL, PRIMARY KEY (upstream, subdir, name));
INSERT INTO "sightings" VALUES('up','','demo',X'7061796C6F6164');
INSERT INTO "sightings" VALUES('channel','noarch','demo',X'00');
CREATE TABLE snapshots (upstream VARCHAR NOT NULL, subdir VARCHAR NOT NULL, taken_ms BIGINT NOT NULL, PRIMARY KEY (upstream, subdir));
INSERT INTO "snapshots" VALUES('up','',1793610000000);
COMMIT;
