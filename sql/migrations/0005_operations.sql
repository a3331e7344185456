-- For the pages of operations: a backend's last callback, and the request that a message belongs to.
CREATE INDEX IF NOT EXISTS ill_sidecar_receipts_backend ON ill_sidecar_receipts (backend, received_at);
CREATE INDEX IF NOT EXISTS ill_sidecar_partner_enquiries_message ON ill_sidecar_partner_enquiries (message_id);

-- Counts open requests by status without reading each of them.
CREATE INDEX IF NOT EXISTS ill_sidecar_requests_status ON ill_sidecar_requests (is_open, seen_status, illrequest_id);

-- Figures that require reading every request: computed from time to time, and shown with that time.
CREATE TABLE IF NOT EXISTS ill_sidecar_figures (
  name VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  value LONGTEXT NOT NULL COMMENT 'JSON',
  made_at DATETIME(6) NOT NULL,
  PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
