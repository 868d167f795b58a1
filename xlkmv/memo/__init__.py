"""A deal and its analysis on two pages, for a credit committee: what they say, charts, HTML, DOCX."""
