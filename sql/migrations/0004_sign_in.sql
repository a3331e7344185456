-- Sessions of people who signed in here with the password of their Koha account. Koha's own sessions stay in its table.
CREATE TABLE IF NOT EXISTS ill_sidecar_sessions (
  token_sha256 CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'of what the cookie holds',
  borrowernumber INT NOT NULL,
  branchcode VARCHAR(10) NOT NULL COMMENT 'library that they work at',
  created_at DATETIME(6) NOT NULL,
  last_used_at DATETIME(6) NOT NULL,
  PRIMARY KEY (token_sha256),
  KEY ill_sidecar_sessions_used (last_used_at),
  KEY ill_sidecar_sessions_person (borrowernumber)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- A person's own settings: columns of a list, saved views.
CREATE TABLE IF NOT EXISTS ill_sidecar_person_settings (
  borrowernumber INT NOT NULL,
  name VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  value LONGTEXT NOT NULL COMMENT 'JSON',
  changed_at DATETIME(6) NOT NULL,
  PRIMARY KEY (borrowernumber, name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
