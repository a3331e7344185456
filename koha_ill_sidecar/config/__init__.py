"""Settings: what they are, and how they are read from our own file and from Koha's."""
