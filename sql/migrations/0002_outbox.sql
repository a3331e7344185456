-- Messages to other programs. A row is inserted with the change that it is about, and deleted once it is delivered.
CREATE TABLE IF NOT EXISTS ill_sidecar_outbox (
  outbox_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  kind VARCHAR(40) NOT NULL,
  payload LONGTEXT NOT NULL COMMENT 'JSON',
  created_at DATETIME(6) NOT NULL,
  attempts INT NOT NULL DEFAULT 0,
  next_attempt_at DATETIME(6) NOT NULL,
  last_error TEXT NULL,
  PRIMARY KEY (outbox_id),
  KEY ill_sidecar_outbox_due (next_attempt_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
