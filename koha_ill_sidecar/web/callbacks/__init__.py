"""The endpoint for suppliers' callbacks: authentication, reading, answer."""
