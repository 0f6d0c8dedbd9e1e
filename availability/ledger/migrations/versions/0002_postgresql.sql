-- Moves of stock get a table of their own. Statements end with a semicolon at the end
-- of a line.

CREATE TABLE stock_moves (
  sku TEXT COLLATE "C" NOT NULL,
  moves BIGINT NOT NULL,
  PRIMARY KEY (sku),
  CHECK (moves >= 0)
);

INSERT INTO stock_moves (sku, moves)
SELECT sku, promised FROM queue WHERE channel_id = '' AND promised <> 0;

DELETE FROM queue WHERE channel_id = '' AND queued = 0;

UPDATE queue SET promised = 0 WHERE channel_id = '';

ALTER TABLE queue ADD CHECK (channel_id <> '' OR promised = 0);
