"""The door for vendors: who may come in, what they say, and the answer."""
