-- Callbacks without a signed event ID are one event if their bytes are the same, whatever the mapping reads in them.
ALTER TABLE ill_sidecar_receipts
  ADD COLUMN IF NOT EXISTS body_key CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL
  COMMENT 'body_sha256; NULL where the sender signed an event ID of its own';
CREATE UNIQUE INDEX IF NOT EXISTS ill_sidecar_receipts_body ON ill_sidecar_receipts (backend, body_key);
-- IGNORE: of older receipts with the same body, one has the key.
UPDATE IGNORE ill_sidecar_receipts SET body_key = body_sha256
  WHERE body_key IS NULL AND authentication <> 'standard-webhooks';
