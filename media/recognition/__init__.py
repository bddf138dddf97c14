"""Speech becomes text: one utterance of one party, by an engine behind an interface.

recognizer.py is the contract and what every engine shares; sphinx.py the embedded engine, in processes of its own.
"""
