-- The first tables of version 2 in SQLite; availability/ledger/statements/tables.py says what is
-- in them. Statements end with a semicolon at the end of a line.

CREATE TABLE ledger (
  one INTEGER NOT NULL CHECK (one = 1),
  version INTEGER NOT NULL,
  network_version INTEGER NOT NULL,
  setup_version INTEGER NOT NULL,
  PRIMARY KEY (one)
) STRICT;

CREATE TABLE location (
  location_key INTEGER NOT NULL,
  location_id TEXT NOT NULL,
  rank INTEGER NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (location_key),
  CHECK (location_id <> ''),
  UNIQUE (location_id)
) STRICT;

CREATE TABLE plan (
  plan_key INTEGER NOT NULL,
  plan_id TEXT NOT NULL,
  order_id TEXT NOT NULL,
  state TEXT NOT NULL,
  revision INTEGER NOT NULL,
  body BLOB NOT NULL,
  reply BLOB NOT NULL,
  current_reply BLOB,
  created_ms INTEGER NOT NULL,
  hold_seconds INTEGER,
  expires_ms INTEGER,
  work TEXT NOT NULL,
  channel_id TEXT NOT NULL,
  customer_id TEXT NOT NULL,
  PRIMARY KEY (plan_key),
  CHECK (plan_id <> ''),
  CONSTRAINT plan_state CHECK (state IN ('none', 'held', 'placed', 'shipped',
    'cancelled', 'rejected', 'expired')),
  CHECK ((state = 'held') = (expires_ms IS NOT NULL AND hold_seconds IS NOT NULL)),
  UNIQUE (plan_id)
) STRICT;

CREATE UNIQUE INDEX plan_binding_order ON plan (order_id) WHERE state IN ('held',
    'placed', 'shipped');

CREATE INDEX plan_by_expiry ON plan (expires_ms) WHERE expires_ms IS NOT NULL;

CREATE INDEX plan_ended_order ON plan (order_id, plan_key)
  WHERE state IN ('none', 'cancelled', 'rejected', 'expired');

CREATE INDEX plan_open ON plan (plan_key) WHERE state IN ('held', 'placed');

CREATE TABLE queue (
  channel_id TEXT NOT NULL,
  sku TEXT NOT NULL,
  queued INTEGER NOT NULL,
  promised INTEGER NOT NULL,
  PRIMARY KEY (channel_id, sku),
  CHECK (queued >= 0)
) WITHOUT ROWID, STRICT;

CREATE TABLE location_load (
  day INTEGER NOT NULL,
  location_key INTEGER NOT NULL,
  orders INTEGER NOT NULL,
  units INTEGER NOT NULL,
  PRIMARY KEY (day, location_key),
  CHECK (orders >= 0 AND units >= 0),
  FOREIGN KEY(location_key) REFERENCES location (location_key)
) WITHOUT ROWID, STRICT;

CREATE TABLE movement (
  movement_key INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  cause TEXT NOT NULL,
  reference TEXT NOT NULL,
  plan_key INTEGER,
  line_id TEXT NOT NULL,
  location_key INTEGER,
  channel_id TEXT NOT NULL,
  sku TEXT NOT NULL,
  zone_id TEXT NOT NULL,
  on_hand INTEGER NOT NULL,
  zone_units INTEGER NOT NULL,
  allocated INTEGER NOT NULL,
  held INTEGER NOT NULL,
  withdrawn INTEGER NOT NULL,
  safety_stock INTEGER NOT NULL,
  queued INTEGER NOT NULL,
  PRIMARY KEY (movement_key),
  CONSTRAINT movement_cause CHECK (cause IN ('imported', 'zoned', 'held',
    'allocated', 'queued', 'placed', 'shipped', 'found', 'cancelled', 'rejected',
    'rerouted', 'expired', 'corrected', 'withdrawn', 'returned', 'repaired')),
  FOREIGN KEY(plan_key) REFERENCES plan (plan_key)
) STRICT;

CREATE INDEX movement_by_plan ON movement (plan_key) WHERE plan_key IS NOT NULL;

CREATE INDEX movement_by_sku ON movement (sku, location_key);

CREATE TABLE plan_load (
  plan_key INTEGER NOT NULL,
  location_key INTEGER NOT NULL,
  day INTEGER NOT NULL,
  units INTEGER NOT NULL,
  PRIMARY KEY (plan_key, location_key, day),
  CHECK (units > 0),
  FOREIGN KEY(plan_key) REFERENCES plan (plan_key)
) WITHOUT ROWID, STRICT;

CREATE TABLE purchase (
  plan_key INTEGER NOT NULL,
  line_id TEXT NOT NULL,
  customer_id TEXT NOT NULL,
  sku TEXT NOT NULL,
  size INTEGER NOT NULL,
  units INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  PRIMARY KEY (plan_key, line_id),
  CHECK (size > 0),
  FOREIGN KEY(plan_key) REFERENCES plan (plan_key)
) WITHOUT ROWID, STRICT;

CREATE INDEX purchase_by_customer ON purchase (customer_id, sku, at_ms);

CREATE TABLE setup_item (
  kind TEXT NOT NULL,
  item_key TEXT NOT NULL,
  body TEXT NOT NULL,
  number INTEGER NOT NULL,
  PRIMARY KEY (kind, item_key)
) WITHOUT ROWID, STRICT;

CREATE TABLE request (
  request_id TEXT NOT NULL CHECK (request_id <> ''),
  digest BLOB NOT NULL,
  plan_key INTEGER,
  reply BLOB,
  created_ms INTEGER NOT NULL,
  PRIMARY KEY (request_id),
  CHECK ((plan_key IS NULL) <> (reply IS NULL)),
  FOREIGN KEY(plan_key) REFERENCES plan (plan_key)
) WITHOUT ROWID, STRICT;

CREATE TABLE stock (
  sku TEXT NOT NULL CHECK (sku <> ''),
  location_key INTEGER NOT NULL,
  on_hand INTEGER NOT NULL,
  allocated INTEGER NOT NULL,
  held INTEGER NOT NULL,
  withdrawn INTEGER NOT NULL,
  safety_stock INTEGER NOT NULL,
  deficit INTEGER NOT NULL,
  counted_ms INTEGER NOT NULL,
  PRIMARY KEY (sku, location_key),
  CHECK (on_hand BETWEEN 0 AND 1000000000000),
  CHECK (allocated >= 0 AND held >= 0 AND withdrawn >= 0),
  CHECK (safety_stock BETWEEN 0 AND 1000000000000),
  CHECK (counted_ms >= 0),
  CONSTRAINT stock_deficit CHECK (deficit = CASE WHEN allocated + held > on_hand
    THEN allocated + held - on_hand ELSE 0 END),
  FOREIGN KEY(location_key) REFERENCES location (location_key)
) WITHOUT ROWID, STRICT;

CREATE INDEX stock_by_location ON stock (location_key);

CREATE TABLE withdrawal (
  sku TEXT NOT NULL,
  location_key INTEGER NOT NULL,
  withdrawal_id TEXT NOT NULL,
  quantity INTEGER NOT NULL,
  reason TEXT NOT NULL,
  starts_ms INTEGER,
  ends_ms INTEGER,
  active INTEGER NOT NULL,
  PRIMARY KEY (sku, location_key, withdrawal_id),
  CHECK (quantity > 0),
  CHECK (active IN (0, 1)),
  FOREIGN KEY(sku, location_key) REFERENCES stock (sku, location_key)
) WITHOUT ROWID, STRICT;

CREATE TABLE zone_stock (
  sku TEXT NOT NULL,
  location_key INTEGER NOT NULL,
  zone_id TEXT NOT NULL CHECK (zone_id <> ''),
  on_hand INTEGER NOT NULL,
  PRIMARY KEY (sku, location_key, zone_id),
  CHECK (on_hand BETWEEN 0 AND 1000000000000),
  FOREIGN KEY(sku, location_key) REFERENCES stock (sku, location_key)
) WITHOUT ROWID, STRICT;

INSERT INTO ledger (one, version, network_version, setup_version) VALUES (1, 0, 0, 0);
