"""Twimlets: small stateless applications, parameters in the URL, TwiML out.

documents.py decides what each answers (pure), routes.py serves them. Source: twimlets.md of the specification.
"""
