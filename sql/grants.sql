-- The privileges that koha-ill-sidecar needs, and no others. Run this as an administrator of the database.
--
-- `koha-ill-sidecar grants` prints this with the names of your database, user and host. Create the user first:
--
--   CREATE USER 'koha_ill_sidecar'@'localhost' IDENTIFIED BY 'a long password of your own';
--
-- Run it again after an upgrade of Koha or of the sidecar, which may add tables.

-- Requests, their comments, log and statistics.
GRANT SELECT, INSERT, UPDATE, DELETE ON `koha_library`.`illrequests` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE ON `koha_library`.`illrequestattributes` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT, INSERT ON `koha_library`.`illcomments` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT, INSERT ON `koha_library`.`action_logs` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT, INSERT ON `koha_library`.`statistics` TO 'koha_ill_sidecar'@'localhost';

-- Notices: missing templates, and the queue.
GRANT SELECT, INSERT ON `koha_library`.`letter` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT, INSERT, UPDATE ON `koha_library`.`message_queue` TO 'koha_ill_sidecar'@'localhost';

-- Brief records of requested books, the queue of the search index, and holds that move to another patron.
GRANT SELECT, INSERT ON `koha_library`.`biblio` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT, INSERT ON `koha_library`.`biblioitems` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT, INSERT ON `koha_library`.`biblio_metadata` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT, INSERT ON `koha_library`.`zebraqueue` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT, UPDATE ON `koha_library`.`reserves` TO 'koha_ill_sidecar'@'localhost';

-- Read only, except for the count of failed logins and the last use of a session.
GRANT SELECT ON `koha_library`.`authorised_values` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT ON `koha_library`.`authorised_values_branches` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT ON `koha_library`.`biblio_framework` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT ON `koha_library`.`borrower_attribute_types` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT ON `koha_library`.`borrower_attributes` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT ON `koha_library`.`borrower_message_preferences` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT ON `koha_library`.`borrower_message_transport_preferences` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT, UPDATE (login_attempts) ON `koha_library`.`borrowers` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT ON `koha_library`.`branches` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT ON `koha_library`.`categories` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT ON `koha_library`.`items` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT ON `koha_library`.`itemtypes` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT ON `koha_library`.`marc_subfield_structure` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT ON `koha_library`.`message_attributes` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT ON `koha_library`.`message_transports` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT ON `koha_library`.`plugin_methods` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT, UPDATE (a_session) ON `koha_library`.`sessions` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT ON `koha_library`.`sms_providers` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT ON `koha_library`.`systempreferences` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT ON `koha_library`.`user_permissions` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT ON `koha_library`.`userflags` TO 'koha_ill_sidecar'@'localhost';

-- Tables that only some versions of Koha have. They are granted only if they exist: a grant on a missing table is an error.
SET @grant_statement = IF(EXISTS(SELECT 1 FROM information_schema.tables
  WHERE table_schema = 'koha_library' AND table_name = 'background_jobs'),
  'GRANT SELECT, INSERT ON `koha_library`.`background_jobs` TO ''koha_ill_sidecar''@''localhost''', 'DO 0');
PREPARE grant_statement FROM @grant_statement;
EXECUTE grant_statement;
SET @grant_statement = IF(EXISTS(SELECT 1 FROM information_schema.tables
  WHERE table_schema = 'koha_library' AND table_name = 'borrower_relationships'),
  'GRANT SELECT ON `koha_library`.`borrower_relationships` TO ''koha_ill_sidecar''@''localhost''', 'DO 0');
PREPARE grant_statement FROM @grant_statement;
EXECUTE grant_statement;
SET @grant_statement = IF(EXISTS(SELECT 1 FROM information_schema.tables
  WHERE table_schema = 'koha_library' AND table_name = 'currency'),
  'GRANT SELECT ON `koha_library`.`currency` TO ''koha_ill_sidecar''@''localhost''', 'DO 0');
PREPARE grant_statement FROM @grant_statement;
EXECUTE grant_statement;
SET @grant_statement = IF(EXISTS(SELECT 1 FROM information_schema.tables
  WHERE table_schema = 'koha_library' AND table_name = 'illbatch_statuses'),
  'GRANT SELECT ON `koha_library`.`illbatch_statuses` TO ''koha_ill_sidecar''@''localhost''', 'DO 0');
PREPARE grant_statement FROM @grant_statement;
EXECUTE grant_statement;
SET @grant_statement = IF(EXISTS(SELECT 1 FROM information_schema.tables
  WHERE table_schema = 'koha_library' AND table_name = 'illbatches'),
  'GRANT SELECT ON `koha_library`.`illbatches` TO ''koha_ill_sidecar''@''localhost''', 'DO 0');
PREPARE grant_statement FROM @grant_statement;
EXECUTE grant_statement;
SET @grant_statement = IF(EXISTS(SELECT 1 FROM information_schema.tables
  WHERE table_schema = 'koha_library' AND table_name = 'library_smtp_servers'),
  'GRANT SELECT ON `koha_library`.`library_smtp_servers` TO ''koha_ill_sidecar''@''localhost''', 'DO 0');
PREPARE grant_statement FROM @grant_statement;
EXECUTE grant_statement;
SET @grant_statement = IF(EXISTS(SELECT 1 FROM information_schema.tables
  WHERE table_schema = 'koha_library' AND table_name = 'smtp_servers'),
  'GRANT SELECT ON `koha_library`.`smtp_servers` TO ''koha_ill_sidecar''@''localhost''', 'DO 0');
PREPARE grant_statement FROM @grant_statement;
EXECUTE grant_statement;
DEALLOCATE PREPARE grant_statement;

-- The sidecar's own tables, which `koha-ill-sidecar migrate` creates. They need not exist yet.
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX ON `koha_library`.`ill_sidecar_deliveries` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX ON `koha_library`.`ill_sidecar_figures` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX ON `koha_library`.`ill_sidecar_history` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX ON `koha_library`.`ill_sidecar_index_queue` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX ON `koha_library`.`ill_sidecar_leases` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX ON `koha_library`.`ill_sidecar_listing` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX ON `koha_library`.`ill_sidecar_marks` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX ON `koha_library`.`ill_sidecar_migrations` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX ON `koha_library`.`ill_sidecar_outbox` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX ON `koha_library`.`ill_sidecar_partner_enquiries` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX ON `koha_library`.`ill_sidecar_person_settings` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX ON `koha_library`.`ill_sidecar_postings` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX ON `koha_library`.`ill_sidecar_receipts` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX ON `koha_library`.`ill_sidecar_requests` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX ON `koha_library`.`ill_sidecar_sessions` TO 'koha_ill_sidecar'@'localhost';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX ON `koha_library`.`ill_sidecar_slices` TO 'koha_ill_sidecar'@'localhost';
