-- The ledger's tables, schema version 1. Quantities are whole units.
--
-- A table is WITHOUT ROWID, clustered by its key, where its rows are small and
-- looked up by that key. Plans are not: their replies are large and are only ever
-- added, so they go in the order they came, at the end of the file.

CREATE TABLE ledger (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  -- Grows with every commit that changes stock or a location.
  version INTEGER NOT NULL,
  -- What `version` was when a location last changed.
  network_version INTEGER NOT NULL
) STRICT;
INSERT INTO ledger VALUES (1, 0, 0);

CREATE TABLE location (
  -- 1, 2, 3… in the order the locations were first put, which breaks ties of rank.
  location_key INTEGER PRIMARY KEY,
  location_id TEXT NOT NULL UNIQUE CHECK (location_id <> ''),
  rank INTEGER NOT NULL,
  -- Every other field, as JSON.
  body TEXT NOT NULL CHECK (json_valid(body))
) STRICT;

-- Clustered by SKU: one SKU's records, at all locations, are read together.
CREATE TABLE stock (
  sku TEXT NOT NULL CHECK (sku <> ''),
  location_key INTEGER NOT NULL REFERENCES location,
  on_hand INTEGER NOT NULL CHECK (on_hand BETWEEN 0 AND 1000000000000),
  allocated INTEGER NOT NULL CHECK (allocated >= 0),
  safety_stock INTEGER NOT NULL CHECK (safety_stock BETWEEN 0 AND 1000000000000),
  -- Units promised beyond what a later count found. Only an import sets it, in the
  -- statement that sets on_hand; so nothing else can bring allocated above on_hand.
  deficit INTEGER NOT NULL CHECK (deficit = max(0, allocated - on_hand)),
  PRIMARY KEY (sku, location_key)
) STRICT, WITHOUT ROWID;

-- For a snapshot, which zeroes whatever else a location holds.
CREATE INDEX stock_by_location ON stock (location_key);

CREATE TABLE plan (
  plan_key INTEGER PRIMARY KEY,
  plan_id TEXT NOT NULL UNIQUE CHECK (plan_id <> ''),
  order_id TEXT NOT NULL,
  -- 1 if it has claims.
  live INTEGER NOT NULL CHECK (live IN (0, 1)),
  reply BLOB NOT NULL,
  created_ms INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX plan_live_order ON plan (order_id) WHERE live = 1;

-- What each live plan holds: at any instant, stock.allocated is the sum of its
-- claims.
CREATE TABLE claim (
  plan_key INTEGER NOT NULL REFERENCES plan,
  sku TEXT NOT NULL,
  location_key INTEGER NOT NULL,
  quantity INTEGER NOT NULL CHECK (quantity > 0),
  PRIMARY KEY (plan_key, sku, location_key),
  FOREIGN KEY (sku, location_key) REFERENCES stock
) STRICT, WITHOUT ROWID;

-- What a location was given each UTC day; only while it has a capacity.
CREATE TABLE location_load (
  -- Days since 1970-01-01.
  day INTEGER NOT NULL,
  location_key INTEGER NOT NULL REFERENCES location,
  orders INTEGER NOT NULL CHECK (orders > 0),
  units INTEGER NOT NULL CHECK (units > 0),
  PRIMARY KEY (day, location_key)
) STRICT, WITHOUT ROWID;

-- The first reply of every request with an id: a plan's, or its own.
CREATE TABLE request (
  request_id TEXT PRIMARY KEY CHECK (request_id <> ''),
  digest BLOB NOT NULL,
  plan_key INTEGER REFERENCES plan,
  reply BLOB,
  created_ms INTEGER NOT NULL,
  CHECK ((plan_key IS NULL) <> (reply IS NULL))
) STRICT, WITHOUT ROWID;
