-- A session ends when its password changes. Sessions from before this migration end at once.
ALTER TABLE ill_sidecar_sessions
  ADD COLUMN IF NOT EXISTS password_sha256 CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT ''
  COMMENT 'of the password as Koha stores it';
