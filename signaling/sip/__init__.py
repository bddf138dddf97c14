"""SIP: a sans-IO core (message, transaction, dialog, auth) and the loop's shell around it (transport, agent)."""
