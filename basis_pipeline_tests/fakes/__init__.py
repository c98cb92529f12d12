"""Venues that run on loopback and speak the real ones' protocols, so that the real client libraries drive them."""
