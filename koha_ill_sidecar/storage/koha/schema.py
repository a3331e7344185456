"""
The tables and columns of Koha that the sidecar touches.

*Required* columns are in every Koha since 19.06. *Optional* ones came later or are missing in some versions; statements
leave them out where the installed database lacks them. Stable releases get changes backported and sites run forks, so
the installed columns decide, never the version number.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KohaTable:
    """Columns of one table; *optional_table*: some versions do not have it at all."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    optional_table: bool = False


def _table(required: str, optional: str = "", *, optional_table: bool = False) -> KohaTable:
    return KohaTable(tuple(required.split()), tuple(optional.split()), optional_table)


TABLES: dict[str, KohaTable] = {
    "action_logs": _table(
        "action_id timestamp user module action object info interface", "script trace diff"
    ),
    "authorised_values": _table("id category authorised_value lib lib_opac imageurl"),
    "authorised_values_branches": _table("av_id branchcode"),
    "background_jobs": _table(
        "id status progress size borrowernumber type queue data enqueued_on", "context", optional_table=True
    ),
    "biblio": _table(
        "biblionumber frameworkcode author title serial copyrightdate timestamp datecreated abstract",
        "subtitle medium part_number part_name unititle notes seriestitle opac_suppressed",
    ),
    "biblio_framework": _table("frameworkcode frameworktext"),
    "biblio_metadata": _table("id biblionumber format schema metadata timestamp", "record_source_id"),
    "biblioitems": _table(
        "biblioitemnumber biblionumber isbn issn itemtype publishercode publicationyear cn_sort timestamp"
    ),
    "borrower_attribute_types": _table("code description authorised_value_category"),
    "borrower_attributes": _table("borrowernumber code attribute"),
    "borrower_message_preferences": _table(
        "borrower_message_preference_id borrowernumber categorycode message_attribute_id days_in_advance"
        " wants_digest"
    ),
    "borrower_message_transport_preferences": _table("borrower_message_preference_id message_transport_type"),
    "borrower_relationships": _table("id guarantor_id guarantee_id", optional_table=True),
    "borrowers": _table(
        "borrowernumber cardnumber surname firstname title othernames initials email emailpro B_email phone"
        " mobile smsalertnumber sms_provider_id branchcode categorycode dateenrolled dateexpiry debarred lost"
        " gonenoaddress userid password flags lang login_attempts address address2 city state zipcode country"
        " dateofbirth",
        "preferred_name middle_name password_expiration_date auth_method",
    ),
    "branches": _table(
        "branchcode branchname branchaddress1 branchaddress2 branchaddress3 branchzip branchcity branchstate"
        " branchcountry branchphone branchfax branchemail branchreplyto branchreturnpath branchurl branchnotes"
        " pickup_location",
        "branchillemail",
    ),
    "categories": _table(
        "categorycode description category_type",
        "can_place_ill_in_opac BlockExpiredPatronOpacActions",
    ),
    "currency": _table("currency symbol active", "p_sep_by_space p_cs_precedes", optional_table=True),
    "illbatch_statuses": _table("id name code", optional_table=True),
    "illbatches": _table("ill_batch_id name backend patron_id library_id status_code", optional_table=True),
    "illcomments": _table("illcomment_id illrequest_id borrowernumber comment timestamp"),
    "illrequestattributes": _table("illrequest_id type value readonly", "backend"),
    "illrequests": _table(
        "illrequest_id borrowernumber biblio_id branchcode status status_alias placed replied updated completed"
        " medium accessurl cost price_paid notesopac notesstaff orderid backend",
        "managedby deleted_biblio_id due_date batch_id",
    ),
    "items": _table("itemnumber biblionumber biblioitemnumber barcode itype homebranch holdingbranch"),
    "itemtypes": _table("itemtype description", "parent_type", optional_table=True),
    "letter": _table(
        "module code branchcode name is_html title content message_transport_type lang", "id updated_on style"
    ),
    "library_smtp_servers": _table("library_id smtp_server_id", optional_table=True),
    "marc_subfield_structure": _table("tagfield tagsubfield kohafield frameworkcode defaultvalue"),
    "message_attributes": _table("message_attribute_id message_name"),
    "message_queue": _table(
        "message_id borrowernumber subject content metadata letter_code message_transport_type status time_queued"
        " to_address from_address content_type",
        "letter_id updated_on reply_address failure_code cc_address",
    ),
    "message_transports": _table(
        "message_attribute_id message_transport_type is_digest letter_module letter_code"
    ),
    "plugin_methods": _table("plugin_class plugin_method"),
    "reserves": _table("reserve_id borrowernumber biblionumber"),
    "sessions": _table("id a_session"),
    "smtp_servers": _table(
        "id name host port timeout ssl_mode user_name password", "is_default", optional_table=True
    ),
    "sms_providers": _table("id name domain"),
    "statistics": _table(
        "datetime branch value type other itemnumber itemtype location borrowernumber ccode",
        "categorycode interface illrequest_id",
    ),
    "systempreferences": _table("variable value"),
    "user_permissions": _table("borrowernumber module_bit code"),
    "userflags": _table("bit flag flagdesc defaulton"),
    "zebraqueue": _table("id biblio_auth_number operation server done time"),
}
