"""Suppliers that are only configured. Today this reads their callbacks; requests are not sent to them."""
