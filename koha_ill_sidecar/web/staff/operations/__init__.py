"""What is under way: messages, callbacks, jobs, notices, and whether all is well."""
