-- The sidecar's own tables. Koha's are not touched.
-- There are no foreign keys to Koha's tables: Koha's deletions must never wait for us.
-- Instants (DATETIME(6)) are UTC.

-- What the sidecar stores about a request beside Koha's row, and the status in which it last saw the request.
CREATE TABLE IF NOT EXISTS ill_sidecar_requests (
  illrequest_id BIGINT UNSIGNED NOT NULL,
  supplier_backend VARCHAR(80) NULL COMMENT 'configured backend that supplies it, where it is not the Koha one',
  seen_status VARCHAR(50) NULL,
  seen_alias VARCHAR(80) NULL,
  order_id VARCHAR(191) NULL COMMENT 'illrequests.orderid, indexed here, uncut',
  is_open TINYINT(1) NOT NULL DEFAULT 1,
  status_rank SMALLINT NULL COMMENT 'rank of the last supplier status applied',
  rank_attempt VARCHAR(191) NULL COMMENT 'supplier or attempt that the rank belongs to',
  last_event_at DATETIME(6) NULL COMMENT 'when the last applied event occurred, by the sender',
  vendor_status VARCHAR(80) NULL COMMENT 'that status, in canonical words',
  patron_told TEXT NULL COMMENT 'what the patron was told in this attempt, a line each',
  attention TEXT NULL COMMENT 'why somebody should look at it',
  attention_at DATETIME(6) NULL,
  long_values LONGTEXT NULL COMMENT 'JSON: values longer than Koha''s columns hold, whole',
  seen_at DATETIME(6) NOT NULL,
  PRIMARY KEY (illrequest_id),
  KEY ill_sidecar_requests_order (order_id),
  KEY ill_sidecar_requests_open (is_open, illrequest_id),
  KEY ill_sidecar_requests_attention (attention_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Our own log of a request: Koha's pages tolerate only the rows that its core writes.
CREATE TABLE IF NOT EXISTS ill_sidecar_history (
  history_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  illrequest_id BIGINT UNSIGNED NOT NULL,
  happened_at DATETIME(6) NOT NULL,
  kind VARCHAR(40) NOT NULL,
  borrowernumber INT NOT NULL DEFAULT 0,
  interface VARCHAR(30) NOT NULL,
  detail LONGTEXT NOT NULL COMMENT 'JSON',
  PRIMARY KEY (history_id),
  KEY ill_sidecar_history_request (illrequest_id, history_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Which partner was asked for which request (Koha stores only the addresses).
CREATE TABLE IF NOT EXISTS ill_sidecar_partner_enquiries (
  enquiry_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  illrequest_id BIGINT UNSIGNED NOT NULL,
  borrowernumber INT NOT NULL COMMENT 'the partner',
  address TEXT NOT NULL,
  message_id INT NULL COMMENT 'row of message_queue',
  asked_at DATETIME(6) NOT NULL,
  closed_at DATETIME(6) NULL,
  closed_by_status VARCHAR(50) NULL,
  PRIMARY KEY (enquiry_id),
  KEY ill_sidecar_partner_enquiries_request (illrequest_id),
  KEY ill_sidecar_partner_enquiries_partner (borrowernumber, asked_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Every callback as it was received, and what became of it.
CREATE TABLE IF NOT EXISTS ill_sidecar_receipts (
  receipt_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  backend VARCHAR(80) NOT NULL,
  event_id VARCHAR(191) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  received_at DATETIME(6) NOT NULL,
  occurred_at DATETIME(6) NULL,
  illrequest_id BIGINT UNSIGNED NULL,
  order_id VARCHAR(191) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL COMMENT 'the supplier''s number that it names',
  authentication VARCHAR(40) NOT NULL,
  remote_address VARCHAR(45) NOT NULL,
  headers LONGTEXT NOT NULL COMMENT 'JSON, secrets masked',
  body MEDIUMBLOB NOT NULL,
  body_sha256 CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  verdict VARCHAR(20) NOT NULL,
  answer_status SMALLINT NOT NULL,
  answer LONGTEXT NOT NULL COMMENT 'JSON',
  repeats INT NOT NULL DEFAULT 0,
  conflicts INT NOT NULL DEFAULT 0 COMMENT 'how often the key came with another body',
  conflicting_body MEDIUMBLOB NULL COMMENT 'the last of those',
  replayed_at DATETIME(6) NULL,
  PRIMARY KEY (receipt_id),
  UNIQUE KEY ill_sidecar_receipts_event (backend, event_id),
  KEY ill_sidecar_receipts_request (illrequest_id),
  KEY ill_sidecar_receipts_order (order_id),
  KEY ill_sidecar_receipts_verdict (verdict, received_at),
  KEY ill_sidecar_receipts_received (received_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Our attempts to deliver a row of message_queue.
CREATE TABLE IF NOT EXISTS ill_sidecar_deliveries (
  message_id INT NOT NULL,
  mail_message_id VARCHAR(255) NOT NULL COMMENT 'Message-ID header, the same at every attempt',
  state ENUM('in_flight', 'waiting', 'sent', 'failed') NOT NULL,
  attempts INT NOT NULL DEFAULT 0,
  next_attempt_at DATETIME(6) NULL,
  lease_holder VARCHAR(191) NULL,
  lease_until DATETIME(6) NULL,
  first_attempt_at DATETIME(6) NOT NULL,
  last_attempt_at DATETIME(6) NOT NULL,
  settled_at DATETIME(6) NULL,
  reached LONGTEXT NULL COMMENT 'JSON: addresses that have it already, where others are still waited for',
  last_error TEXT NULL,
  PRIMARY KEY (message_id),
  KEY ill_sidecar_deliveries_lease (state, lease_until),
  KEY ill_sidecar_deliveries_due (state, next_attempt_at),
  KEY ill_sidecar_deliveries_settled (settled_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Which process runs a job now, and how its last run ended.
CREATE TABLE IF NOT EXISTS ill_sidecar_leases (
  name VARCHAR(64) NOT NULL,
  holder VARCHAR(191) NULL,
  lease_until DATETIME(6) NULL,
  last_started_at DATETIME(6) NULL,
  last_finished_at DATETIME(6) NULL,
  last_outcome VARCHAR(10) NULL,
  last_error TEXT NULL,
  runs BIGINT UNSIGNED NOT NULL DEFAULT 0,
  failures BIGINT UNSIGNED NOT NULL DEFAULT 0,
  PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- How far a job has read one of Koha's growing tables, by primary key.
CREATE TABLE IF NOT EXISTS ill_sidecar_marks (
  name VARCHAR(64) NOT NULL,
  position BIGINT NOT NULL,
  moved_at DATETIME(6) NOT NULL,
  PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
