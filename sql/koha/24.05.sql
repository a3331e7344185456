-- Tables of Koha 24.05 that interlibrary loans touch.
-- Written by script/generate-koha-schemas; do not edit.

SET FOREIGN_KEY_CHECKS = 0;

CREATE TABLE `accountlines` (
  `accountlines_id` int(11) NOT NULL AUTO_INCREMENT,
  `issue_id` int(11) NULL DEFAULT NULL,
  `borrowernumber` int(11) NULL DEFAULT NULL,
  `itemnumber` int(11) NULL DEFAULT NULL,
  `date` date NULL DEFAULT NULL,
  `amount` decimal(28,6) NULL DEFAULT NULL,
  `description` longtext NULL DEFAULT NULL,
  `accounttype` varchar(16) NULL DEFAULT NULL,
  `status` varchar(16) NULL DEFAULT NULL,
  `payment_type` varchar(80) NULL DEFAULT NULL,
  `amountoutstanding` decimal(28,6) NULL DEFAULT NULL,
  `timestamp` timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
  `note` mediumtext NULL DEFAULT NULL,
  `manager_id` int(11) NULL DEFAULT NULL,
  `interface` varchar(16) NOT NULL,
  `branchcode` varchar(10) NULL DEFAULT NULL,
  PRIMARY KEY (`accountlines_id`),
  KEY `acctsborridx` (`borrowernumber`),
  KEY `branchcode` (`branchcode`),
  KEY `itemnumber` (`itemnumber`),
  KEY `manager_id` (`manager_id`),
  KEY `timeidx` (`timestamp`),
  CONSTRAINT `accountlines_ibfk_borrowers` FOREIGN KEY (`borrowernumber`) REFERENCES `borrowers` (`borrowernumber`) ON DELETE SET NULL ON UPDATE CASCADE,
  CONSTRAINT `accountlines_ibfk_borrowers_2` FOREIGN KEY (`manager_id`) REFERENCES `borrowers` (`borrowernumber`) ON DELETE SET NULL ON UPDATE CASCADE,
  CONSTRAINT `accountlines_ibfk_branches` FOREIGN KEY (`branchcode`) REFERENCES `branches` (`branchcode`) ON DELETE SET NULL ON UPDATE CASCADE,
  CONSTRAINT `accountlines_ibfk_items` FOREIGN KEY (`itemnumber`) REFERENCES `items` (`itemnumber`) ON DELETE SET NULL ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `action_logs` (
  `action_id` int(11) NOT NULL AUTO_INCREMENT,
  `timestamp` timestamp NOT NULL DEFAULT current_timestamp(),
  `user` int(11) NOT NULL DEFAULT 0,
  `module` mediumtext NULL DEFAULT NULL,
  `action` mediumtext NULL DEFAULT NULL,
  `object` int(11) NULL DEFAULT NULL,
  `info` mediumtext NULL DEFAULT NULL,
  `interface` varchar(30) NULL DEFAULT NULL,
  `script` varchar(255) NULL DEFAULT NULL,
  `trace` text NULL DEFAULT NULL,
  `diff` longtext NULL DEFAULT NULL,
  PRIMARY KEY (`action_id`),
  KEY `timestamp_idx` (`timestamp`),
  KEY `user_idx` (`user`),
  KEY `module_idx` (`module`(191)),
  KEY `action_idx` (`action`(191)),
  KEY `object_idx` (`object`),
  KEY `info_idx` (`info`(191)),
  KEY `interface` (`interface`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `additional_contents` (
  `id` int(10) unsigned NOT NULL AUTO_INCREMENT,
  `category` varchar(20) NOT NULL,
  `code` varchar(100) NOT NULL,
  `location` varchar(255) NOT NULL,
  `branchcode` varchar(10) NULL DEFAULT NULL,
  `published_on` date NULL DEFAULT NULL,
  `updated_on` timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
  `expirationdate` date NULL DEFAULT NULL,
  `number` int(11) NULL DEFAULT NULL,
  `borrowernumber` int(11) NULL DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `additional_contents_uniq` (`category`, `code`, `branchcode`),
  KEY `additional_contents_borrowernumber_fk` (`borrowernumber`),
  KEY `additional_contents_branchcode_ibfk` (`branchcode`),
  CONSTRAINT `additional_contents_branchcode_ibfk` FOREIGN KEY (`branchcode`) REFERENCES `branches` (`branchcode`) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT `borrowernumber_fk` FOREIGN KEY (`borrowernumber`) REFERENCES `borrowers` (`borrowernumber`) ON DELETE SET NULL ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `additional_contents_localizations` (
  `id` int(10) unsigned NOT NULL AUTO_INCREMENT,
  `additional_content_id` int(10) unsigned NOT NULL,
  `title` varchar(250) NOT NULL DEFAULT '',
  `content` mediumtext NOT NULL,
  `lang` varchar(50) NOT NULL DEFAULT '',
  `updated_on` timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
  PRIMARY KEY (`id`),
  UNIQUE KEY `additional_contents_localizations_uniq` (`additional_content_id`, `lang`),
  CONSTRAINT `additional_contents_localizations_ibfk1` FOREIGN KEY (`additional_content_id`) REFERENCES `additional_contents` (`id`) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `api_keys` (
  `client_id` varchar(191) NOT NULL,
  `secret` varchar(191) NOT NULL,
  `description` varchar(255) NOT NULL,
  `patron_id` int(11) NOT NULL,
  `active` tinyint(1) NOT NULL DEFAULT 1,
  PRIMARY KEY (`client_id`),
  UNIQUE KEY `secret` (`secret`),
  KEY `patron_id` (`patron_id`),
  CONSTRAINT `api_keys_fk_patron_id` FOREIGN KEY (`patron_id`) REFERENCES `borrowers` (`borrowernumber`) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `authorised_value_categories` (
  `category_name` varchar(32) NOT NULL DEFAULT '',
  `is_system` tinyint(1) NULL DEFAULT 0,
  `is_integer_only` tinyint(1) NOT NULL DEFAULT 0,
  PRIMARY KEY (`category_name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `authorised_values` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `category` varchar(32) NOT NULL DEFAULT '',
  `authorised_value` varchar(80) NOT NULL DEFAULT '',
  `lib` varchar(200) NULL DEFAULT NULL,
  `lib_opac` varchar(200) NULL DEFAULT NULL,
  `imageurl` varchar(200) NULL DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `av_uniq` (`category`, `authorised_value`),
  KEY `name` (`category`),
  KEY `lib` (`lib`(191)),
  KEY `auth_value_idx` (`authorised_value`),
  CONSTRAINT `authorised_values_authorised_values_category` FOREIGN KEY (`category`) REFERENCES `authorised_value_categories` (`category_name`) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `authorised_values_branches` (
  `av_id` int(11) NOT NULL,
  `branchcode` varchar(10) NOT NULL,
  KEY `av_id` (`av_id`),
  KEY `branchcode` (`branchcode`),
  CONSTRAINT `authorised_values_branches_ibfk_1` FOREIGN KEY (`av_id`) REFERENCES `authorised_values` (`id`) ON DELETE CASCADE,
  CONSTRAINT `authorised_values_branches_ibfk_2` FOREIGN KEY (`branchcode`) REFERENCES `branches` (`branchcode`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `background_jobs` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `status` varchar(32) NULL DEFAULT NULL,
  `progress` int(11) NULL DEFAULT NULL,
  `size` int(11) NULL DEFAULT NULL,
  `borrowernumber` int(11) NULL DEFAULT NULL,
  `type` varchar(64) NULL DEFAULT NULL,
  `queue` varchar(191) NOT NULL DEFAULT 'default',
  `data` longtext NULL DEFAULT NULL,
  `context` longtext NULL DEFAULT NULL,
  `enqueued_on` datetime NULL DEFAULT NULL,
  `started_on` datetime NULL DEFAULT NULL,
  `ended_on` datetime NULL DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `borrowernumber` (`borrowernumber`),
  KEY `queue` (`queue`),
  KEY `status` (`status`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `biblio` (
  `biblionumber` int(11) NOT NULL AUTO_INCREMENT,
  `frameworkcode` varchar(4) NOT NULL DEFAULT '',
  `author` longtext NULL DEFAULT NULL,
  `title` longtext NULL DEFAULT NULL,
  `medium` longtext NULL DEFAULT NULL,
  `subtitle` longtext NULL DEFAULT NULL,
  `part_number` longtext NULL DEFAULT NULL,
  `part_name` longtext NULL DEFAULT NULL,
  `unititle` longtext NULL DEFAULT NULL,
  `notes` longtext NULL DEFAULT NULL,
  `serial` tinyint(1) NULL DEFAULT NULL,
  `seriestitle` longtext NULL DEFAULT NULL,
  `copyrightdate` smallint(6) NULL DEFAULT NULL,
  `timestamp` timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
  `datecreated` date NOT NULL,
  `abstract` longtext NULL DEFAULT NULL,
  PRIMARY KEY (`biblionumber`),
  KEY `blbnoidx` (`biblionumber`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `biblio_framework` (
  `frameworkcode` varchar(4) NOT NULL DEFAULT '',
  `frameworktext` varchar(255) NOT NULL DEFAULT '',
  PRIMARY KEY (`frameworkcode`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `biblio_metadata` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `biblionumber` int(11) NOT NULL,
  `format` varchar(16) NOT NULL,
  `schema` varchar(16) NOT NULL,
  `metadata` longtext NOT NULL,
  `timestamp` timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
  `record_source_id` int(11) NULL DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `biblio_metadata_uniq_key` (`biblionumber`, `format`, `schema`),
  KEY `timestamp` (`timestamp`),
  KEY `record_metadata_fk_2` (`record_source_id`),
  CONSTRAINT `record_metadata_fk_1` FOREIGN KEY (`biblionumber`) REFERENCES `biblio` (`biblionumber`) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT `record_metadata_fk_2` FOREIGN KEY (`record_source_id`) REFERENCES `record_sources` (`record_source_id`) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `biblioitems` (
  `biblioitemnumber` int(11) NOT NULL AUTO_INCREMENT,
  `biblionumber` int(11) NOT NULL DEFAULT 0,
  `volume` longtext NULL DEFAULT NULL,
  `number` longtext NULL DEFAULT NULL,
  `itemtype` varchar(10) NULL DEFAULT NULL,
  `isbn` longtext NULL DEFAULT NULL,
  `issn` longtext NULL DEFAULT NULL,
  `ean` longtext NULL DEFAULT NULL,
  `publicationyear` mediumtext NULL DEFAULT NULL,
  `publishercode` text NULL DEFAULT NULL,
  `volumedate` date NULL DEFAULT NULL,
  `volumedesc` mediumtext NULL DEFAULT NULL,
  `collectiontitle` longtext NULL DEFAULT NULL,
  `collectionissn` mediumtext NULL DEFAULT NULL,
  `collectionvolume` longtext NULL DEFAULT NULL,
  `editionstatement` mediumtext NULL DEFAULT NULL,
  `editionresponsibility` mediumtext NULL DEFAULT NULL,
  `timestamp` timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
  `illus` text NULL DEFAULT NULL,
  `pages` text NULL DEFAULT NULL,
  `notes` longtext NULL DEFAULT NULL,
  `size` text NULL DEFAULT NULL,
  `place` text NULL DEFAULT NULL,
  `lccn` longtext NULL DEFAULT NULL,
  `url` mediumtext NULL DEFAULT NULL,
  `cn_source` varchar(10) NULL DEFAULT NULL,
  `cn_class` varchar(30) NULL DEFAULT NULL,
  `cn_item` varchar(10) NULL DEFAULT NULL,
  `cn_suffix` varchar(10) NULL DEFAULT NULL,
  `cn_sort` varchar(255) NULL DEFAULT NULL,
  `agerestriction` varchar(255) NULL DEFAULT NULL,
  `totalissues` int(10) NULL DEFAULT NULL,
  PRIMARY KEY (`biblioitemnumber`),
  KEY `bibinoidx` (`biblioitemnumber`),
  KEY `bibnoidx` (`biblionumber`),
  KEY `itemtype_idx` (`itemtype`),
  KEY `isbn` (`isbn`(191)),
  KEY `issn` (`issn`(191)),
  KEY `ean` (`ean`(191)),
  KEY `publishercode` (`publishercode`(191)),
  KEY `timestamp` (`timestamp`),
  CONSTRAINT `biblioitems_ibfk_1` FOREIGN KEY (`biblionumber`) REFERENCES `biblio` (`biblionumber`) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `bookings` (
  `booking_id` int(11) NOT NULL AUTO_INCREMENT,
  `patron_id` int(11) NOT NULL DEFAULT 0,
  `biblio_id` int(11) NOT NULL DEFAULT 0,
  `item_id` int(11) NULL DEFAULT NULL,
  `pickup_library_id` varchar(10) NOT NULL,
  `start_date` datetime NULL DEFAULT NULL,
  `end_date` datetime NULL DEFAULT NULL,
  PRIMARY KEY (`booking_id`),
  KEY `patron_id` (`patron_id`),
  KEY `biblio_id` (`biblio_id`),
  KEY `item_id` (`item_id`),
  KEY `bookings_ibfk_4` (`pickup_library_id`),
  CONSTRAINT `bookings_ibfk_1` FOREIGN KEY (`patron_id`) REFERENCES `borrowers` (`borrowernumber`) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT `bookings_ibfk_2` FOREIGN KEY (`biblio_id`) REFERENCES `biblio` (`biblionumber`) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT `bookings_ibfk_3` FOREIGN KEY (`item_id`) REFERENCES `items` (`itemnumber`) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT `bookings_ibfk_4` FOREIGN KEY (`pickup_library_id`) REFERENCES `branches` (`branchcode`) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `borrower_attribute_types` (
  `code` varchar(64) NOT NULL,
  `description` varchar(255) NOT NULL,
  `repeatable` tinyint(1) NOT NULL DEFAULT 0,
  `unique_id` tinyint(1) NOT NULL DEFAULT 0,
  `is_date` tinyint(1) NOT NULL DEFAULT 0,
  `opac_display` tinyint(1) NOT NULL DEFAULT 0,
  `opac_editable` tinyint(1) NOT NULL DEFAULT 0,
  `staff_searchable` tinyint(1) NOT NULL DEFAULT 0,
  `searched_by_default` tinyint(1) NOT NULL DEFAULT 0,
  `authorised_value_category` varchar(32) NULL DEFAULT NULL,
  `display_checkout` tinyint(1) NOT NULL DEFAULT 0,
  `category_code` varchar(10) NULL DEFAULT NULL,
  `class` varchar(255) NOT NULL DEFAULT '',
  `keep_for_pseudonymization` tinyint(1) NOT NULL DEFAULT 0,
  `mandatory` tinyint(1) NOT NULL DEFAULT 0,
  PRIMARY KEY (`code`),
  KEY `auth_val_cat_idx` (`authorised_value_category`),
  KEY `category_code` (`category_code`),
  CONSTRAINT `borrower_attribute_types_ibfk_1` FOREIGN KEY (`category_code`) REFERENCES `categories` (`categorycode`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `borrower_attributes` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `borrowernumber` int(11) NOT NULL,
  `code` varchar(64) NOT NULL,
  `attribute` varchar(255) NULL DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `borrowernumber` (`borrowernumber`),
  KEY `code_attribute` (`code`, `attribute`(191)),
  CONSTRAINT `borrower_attributes_ibfk_1` FOREIGN KEY (`borrowernumber`) REFERENCES `borrowers` (`borrowernumber`) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT `borrower_attributes_ibfk_2` FOREIGN KEY (`code`) REFERENCES `borrower_attribute_types` (`code`) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `borrower_debarments` (
  `borrower_debarment_id` int(11) NOT NULL AUTO_INCREMENT,
  `borrowernumber` int(11) NOT NULL,
  `expiration` date NULL DEFAULT NULL,
  `type` enum('SUSPENSION','OVERDUES','MANUAL','DISCHARGE') NOT NULL DEFAULT 'MANUAL',
  `comment` mediumtext NULL DEFAULT NULL,
  `manager_id` int(11) NULL DEFAULT NULL,
  `created` timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
  `updated` timestamp NULL DEFAULT NULL,
  PRIMARY KEY (`borrower_debarment_id`),
  KEY `borrowernumber` (`borrowernumber`),
  CONSTRAINT `borrower_debarments_ibfk_1` FOREIGN KEY (`borrowernumber`) REFERENCES `borrowers` (`borrowernumber`) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `borrower_message_preferences` (
  `borrower_message_preference_id` int(11) NOT NULL AUTO_INCREMENT,
  `borrowernumber` int(11) NULL DEFAULT NULL,
  `categorycode` varchar(10) NULL DEFAULT NULL,
  `message_attribute_id` int(11) NULL DEFAULT 0,
  `days_in_advance` int(11) NULL DEFAULT NULL,
  `wants_digest` tinyint(1) NOT NULL DEFAULT 0,
  PRIMARY KEY (`borrower_message_preference_id`),
  KEY `borrowernumber` (`borrowernumber`),
  KEY `categorycode` (`categorycode`),
  KEY `message_attribute_id` (`message_attribute_id`),
  CONSTRAINT `borrower_message_preferences_ibfk_1` FOREIGN KEY (`borrowernumber`) REFERENCES `borrowers` (`borrowernumber`) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT `borrower_message_preferences_ibfk_2` FOREIGN KEY (`message_attribute_id`) REFERENCES `message_attributes` (`message_attribute_id`) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT `borrower_message_preferences_ibfk_3` FOREIGN KEY (`categorycode`) REFERENCES `categories` (`categorycode`) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `borrower_message_transport_preferences` (
  `borrower_message_preference_id` int(11) NOT NULL DEFAULT 0,
  `message_transport_type` varchar(20) NOT NULL DEFAULT '0',
  PRIMARY KEY (`borrower_message_preference_id`, `message_transport_type`),
  KEY `message_transport_type` (`message_transport_type`),
  CONSTRAINT `borrower_message_transport_preferences_ibfk_1` FOREIGN KEY (`borrower_message_preference_id`) REFERENCES `borrower_message_preferences` (`borrower_message_preference_id`) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT `borrower_message_transport_preferences_ibfk_2` FOREIGN KEY (`message_transport_type`) REFERENCES `message_transport_types` (`message_transport_type`) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `borrower_relationships` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `guarantor_id` int(11) NOT NULL,
  `guarantee_id` int(11) NOT NULL,
  `relationship` varchar(100) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `guarantor_guarantee_idx` (`guarantor_id`, `guarantee_id`),
  KEY `r_guarantee` (`guarantee_id`),
  CONSTRAINT `r_guarantee` FOREIGN KEY (`guarantee_id`) REFERENCES `borrowers` (`borrowernumber`) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT `r_guarantor` FOREIGN KEY (`guarantor_id`) REFERENCES `borrowers` (`borrowernumber`) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `borrowers` (
  `borrowernumber` int(11) NOT NULL AUTO_INCREMENT,
  `cardnumber` varchar(32) NULL DEFAULT NULL,
  `surname` longtext NULL DEFAULT NULL,
  `firstname` mediumtext NULL DEFAULT NULL,
  `middle_name` longtext NULL DEFAULT NULL,
  `title` longtext NULL DEFAULT NULL,
  `othernames` longtext NULL DEFAULT NULL,
  `initials` mediumtext NULL DEFAULT NULL,
  `pronouns` longtext NULL DEFAULT NULL,
  `streetnumber` tinytext NULL DEFAULT NULL,
  `streettype` tinytext NULL DEFAULT NULL,
  `address` longtext NULL DEFAULT NULL,
  `address2` mediumtext NULL DEFAULT NULL,
  `city` longtext NULL DEFAULT NULL,
  `state` mediumtext NULL DEFAULT NULL,
  `zipcode` tinytext NULL DEFAULT NULL,
  `country` mediumtext NULL DEFAULT NULL,
  `email` longtext NULL DEFAULT NULL,
  `phone` mediumtext NULL DEFAULT NULL,
  `mobile` tinytext NULL DEFAULT NULL,
  `fax` longtext NULL DEFAULT NULL,
  `emailpro` mediumtext NULL DEFAULT NULL,
  `phonepro` mediumtext NULL DEFAULT NULL,
  `B_streetnumber` tinytext NULL DEFAULT NULL,
  `B_streettype` tinytext NULL DEFAULT NULL,
  `B_address` mediumtext NULL DEFAULT NULL,
  `B_address2` mediumtext NULL DEFAULT NULL,
  `B_city` longtext NULL DEFAULT NULL,
  `B_state` mediumtext NULL DEFAULT NULL,
  `B_zipcode` tinytext NULL DEFAULT NULL,
  `B_country` mediumtext NULL DEFAULT NULL,
  `B_email` mediumtext NULL DEFAULT NULL,
  `B_phone` longtext NULL DEFAULT NULL,
  `dateofbirth` date NULL DEFAULT NULL,
  `branchcode` varchar(10) NOT NULL DEFAULT '',
  `categorycode` varchar(10) NOT NULL DEFAULT '',
  `dateenrolled` date NULL DEFAULT NULL,
  `dateexpiry` date NULL DEFAULT NULL,
  `password_expiration_date` date NULL DEFAULT NULL,
  `date_renewed` date NULL DEFAULT NULL,
  `gonenoaddress` tinyint(1) NULL DEFAULT NULL,
  `lost` tinyint(1) NULL DEFAULT NULL,
  `debarred` date NULL DEFAULT NULL,
  `debarredcomment` varchar(255) NULL DEFAULT NULL,
  `contactname` longtext NULL DEFAULT NULL,
  `contactfirstname` mediumtext NULL DEFAULT NULL,
  `contacttitle` mediumtext NULL DEFAULT NULL,
  `borrowernotes` longtext NULL DEFAULT NULL,
  `relationship` varchar(100) NULL DEFAULT NULL,
  `sex` varchar(1) NULL DEFAULT NULL,
  `password` varchar(60) NULL DEFAULT NULL,
  `secret` mediumtext NULL DEFAULT NULL,
  `auth_method` enum('password','two-factor') NOT NULL DEFAULT 'password',
  `flags` bigint(11) NULL DEFAULT NULL,
  `userid` varchar(75) NULL DEFAULT NULL,
  `opacnote` longtext NULL DEFAULT NULL,
  `contactnote` varchar(255) NULL DEFAULT NULL,
  `sort1` varchar(80) NULL DEFAULT NULL,
  `sort2` varchar(80) NULL DEFAULT NULL,
  `altcontactfirstname` mediumtext NULL DEFAULT NULL,
  `altcontactsurname` mediumtext NULL DEFAULT NULL,
  `altcontactaddress1` mediumtext NULL DEFAULT NULL,
  `altcontactaddress2` mediumtext NULL DEFAULT NULL,
  `altcontactaddress3` mediumtext NULL DEFAULT NULL,
  `altcontactstate` mediumtext NULL DEFAULT NULL,
  `altcontactzipcode` mediumtext NULL DEFAULT NULL,
  `altcontactcountry` mediumtext NULL DEFAULT NULL,
  `altcontactphone` mediumtext NULL DEFAULT NULL,
  `smsalertnumber` varchar(50) NULL DEFAULT NULL,
  `sms_provider_id` int(11) NULL DEFAULT NULL,
  `privacy` int(11) NOT NULL DEFAULT 1,
  `privacy_guarantor_fines` tinyint(1) NOT NULL DEFAULT 0,
  `privacy_guarantor_checkouts` tinyint(1) NOT NULL DEFAULT 0,
  `checkprevcheckout` varchar(7) NOT NULL DEFAULT 'inherit',
  `updated_on` timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
  `lastseen` datetime NULL DEFAULT NULL,
  `lang` varchar(25) NOT NULL DEFAULT 'default',
  `login_attempts` int(4) NOT NULL DEFAULT 0,
  `overdrive_auth_token` mediumtext NULL DEFAULT NULL,
  `anonymized` tinyint(1) NOT NULL DEFAULT 0,
  `autorenew_checkouts` tinyint(1) NOT NULL DEFAULT 1,
  `primary_contact_method` varchar(45) NULL DEFAULT NULL,
  `protected` tinyint(1) NOT NULL DEFAULT 0,
  PRIMARY KEY (`borrowernumber`),
  UNIQUE KEY `cardnumber` (`cardnumber`),
  UNIQUE KEY `userid` (`userid`),
  KEY `categorycode` (`categorycode`),
  KEY `branchcode` (`branchcode`),
  KEY `surname_idx` (`surname`(191)),
  KEY `firstname_idx` (`firstname`(191)),
  KEY `othernames_idx` (`othernames`(191)),
  KEY `sms_provider_id` (`sms_provider_id`),
  KEY `cardnumber_idx` (`cardnumber`),
  KEY `userid_idx` (`userid`),
  KEY `middle_name_idx` (`middle_name`(768)),
  CONSTRAINT `borrowers_ibfk_1` FOREIGN KEY (`categorycode`) REFERENCES `categories` (`categorycode`),
  CONSTRAINT `borrowers_ibfk_2` FOREIGN KEY (`branchcode`) REFERENCES `branches` (`branchcode`),
  CONSTRAINT `borrowers_ibfk_3` FOREIGN KEY (`sms_provider_id`) REFERENCES `sms_providers` (`id`) ON DELETE SET NULL ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `branches` (
  `branchcode` varchar(10) NOT NULL DEFAULT '',
  `branchname` longtext NOT NULL,
  `branchaddress1` longtext NULL DEFAULT NULL,
  `branchaddress2` longtext NULL DEFAULT NULL,
  `branchaddress3` longtext NULL DEFAULT NULL,
  `branchzip` varchar(25) NULL DEFAULT NULL,
  `branchcity` longtext NULL DEFAULT NULL,
  `branchstate` longtext NULL DEFAULT NULL,
  `branchcountry` mediumtext NULL DEFAULT NULL,
  `branchphone` longtext NULL DEFAULT NULL,
  `branchfax` longtext NULL DEFAULT NULL,
  `branchemail` longtext NULL DEFAULT NULL,
  `branchillemail` longtext NULL DEFAULT NULL,
  `branchreplyto` longtext NULL DEFAULT NULL,
  `branchreturnpath` longtext NULL DEFAULT NULL,
  `branchurl` longtext NULL DEFAULT NULL,
  `issuing` tinyint(4) NULL DEFAULT NULL,
  `branchip` varchar(15) NULL DEFAULT NULL,
  `branchnotes` longtext NULL DEFAULT NULL,
  `geolocation` varchar(255) NULL DEFAULT NULL,
  `marcorgcode` varchar(16) NULL DEFAULT NULL,
  `pickup_location` tinyint(1) NOT NULL DEFAULT 1,
  `public` tinyint(1) NOT NULL DEFAULT 1,
  `opacuserjs` longtext NULL DEFAULT NULL,
  `opacusercss` longtext NULL DEFAULT NULL,
  PRIMARY KEY (`branchcode`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `branchtransfers` (
  `branchtransfer_id` int(12) NOT NULL AUTO_INCREMENT,
  `itemnumber` int(11) NOT NULL DEFAULT 0,
  `datesent` datetime NULL DEFAULT NULL,
  `frombranch` varchar(10) NOT NULL DEFAULT '',
  `datearrived` datetime NULL DEFAULT NULL,
  `tobranch` varchar(10) NOT NULL DEFAULT '',
  `comments` longtext NULL DEFAULT NULL,
  PRIMARY KEY (`branchtransfer_id`),
  KEY `frombranch` (`frombranch`),
  KEY `itemnumber` (`itemnumber`),
  KEY `tobranch` (`tobranch`),
  CONSTRAINT `branchtransfers_ibfk_1` FOREIGN KEY (`frombranch`) REFERENCES `branches` (`branchcode`) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT `branchtransfers_ibfk_2` FOREIGN KEY (`tobranch`) REFERENCES `branches` (`branchcode`) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT `branchtransfers_ibfk_3` FOREIGN KEY (`itemnumber`) REFERENCES `items` (`itemnumber`) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `categories` (
  `categorycode` varchar(10) NOT NULL DEFAULT '',
  `description` longtext NULL DEFAULT NULL,
  `enrolmentperiod` smallint(6) NULL DEFAULT NULL,
  `enrolmentperioddate` date NULL DEFAULT NULL,
  `password_expiry_days` smallint(6) NULL DEFAULT NULL,
  `upperagelimit` smallint(6) NULL DEFAULT NULL,
  `dateofbirthrequired` tinyint(1) NULL DEFAULT NULL,
  `finetype` varchar(30) NULL DEFAULT NULL,
  `bulk` tinyint(1) NULL DEFAULT NULL,
  `enrolmentfee` decimal(28,6) NULL DEFAULT NULL,
  `overduenoticerequired` tinyint(1) NULL DEFAULT NULL,
  `issuelimit` smallint(6) NULL DEFAULT NULL,
  `reservefee` decimal(28,6) NULL DEFAULT NULL,
  `hidelostitems` tinyint(1) NOT NULL DEFAULT 0,
  `category_type` varchar(1) NOT NULL DEFAULT 'A',
  `BlockExpiredPatronOpacActions` tinyint(1) NOT NULL DEFAULT -1,
  `default_privacy` enum('default','never','forever') NOT NULL DEFAULT 'default',
  `checkprevcheckout` varchar(7) NOT NULL DEFAULT 'inherit',
  `can_place_ill_in_opac` tinyint(1) NOT NULL DEFAULT 1,
  `can_be_guarantee` tinyint(1) NOT NULL DEFAULT 0,
  `reset_password` tinyint(1) NULL DEFAULT NULL,
  `change_password` tinyint(1) NULL DEFAULT NULL,
  `min_password_length` smallint(6) NULL DEFAULT NULL,
  `require_strong_password` tinyint(1) NULL DEFAULT NULL,
  `exclude_from_local_holds_priority` tinyint(1) NULL DEFAULT NULL,
  PRIMARY KEY (`categorycode`),
  UNIQUE KEY `categorycode` (`categorycode`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `categories_branches` (
  `categorycode` varchar(10) NULL DEFAULT NULL,
  `branchcode` varchar(10) NULL DEFAULT NULL,
  KEY `categorycode` (`categorycode`),
  KEY `branchcode` (`branchcode`),
  CONSTRAINT `categories_branches_ibfk_1` FOREIGN KEY (`categorycode`) REFERENCES `categories` (`categorycode`) ON DELETE CASCADE,
  CONSTRAINT `categories_branches_ibfk_2` FOREIGN KEY (`branchcode`) REFERENCES `branches` (`branchcode`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `circulation_rules` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `branchcode` varchar(10) NULL DEFAULT NULL,
  `categorycode` varchar(10) NULL DEFAULT NULL,
  `itemtype` varchar(10) NULL DEFAULT NULL,
  `rule_name` varchar(32) NOT NULL,
  `rule_value` varchar(32) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `branchcode` (`branchcode`, `categorycode`, `itemtype`, `rule_name`),
  KEY `circ_rules_ibfk_2` (`categorycode`),
  KEY `circ_rules_ibfk_3` (`itemtype`),
  KEY `rule_name` (`rule_name`),
  CONSTRAINT `circ_rules_ibfk_1` FOREIGN KEY (`branchcode`) REFERENCES `branches` (`branchcode`) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT `circ_rules_ibfk_2` FOREIGN KEY (`categorycode`) REFERENCES `categories` (`categorycode`) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT `circ_rules_ibfk_3` FOREIGN KEY (`itemtype`) REFERENCES `itemtypes` (`itemtype`) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `deletedbiblio` (
  `biblionumber` int(11) NOT NULL AUTO_INCREMENT,
  `frameworkcode` varchar(4) NOT NULL DEFAULT '',
  `author` longtext NULL DEFAULT NULL,
  `title` longtext NULL DEFAULT NULL,
  `medium` longtext NULL DEFAULT NULL,
  `subtitle` longtext NULL DEFAULT NULL,
  `part_number` longtext NULL DEFAULT NULL,
  `part_name` longtext NULL DEFAULT NULL,
  `unititle` longtext NULL DEFAULT NULL,
  `notes` longtext NULL DEFAULT NULL,
  `serial` tinyint(1) NULL DEFAULT NULL,
  `seriestitle` longtext NULL DEFAULT NULL,
  `copyrightdate` smallint(6) NULL DEFAULT NULL,
  `timestamp` timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
  `datecreated` date NOT NULL,
  `abstract` longtext NULL DEFAULT NULL,
  PRIMARY KEY (`biblionumber`),
  KEY `blbnoidx` (`biblionumber`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `deletedbiblio_metadata` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `biblionumber` int(11) NOT NULL,
  `format` varchar(16) NOT NULL,
  `schema` varchar(16) NOT NULL,
  `metadata` longtext NOT NULL,
  `timestamp` timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
  `record_source_id` int(11) NULL DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `deletedbiblio_metadata_uniq_key` (`biblionumber`, `format`, `schema`),
  KEY `timestamp` (`timestamp`),
  KEY `deletedrecord_metadata_fk_2` (`record_source_id`),
  CONSTRAINT `deletedrecord_metadata_fk_1` FOREIGN KEY (`biblionumber`) REFERENCES `deletedbiblio` (`biblionumber`) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT `deletedrecord_metadata_fk_2` FOREIGN KEY (`record_source_id`) REFERENCES `record_sources` (`record_source_id`) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `deletedbiblioitems` (
  `biblioitemnumber` int(11) NOT NULL DEFAULT 0,
  `biblionumber` int(11) NOT NULL DEFAULT 0,
  `volume` longtext NULL DEFAULT NULL,
  `number` longtext NULL DEFAULT NULL,
  `itemtype` varchar(10) NULL DEFAULT NULL,
  `isbn` longtext NULL DEFAULT NULL,
  `issn` longtext NULL DEFAULT NULL,
  `ean` longtext NULL DEFAULT NULL,
  `publicationyear` mediumtext NULL DEFAULT NULL,
  `publishercode` text NULL DEFAULT NULL,
  `volumedate` date NULL DEFAULT NULL,
  `volumedesc` mediumtext NULL DEFAULT NULL,
  `collectiontitle` longtext NULL DEFAULT NULL,
  `collectionissn` mediumtext NULL DEFAULT NULL,
  `collectionvolume` longtext NULL DEFAULT NULL,
  `editionstatement` mediumtext NULL DEFAULT NULL,
  `editionresponsibility` mediumtext NULL DEFAULT NULL,
  `timestamp` timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
  `illus` text NULL DEFAULT NULL,
  `pages` text NULL DEFAULT NULL,
  `notes` longtext NULL DEFAULT NULL,
  `size` text NULL DEFAULT NULL,
  `place` text NULL DEFAULT NULL,
  `lccn` longtext NULL DEFAULT NULL,
  `url` mediumtext NULL DEFAULT NULL,
  `cn_source` varchar(10) NULL DEFAULT NULL,
  `cn_class` varchar(30) NULL DEFAULT NULL,
  `cn_item` varchar(10) NULL DEFAULT NULL,
  `cn_suffix` varchar(10) NULL DEFAULT NULL,
  `cn_sort` varchar(255) NULL DEFAULT NULL,
  `agerestriction` varchar(255) NULL DEFAULT NULL,
  `totalissues` int(10) NULL DEFAULT NULL,
  PRIMARY KEY (`biblioitemnumber`),
  KEY `bibinoidx` (`biblioitemnumber`),
  KEY `bibnoidx` (`biblionumber`),
  KEY `itemtype_idx` (`itemtype`),
  KEY `isbn` (`isbn`(191)),
  KEY `ean` (`ean`(191)),
  KEY `publishercode` (`publishercode`(191)),
  KEY `timestamp` (`timestamp`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `deleteditems` (
  `itemnumber` int(11) NOT NULL DEFAULT 0,
  `biblionumber` int(11) NOT NULL DEFAULT 0,
  `biblioitemnumber` int(11) NOT NULL DEFAULT 0,
  `barcode` varchar(20) NULL DEFAULT NULL,
  `bookable` tinyint(1) NOT NULL DEFAULT 0,
  `dateaccessioned` date NULL DEFAULT NULL,
  `booksellerid` longtext NULL DEFAULT NULL,
  `homebranch` varchar(10) NULL DEFAULT NULL,
  `price` decimal(8,2) NULL DEFAULT NULL,
  `replacementprice` decimal(8,2) NULL DEFAULT NULL,
  `replacementpricedate` date NULL DEFAULT NULL,
  `datelastborrowed` date NULL DEFAULT NULL,
  `datelastseen` datetime NULL DEFAULT NULL,
  `stack` tinyint(1) NULL DEFAULT NULL,
  `notforloan` tinyint(1) NOT NULL DEFAULT 0,
  `damaged` tinyint(1) NOT NULL DEFAULT 0,
  `damaged_on` datetime NULL DEFAULT NULL,
  `itemlost` tinyint(1) NOT NULL DEFAULT 0,
  `itemlost_on` datetime NULL DEFAULT NULL,
  `withdrawn` tinyint(1) NOT NULL DEFAULT 0,
  `withdrawn_on` datetime NULL DEFAULT NULL,
  `itemcallnumber` varchar(255) NULL DEFAULT NULL,
  `coded_location_qualifier` varchar(10) NULL DEFAULT NULL,
  `issues` smallint(6) NULL DEFAULT 0,
  `renewals` smallint(6) NULL DEFAULT NULL,
  `localuse` smallint(6) NULL DEFAULT NULL,
  `reserves` smallint(6) NULL DEFAULT NULL,
  `restricted` tinyint(1) NULL DEFAULT NULL,
  `itemnotes` longtext NULL DEFAULT NULL,
  `itemnotes_nonpublic` longtext NULL DEFAULT NULL,
  `holdingbranch` varchar(10) NULL DEFAULT NULL,
  `timestamp` timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
  `deleted_on` datetime NULL DEFAULT NULL,
  `location` varchar(80) NULL DEFAULT NULL,
  `permanent_location` varchar(80) NULL DEFAULT NULL,
  `onloan` date NULL DEFAULT NULL,
  `cn_source` varchar(10) NULL DEFAULT NULL,
  `cn_sort` varchar(255) NULL DEFAULT NULL,
  `ccode` varchar(80) NULL DEFAULT NULL,
  `materials` mediumtext NULL DEFAULT NULL,
  `uri` mediumtext NULL DEFAULT NULL,
  `itype` varchar(10) NULL DEFAULT NULL,
  `more_subfields_xml` longtext NULL DEFAULT NULL,
  `enumchron` mediumtext NULL DEFAULT NULL,
  `copynumber` varchar(32) NULL DEFAULT NULL,
  `stocknumber` varchar(32) NULL DEFAULT NULL,
  `new_status` varchar(32) NULL DEFAULT NULL,
  `exclude_from_local_holds_priority` tinyint(1) NULL DEFAULT NULL,
  PRIMARY KEY (`itemnumber`),
  KEY `delitembarcodeidx` (`barcode`),
  KEY `delitemstocknumberidx` (`stocknumber`),
  KEY `delitembinoidx` (`biblioitemnumber`),
  KEY `delitembibnoidx` (`biblionumber`),
  KEY `delhomebranch` (`homebranch`),
  KEY `delholdingbranch` (`holdingbranch`),
  KEY `itype_idx` (`itype`),
  KEY `timestamp` (`timestamp`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `desks` (
  `desk_id` int(11) NOT NULL AUTO_INCREMENT,
  `desk_name` varchar(100) NOT NULL DEFAULT '',
  `branchcode` varchar(10) NOT NULL,
  PRIMARY KEY (`desk_id`),
  KEY `fk_desks_branchcode` (`branchcode`),
  CONSTRAINT `fk_desks_branchcode` FOREIGN KEY (`branchcode`) REFERENCES `branches` (`branchcode`) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `hold_fill_targets` (
  `borrowernumber` int(11) NOT NULL,
  `biblionumber` int(11) NOT NULL,
  `itemnumber` int(11) NOT NULL,
  `source_branchcode` varchar(10) NULL DEFAULT NULL,
  `item_level_request` tinyint(4) NOT NULL DEFAULT 0,
  PRIMARY KEY (`itemnumber`),
  KEY `bib_branch` (`biblionumber`, `source_branchcode`),
  KEY `hold_fill_targets_ibfk_1` (`borrowernumber`),
  KEY `hold_fill_targets_ibfk_4` (`source_branchcode`),
  CONSTRAINT `hold_fill_targets_ibfk_1` FOREIGN KEY (`borrowernumber`) REFERENCES `borrowers` (`borrowernumber`) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT `hold_fill_targets_ibfk_2` FOREIGN KEY (`biblionumber`) REFERENCES `biblio` (`biblionumber`) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT `hold_fill_targets_ibfk_3` FOREIGN KEY (`itemnumber`) REFERENCES `items` (`itemnumber`) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT `hold_fill_targets_ibfk_4` FOREIGN KEY (`source_branchcode`) REFERENCES `branches` (`branchcode`) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `illbatch_statuses` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `name` varchar(100) NOT NULL,
  `code` varchar(20) NOT NULL,
  `is_system` tinyint(1) NULL DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `u_illbatchstatuses__code` (`code`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `illbatches` (
  `ill_batch_id` int(11) NOT NULL AUTO_INCREMENT,
  `name` varchar(100) NOT NULL,
  `backend` varchar(20) NOT NULL,
  `patron_id` int(11) NULL DEFAULT NULL,
  `library_id` varchar(50) NULL DEFAULT NULL,
  `status_code` varchar(20) NULL DEFAULT NULL,
  PRIMARY KEY (`ill_batch_id`),
  UNIQUE KEY `u_illbatches__name` (`name`),
  KEY `illbatches_bnfk` (`patron_id`),
  KEY `illbatches_bcfk` (`library_id`),
  KEY `illbatches_sfk` (`status_code`),
  CONSTRAINT `illbatches_bcfk` FOREIGN KEY (`library_id`) REFERENCES `branches` (`branchcode`) ON DELETE SET NULL ON UPDATE CASCADE,
  CONSTRAINT `illbatches_bnfk` FOREIGN KEY (`patron_id`) REFERENCES `borrowers` (`borrowernumber`) ON DELETE SET NULL ON UPDATE CASCADE,
  CONSTRAINT `illbatches_sfk` FOREIGN KEY (`status_code`) REFERENCES `illbatch_statuses` (`code`) ON DELETE SET NULL ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `illcomments` (
  `illcomment_id` int(11) NOT NULL AUTO_INCREMENT,
  `illrequest_id` bigint(20) unsigned NOT NULL,
  `borrowernumber` int(11) NULL DEFAULT NULL,
  `comment` text NULL DEFAULT NULL,
  `timestamp` timestamp NOT NULL DEFAULT current_timestamp(),
  PRIMARY KEY (`illcomment_id`),
  KEY `illcomments_bnfk` (`borrowernumber`),
  KEY `illcomments_ifk` (`illrequest_id`),
  CONSTRAINT `illcomments_bnfk` FOREIGN KEY (`borrowernumber`) REFERENCES `borrowers` (`borrowernumber`) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT `illcomments_ifk` FOREIGN KEY (`illrequest_id`) REFERENCES `illrequests` (`illrequest_id`) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `illrequestattributes` (
  `illrequest_id` bigint(20) unsigned NOT NULL,
  `backend` varchar(80) NOT NULL,
  `type` varchar(200) NOT NULL,
  `value` mediumtext NOT NULL,
  `readonly` tinyint(1) NOT NULL DEFAULT 1,
  PRIMARY KEY (`illrequest_id`, `backend`, `type`(191)),
  CONSTRAINT `illrequestattributes_ifk` FOREIGN KEY (`illrequest_id`) REFERENCES `illrequests` (`illrequest_id`) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `illrequests` (
  `illrequest_id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  `borrowernumber` int(11) NULL DEFAULT NULL,
  `biblio_id` int(11) NULL DEFAULT NULL,
  `deleted_biblio_id` int(11) NULL DEFAULT NULL,
  `due_date` datetime NULL DEFAULT NULL,
  `branchcode` varchar(50) NOT NULL,
  `status` varchar(50) NULL DEFAULT NULL,
  `status_alias` varchar(80) NULL DEFAULT NULL,
  `placed` date NULL DEFAULT NULL,
  `replied` date NULL DEFAULT NULL,
  `updated` timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
  `completed` date NULL DEFAULT NULL,
  `medium` varchar(30) NULL DEFAULT NULL,
  `accessurl` varchar(500) NULL DEFAULT NULL,
  `cost` varchar(20) NULL DEFAULT NULL,
  `price_paid` varchar(20) NULL DEFAULT NULL,
  `notesopac` mediumtext NULL DEFAULT NULL,
  `notesstaff` mediumtext NULL DEFAULT NULL,
  `orderid` varchar(50) NULL DEFAULT NULL,
  `backend` varchar(20) NULL DEFAULT NULL,
  `batch_id` int(11) NULL DEFAULT NULL,
  PRIMARY KEY (`illrequest_id`),
  KEY `illrequests_bnfk` (`borrowernumber`),
  KEY `illrequests_bcfk_2` (`branchcode`),
  KEY `illrequests_safk` (`status_alias`),
  KEY `illrequests_bibfk` (`biblio_id`),
  KEY `illrequests_ibfk` (`batch_id`),
  CONSTRAINT `illrequests_bcfk_2` FOREIGN KEY (`branchcode`) REFERENCES `branches` (`branchcode`) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT `illrequests_bibfk` FOREIGN KEY (`biblio_id`) REFERENCES `biblio` (`biblionumber`) ON DELETE SET NULL ON UPDATE CASCADE,
  CONSTRAINT `illrequests_ibfk` FOREIGN KEY (`batch_id`) REFERENCES `illbatches` (`ill_batch_id`) ON DELETE SET NULL ON UPDATE CASCADE,
  CONSTRAINT `illrequests_safk` FOREIGN KEY (`status_alias`) REFERENCES `authorised_values` (`authorised_value`) ON DELETE SET NULL ON UPDATE CASCADE,
  CONSTRAINT `illrequests_bnfk` FOREIGN KEY (`borrowernumber`) REFERENCES `borrowers` (`borrowernumber`) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `issues` (
  `issue_id` int(11) NOT NULL AUTO_INCREMENT,
  `borrowernumber` int(11) NOT NULL,
  `issuer_id` int(11) NULL DEFAULT NULL,
  `itemnumber` int(11) NOT NULL,
  `date_due` datetime NULL DEFAULT NULL,
  `branchcode` varchar(10) NULL DEFAULT NULL,
  `returndate` datetime NULL DEFAULT NULL,
  `lastreneweddate` datetime NULL DEFAULT NULL,
  `renewals_count` tinyint(4) NOT NULL DEFAULT 0,
  `unseen_renewals` tinyint(4) NOT NULL DEFAULT 0,
  `auto_renew` tinyint(1) NULL DEFAULT 0,
  `auto_renew_error` varchar(32) NULL DEFAULT NULL,
  `timestamp` timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
  `issuedate` datetime NULL DEFAULT NULL,
  `onsite_checkout` int(1) NOT NULL DEFAULT 0,
  `note` longtext NULL DEFAULT NULL,
  `notedate` datetime NULL DEFAULT NULL,
  `noteseen` int(1) NULL DEFAULT NULL,
  PRIMARY KEY (`issue_id`),
  UNIQUE KEY `itemnumber` (`itemnumber`),
  KEY `issuesborridx` (`borrowernumber`),
  KEY `itemnumber_idx` (`itemnumber`),
  KEY `branchcode_idx` (`branchcode`),
  KEY `bordate` (`borrowernumber`, `timestamp`),
  KEY `issues_ibfk_borrowers_borrowernumber` (`issuer_id`),
  CONSTRAINT `issues_ibfk_1` FOREIGN KEY (`borrowernumber`) REFERENCES `borrowers` (`borrowernumber`) ON UPDATE CASCADE,
  CONSTRAINT `issues_ibfk_2` FOREIGN KEY (`itemnumber`) REFERENCES `items` (`itemnumber`) ON UPDATE CASCADE,
  CONSTRAINT `issues_ibfk_borrowers_borrowernumber` FOREIGN KEY (`issuer_id`) REFERENCES `borrowers` (`borrowernumber`) ON DELETE SET NULL ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `item_groups` (
  `item_group_id` int(11) NOT NULL AUTO_INCREMENT,
  `biblio_id` int(11) NOT NULL,
  `display_order` int(4) NOT NULL DEFAULT 0,
  `description` mediumtext NULL DEFAULT NULL,
  `created_on` timestamp NULL DEFAULT NULL,
  `updated_on` timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
  PRIMARY KEY (`item_group_id`),
  KEY `item_groups_ibfk_1` (`biblio_id`),
  CONSTRAINT `item_groups_ibfk_1` FOREIGN KEY (`biblio_id`) REFERENCES `biblio` (`biblionumber`) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `items` (
  `itemnumber` int(11) NOT NULL AUTO_INCREMENT,
  `biblionumber` int(11) NOT NULL DEFAULT 0,
  `biblioitemnumber` int(11) NOT NULL DEFAULT 0,
  `barcode` varchar(20) NULL DEFAULT NULL,
  `bookable` tinyint(1) NOT NULL DEFAULT 0,
  `dateaccessioned` date NULL DEFAULT NULL,
  `booksellerid` longtext NULL DEFAULT NULL,
  `homebranch` varchar(10) NULL DEFAULT NULL,
  `price` decimal(8,2) NULL DEFAULT NULL,
  `replacementprice` decimal(8,2) NULL DEFAULT NULL,
  `replacementpricedate` date NULL DEFAULT NULL,
  `datelastborrowed` date NULL DEFAULT NULL,
  `datelastseen` datetime NULL DEFAULT NULL,
  `stack` tinyint(1) NULL DEFAULT NULL,
  `notforloan` tinyint(1) NOT NULL DEFAULT 0,
  `damaged` tinyint(1) NOT NULL DEFAULT 0,
  `damaged_on` datetime NULL DEFAULT NULL,
  `itemlost` tinyint(1) NOT NULL DEFAULT 0,
  `itemlost_on` datetime NULL DEFAULT NULL,
  `withdrawn` tinyint(1) NOT NULL DEFAULT 0,
  `withdrawn_on` datetime NULL DEFAULT NULL,
  `itemcallnumber` varchar(255) NULL DEFAULT NULL,
  `coded_location_qualifier` varchar(10) NULL DEFAULT NULL,
  `issues` smallint(6) NULL DEFAULT 0,
  `renewals` smallint(6) NULL DEFAULT NULL,
  `localuse` smallint(6) NULL DEFAULT NULL,
  `reserves` smallint(6) NULL DEFAULT NULL,
  `restricted` tinyint(1) NULL DEFAULT NULL,
  `itemnotes` longtext NULL DEFAULT NULL,
  `itemnotes_nonpublic` longtext NULL DEFAULT NULL,
  `holdingbranch` varchar(10) NULL DEFAULT NULL,
  `timestamp` timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
  `deleted_on` datetime NULL DEFAULT NULL,
  `location` varchar(80) NULL DEFAULT NULL,
  `permanent_location` varchar(80) NULL DEFAULT NULL,
  `onloan` date NULL DEFAULT NULL,
  `cn_source` varchar(10) NULL DEFAULT NULL,
  `cn_sort` varchar(255) NULL DEFAULT NULL,
  `ccode` varchar(80) NULL DEFAULT NULL,
  `materials` mediumtext NULL DEFAULT NULL,
  `uri` mediumtext NULL DEFAULT NULL,
  `itype` varchar(10) NULL DEFAULT NULL,
  `more_subfields_xml` longtext NULL DEFAULT NULL,
  `enumchron` mediumtext NULL DEFAULT NULL,
  `copynumber` varchar(32) NULL DEFAULT NULL,
  `stocknumber` varchar(32) NULL DEFAULT NULL,
  `new_status` varchar(32) NULL DEFAULT NULL,
  `exclude_from_local_holds_priority` tinyint(1) NULL DEFAULT NULL,
  PRIMARY KEY (`itemnumber`),
  UNIQUE KEY `itembarcodeidx` (`barcode`),
  KEY `itemstocknumberidx` (`stocknumber`),
  KEY `itembinoidx` (`biblioitemnumber`),
  KEY `itembibnoidx` (`biblionumber`),
  KEY `homebranch` (`homebranch`),
  KEY `holdingbranch` (`holdingbranch`),
  KEY `itemcallnumber` (`itemcallnumber`(191)),
  KEY `items_location` (`location`),
  KEY `items_ccode` (`ccode`),
  KEY `itype_idx` (`itype`),
  KEY `timestamp` (`timestamp`),
  CONSTRAINT `items_ibfk_1` FOREIGN KEY (`biblioitemnumber`) REFERENCES `biblioitems` (`biblioitemnumber`) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT `items_ibfk_2` FOREIGN KEY (`homebranch`) REFERENCES `branches` (`branchcode`) ON UPDATE CASCADE,
  CONSTRAINT `items_ibfk_3` FOREIGN KEY (`holdingbranch`) REFERENCES `branches` (`branchcode`) ON UPDATE CASCADE,
  CONSTRAINT `items_ibfk_4` FOREIGN KEY (`biblionumber`) REFERENCES `biblio` (`biblionumber`) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `items_last_borrower` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `itemnumber` int(11) NOT NULL,
  `borrowernumber` int(11) NOT NULL,
  `created_on` timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
  PRIMARY KEY (`id`),
  UNIQUE KEY `itemnumber` (`itemnumber`),
  KEY `borrowernumber` (`borrowernumber`),
  CONSTRAINT `items_last_borrower_ibfk_1` FOREIGN KEY (`itemnumber`) REFERENCES `items` (`itemnumber`) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT `items_last_borrower_ibfk_2` FOREIGN KEY (`borrowernumber`) REFERENCES `borrowers` (`borrowernumber`) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `itemtypes` (
  `itemtype` varchar(10) NOT NULL DEFAULT '',
  `parent_type` varchar(10) NULL DEFAULT NULL,
  `description` longtext NULL DEFAULT NULL,
  `rentalcharge` decimal(28,6) NULL DEFAULT NULL,
  `rentalcharge_daily` decimal(28,6) NULL DEFAULT NULL,
  `rentalcharge_daily_calendar` tinyint(1) NOT NULL DEFAULT 1,
  `rentalcharge_hourly` decimal(28,6) NULL DEFAULT NULL,
  `rentalcharge_hourly_calendar` tinyint(1) NOT NULL DEFAULT 1,
  `defaultreplacecost` decimal(28,6) NULL DEFAULT NULL,
  `processfee` decimal(28,6) NULL DEFAULT NULL,
  `notforloan` tinyint(1) NOT NULL DEFAULT 0,
  `imageurl` varchar(200) NULL DEFAULT NULL,
  `summary` mediumtext NULL DEFAULT NULL,
  `checkinmsg` varchar(255) NULL DEFAULT NULL,
  `checkinmsgtype` char(16) NOT NULL DEFAULT 'message',
  `sip_media_type` varchar(3) NULL DEFAULT NULL,
  `hideinopac` tinyint(1) NOT NULL DEFAULT 0,
  `searchcategory` varchar(80) NULL DEFAULT NULL,
  `automatic_checkin` tinyint(1) NOT NULL DEFAULT 0,
  PRIMARY KEY (`itemtype`),
  UNIQUE KEY `itemtype` (`itemtype`),
  KEY `itemtypes_ibfk_1` (`parent_type`),
  CONSTRAINT `itemtypes_ibfk_1` FOREIGN KEY (`parent_type`) REFERENCES `itemtypes` (`itemtype`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `letter` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `module` varchar(20) NOT NULL DEFAULT '',
  `code` varchar(20) NOT NULL DEFAULT '',
  `branchcode` varchar(10) NOT NULL DEFAULT '',
  `name` varchar(100) NOT NULL DEFAULT '',
  `is_html` tinyint(1) NULL DEFAULT 0,
  `title` varchar(200) NOT NULL DEFAULT '',
  `content` mediumtext NULL DEFAULT NULL,
  `message_transport_type` varchar(20) NOT NULL DEFAULT 'email',
  `lang` varchar(25) NOT NULL DEFAULT 'default',
  `updated_on` timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
  `style` mediumtext NULL DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `letter_uniq_1` (`module`, `code`, `branchcode`, `message_transport_type`, `lang`),
  KEY `message_transport_type_fk` (`message_transport_type`),
  CONSTRAINT `message_transport_type_fk` FOREIGN KEY (`message_transport_type`) REFERENCES `message_transport_types` (`message_transport_type`) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `library_smtp_servers` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `library_id` varchar(10) NOT NULL,
  `smtp_server_id` int(11) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `library_id_idx` (`library_id`),
  KEY `smtp_server_id_idx` (`smtp_server_id`),
  CONSTRAINT `library_smtp_servers_library_fk` FOREIGN KEY (`library_id`) REFERENCES `branches` (`branchcode`) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT `library_smtp_servers_smtp_servers_fk` FOREIGN KEY (`smtp_server_id`) REFERENCES `smtp_servers` (`id`) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `marc_subfield_structure` (
  `tagfield` varchar(3) NOT NULL DEFAULT '',
  `tagsubfield` varchar(1) NOT NULL DEFAULT '',
  `liblibrarian` varchar(255) NOT NULL DEFAULT '',
  `libopac` varchar(255) NOT NULL DEFAULT '',
  `repeatable` tinyint(4) NOT NULL DEFAULT 0,
  `mandatory` tinyint(4) NOT NULL DEFAULT 0,
  `kohafield` varchar(40) NULL DEFAULT NULL,
  `tab` tinyint(1) NULL DEFAULT NULL,
  `authorised_value` varchar(32) NULL DEFAULT NULL,
  `authtypecode` varchar(20) NULL DEFAULT NULL,
  `value_builder` varchar(80) NULL DEFAULT NULL,
  `isurl` tinyint(1) NULL DEFAULT NULL,
  `hidden` tinyint(1) NULL DEFAULT NULL,
  `frameworkcode` varchar(4) NOT NULL DEFAULT '',
  `seealso` varchar(1100) NULL DEFAULT NULL,
  `link` varchar(80) NULL DEFAULT NULL,
  `defaultvalue` mediumtext NULL DEFAULT NULL,
  `maxlength` int(4) NOT NULL DEFAULT 9999,
  PRIMARY KEY (`frameworkcode`, `tagfield`, `tagsubfield`),
  KEY `kohafield` (`frameworkcode`, `kohafield`),
  KEY `kohafield_2` (`kohafield`),
  KEY `marc_subfield_structure_ibfk_1` (`authorised_value`),
  KEY `tab` (`frameworkcode`, `tab`),
  CONSTRAINT `marc_subfield_structure_ibfk_1` FOREIGN KEY (`authorised_value`) REFERENCES `authorised_value_categories` (`category_name`) ON DELETE SET NULL ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `marc_tag_structure` (
  `tagfield` varchar(3) NOT NULL DEFAULT '',
  `liblibrarian` varchar(255) NOT NULL DEFAULT '',
  `libopac` varchar(255) NOT NULL DEFAULT '',
  `repeatable` tinyint(4) NOT NULL DEFAULT 0,
  `mandatory` tinyint(4) NOT NULL DEFAULT 0,
  `authorised_value` varchar(10) NULL DEFAULT NULL,
  `ind1_defaultvalue` varchar(1) NOT NULL DEFAULT '',
  `ind2_defaultvalue` varchar(1) NOT NULL DEFAULT '',
  `frameworkcode` varchar(4) NOT NULL DEFAULT '',
  PRIMARY KEY (`frameworkcode`, `tagfield`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `message_attributes` (
  `message_attribute_id` int(11) NOT NULL AUTO_INCREMENT,
  `message_name` varchar(40) NOT NULL DEFAULT '',
  `takes_days` tinyint(1) NOT NULL DEFAULT 0,
  PRIMARY KEY (`message_attribute_id`),
  UNIQUE KEY `message_name` (`message_name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `message_queue` (
  `message_id` int(11) NOT NULL AUTO_INCREMENT,
  `letter_id` int(11) NULL DEFAULT NULL,
  `borrowernumber` int(11) NULL DEFAULT NULL,
  `subject` mediumtext NULL DEFAULT NULL,
  `content` mediumtext NULL DEFAULT NULL,
  `metadata` mediumtext NULL DEFAULT NULL,
  `letter_code` varchar(64) NULL DEFAULT NULL,
  `message_transport_type` varchar(20) NOT NULL,
  `status` enum('sent','pending','failed','deleted') NOT NULL DEFAULT 'pending',
  `time_queued` timestamp NULL DEFAULT NULL,
  `updated_on` timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
  `to_address` longtext NULL DEFAULT NULL,
  `cc_address` longtext NULL DEFAULT NULL,
  `from_address` longtext NULL DEFAULT NULL,
  `reply_address` longtext NULL DEFAULT NULL,
  `content_type` mediumtext NULL DEFAULT NULL,
  `failure_code` mediumtext NULL DEFAULT NULL,
  PRIMARY KEY (`message_id`),
  KEY `borrowernumber` (`borrowernumber`),
  KEY `message_transport_type` (`message_transport_type`),
  KEY `letter_fk` (`letter_id`),
  CONSTRAINT `letter_fk` FOREIGN KEY (`letter_id`) REFERENCES `letter` (`id`) ON DELETE SET NULL ON UPDATE CASCADE,
  CONSTRAINT `messageq_ibfk_1` FOREIGN KEY (`borrowernumber`) REFERENCES `borrowers` (`borrowernumber`) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT `messageq_ibfk_2` FOREIGN KEY (`message_transport_type`) REFERENCES `message_transport_types` (`message_transport_type`) ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `message_transport_types` (
  `message_transport_type` varchar(20) NOT NULL,
  PRIMARY KEY (`message_transport_type`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `message_transports` (
  `message_attribute_id` int(11) NOT NULL,
  `message_transport_type` varchar(20) NOT NULL,
  `is_digest` tinyint(1) NOT NULL DEFAULT 0,
  `letter_module` varchar(20) NOT NULL DEFAULT '',
  `letter_code` varchar(20) NOT NULL DEFAULT '',
  `branchcode` varchar(10) NOT NULL DEFAULT '',
  PRIMARY KEY (`message_attribute_id`, `message_transport_type`, `is_digest`),
  KEY `message_transport_type` (`message_transport_type`),
  KEY `letter_module` (`letter_module`, `letter_code`),
  CONSTRAINT `message_transports_ibfk_1` FOREIGN KEY (`message_attribute_id`) REFERENCES `message_attributes` (`message_attribute_id`) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT `message_transports_ibfk_2` FOREIGN KEY (`message_transport_type`) REFERENCES `message_transport_types` (`message_transport_type`) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `oauth_access_tokens` (
  `access_token` varchar(191) NOT NULL,
  `client_id` varchar(191) NOT NULL,
  `expires` int(11) NOT NULL,
  PRIMARY KEY (`access_token`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `old_issues` (
  `issue_id` int(11) NOT NULL,
  `borrowernumber` int(11) NULL DEFAULT NULL,
  `issuer_id` int(11) NULL DEFAULT NULL,
  `itemnumber` int(11) NULL DEFAULT NULL,
  `date_due` datetime NULL DEFAULT NULL,
  `branchcode` varchar(10) NULL DEFAULT NULL,
  `returndate` datetime NULL DEFAULT NULL,
  `lastreneweddate` datetime NULL DEFAULT NULL,
  `renewals_count` tinyint(4) NOT NULL DEFAULT 0,
  `unseen_renewals` tinyint(4) NOT NULL DEFAULT 0,
  `auto_renew` tinyint(1) NULL DEFAULT 0,
  `auto_renew_error` varchar(32) NULL DEFAULT NULL,
  `timestamp` timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
  `issuedate` datetime NULL DEFAULT NULL,
  `onsite_checkout` int(1) NOT NULL DEFAULT 0,
  `note` longtext NULL DEFAULT NULL,
  `notedate` datetime NULL DEFAULT NULL,
  `noteseen` int(1) NULL DEFAULT NULL,
  PRIMARY KEY (`issue_id`),
  KEY `old_issuesborridx` (`borrowernumber`),
  KEY `old_issuesitemidx` (`itemnumber`),
  KEY `branchcode_idx` (`branchcode`),
  KEY `old_bordate` (`borrowernumber`, `timestamp`),
  KEY `old_issues_ibfk_borrowers_borrowernumber` (`issuer_id`),
  CONSTRAINT `old_issues_ibfk_1` FOREIGN KEY (`borrowernumber`) REFERENCES `borrowers` (`borrowernumber`) ON DELETE SET NULL ON UPDATE SET NULL,
  CONSTRAINT `old_issues_ibfk_2` FOREIGN KEY (`itemnumber`) REFERENCES `items` (`itemnumber`) ON DELETE SET NULL ON UPDATE SET NULL,
  CONSTRAINT `old_issues_ibfk_borrowers_borrowernumber` FOREIGN KEY (`issuer_id`) REFERENCES `borrowers` (`borrowernumber`) ON DELETE SET NULL ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `old_reserves` (
  `reserve_id` int(11) NOT NULL,
  `borrowernumber` int(11) NULL DEFAULT NULL,
  `reservedate` date NULL DEFAULT NULL,
  `biblionumber` int(11) NULL DEFAULT NULL,
  `branchcode` varchar(10) NULL DEFAULT NULL,
  `notificationdate` date NULL DEFAULT NULL,
  `reminderdate` date NULL DEFAULT NULL,
  `cancellationdate` date NULL DEFAULT NULL,
  `reservenotes` longtext NULL DEFAULT NULL,
  `priority` smallint(6) NULL DEFAULT NULL,
  `found` varchar(1) NULL DEFAULT NULL,
  `timestamp` timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
  `itemnumber` int(11) NULL DEFAULT NULL,
  `waitingdate` date NULL DEFAULT NULL,
  `expirationdate` date NULL DEFAULT NULL,
  `lowestPriority` tinyint(1) NOT NULL DEFAULT 0,
  `suspend` tinyint(1) NOT NULL DEFAULT 0,
  `suspend_until` datetime NULL DEFAULT NULL,
  `itemtype` varchar(10) NULL DEFAULT NULL,
  `item_level_hold` tinyint(1) NOT NULL DEFAULT 0,
  PRIMARY KEY (`reserve_id`),
  KEY `old_reserves_biblionumber` (`biblionumber`),
  KEY `old_reserves_borrowernumber` (`borrowernumber`),
  KEY `old_reserves_branchcode` (`branchcode`),
  KEY `old_reserves_itemnumber` (`itemnumber`),
  KEY `old_reserves_itemtype` (`itemtype`),
  CONSTRAINT `old_reserves_ibfk_1` FOREIGN KEY (`borrowernumber`) REFERENCES `borrowers` (`borrowernumber`) ON DELETE SET NULL ON UPDATE SET NULL,
  CONSTRAINT `old_reserves_ibfk_2` FOREIGN KEY (`biblionumber`) REFERENCES `biblio` (`biblionumber`) ON DELETE SET NULL ON UPDATE SET NULL,
  CONSTRAINT `old_reserves_ibfk_3` FOREIGN KEY (`itemnumber`) REFERENCES `items` (`itemnumber`) ON DELETE SET NULL ON UPDATE SET NULL,
  CONSTRAINT `old_reserves_ibfk_4` FOREIGN KEY (`itemtype`) REFERENCES `itemtypes` (`itemtype`) ON DELETE SET NULL ON UPDATE SET NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `patron_consent` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `borrowernumber` int(11) NOT NULL,
  `type` enum('GDPR_PROCESSING') NULL DEFAULT NULL,
  `given_on` datetime NULL DEFAULT NULL,
  `refused_on` datetime NULL DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `borrowernumber` (`borrowernumber`),
  CONSTRAINT `patron_consent_ibfk_1` FOREIGN KEY (`borrowernumber`) REFERENCES `borrowers` (`borrowernumber`) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `permissions` (
  `module_bit` int(11) NOT NULL DEFAULT 0,
  `code` varchar(64) NOT NULL DEFAULT '',
  `description` varchar(255) NULL DEFAULT NULL,
  PRIMARY KEY (`module_bit`, `code`),
  CONSTRAINT `permissions_ibfk_1` FOREIGN KEY (`module_bit`) REFERENCES `userflags` (`bit`) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `plugin_data` (
  `plugin_class` varchar(255) NOT NULL,
  `plugin_key` varchar(255) NOT NULL,
  `plugin_value` mediumtext NULL DEFAULT NULL,
  PRIMARY KEY (`plugin_class`(191), `plugin_key`(191))
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `plugin_methods` (
  `plugin_class` varchar(255) NOT NULL,
  `plugin_method` varchar(255) NOT NULL,
  PRIMARY KEY (`plugin_class`(191), `plugin_method`(191))
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `record_sources` (
  `record_source_id` int(11) NOT NULL AUTO_INCREMENT,
  `name` text NOT NULL,
  `can_be_edited` tinyint(1) NOT NULL DEFAULT 0,
  PRIMARY KEY (`record_source_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `repeatable_holidays` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `branchcode` varchar(10) NOT NULL,
  `weekday` smallint(6) NULL DEFAULT NULL,
  `day` smallint(6) NULL DEFAULT NULL,
  `month` smallint(6) NULL DEFAULT NULL,
  `title` varchar(50) NOT NULL DEFAULT '',
  `description` mediumtext NOT NULL,
  PRIMARY KEY (`id`),
  KEY `repeatable_holidays_ibfk_1` (`branchcode`),
  CONSTRAINT `repeatable_holidays_ibfk_1` FOREIGN KEY (`branchcode`) REFERENCES `branches` (`branchcode`) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `reserves` (
  `reserve_id` int(11) NOT NULL AUTO_INCREMENT,
  `borrowernumber` int(11) NOT NULL DEFAULT 0,
  `reservedate` date NULL DEFAULT NULL,
  `biblionumber` int(11) NOT NULL DEFAULT 0,
  `deleted_biblionumber` int(11) NULL DEFAULT NULL,
  `item_group_id` int(11) NULL DEFAULT NULL,
  `branchcode` varchar(10) NOT NULL,
  `desk_id` int(11) NULL DEFAULT NULL,
  `notificationdate` date NULL DEFAULT NULL,
  `reminderdate` date NULL DEFAULT NULL,
  `cancellationdate` date NULL DEFAULT NULL,
  `cancellation_reason` varchar(80) NULL DEFAULT NULL,
  `reservenotes` longtext NULL DEFAULT NULL,
  `priority` smallint(6) NOT NULL DEFAULT 1,
  `found` varchar(1) NULL DEFAULT NULL,
  `timestamp` timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
  `itemnumber` int(11) NULL DEFAULT NULL,
  `waitingdate` date NULL DEFAULT NULL,
  `expirationdate` date NULL DEFAULT NULL,
  `patron_expiration_date` date NULL DEFAULT NULL,
  `lowestPriority` tinyint(1) NOT NULL DEFAULT 0,
  `suspend` tinyint(1) NOT NULL DEFAULT 0,
  `suspend_until` datetime NULL DEFAULT NULL,
  `itemtype` varchar(10) NULL DEFAULT NULL,
  `item_level_hold` tinyint(1) NOT NULL DEFAULT 0,
  `non_priority` tinyint(1) NOT NULL DEFAULT 0,
  PRIMARY KEY (`reserve_id`),
  KEY `priorityfoundidx` (`priority`, `found`),
  KEY `borrowernumber` (`borrowernumber`),
  KEY `biblionumber` (`biblionumber`),
  KEY `itemnumber` (`itemnumber`),
  KEY `branchcode` (`branchcode`),
  KEY `desk_id` (`desk_id`),
  KEY `itemtype` (`itemtype`),
  KEY `reserves_ibfk_ig` (`item_group_id`),
  CONSTRAINT `reserves_ibfk_1` FOREIGN KEY (`borrowernumber`) REFERENCES `borrowers` (`borrowernumber`) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT `reserves_ibfk_2` FOREIGN KEY (`biblionumber`) REFERENCES `biblio` (`biblionumber`) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT `reserves_ibfk_3` FOREIGN KEY (`itemnumber`) REFERENCES `items` (`itemnumber`) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT `reserves_ibfk_4` FOREIGN KEY (`branchcode`) REFERENCES `branches` (`branchcode`) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT `reserves_ibfk_5` FOREIGN KEY (`itemtype`) REFERENCES `itemtypes` (`itemtype`) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT `reserves_ibfk_6` FOREIGN KEY (`desk_id`) REFERENCES `desks` (`desk_id`) ON DELETE SET NULL ON UPDATE CASCADE,
  CONSTRAINT `reserves_ibfk_ig` FOREIGN KEY (`item_group_id`) REFERENCES `item_groups` (`item_group_id`) ON DELETE SET NULL ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `sessions` (
  `id` varchar(32) NOT NULL,
  `a_session` longtext NOT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `sms_providers` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `name` varchar(255) NOT NULL,
  `domain` varchar(255) NOT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `name` (`name`(191))
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `smtp_servers` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `name` varchar(80) NOT NULL,
  `host` varchar(80) NOT NULL DEFAULT 'localhost',
  `port` int(11) NOT NULL DEFAULT 25,
  `timeout` int(11) NOT NULL DEFAULT 120,
  `ssl_mode` enum('disabled','ssl','starttls') NOT NULL,
  `user_name` varchar(80) NULL DEFAULT NULL,
  `password` varchar(80) NULL DEFAULT NULL,
  `debug` tinyint(1) NOT NULL DEFAULT 0,
  `is_default` tinyint(1) NOT NULL DEFAULT 0,
  PRIMARY KEY (`id`),
  KEY `host_idx` (`host`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `special_holidays` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `branchcode` varchar(10) NOT NULL,
  `day` smallint(6) NOT NULL DEFAULT 0,
  `month` smallint(6) NOT NULL DEFAULT 0,
  `year` smallint(6) NOT NULL DEFAULT 0,
  `isexception` smallint(1) NOT NULL DEFAULT 1,
  `title` varchar(50) NOT NULL DEFAULT '',
  `description` mediumtext NOT NULL,
  PRIMARY KEY (`id`),
  KEY `special_holidays_ibfk_1` (`branchcode`),
  CONSTRAINT `special_holidays_ibfk_1` FOREIGN KEY (`branchcode`) REFERENCES `branches` (`branchcode`) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `statistics` (
  `datetime` datetime NULL DEFAULT NULL,
  `branch` varchar(10) NULL DEFAULT NULL,
  `value` double(16,4) NULL DEFAULT NULL,
  `type` varchar(16) NULL DEFAULT NULL,
  `other` longtext NULL DEFAULT NULL,
  `itemnumber` int(11) NULL DEFAULT NULL,
  `itemtype` varchar(10) NULL DEFAULT NULL,
  `location` varchar(80) NULL DEFAULT NULL,
  `borrowernumber` int(11) NULL DEFAULT NULL,
  `ccode` varchar(80) NULL DEFAULT NULL,
  `categorycode` varchar(10) NULL DEFAULT NULL,
  `interface` varchar(30) NULL DEFAULT NULL,
  KEY `timeidx` (`datetime`),
  KEY `branch_idx` (`branch`),
  KEY `type_idx` (`type`),
  KEY `itemnumber_idx` (`itemnumber`),
  KEY `itemtype_idx` (`itemtype`),
  KEY `borrowernumber_idx` (`borrowernumber`),
  KEY `ccode_idx` (`ccode`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `systempreferences` (
  `variable` varchar(50) NOT NULL DEFAULT '',
  `value` mediumtext NULL DEFAULT NULL,
  `options` longtext NULL DEFAULT NULL,
  `explanation` mediumtext NULL DEFAULT NULL,
  `type` varchar(20) NULL DEFAULT NULL,
  PRIMARY KEY (`variable`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `tmp_holdsqueue` (
  `biblionumber` int(11) NULL DEFAULT NULL,
  `itemnumber` int(11) NULL DEFAULT NULL,
  `barcode` varchar(20) NULL DEFAULT NULL,
  `surname` longtext NOT NULL,
  `firstname` mediumtext NULL DEFAULT NULL,
  `phone` mediumtext NULL DEFAULT NULL,
  `borrowernumber` int(11) NOT NULL,
  `cardnumber` varchar(32) NULL DEFAULT NULL,
  `reservedate` date NULL DEFAULT NULL,
  `title` longtext NULL DEFAULT NULL,
  `itemcallnumber` varchar(255) NULL DEFAULT NULL,
  `holdingbranch` varchar(10) NULL DEFAULT NULL,
  `pickbranch` varchar(10) NULL DEFAULT NULL,
  `notes` mediumtext NULL DEFAULT NULL,
  `item_level_request` tinyint(4) NOT NULL DEFAULT 0,
  KEY `tmp_holdsqueue_ibfk_1` (`itemnumber`),
  CONSTRAINT `tmp_holdsqueue_ibfk_1` FOREIGN KEY (`itemnumber`) REFERENCES `items` (`itemnumber`) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `user_permissions` (
  `borrowernumber` int(11) NOT NULL DEFAULT 0,
  `module_bit` int(11) NOT NULL DEFAULT 0,
  `code` varchar(64) NOT NULL,
  PRIMARY KEY (`borrowernumber`, `module_bit`, `code`),
  KEY `user_permissions_ibfk_1` (`borrowernumber`),
  KEY `user_permissions_ibfk_2` (`module_bit`, `code`),
  CONSTRAINT `user_permissions_ibfk_1` FOREIGN KEY (`borrowernumber`) REFERENCES `borrowers` (`borrowernumber`) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT `user_permissions_ibfk_2` FOREIGN KEY (`module_bit`, `code`) REFERENCES `permissions` (`module_bit`, `code`) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `userflags` (
  `bit` int(11) NOT NULL DEFAULT 0,
  `flag` varchar(30) NULL DEFAULT NULL,
  `flagdesc` varchar(255) NULL DEFAULT NULL,
  `defaulton` int(11) NULL DEFAULT NULL,
  PRIMARY KEY (`bit`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `z3950servers` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `host` varchar(255) NOT NULL,
  `port` int(11) NULL DEFAULT NULL,
  `db` varchar(255) NULL DEFAULT NULL,
  `userid` varchar(255) NULL DEFAULT NULL,
  `password` varchar(255) NULL DEFAULT NULL,
  `servername` longtext NOT NULL,
  `checked` smallint(6) NULL DEFAULT NULL,
  `rank` int(11) NULL DEFAULT NULL,
  `syntax` varchar(80) NOT NULL,
  `timeout` int(11) NOT NULL DEFAULT 0,
  `servertype` enum('zed','sru') NOT NULL DEFAULT 'zed',
  `encoding` mediumtext NOT NULL,
  `recordtype` enum('authority','biblio') NOT NULL DEFAULT 'biblio',
  `sru_options` varchar(255) NULL DEFAULT NULL,
  `sru_fields` longtext NULL DEFAULT NULL,
  `add_xslt` longtext NULL DEFAULT NULL,
  `attributes` varchar(255) NULL DEFAULT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE `zebraqueue` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `biblio_auth_number` bigint(20) unsigned NOT NULL DEFAULT 0,
  `operation` char(20) NOT NULL DEFAULT '',
  `server` char(20) NOT NULL DEFAULT '',
  `done` int(11) NOT NULL DEFAULT 0,
  `time` timestamp NOT NULL DEFAULT current_timestamp(),
  PRIMARY KEY (`id`),
  KEY `zebraqueue_lookup` (`server`, `biblio_auth_number`, `operation`, `done`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

SET FOREIGN_KEY_CHECKS = 1;
