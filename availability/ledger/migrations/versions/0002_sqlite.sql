-- Moves of stock get a table of their own. SQLite cannot add a check to a table: the
-- queue is made again. Statements end with a semicolon at the end of a line.

CREATE TABLE stock_moves (
  sku TEXT NOT NULL,
  moves INTEGER NOT NULL,
  PRIMARY KEY (sku),
  CHECK (moves >= 0)
) WITHOUT ROWID, STRICT;

INSERT INTO stock_moves (sku, moves)
SELECT sku, promised FROM queue WHERE channel_id = '' AND promised <> 0;

ALTER TABLE queue RENAME TO queue_before;

CREATE TABLE queue (
  channel_id TEXT NOT NULL,
  sku TEXT NOT NULL,
  queued INTEGER NOT NULL,
  promised INTEGER NOT NULL,
  PRIMARY KEY (channel_id, sku),
  CHECK (queued >= 0),
  CHECK (channel_id <> '' OR promised = 0)
) WITHOUT ROWID, STRICT;

INSERT INTO queue (channel_id, sku, queued, promised)
SELECT channel_id, sku, queued, CASE WHEN channel_id = '' THEN 0 ELSE promised END
FROM queue_before WHERE channel_id <> '' OR queued <> 0;

DROP TABLE queue_before;
