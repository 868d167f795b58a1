"""The Python library around the deal: files, frames, documents, summaries and charts.

All of it is reached through ``xlkmv.load``, ``xlkmv.to_frame`` and the methods of deals and results.
"""
