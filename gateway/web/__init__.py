"""The page at ``/``: a softphone for browsers, and the routes that serve it."""
