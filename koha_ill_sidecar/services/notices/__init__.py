"""
Notices to patrons, staff and partners.

``rendering`` fills in a letter and ``sending`` queues it; ``templates`` installs our letters and ``check`` finds the
mistakes in those that Koha has.

What a letter can name is written down once: the records and variables in ``kinds``, how every record and every set of
them behaves in ``records``, the plugins in ``plugins``. ``names`` derives from these what ``check`` knows.
"""
