"""The console: what runs, who is there, and the story of every call, for whoever holds an account's credentials."""
