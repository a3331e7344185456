"""The settings, and how they are read from our own configuration file and Koha's."""
