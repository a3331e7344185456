"""
Notices to patrons, staff and partners: sent, and their letters checked and installed.

``sending`` fills in and queues them; what a letter can name is told once, in ``objects`` (records and variables),
``records`` (what every record and every set answers) and ``plugins``, and ``names`` reads it from there for ``check``.
"""
