"""What a call does: TwiML, webhooks, REST, records, the daemon and its command line."""
