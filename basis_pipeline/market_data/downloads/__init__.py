"""Clients that fetch market data from where it is published into the raw folder, one file per series and month.

Every file has a layout that ingestion reads, and a `.provenance.json` beside it: which URLs, their digests, up to when.
"""
