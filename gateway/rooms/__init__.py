"""Where several calls meet or wait: conferences and queues.

What decides is pure (conference_model.py, queue_model.py); what runs it on ports, documents and callbacks are the
shells (conference.py, queue.py); who finds them by name or sid are the services (conferences.py, queues.py).
"""
