-- The index of requests: filters, sorting, counting and searching, for which Koha's own tables have no indexes.
-- Everything in it is derived from Koha's rows and can be rebuilt: koha-ill-sidecar requests reindex.

-- One row per request: the indexed document. The *_key columns need no index, for ill_sidecar_slices has their order.
CREATE TABLE IF NOT EXISTS ill_sidecar_listing (
  illrequest_id BIGINT UNSIGNED NOT NULL,
  fingerprint BIGINT NOT NULL COMMENT 'of Koha''s rows when it was indexed: another one now means a change',
  attributes_fingerprint BIGINT NOT NULL COMMENT 'of the attributes alone, which may change without the request',
  is_open TINYINT(1) NOT NULL,
  batch_key VARBINARY(64) NOT NULL,
  author_key VARBINARY(64) NOT NULL,
  title_key VARBINARY(64) NOT NULL,
  article_title_key VARBINARY(64) NOT NULL,
  issue_key VARBINARY(64) NOT NULL,
  volume_key VARBINARY(64) NOT NULL,
  year_key VARBINARY(64) NOT NULL,
  pages_key VARBINARY(64) NOT NULL,
  type_key VARBINARY(64) NOT NULL,
  order_id_key VARBINARY(64) NOT NULL,
  patron_key VARBINARY(64) NOT NULL,
  biblio_key VARBINARY(64) NOT NULL,
  library_key VARBINARY(64) NOT NULL,
  status_key VARBINARY(64) NOT NULL,
  placed_key VARBINARY(64) NOT NULL,
  updated_key VARBINARY(64) NOT NULL,
  replied_key VARBINARY(64) NOT NULL,
  completed_key VARBINARY(64) NOT NULL,
  access_url_key VARBINARY(64) NOT NULL,
  cost_key VARBINARY(64) NOT NULL,
  price_paid_key VARBINARY(64) NOT NULL,
  comments_key VARBINARY(64) NOT NULL,
  notes_opac_key VARBINARY(64) NOT NULL,
  notes_staff_key VARBINARY(64) NOT NULL,
  backend_key VARBINARY(64) NOT NULL,
  facets TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL COMMENT 'a line each: name=value',
  document MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL COMMENT 'folded words; first line: the patron',
  PRIMARY KEY (illrequest_id),
  KEY ill_sidecar_listing_open (is_open, illrequest_id, attributes_fingerprint)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- The requests that have a term: a facet, a piece of a word, or a word that many requests share.
CREATE TABLE IF NOT EXISTS ill_sidecar_postings (
  term VARBINARY(255) NOT NULL,
  bucket INT UNSIGNED NOT NULL COMMENT 'of 16384 request numbers',
  bitmap BLOB NOT NULL COMMENT 'request numbers, a serialised Roaring bitmap',
  PRIMARY KEY (term, bucket)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- The order by each column, split into slices of about a thousand requests, each with its lower bound.
CREATE TABLE IF NOT EXISTS ill_sidecar_slices (
  column_name VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  lower_key VARBINARY(64) NOT NULL,
  lower_id BIGINT UNSIGNED NOT NULL,
  bitmap BLOB NOT NULL COMMENT 'request numbers, a serialised Roaring bitmap',
  PRIMARY KEY (column_name, lower_key, lower_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Requests that changed and must be indexed again. A row is inserted in the transaction of the change, so whoever can
-- read the row can read the change; a request may have several rows.
CREATE TABLE IF NOT EXISTS ill_sidecar_index_queue (
  change_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  illrequest_id BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (change_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
