"""Text becomes sound: what is to be said, by which voice, on which engine, and what was said before.

utterance.py and voices.py are pure; engines run in processes of their own (worker.py); speech.py is the door.
"""
